"""A plan is compiled here in chunks: of batch rows where there is a batch, else of unit vectors.

Boundary: compiles; runs nothing, and chooses no size of chunks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaccli.derivative.basis import ChunkKernel, Tree
from jaccli.derivative.chunking import Chunk, cut, index_of
from jaccli.derivative.cost import Cost
from jaccli.execute import functions
from jaccli.execute.chunks import ChunkedProgram
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


class _Steps(NamedTuple):
    """The steps of a plan: what is compiled for the chunks of each axis, and what they need.

    `function(axis)` is a function of what all chunks share, and of what is a chunk's own: `share`
    and `own` take it from arguments.  `shared` is on the devices; `copied` as in `ChunkedProgram`.
    """

    kernels: Sequence[ChunkKernel]
    function: Callable[[int], Callable[[Tree, Tree], Tree]]
    share: Callable[[Arguments], Tree]
    own: Callable[[Chunk, Arguments], Tree]
    shared: Tree
    copied: int
    empty: Callable[[], list[np.ndarray]]
    assemble: Callable[[list[np.ndarray]], Tree]


def compiled_chunks(plan: Plan, compiler: Compiler, *, repeated: bool = False) -> ChunkedProgram:
    """Compile the plan in chunks of `plan.chunk`; `repeated` says that all will be run again."""
    devices, size = spread(plan.device), plan.chunk or plan.steps
    arguments = functions.arguments(plan)
    by_rows = plan.model.batch_size is not None
    steps = (_batch_rows if by_rows else _unit_vectors)(plan, size, arguments, devices)
    chunks = cut([kernel.axis for kernel in steps.kernels], size)
    calls: list[Call] = []
    costs: list[tuple[int, Cost]] = []
    for axis in range(len(steps.kernels)):
        count = sum(chunk.axis == axis for chunk in chunks)
        rounds = math.ceil(count / plan.device.count)
        compile = compiler.repeated if repeated or rounds > 1 else compiler.once
        call, cost = devices.compiled(
            compile,
            plan,
            f"axis {axis} in chunks of {size}",
            steps.function(axis),
            steps.shared,
            steps.own(_first(axis), arguments),
        )
        calls.append(call)
        costs.append((rounds, cost))
    return ChunkedProgram(
        chunks=chunks,
        together=plan.device.count,
        kernels=steps.kernels,
        calls=calls,
        own=steps.own,
        at=lambda arguments: (devices.shared(steps.share(arguments)), arguments),
        point=(steps.shared, arguments),
        empty=steps.empty,
        assemble=steps.assemble,
        costs=costs,
        copied=steps.copied,
    )


def _first(axis: int) -> Chunk:
    """Return a chunk at the beginning of an axis, which may have no steps."""
    return Chunk(0, axis, 0, 0, 0)


def _batch_rows(plan: Plan, size: int, arguments: Arguments, devices: OneDevice) -> _Steps:
    """Take rows of the batched inputs."""
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

    read = COPIES * plan.mapped_bytes * size * plan.device.pooled // plan.steps
    check_budget(plan, plan.input_bytes + read, "a chunk's rows in files", remedy(plan))
    shared, first = devices.shared(share(arguments)), own(_first(0), arguments)
    with tracing(plan):
        shapes, structure = jax.tree.flatten(jax.eval_shape(compute, shared, first))
    return _Steps(
        [ChunkKernel((plan.steps,), (size,), compute, range(len(shapes)))],
        lambda axis: compute,
        share,
        own,
        shared,
        devices.copied(shared, first) + read // COPIES,
        lambda: [np.empty((plan.steps, *y.shape[1:]), y.dtype) for y in shapes],
        lambda whole: jax.tree.unflatten(structure, whole),
    )


def _unit_vectors(plan: Plan, size: int, arguments: Arguments, devices: OneDevice) -> _Steps:
    """Take unit vectors of one array after another."""

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
    copied = devices.copied(shared, ())
    return _Steps(
        kernels, function, share, own, shared, copied, derivative.empty, derivative.assemble
    )
