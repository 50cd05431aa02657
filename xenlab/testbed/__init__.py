"""The embedded lab: two real Xen Dom0s in QEMU inside a private network namespace."""
