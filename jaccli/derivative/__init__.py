"""Derivative operators on functions: pure JAX, usable alone from Python.

`basis.py` pushes unit vectors through a function, `operators.py` builds Jacobians, Hessians and
products from that, `select_mode.py` picks the mode, `api.py` gives them JAX's signatures.
Boundary: imports JAX, `choices`, `memory` and `storage`, nothing else of the package.
"""
