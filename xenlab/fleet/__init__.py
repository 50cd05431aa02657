"""Many runs at once, each a process of its own: on this machine, or on the workers of a Dask scheduler."""
