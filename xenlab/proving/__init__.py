"""The proof that every check can fail, and that no right lab makes one fail: scenarios planted, graded, and judged."""
