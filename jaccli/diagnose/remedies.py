"""Remedies for operations that are not finite, tried before they are suggested.

The expression is rewritten with the remedy and differentiated again: a remedy that leaves the entry
NaN or infinite is not suggested.  Python code cannot be rewritten, so the table's remedy is used.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaccli.diagnose.evaluate import at_row
from jaccli.diagnose.expression_operations import ExpressionOperation
from jaccli.diagnose.operations import Step, bare
from jaccli.diagnose.singularity_table import SINGULAR
from jaccli.errors import JaccliError
from jaccli.expression import Expression, parse
from jaccli.models.model import of_expressions
from jaccli.plan import Plan
from jaccli.result.nonfinite import NonFinite
from jaccli.spec import ExpressionModel

Direction = Mapping[str, Any]
_BY_EXPONENT = (
    "The slope in {x2} takes the logarithm of {x1}, which is negative: keep {x1} above 0, or leave "
    "{x2} out of wrt."
)


def remedy(
    plan: Plan, nonfinite: NonFinite, step: Step, order: int, left_out: bool, along: list[Direction]
) -> str:
    """Return what to write instead, if that is known and makes the entry finite.

    `order` is that of the derivative, along these directions, which was the first not finite;
    `left_out` says that the operation is of a branch that is not taken.
    """
    singular = SINGULAR.get(step.name)
    if singular is None or singular.operand not in step.arguments:
        return ""
    operand = step.origin.operand(singular.operand)
    trial = _Trial(plan, nonfinite, step, along)
    if order and singular.safe:
        safe = step.origin.guarded(singular.operand, singular.safe)
        if safe and not trial("where", safe):
            safe = ""
        elif left_out and not safe:
            safe = f"where(condition, {operand}, {singular.safe}) for its {operand}"
        if safe:
            return f"A branch that is not taken still counts, as 0 * inf. Write {safe}."
    text = singular.remedy if order else singular.domain
    written = {name: step.origin.operand(name) for name in step.arguments}
    if not order:
        written = {name: bare(each) for name, each in written.items()}
    if {name for _, name, _, _ in string.Formatter().parse(text) if name} - set(written):
        return ""
    if singular.within and not trial(singular.operand, singular.within.format(**written)):
        return ""
    if order and singular.code and not trial("", singular.code.format(**written)):
        bares = {name: bare(each) for name, each in written.items()}
        return _BY_EXPONENT.format(**bares) if step.name == "power" else ""
    return text.format(**written)


class _Trial:
    """Tells whether the entry is finite with an operand, or all of an operation, rewritten."""

    def __init__(
        self, plan: Plan, nonfinite: NonFinite, step: Step, along: list[Direction]
    ) -> None:
        self.plan = plan
        self.nonfinite = nonfinite
        self.origin = step.origin
        self.along = along

    def __call__(self, operand: str, text: str) -> bool:
        model = self.plan.spec.model
        if not isinstance(self.origin, ExpressionOperation) or not isinstance(
            model, ExpressionModel
        ):
            return True
        try:
            target, new_text = self.origin.rewritten(operand, text)
            expressions = {
                name: parse(new_text) if each is target else each
                for name, each in model.expressions.items()
            }
            return self.is_finite(expressions)
        except (JaccliError, TypeError, ValueError):
            return False

    def is_finite(self, expressions: dict[str, Expression]) -> bool:
        """Return whether the entry is finite with these expressions."""
        plan, nonfinite = self.plan, self.nonfinite
        model = ExpressionModel(expressions, tuple(plan.outputs))
        function = of_expressions(model, plan.spec.dtype, plan.budget)

        def examine(wrt: Any, rest: Any) -> Any:
            values: Callable[[Any], Any] = lambda wrt: function({**rest, **wrt})  # noqa: E731
            orders = [values]
            for direction in self.along:
                orders.append(_derivative_along(orders[-1], direction))
            return [
                {name: jnp.isfinite(jnp.ravel(y)) for name, y in order(wrt).items()}
                for order in orders
            ]

        computed = at_row(plan, examine, nonfinite.row)
        if computed is None:
            return False
        names = plan.outputs if nonfinite.output is None else [nonfinite.output]
        place = nonfinite.places[0] if nonfinite.output is not None and nonfinite.places else None
        return all(
            (order[name] if place is None else order[name][place]).all()
            for order in computed
            for name in names
        )


def _derivative_along(f: Callable[[Any], Any], direction: Direction) -> Callable[[Any], Any]:
    tangent = {name: jnp.asarray(value) for name, value in direction.items()}
    return lambda wrt: jax.jvp(f, (wrt,), (tangent,))[1]
