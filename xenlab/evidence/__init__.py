"""What a run is proven by: the journal of remote commands and the texts taken from them."""
