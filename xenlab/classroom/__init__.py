"""A whole class: its teams, every attempt of theirs, the gradebook, and the index page."""
