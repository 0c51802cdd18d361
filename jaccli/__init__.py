"""Jacobians, Hessians and their products from a YAML spec, an expression or a Python function.

Importing the package is light: JAX is loaded when a derivative is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

_OPERATORS = ("jacobian", "hessian", "hvp")
__all__ = ["__version__", *_OPERATORS]


def __getattr__(name: str) -> object:
    """Load the operators, and JAX with them, when they are first used."""
    if name in _OPERATORS:
        from jaccli.derivative import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
