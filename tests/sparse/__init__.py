"""Tests of sparse derivatives: patterns, colorings, what is remembered, the commands."""
