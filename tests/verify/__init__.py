"""Derivatives examined."""
