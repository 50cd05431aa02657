"""What is to be said of a transcript's parts: each kind of finding a small function from the scene to notes. Pure."""
