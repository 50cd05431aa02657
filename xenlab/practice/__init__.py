"""Practice: the lab sheet from its beginning, on the embedded lab, task by task."""
