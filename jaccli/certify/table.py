"""The functions of the expression language over balls, and those that have no certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaccli.certify.arrays import ARRAYS
from jaccli.certify.elementwise import ELEMENTWISE
from jaccli.certify.matrices import MATRICES

ALIASES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh", "absolute": "abs", "remainder": "mod",
    "swish": "silu", "expit": "sigmoid",
}  # fmt: skip
UNCERTIFIED = {
    "eigh": "the signs of its vectors are LAPACK's",
    "svd": "the signs of its vectors are LAPACK's",
    "lstsq": "the rank is found by a threshold of rounding",
    "eigvals": "they may be complex, and their order is LAPACK's",
}
"""The functions without a certificate, and why."""

_ALL = {**ELEMENTWISE, **ARRAYS, **MATRICES}
CERTIFIED: dict[str, Callable[..., Any]] = {
    **_ALL,
    **{name: _ALL[target] for name, target in ALIASES.items()},
}
"""Every function that balls evaluate, by its name in the expression language."""
