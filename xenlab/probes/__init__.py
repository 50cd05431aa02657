"""What watches a guest while it moves: pings from outside and inside, and the analysis of both."""
