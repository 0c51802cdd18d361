"""Jacobians, Hessians and their products from a YAML spec, an expression or a Python function.

Importing the package is light: JAX is loaded when a derivative is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaccli.derivative.api import (
        gradient,
        hessian,
        hvp,
        jacobian,
        jvp,
        value_and_gradient,
        vjp,
    )

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_gradient",
    "vjp",
]


def __getattr__(name: str) -> object:
    """Load the operators, and JAX with them, when they are first used."""
    if name in __all__:
        from jaccli.derivative import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
