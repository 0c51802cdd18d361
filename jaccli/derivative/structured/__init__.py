"""Structured Jacobians: identity, diagonal, Kronecker, banded and dense parts kept as they are.

The order of reading: `index_maps.py` and `linear_map.py` (the representation and its algebra),
`registry.py` and `rules/` (one rule per linear primitive), `interpret.py` with
`fallback.py` (running a jaxpr on them), `structured_jacobian.py` (what comes out), `engine.py`
(Jacobians and Hessians of functions).  docs/engine.md explains it all.
"""

from jaccli.derivative.structured.engine import (
    columns,
    densified,
    direction,
    forward,
    hessian,
    hessian_columns,
    jacobian,
    reverse,
    rows,
)
from jaccli.derivative.structured.linear_map import Window
from jaccli.derivative.structured.structured_jacobian import StructuredJacobian

__all__ = [
    "StructuredJacobian",
    "Window",
    "columns",
    "densified",
    "direction",
    "forward",
    "hessian",
    "hessian_columns",
    "jacobian",
    "reverse",
    "rows",
]
