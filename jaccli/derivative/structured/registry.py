"""The registry of rules: how each linear primitive acts on a structured Jacobian.

A rule takes the equation and its operands and returns its result.  An operand is a `Linear` where
it depends on the seeds, otherwise an array: numpy's where it is of integers known while tracing
(of floats, too, where the rule asks for them `with_known`).  A new primitive is one new function
with the decorator `@rule("its name")`.

Boundary: holds rules; contains none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaccli.derivative.structured.index_maps import Shape
from jaccli.derivative.structured.linear_map import Array, Linear, Term, collect
from jaccli.derivative.structured.scattered import Scattered

Equation = Any  # JaxprEqn, whose variables are typed too loosely to be of use
Operand = Linear | Array
Result = Linear | Sequence[Operand]
Rule = Callable[..., Result]

RULES: dict[str, Rule] = {}
"""Every rule by the name of its primitive."""


WITH_KNOWN: set[str] = set()
"""Primitives whose rules take floats that are known while tracing as numpy arrays."""


class NoStructure(Exception):
    """Raised by a rule that does not apply to these operands: the fallback takes over.

    Its text, if there is one, says what to write instead.
    """


def rule(*primitives: str, with_known: bool = False) -> Callable[[Rule], Rule]:
    """Register `f(eqn, *operands)` as the rule of these primitives."""

    def register(f: Rule) -> Rule:
        RULES.update(dict.fromkeys(primitives, f))
        if with_known:
            WITH_KNOWN.update(primitives)
        return f

    return register


def term_rule(
    *primitives: str,
) -> Callable[[Callable[..., Term]], Callable[..., Term]]:
    """Register `f(eqn, term, shape)`, for a primitive of one operand (of `shape`) by its terms."""

    def register(f: Callable[..., Term]) -> Callable[..., Term]:
        def by_terms(eqn: Equation, operand: Linear, *static: Any) -> Linear:
            return result(eqn, [f(eqn, term, operand.shape, *static) for term in operand.terms])

        RULES.update(dict.fromkeys(primitives, by_terms))
        return f

    return register


def out_shape(eqn: Equation) -> Shape:
    """Return the shape of an equation's first result."""
    return tuple(eqn.outvars[0].aval.shape)


def result(eqn: Equation, terms: Sequence[Term | Scattered]) -> Linear:
    """Return the equation's first result as the sum of `terms`."""
    aval = eqn.outvars[0].aval
    return collect(tuple(aval.shape), aval.dtype, terms)
