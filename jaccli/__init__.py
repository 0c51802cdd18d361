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
    from jaccli.python_api import JaccliWarning, Model, load, model
    from jaccli.result.result import Result

__version__ = "0.1.0"
__all__ = [
    "JaccliWarning",
    "Model",
    "Result",
    "__version__",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "load",
    "model",
    "value_and_gradient",
    "vjp",
]
_HOMES = {
    **dict.fromkeys(("JaccliWarning", "Model", "load", "model"), "jaccli.python_api"),
    "Result": "jaccli.result.result",
}
"""The modules of names that are not operators."""


def __getattr__(name: str) -> object:
    """Load what is named when it is first used; the operators, and JAX with them, too."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(_HOMES.get(name, "jaccli.derivative.api")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
