"""Tests of `cluster/`."""
