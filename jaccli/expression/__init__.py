"""The expression language: text → checked syntax tree → pure function of arrays.

`parse` and everything about the function table are plain Python; JAX is loaded when `evaluate`
is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaccli.expression.function_table import CONSTANTS, FUNCTIONS, Function, functions
from jaccli.expression.names import check_name, check_names
from jaccli.expression.syntax import Expression, parse

if TYPE_CHECKING:
    from jaccli.expression.evaluation import evaluate

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "Expression",
    "Function",
    "check_name",
    "check_names",
    "evaluate",
    "functions",
    "parse",
]


def __getattr__(name: str) -> object:
    """Load `evaluate`, and JAX with it, when it is first used."""
    if name == "evaluate":
        from jaccli.expression import evaluation

        return evaluation.evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
