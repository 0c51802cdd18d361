"""The ways to compute a case's derivative, by the names of jaccli's operators.

The only module that knows how jaccli names and builds them and how it chooses among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
from cases import Case, Function

from jaccli.derivative import autotune, cost, structured
from jaccli.derivative.basis import size
from jaccli.derivative.operators import REGISTRIES
from jaccli.derivative.select_mode import choose
from jaccli.derivative.trace_info import TraceInfo, facts, from_jaxpr
from jaccli.derivative.traced_function import TracedFunction, traced

STRUCTURED = "structured-"
_PAIRS = tuple(f"{outer}-{inner}" for outer in ("fwd", "rev") for inner in ("fwd", "rev"))
_JAX: dict[str, Function] = {"fwd": jax.jacfwd, "rev": jax.jacrev}


def operators(case: Case) -> list[str]:
    """Return the names of all operators but the loop and colorings, plain ones first."""
    return [name for name in REGISTRIES[case.derivative] if name not in ("loop", "sparse")]


def operated(case: Case, names: Iterable[str]) -> dict[str, Function]:
    """Return `x ↦ derivative` by jaccli's operators, mapped over the batch if there is one."""
    registry = REGISTRIES[case.derivative]
    return {name: _mapped(case, partial(registry[name], case.f)) for name in names}


def plain(case: Case) -> dict[str, Function]:
    """Return JAX's own modes, what the engine is measured against."""
    if case.derivative == "jacobian":
        return {name: _mapped(case, way(case.f)) for name, way in _JAX.items()}
    nested = {pair: _JAX[pair[:3]](_JAX[pair[4:]](case.f)) for pair in _PAIRS}
    return {name: _mapped(case, f) for name, f in nested.items()}


def plain_ways(case: Case) -> dict[str, Function]:
    """Return JAX's own ways to a case's derivative, of a product too (with ones)."""
    if case.derivative == "hvp":
        gradient = jax.grad(case.f)
        return {
            "fwd-rev": lambda x: jax.jvp(gradient, (x,), (_ones(x),))[1],
            "rev-rev": lambda x: jax.vjp(gradient, x)[1](_ones(x))[0],
        }
    if case.derivative == "gradient":
        return {"grad": jax.grad(case.f), "jacfwd": jax.jacfwd(case.f)}
    return plain(case)


def traced_operators(case: Case) -> dict[str, Function]:
    """Return `x ↦ derivative` by jaccli's operators of the function as jaccli traces it."""
    once, registry = traced(case.f, case.x), REGISTRIES[case.derivative]
    more = (_ones(case.x),) if case.derivative == "hvp" else ()
    return {
        name: lambda x, name=name: registry[name](once, x, *more)
        for name in autotune.candidates(case.derivative, _facts(case, once))
    }


def choices(case: Case) -> tuple[str, str]:
    """Return the operators that `auto` and `structured` take, of the function as it is traced."""
    once, derivative = traced(case.f, case.x), case.derivative
    about, registry = _facts(case, once), REGISTRIES[case.derivative]
    measures = cost.measures(lambda operator: partial(registry[operator], once), (case.x,))
    auto = choose(derivative, about, "auto", *measures).operator
    if derivative == "hvp":
        return auto, auto
    return auto, choose(derivative, about, "structured", *measures).operator


def _facts(case: Case, once: TracedFunction) -> TraceInfo:
    avals = once.jaxpr.in_avals
    return from_jaxpr(once.jaxpr, [True] * len(avals), size(case.x), size(once.out))


def _ones(x: Any) -> Any:
    return jax.tree.map(jax.numpy.ones_like, x)


def by_rule(case: Case) -> str:
    """Return the structured operator in the direction that the one-shot rule picks."""
    return _chosen(case, "structured")


def structured_values(case: Case) -> Function:
    """Return the structured Jacobian, not made dense."""
    way = by_rule(case).removeprefix(STRUCTURED)
    return lambda x: structured.jacobian(case.f, x, way)


def one_shot(case: Case) -> str:
    """Return the operator that `auto` takes for one call."""
    return _chosen(case, "auto")


def tuned(case: Case) -> str:
    """Return the operator that `tuned` takes, measured anew."""
    about = facts(case.f, case.point)
    return autotune.measure(case.derivative, case.f, about, case.point).operator


def _chosen(case: Case, mode: str) -> str:
    registry = REGISTRIES[case.derivative]

    def predict(operator: str) -> float:
        return cost.estimated(partial(registry[operator], case.f), case.point)

    return choose(case.derivative, facts(case.f, case.point), mode, predict).operator


def _mapped(case: Case, f: Function) -> Function:
    return jax.vmap(f) if case.batched else f
