"""How a run is shown: ping timeline, one-page report."""
