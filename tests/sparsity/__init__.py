"""Tests of sparse derivatives: patterns, colorings, what is remembered, the commands.

Not called `sparse`: SciPy would take the package for the library of that name.
"""
