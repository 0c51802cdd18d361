"""Tests of `jaccli.certify`."""
