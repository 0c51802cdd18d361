"""Files, arrays in them, and caches."""
