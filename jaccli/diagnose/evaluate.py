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

_ROW_BYTES = 64 << 20
"""Maximum bytes of the intermediate values of the rows of one call."""

_QUICK_OPTIONS: dict[str, str | bool] = {
    "xla_backend_optimization_level": "0",
    "xla_llvm_disable_expensive_passes": True,
}
"""Options for programs that run once: without optimization, compiling takes a third of the time."""

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
        return _compute(plan, f, wrt, rest)
    axes = batch_axes(plan)

    def all_rows(wrt: Inputs, rest: Inputs) -> Any:
        inputs = {**wrt, **rest}
        axis_of = {name: axis for part in axes[:2] for name, axis in part.items()}
        rows = {n: jnp.moveaxis(inputs[n], a, 0) for n, a in axis_of.items() if a is not None}

        def one_row(row: Inputs) -> Any:
            point = {**inputs, **row}
            return f({name: point[name] for name in wrt}, {name: point[name] for name in rest})

        return jax.lax.map(one_row, rows, batch_size=_rows_per_call(plan))

    return _compute(plan, all_rows, wrt, rest)


def at_row(plan: Plan, f: PointFunction, row: int | None) -> Any:
    """Return the arrays that `f` gives at one row of the batch, or None beyond the budget."""
    wrt, rest, _ = arguments(plan)
    if row is not None:
        for inputs in (wrt, rest):
            batched = {n: axis for n, axis in plan.model.batch.items() if n in inputs}
            inputs |= {name: row_of(inputs[name], row, axis) for name, axis in batched.items()}
    return _compute(plan, f, wrt, rest)


def row_of(array: Values, row: int, axis: int) -> np.ndarray:
    """Return one row of a batched array."""
    return array[(slice(None),) * (axis % array.ndim) + (row,)]


def _compute(plan: Plan, f: PointFunction, wrt: Inputs, rest: Inputs) -> Any:
    """Compile a function and run it on the plan's device."""
    with settings(plan):
        compiled = jax.jit(f).lower(wrt, rest).compile({**_QUICK_OPTIONS, **options(plan)})
        memory = compiled.memory_analysis()
        if memory is not None and memory.temp_size_in_bytes > plan.budget:
            return None
        return interruptible(lambda: jax.tree.map(np.asarray, compiled(wrt, rest)))


def _rows_per_call(plan: Plan) -> int:
    """Return the number of rows of one call."""
    avals = [v.aval for eqn in plan.facts.jaxpr.jaxpr.eqns for v in eqn.outvars]
    size: int = sum(math.prod(aval.shape) * aval.dtype.itemsize for aval in avals)
    rows = plan.model.batch_size or 1
    return max(1, min(rows, min(_ROW_BYTES, plan.budget // 8) // max(1, size)))
