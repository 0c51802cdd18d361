"""Whether a model's equations were solved at the points of a result; why not, where they were not.

A program whose root finder fails gives NaN.  So a result that is finite was solved, and only the
points of another one are looked at again, by a program that tells residuals and the Jacobian.

Boundary: decides at which point what failed; `solution_report.py` says it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaccli.errors import ComputationError
from jaccli.execute import functions
from jaccli.execute.compile_plan import settings
from jaccli.execute.functions import Arguments
from jaccli.execute.solution_report import Attempt, problem_of
from jaccli.models.equations import EquationSystem
from jaccli.models.parts import whole_name
from jaccli.plan import Plan

_ROWS = 1024
"""Batch rows that are looked at together."""


def check_solved(plan: Plan, tree: Any, arguments: Arguments | None = None) -> None:
    """Check that the equations were solved where the arrays of `tree` are a plan's result.

    At its own point, or at other `arguments`.

    Raises:
        ComputationError: they were not at one of the points, with the residuals.
    """
    if plan.model.equations is None:
        return
    # Derivatives that are structurally zero, as a linear system's Hessian, say nothing.
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    if all(np.isfinite(leaf).all() for leaf in leaves) and any(leaf.any() for leaf in leaves):
        return
    check_points(plan, arguments)


def check_points(
    plan: Plan, arguments: Arguments | None = None, rows: Sequence[int] | None = None
) -> None:
    """Check that the equations have a solution at a plan's points, those of batch `rows` alone.

    Raises:
        ComputationError: they have none, or not a regular one.
    """
    system = plan.model.equations
    if system is None:
        return
    wrt, rest, _ = functions.arguments(plan) if arguments is None else arguments
    inputs = {**rest, **wrt}
    inputs |= {name: inputs[whole_name(name)] for name in inputs if whole_name(name) in inputs}
    names = system.parameters(inputs)
    batch = {name: axis for name, axis in plan.model.batch.items() if name in names}
    given = {name: inputs[name] for name in names}
    is_batch = plan.model.batch_size is not None and bool(batch)
    with settings(plan):
        failed = list(_failed(plan, system, given, batch, rows)) if is_batch else [0]
        if not failed:
            return
        first = failed[0]
        point = {
            name: np.take(np.asarray(array[...]), first, batch[name]) if name in batch else array
            for name, array in given.items()
        }
        found = {name: np.asarray(x) for name, x in jax.jit(system.examined)(point).items()}
        if found["is_root"] and found["is_regular"]:  # a point alone
            return
        theta = system.parameters(point)
        linear, shapes = system.system(theta), system.equation_shapes(theta)
    attempt = Attempt(system, linear, shapes, found, first if is_batch else None)
    raise ComputationError(problem_of(attempt, others=len(failed) - 1))


def _failed(
    plan: Plan,
    system: EquationSystem,
    given: Mapping[str, Any],
    batch: Mapping[str, int],
    rows: Sequence[int] | None,
) -> Iterator[int]:
    """Yield the batch rows without a solution."""

    def solved(inputs: Mapping[str, Any]) -> Any:
        root = system.root(system.parameters(inputs))
        return root.is_root & root.is_regular

    axes = {name: batch.get(name) for name in given}
    program = jax.jit(jax.vmap(solved, in_axes=(axes,)))
    rows = range(plan.model.batch_size or 0) if rows is None else rows
    for start in range(0, len(rows), _ROWS):
        some = np.asarray(rows[start : start + _ROWS])
        part = {
            name: np.take(np.asarray(array[...]), some, axes[name])
            if axes[name] is not None
            else array
            for name, array in given.items()
        }
        yield from map(int, some[~np.asarray(program(part))])
