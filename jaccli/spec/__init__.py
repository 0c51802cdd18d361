"""YAML text and options to a checked `Spec`, with the position of every value.

Boundary: imports errors, `choices`, `storage` and the expression language's syntax; never JAX, and
numpy only when an input is loaded.
"""

from jaccli.spec.load import load
from jaccli.spec.overrides import Override
from jaccli.spec.spec import EquationsModel, Expect, ExpressionModel, Output, PythonModel, Spec
from jaccli.spec.validate import batch_problems, integer_problem

__all__ = [
    "EquationsModel",
    "Expect",
    "ExpressionModel",
    "Output",
    "Override",
    "PythonModel",
    "Spec",
    "batch_problems",
    "integer_problem",
    "load",
]
