"""The ways to compute a case's derivative, by the names of jaccli's operators.

The only module that knows how jaccli names and builds them and how it chooses among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import jax
from cases import Case, Function

from jaccli.derivative import autotune, cost, structured
from jaccli.derivative.operators import REGISTRIES
from jaccli.derivative.select_mode import choose
from jaccli.derivative.trace_info import facts

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
