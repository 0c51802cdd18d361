"""The operators that can compute a plan's derivative, each compiled within the budget.

Boundary: compiles; times nothing, prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jaccli import memory
from jaccli.derivative import autotune
from jaccli.derivative.select_mode import Choice, family
from jaccli.errors import JaccliError
from jaccli.execute import Program, prepare
from jaccli.plan import Plan, with_choice


@dataclass(frozen=True)
class Candidate:
    """An operator with its program, or the problem of compiling it."""

    operator: str
    program: Program | None
    problem: str = ""


def names(plan: Plan) -> tuple[str, ...]:
    """Return the operators that may compute the plan's derivative fastest.

    Only the plan's own if the dense result exceeds the budget, or is a diagonal or a trace.
    """
    if plan.part != "full" or (plan.storage == "sparse" and plan.dense_bytes > plan.budget):
        return (plan.operator,)
    operators = autotune.candidates(plan.derivative, plan.facts)
    return operators if plan.operator in operators else (*operators, plan.operator)


def candidates(
    plan: Plan, operators: Iterable[str] | None = None, *, repeated: bool = False
) -> Iterator[Candidate]:
    """Compile the plan with one operator after another, to be run once or `repeated`.

    The structures of operators of one family have the same size: if one is too large, the others
    are not tried.
    """
    too_large: dict[str, str] = {}
    for operator in names(plan) if operators is None else operators:
        if family(operator) in too_large:
            yield Candidate(operator, None, too_large[family(operator)])
            continue
        try:
            choice = Choice(family(operator), operator, "compared")
            yield Candidate(operator, prepare(with_choice(plan, choice), repeated=repeated))
        except JaccliError as error:
            problem = error.problems[0].message
            if isinstance(error.__cause__, memory.Exhausted):
                too_large[family(operator)] = problem
            yield Candidate(operator, None, problem)
