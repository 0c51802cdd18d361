"""Tests of `jaccli.result`."""
