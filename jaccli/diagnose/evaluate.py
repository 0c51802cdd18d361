"""Functions of one point evaluated at the plan's point: at each row of a batch, or at one row.

Compiled as one program, within a bounded part of the memory budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.execute.compile_plan import settings
from jaccli.execute.compiler import options
from jaccli.execute.functions import arguments, batch_axes
from jaccli.execute.interruptible import interruptible
from jaccli.models import Values
from jaccli.plan import Plan

_PIECE = 64 << 20
"""Bytes of values that the rows taken together may have."""

_QUICK: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
}
"""What runs once is compiled in a third of the time without optimization."""

Inputs = dict[str, Any]
PointFunction = Callable[[Inputs, Inputs], Any]
"""A function of the wrt inputs and of the others, by name, of one point."""


def at_rows(plan: Plan, f: PointFunction) -> Any:
    """Return the arrays that `f` gives, `(*batch, ...)` each, or None beyond the memory budget.

    None also of a batch that stays in its file.
    """
    if plan.mapped_bytes:
        return None
    wrt, rest, _ = arguments(plan)
    if plan.model.batch_size is None:
        return _computed(plan, f, wrt, rest)
    axes = batch_axes(plan)

    def whole(wrt: Inputs, rest: Inputs) -> Any:
        given = {**wrt, **rest}
        along = {name: axis for part in axes[:2] for name, axis in part.items()}
        rows = {n: jnp.moveaxis(given[n], a, 0) for n, a in along.items() if a is not None}

        def one(row: Inputs) -> Any:
            point = {**given, **row}
            return f({name: point[name] for name in wrt}, {name: point[name] for name in rest})

        return jax.lax.map(one, rows, batch_size=_together(plan))

    return _computed(plan, whole, wrt, rest)


def at_row(plan: Plan, f: PointFunction, row: int | None) -> Any:
    """Return the arrays that `f` gives at one row of the batch, or None beyond the budget."""
    wrt, rest, _ = arguments(plan)
    if row is not None:
        for part in (wrt, rest):
            batched = {n: axis for n, axis in plan.model.batch.items() if n in part}
            part |= {name: row_of(part[name], row, axis) for name, axis in batched.items()}
    return _computed(plan, f, wrt, rest)


def row_of(array: Values, row: int, axis: int) -> np.ndarray:
    """Return one row of a batched array."""
    return array[(slice(None),) * (axis % array.ndim) + (row,)]


def _computed(plan: Plan, f: PointFunction, wrt: Inputs, rest: Inputs) -> Any:
    """Compile a function and run it on the plan's device."""
    with settings(plan):
        compiled = jax.jit(f).lower(wrt, rest).compile({**_QUICK, **options(plan)})
        memory = compiled.memory_analysis()
        if memory is not None and memory.temp_size_in_bytes > plan.budget:
            return None
        return interruptible(lambda: jax.tree.map(np.asarray, compiled(wrt, rest)))


def _together(plan: Plan) -> int:
    """Return how many rows to take at a time: as many as stay small."""
    avals = [v.aval for eqn in plan.facts.jaxpr.jaxpr.eqns for v in eqn.outvars]
    size: int = sum(math.prod(aval.shape) * aval.dtype.itemsize for aval in avals)
    rows = plan.model.batch_size or 1
    return max(1, min(rows, min(_PIECE, plan.budget // 8) // max(1, size)))
