"""Tests of jaccli.sweep."""
