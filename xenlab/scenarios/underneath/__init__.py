"""What goes wrong underneath a run: each must have a bounded end, with the right words, and no guest lost."""
