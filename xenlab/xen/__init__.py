"""What xenlab knows of Xen, as pure functions: xl's command lines, its output, its files, its words."""
