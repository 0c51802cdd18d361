"""Notes on the model that may explain a failed check.

A new kind of remark is one function of the plan, and one entry of `EXPLANATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jaccli.derivative import jaxprs
from jaccli.diagnose import kinks
from jaccli.plan import Plan

_NOT_THE_USERS = (
    "/jax/",
    "/jaccli/expression/",
    "/jaccli/derivative/implicit/",
    "/equinox/",
    "/lineax/",
    "/optimistix/",
)
_RULES = {"custom_jvp_call": "custom_jvp", "custom_vjp_call": "custom_vjp"}


def custom_rules(plan: Plan) -> Iterable[str]:
    """Name the functions of the user's that bring their own derivative."""
    found = dict.fromkeys(_rules(plan.facts.jaxpr.jaxpr))
    return [f"the derivative of {where} is a {kind} of its own" for kind, where in found]


def _rules(jaxpr: Any) -> Iterator[tuple[str, str]]:
    for eqn in jaxprs.equations(jaxpr):
        for inner in jaxprs.inner_jaxprs(eqn.params) if eqn.primitive.name in _RULES else ():
            where = str(inner.debug_info.func_src_info)
            if not any(folder in where for folder in _NOT_THE_USERS):  # relu and its like
                yield _RULES[eqn.primitive.name], _short(where)


def _short(where: str) -> str:
    """Return `f at model.py:3` of `f at /some/folder/model.py:3`."""
    name, _, place = where.partition(" at ")
    return f"{name} at {place.rpartition('/')[2]}" if place else name


EXPLANATIONS: tuple[Callable[[Plan], Iterable[object]], ...] = (custom_rules, kinks.explain)
"""Functions that find notes; the `str` of each item they return is a line of the report."""


def notes(plan: Plan) -> tuple[str, ...]:
    """Return all remarks on a plan's model."""
    return tuple(str(remark) for explain in EXPLANATIONS for remark in explain(plan))
