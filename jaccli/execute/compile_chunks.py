"""A plan is compiled here in chunks: of batch rows where there is a batch, else of unit vectors.

Boundary: compiles; runs nothing, and chooses no size of chunks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaccli.derivative.basis import ChunkKernel, Tree
from jaccli.derivative.chunking import Chunk, cut, index_of
from jaccli.derivative.cost import Cost
from jaccli.execute import functions
from jaccli.execute.chunks import ChunkedProgram, Steps
from jaccli.execute.compiler import Compiler, tracing
from jaccli.execute.functions import Arguments
from jaccli.execute.sharding import Call, OneDevice, spread
from jaccli.plan import Plan, check_budget

COPIES = 2
"""Copies of rows that are read from a file: as they come from there, and the device's."""
FEWER = "take fewer rows at a time with --chunk"


def remedy(plan: Plan) -> str:
    """Return the remedy for chunks that are too large, if they could be smaller."""
    if plan.steps > 1 and plan.chunk != 1:
        return FEWER
    return "take fewer --devices" if plan.device.pooled > 1 else ""


def compiled_chunks(plan: Plan, compiler: Compiler, *, repeated: bool = False) -> ChunkedProgram:
    """Compile the plan in chunks of `plan.chunk`; `repeated` says that all will be run again."""
    devices, size = spread(plan.device), plan.chunk or plan.steps
    arguments = functions.arguments(plan)
    if plan.model.batch_size is not None:
        read = COPIES * plan.mapped_bytes * size * plan.device.pooled // plan.steps
        check_budget(plan, plan.input_bytes + read, "a chunk's rows in files", remedy(plan))
        steps, shared = _batch_rows(plan, size, arguments, devices)
        copied = devices.copied(shared, steps.own(_first(0), arguments)) + read // COPIES
    else:
        steps, shared = _unit_vectors(plan, size, arguments, devices)
        copied = devices.copied(shared, ())
    chunks = cut([kernel.axis for kernel in steps.kernels], size)
    calls: list[Call] = []
    costs: list[tuple[int, Cost]] = []
    for axis in range(len(steps.kernels)):
        rounds = math.ceil(sum(chunk.axis == axis for chunk in chunks) / plan.device.count)
        compile = compiler.repeated if repeated or rounds > 1 else compiler.once
        what, own = f"axis {axis} in chunks of {size}", steps.own(_first(axis), arguments)
        call, cost = devices.compiled(compile, plan, what, steps.function(axis), shared, own)
        calls.append(call)
        costs.append((rounds, cost))
    point = shared, arguments
    return ChunkedProgram(steps, chunks, calls, devices, plan.device.count, point, costs, copied)


def _first(axis: int) -> Chunk:
    """Return a chunk at the beginning of an axis, which may have no steps."""
    return Chunk(0, axis, 0, 0, 0)


def _batch_rows(
    plan: Plan, size: int, arguments: Arguments, devices: OneDevice
) -> tuple[Steps, Tree]:
    """Return the rows of the batched inputs, and what they share on the devices."""
    axes = functions.batch_axes(plan)

    def picked(arguments: Arguments, *, batched: bool) -> Any:
        return [
            {name: array for name, array in arg.items() if (axis[name] is not None) is batched}
            for arg, axis in zip(arguments, axes, strict=True)
        ]

    def share(arguments: Arguments) -> Tree:
        return picked(arguments, batched=False)

    def own(chunk: Chunk, arguments: Arguments) -> Tree:
        rows = slice(chunk.offset, chunk.offset + size)

        def cut(array: Any, axis: int) -> Any:
            return array[(slice(None),) * (axis % array.ndim) + (rows,)]

        return [
            {name: cut(array, axis[name]) for name, array in arg.items()}
            for arg, axis in zip(picked(arguments, batched=True), axes, strict=True)
        ]

    def compute(shared: Tree, own: Tree) -> Tree:
        return functions.whole(plan)(*(a | b for a, b in zip(shared, own, strict=True)))

    shared, first = devices.shared(share(arguments)), own(_first(0), arguments)
    with tracing(plan):
        shapes, structure = jax.tree.flatten(jax.eval_shape(compute, shared, first))
    steps = Steps(
        [ChunkKernel((plan.steps,), (size,), compute, range(len(shapes)))],
        lambda axis: compute,
        share,
        own,
        lambda: [np.empty((plan.steps, *y.shape[1:]), y.dtype) for y in shapes],
        lambda whole: jax.tree.unflatten(structure, whole),
    )
    return steps, shared


def _unit_vectors(
    plan: Plan, size: int, arguments: Arguments, devices: OneDevice
) -> tuple[Steps, Tree]:
    """Return the unit vectors of one array after another, and what they share on the devices."""

    def share(arguments: Arguments) -> Tree:
        return arguments[:2]

    def own(chunk: Chunk, arguments: Arguments) -> Tree:
        return np.asarray(index_of(kernels[chunk.axis].axis, chunk.offset), np.int32)

    def function(axis: int) -> Callable[[Tree, Tree], Tree]:
        def compute(point: Tree, index: Any) -> Tree:
            wrt, rest = point
            return functions.chunked(plan, wrt, rest).kernels(size)[axis].compute(wrt, index)

        return compute

    shared = devices.shared(share(arguments))
    with tracing(plan):
        derivative = functions.chunked(plan, *shared)
        kernels = derivative.kernels(size)
    steps = Steps(kernels, function, share, own, derivative.empty, derivative.assemble)
    return steps, shared
