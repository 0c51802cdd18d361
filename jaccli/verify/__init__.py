"""Derivatives examined: where they are not what they seem."""
