"""Tests of `jaccli check`."""
