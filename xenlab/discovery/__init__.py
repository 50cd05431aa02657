"""Finding out what a lab is: looks at both hosts, what they mean for its lab file, and writing that file."""
