"""xenlab: says whether a two-host Xen lab really works, grades it, and shows the proof."""

__version__ = "0.1.0"
