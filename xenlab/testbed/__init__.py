"""The embedded lab: two real Xen Dom0s in QEMU, on a private network."""
