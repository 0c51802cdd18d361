"""Tests of the structured engine."""
