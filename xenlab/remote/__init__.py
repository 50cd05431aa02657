"""Hosts and guests over SSH: verified host keys, bounded commands, everything recorded."""
