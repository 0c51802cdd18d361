"""Tests of the operators: closed forms, properties of random models, and the Python door."""
