"""The tutorials' row-by-row loop: no compilation, one vjp for each output entry.

A Hessian goes column by column, one jvp of its gradient (or Jacobian) for each input entry.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.derivative.basis import Function, Tree
from jaccli.execute import functions
from jaccli.plan import Plan
from jaccli.tune.agreement import Agreement

TIME_LIMIT = 1.0
"""Seconds after which a loop is cut short, and its time extrapolated from the rows done."""


@dataclass(frozen=True)
class LoopTiming:
    """The seconds of each loop, extrapolated to `total` rows if only `done` rows were run."""

    seconds: tuple[float, ...]
    done: int
    total: int
    difference: float | None


class _Row:
    """One row (or column): `compute()` returns it, `select` takes it from a full derivative."""

    def __init__(self, compute: Callable[[], Tree], select: Callable[[Tree], Tree]) -> None:
        self.compute = compute
        self.select = select


def loop(plan: Plan, reference: Tree | None, repeat: int) -> LoopTiming:
    """Time the loop `repeat` times; compare the rows of the last time with the reference.

    The first row is computed once before: that fills JAX's own caches.
    """
    total = count(plan)
    if not total:
        return LoopTiming((), 0, 0, None)
    next(_rows(plan)).compute()
    seconds, agreement = [], Agreement()
    for _ in range(repeat):
        elapsed, done, agreement = 0.0, 0, Agreement()
        for row in _rows(plan):
            start = time.perf_counter()
            row_values = jax.block_until_ready(row.compute())
            elapsed, done = elapsed + time.perf_counter() - start, done + 1
            if reference is not None:
                agreement.add(row_values, row.select(reference))
            if elapsed > TIME_LIMIT:
                break
        seconds.append(elapsed / done * total)
    return LoopTiming(tuple(seconds), done, total, agreement.difference)


def count(plan: Plan) -> int:
    """Return how many rows there are."""
    shapes = (
        [plan.model.in_shape(name) for name in plan.model.wrt]
        if plan.derivative == "hessian"
        else plan.outputs.values()
    )
    return sum(int(np.prod(shape)) for shape in shapes) * (plan.model.batch_size or 1)


def _rows(plan: Plan) -> Iterator[_Row]:
    """Yield the rows of every point of the batch."""
    batch = plan.model.batch_size
    inputs = list(zip(functions.arguments(plan), functions.batch_axes(plan), strict=True))[:2]
    of_point = _columns if plan.derivative == "hessian" else _rows_of_point
    for point in range(batch or 1):
        wrt, rest = (
            {name: jnp.asarray(_at(array, axes[name], point)) for name, array in arrays.items()}
            for arrays, axes in inputs
        )
        for row in of_point(functions.function(plan, rest), wrt):
            yield row if batch is None else _Row(row.compute, _at_point(row.select, point))


def _at(array: np.ndarray, axis: int | None, point: int) -> np.ndarray:
    return array if axis is None else array.take(point, axis)


def _at_point(select: Callable[[Tree], Tree], point: int) -> Callable[[Tree], Tree]:
    return lambda full: select(jax.tree.map(lambda block: block[point], full))


def _rows_of_point(f: Function, x: Tree) -> Iterator[_Row]:
    outputs = jax.eval_shape(f, x)
    for name, unit, index in _units(outputs):
        yield _Row(
            lambda unit=unit: jax.vjp(f, x)[1](unit)[0],  # type: ignore[misc]
            lambda full, name=name, index=index: jax.tree.map(  # type: ignore[misc]
                lambda block: block[index], full[name]
            ),
        )


def _columns(f: Function, x: Tree) -> Iterator[_Row]:
    for name, unit, index in _units(x):
        yield _Row(
            lambda unit=unit: jax.jvp(jax.jacrev(f), (x,), (unit,))[1],  # type: ignore[misc]
            lambda full, name=name, index=index: {  # type: ignore[misc]
                output: {first: block[name][(..., *index)] for first, block in blocks.items()}
                for output, blocks in full.items()
            },
        )


def _units(like: dict[str, Any]) -> Iterator[tuple[str, Tree, tuple[int, ...]]]:
    """Yield the unit vectors of a dict of arrays, each with its array and index."""
    for name, array in like.items():
        for index in itertools.product(*map(range, array.shape)):
            unit = {other: np.zeros(y.shape, y.dtype) for other, y in like.items()}
            unit[name][index] = 1
            yield name, unit, index
