"""Tests of `spec/`."""
