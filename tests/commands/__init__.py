"""Tests of jaccli.commands."""
