"""A model evaluated operation by operation, with the place of each in the user's source.

Expressions are followed along their syntax trees, Python models along their jaxpr.  Boundary:
knows what operations are called and where they stand; nothing of kinks or of what is finite.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from jaccli.errors import Problem
from jaccli.plan import Plan
from jaccli.spec import ExpressionModel


class Origin(Protocol):
    """Where an operation stands."""

    @property
    def key(self) -> Hashable:
        """What tells one operation of the model from another."""

    @property
    def text(self) -> str:
        """The operation as it is written, on one line: `abs(x - 1)`."""

    @property
    def rule(self) -> str:
        """The kind of the user's own rule that the operation is differentiated by, if any."""

    def operand(self, name: str) -> str:
        """Return one operand as it is written, fit to be indexed: `(x - 1)`."""

    def problem(self, message: str, hint: str = "") -> Problem:
        """Return a problem with its caret under the operation."""

    def is_within(self, other: Origin) -> bool:
        """Whether the operation is part of another."""

    def guarded(self, operand: str, safe: str) -> str:
        """Return the `where` around the operation, rewritten so that the operand is always safe.

        Empty where there is none.
        """


class ComparedOperands(NamedTuple):
    """A comparison that a condition is made of: its values and how they are written."""

    symbol: str
    left: Any
    right: Any
    left_text: str
    right_text: str


@dataclass(frozen=True)
class Step:
    """An operation that depends on the wrt inputs, as it is evaluated.

    `name` is the function's in the expression language (`maximum`; operators by the function of
    the same meaning), and `arguments` are by the names of its parameters.  `comparisons` are
    those in the condition of a `where`, or in a factor that is a truth value.  `active` says
    whether it is computed at all: not in a branch that is not taken.
    """

    name: str
    arguments: Mapping[str, Any]
    result: Any
    origin: Origin
    comparisons: tuple[ComparedOperands, ...] = ()
    active: Any = True


Watch = Callable[[Step], Any]
"""Callback for each operation; returns the value that evaluation continues with."""

COMPARISONS = {
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}
SYMBOLS = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "**": "power",
    "//": "floor_divide",
    "%": "mod",
    "@": "matmul",
    "&": "logical_and",
    "|": "logical_or",
    "~": "logical_not",
    **{symbol: name for name, symbol in COMPARISONS.items()},
}
"""The functions that operators stand for."""

ALIASES = {
    "absolute": "abs",
    "remainder": "mod",
    "asin": "arcsin",
    "acos": "arccos",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "atan2": "arctan2",
}
"""Functions with two names."""

_FLAT = """
    floor ceil trunc rint round sign heaviside floor_divide argmax argmin argsort count_nonzero any
    all isclose isnan isinf isfinite signbit zeros_like ones_like shape size ndim
"""
PIECEWISE_CONSTANT = frozenset(_FLAT.split()) | {*COMPARISONS}
"""Functions that are constant between jumps: their results have no derivative."""


def names(plan: Plan) -> set[str]:
    """Return the functions of all steps, without computing: `multiply` only by a truth value."""
    if isinstance(plan.spec.model, ExpressionModel):
        from jaccli.diagnose.expression_operations import DependencyAnalysis

        return DependencyAnalysis.of(plan.spec.model, plan.model.wrt).names()
    from jaccli.diagnose.jaxpr_operations import names_of

    return names_of(plan)


def run(
    plan: Plan, inputs: Mapping[str, Any], watch: Watch, *, include_constants: bool = False
) -> dict[str, Any]:
    """Return the outputs of one point by name; `watch` sees the steps in the order they are taken.

    To be traced by JAX: `inputs` are arrays of all inputs by name, without a batch axis.  With
    `include_constants`, the operations on constants are steps too.
    """
    if isinstance(plan.spec.model, ExpressionModel):
        from jaccli.diagnose import expression_operations

        return expression_operations.run(plan, plan.spec.model, inputs, watch, include_constants)
    from jaccli.diagnose import jaxpr_operations

    return jaxpr_operations.run(plan, inputs, watch, include_constants)


def fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether an array of a shape can be broadcast to another."""
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(a in (1, b) for a, b in pairs)


def is_number(text: str) -> bool:
    """Whether an operand is written as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def entry(text: str, shape: tuple[int, ...], index: Sequence[int]) -> str:
    """Return an operand's entry as it is written: `x[3]`.

    `index` is that of an array which the operand, of this shape, is broadcast to.
    """
    last = index[len(index) - len(shape) :]
    indices = [str(0 if size == 1 else i) for size, i in zip(shape, last, strict=True)]
    return f"{text}[{','.join(indices)}]" if indices and not is_number(text) else bare(text)


def bare(text: str) -> str:
    """Return an operand without the brackets that an index would need."""
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text
