"""A plan as pure JAX functions: whole, by batch rows, or by unit vectors.

Boundary: builds functions; compiles and runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaccli.derivative import operators, points
from jaccli.derivative.basis import Chunked, Function, Tree
from jaccli.plan import Plan

Arguments = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
"""The wrt inputs, the other inputs and the vectors, each by name."""


def arguments(plan: Plan) -> Arguments:
    """Return the plan's numpy arrays in the order that the functions take them."""
    primals = plan.model.primals
    wrt = {name: primals[name] for name in plan.model.wrt}
    rest = {name: array for name, array in primals.items() if name not in wrt}
    return wrt, rest, dict(plan.vectors)


def batch_axes(plan: Plan) -> Arguments:
    """Return the batch axis of each argument, None where all batch rows share it."""
    wrt, rest, vectors = arguments(plan)
    axes = plan.model.batch
    vector_axis = 0 if plan.vector_batched else None
    return (
        {name: axes.get(name) for name in wrt},
        {name: axes.get(name) for name in rest},
        dict.fromkeys(vectors, vector_axis),
    )


def whole(plan: Plan) -> Callable[[Tree, Tree, Tree], Tree]:
    """Return the function that computes the whole result, every batch row at once."""
    row, rows, axes = _row(plan), plan.model.batch_size, batch_axes(plan)
    if rows is None:
        return row
    # By all rows, so that chunks have the bits that they would have together.
    if rows >= points.FEWEST and plan.device.handle.platform == "cpu":
        return points.mapped(row, axes)
    return jax.vmap(row, in_axes=axes)


def chunked(plan: Plan, wrt: Tree, rest: Tree) -> Chunked:
    """Return the derivative of one point in chunks of unit vectors; shapes alone are read."""
    if plan.part != "full":
        return plan.part_builder(function(plan, rest), wrt)
    if plan.prepared is not None:
        return plan.prepared.chunks(function(plan, rest), wrt, dense=plan.storage == "dense")
    return operators.CHUNKED[plan.derivative][plan.operator](function(plan, rest), wrt)


def function(plan: Plan, rest: Tree) -> Function:
    """Return the model as a function of the wrt inputs alone, outputs in their order."""
    # A sparse derivative knows its indices: they decide where the entries are.
    located = plan.prepared is not None or plan.colors is not None
    known = plan.model.constants if located else {}
    return lambda wrt: plan.model.function({**rest, **known, **wrt})


def _row(plan: Plan) -> Callable[[Tree, Tree, Tree], Tree]:
    """Return the derivative at one point, as a function of wrt inputs, other inputs, vectors."""

    def row(wrt: Tree, rest: Tree, vectors: Tree) -> Tree:
        f = function(plan, rest)
        if plan.derivative == "evaluate":
            return f(wrt)
        if plan.part != "full":
            return plan.part_builder(f, wrt)(wrt)
        if plan.prepared is not None:
            compute = plan.prepared.values if plan.storage == "sparse" else plan.prepared.dense
            return compute(f, wrt)
        operator = operators.REGISTRIES[plan.derivative][plan.operator]
        return operator(f, wrt, vectors) if vectors else operator(f, wrt)

    return row
