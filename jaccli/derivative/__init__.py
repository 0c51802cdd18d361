"""Derivative operators on functions: pure JAX, usable alone from Python.

`basis.py` pushes unit vectors through a function, `operators.py` builds Jacobians, Hessians and
products from that, `select_mode.py` picks the mode, `api.py` gives them JAX's signatures, and
`repeated_calls.py` traces a repeated call once.
Boundary: imports JAX, `choices`, `memory`, `storage` and `tracer_errors`, nothing else of the
package.
"""
