"""Structured Jacobians: identity, diagonal, Kronecker, banded and dense parts kept as they are.

The order of reading: `links.py` and `terms.py` (the representation and its algebra),
`registry.py` and `rules/` (one rule per linear primitive), `interpret.py` with `known.py` and
`fallback.py` (running a jaxpr on them), `result.py` (what comes out), `engine.py` (Jacobians and
Hessians of functions).  docs/engine.md explains it all.
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
from jaccli.derivative.structured.result import StructuredJacobian
from jaccli.derivative.structured.terms import Window

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
