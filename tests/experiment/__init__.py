"""Tests of jaccli.experiment."""
