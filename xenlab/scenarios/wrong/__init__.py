"""Wrong labs: each must turn one check red, with its cause."""
