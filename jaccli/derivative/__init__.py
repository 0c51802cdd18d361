"""Derivative operators on functions: pure JAX, usable alone from Python.

`basis.py` pushes unit vectors through a function, `operators.py` builds Jacobians, Hessians and
products from that, `choose.py` picks the mode, `public.py` gives them JAX's signatures.
Boundary: imports JAX and the vocabulary, nothing else of the package.
"""
