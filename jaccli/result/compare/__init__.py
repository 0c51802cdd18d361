"""Two results held against each other: which arrays belong together, and how far they are apart."""
