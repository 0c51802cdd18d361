"""The ways to compute a case's derivative, by the names of jaccli's operators.

The only module that knows how jaccli names and builds them and how it chooses among them.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
from cases import Case, Function
from measuring import alternate

from jaccli.derivative import structured
from jaccli.derivative.operators import HESSIAN_SWEEPS, JACOBIAN_SWEEPS

STRUCTURED = "structured-"
_WAYS = ("fwd", "rev")
_PAIRS = tuple(f"{outer}-{inner}" for outer in _WAYS for inner in _WAYS)
_JAX: dict[str, Function] = {"fwd": jax.jacfwd, "rev": jax.jacrev}


def operators(case: Case) -> list[str]:
    """Return the names of all operators, plain ones first."""
    plain = HESSIAN_SWEEPS if case.derivative == "hessian" else JACOBIAN_SWEEPS
    ways = _PAIRS if case.derivative == "hessian" else _WAYS
    return [*plain, *(f"{STRUCTURED}{way}" for way in ways)]


def operated(case: Case, names: Iterable[str]) -> dict[str, Function]:
    """Return `x ↦ derivative` by jaccli's operators, mapped over the batch if there is one."""
    return {name: _mapped(case, partial(_operator(case, name), case.f)) for name in names}


def plain(case: Case) -> dict[str, Function]:
    """Return JAX's own modes, what the engine is measured against."""
    if case.derivative == "jacobian":
        return {name: _mapped(case, way(case.f)) for name, way in _JAX.items()}
    nested = {pair: _JAX[pair[:3]](_JAX[pair[4:]](case.f)) for pair in _PAIRS}
    return {name: _mapped(case, f) for name, f in nested.items()}


def by_rule(case: Case) -> str:
    """Return the structured operator in the direction that the shape rule picks."""
    direction = structured.direction(case.f, case.point)
    outer = "fwd-" if case.derivative == "hessian" else ""
    return f"{STRUCTURED}{outer}{direction}"


def structured_values(case: Case) -> Function:
    """Return the structured Jacobian, not made dense."""
    way = by_rule(case).removeprefix(STRUCTURED)
    return lambda x: structured.jacobian(case.f, x, way)


def one_shot(case: Case) -> str:
    """Return the operator that `auto` takes for one call."""
    return by_rule(case)  # stand-in for choose(case.derivative, case.f, case.point).operator


def tuned(case: Case) -> str:
    """Return the operator that `tuned` takes: stand-in for jaccli's."""
    runs: dict[str, Function] = {}
    predicted: dict[str, float] = {}
    for name, f in operated(case, operators(case)).items():
        if name == "loop":
            continue
        try:
            compiled = jax.jit(f).lower(case.x).compile()
        except (TypeError, ValueError, NotImplementedError):
            continue
        cost: Any = compiled.cost_analysis()
        predicted[name] = (
            cost.get("flops", 0) / 30e9
            + cost.get("bytes accessed", 0) / 8e9
            + cost.get("transcendentals", 0) / 0.5e9
        )
        runs[name] = partial(_wait, compiled, case.x)
    least = min(predicted.values())
    kept = {name: run for name, run in runs.items() if predicted[name] <= 3 * least + 1e-5}
    for run in kept.values():
        run()
    times = alternate(kept, 0.1)
    return min(kept, key=lambda name: min(times[name]))


def _wait(run: Function, x: Any) -> None:
    jax.block_until_ready(run(x))


def _mapped(case: Case, f: Function) -> Function:
    return jax.vmap(f) if case.batched else f


def _operator(case: Case, name: str) -> Function:
    """Return the operator, called with f and x."""
    if not name.startswith(STRUCTURED):
        sweep = (HESSIAN_SWEEPS if case.derivative == "hessian" else JACOBIAN_SWEEPS)[name]
        return lambda f, x: sweep(f, x)(x)
    ways = name.removeprefix(STRUCTURED).split("-")
    derive = structured.hessian if case.derivative == "hessian" else structured.jacobian
    return lambda f, x: structured.densified(derive(f, x, *ways))
