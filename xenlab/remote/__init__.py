"""Hosts and guests over SSH, or a console: verified host keys, bounded commands, everything recorded."""
