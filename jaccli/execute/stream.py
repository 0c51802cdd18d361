"""A result that does not fit: computed a chunk at a time, each handed over as soon as it is there.

Chunks are of batch rows where there is a batch, else of rows or columns of the derivative.  The
next one is computed while the last is being written.

Boundary: computes; what becomes of a chunk is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaccli import memory
from jaccli.derivative.basis import Tree
from jaccli.derivative.chunking import Chunk
from jaccli.derivative.select_mode import Choice
from jaccli.execute.chunks import ChunkedProgram, Computed, in_background, run
from jaccli.execute.compile_chunks import compiled_chunks
from jaccli.execute.compile_plan import settings
from jaccli.execute.compiler import Compiler
from jaccli.execute.executable_cache import Outcome
from jaccli.plan import Plan, check_budget, with_choice

if TYPE_CHECKING:
    from jaccli.context import Progress

Array = np.ndarray[Any, Any]
_LARGEST = 128 << 20
"""Bytes at most that are computed at a time: what a crash may cost, how often progress is noted."""
_HELD = 3
"""Results that are held of what is computed at a time: one computed, one written, one reused."""


@dataclass(frozen=True)
class ComputedChunk:
    """A chunk as it is to be written.

    `values` are whole rows `(size, width)`; or, with `columns`, a matrix `(height, size)`.
    """

    chunk: Chunk
    values: Array
    columns: bool

    @property
    def number(self) -> int:
        """Its number among all chunks."""
        return self.chunk.number

    @property
    def new(self) -> Array:
        """The values that are in no chunk before."""
        new = self.chunk.new
        return np.ascontiguousarray(self.values[:, -new:] if self.columns else self.values[-new:])


@dataclass(frozen=True)
class Stream:
    """A compiled plan of one block, computed in `count` chunks.

    `width` is how many rows or columns there are; `seconds` went into compiling, or into loading
    what an earlier process has compiled (`cache`).
    """

    plan: Plan
    program: ChunkedProgram
    columns: bool
    width: int
    seconds: float
    cache: Outcome

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return len(self.program.chunks)

    def run(
        self, done: Collection[int], write: Callable[[ComputedChunk], None], progress: Progress
    ) -> None:
        """Compute all chunks but those that are done; `write` one while computing the next."""

        def write_all(computed: Sequence[ComputedChunk]) -> None:
            for each in computed:
                write(each)

        with settings(self.plan), in_background(write_all) as hand_over:

            def hand_on(computed: Computed) -> None:
                hand_over([self._computed(*each) for each in computed])

            run(self.program, hand_on, progress, done)

    def chunk(self, number: int) -> ComputedChunk:
        """Compute one chunk by itself."""
        with settings(self.plan):
            ((chunk, values),) = self.program.compute([self.program.chunks[number]])
            return self._computed(chunk, values)

    def _computed(self, chunk: Chunk, computed: Tree) -> ComputedChunk:
        (leaf,) = jax.tree.leaves(computed)
        values = np.asarray(leaf)
        if self.plan.model.equations is not None and not np.isfinite(values).all():
            from jaccli.execute.solution_check import check_points

            rows = range(chunk.offset, chunk.offset + chunk.size)
            check_points(self.plan, rows=None if self.plan.model.batch_size is None else rows)
        if not self.columns:
            return ComputedChunk(chunk, values.reshape(chunk.size, -1), columns=False)
        stacked = not self.plan.operator.startswith("structured-")
        matrix = values.reshape(chunk.size, -1).T if stacked else values.reshape(-1, chunk.size)
        return ComputedChunk(chunk, matrix, columns=True)


def prepare_stream(plan: Plan, at_least: int = 1) -> Stream:
    """Compile a plan in chunks that fit the budget, with the one before that is being written.

    In `at_least` so many chunks, where the plan has no chunk of its own and rows enough.

    Raises:
        BudgetError: not even one row at a time fits.
        ComputationError: JAX cannot differentiate the model in this mode.
    """
    memory.return_freed()
    plan = _by_output_rows(plan)
    compiler = Compiler()
    # A row of what is in files is read into memory, and from there taken by the device.
    row = max((plan.result_bytes + 2 * plan.mapped_bytes) // max(plan.steps, 1), 1)
    left = max(plan.budget - plan.input_bytes, 0)
    # Each device has a chunk of its own at a time.
    rows = min(left // plan.device.pooled // _HELD, _LARGEST // plan.device.count) // row
    size = plan.chunk or max(1, min(plan.even_chunk, rows, math.ceil(plan.steps / at_least)))
    with settings(plan):
        while True:
            trial = replace(plan, chunk=size)
            program = compiled_chunks(trial, compiler)
            held = (
                plan.input_bytes
                + program.copied
                + max(_HELD * cost.outputs + cost.temporaries for _, cost in program.costs)
            )
            if held <= plan.budget or plan.chunk is not None or size == 1:
                break
            size //= 2
    check_budget(trial, held, "inputs, temporaries and three rows of the result")
    columns = plan.model.batch_size is None and _is_by_columns(plan)
    return Stream(trial, program, columns, plan.steps, compiler.seconds, compiler.cache)


def _by_output_rows(plan: Plan) -> Plan:
    """Return the plan with rows for columns, where that is free: a file is written row by row."""
    free = plan.spec.mode in ("auto", "structured") and not plan.facts.no_reverse
    if plan.derivative != "jacobian" or plan.model.batch_size is not None or not free:
        return plan
    operator = "structured-rev"
    reason = "the result is written row by row"
    return with_choice(plan, Choice("structured", operator, reason))


def _is_by_columns(plan: Plan) -> bool:
    if plan.derivative == "hessian":
        return plan.operator.removeprefix("structured-").startswith("fwd")
    return plan.operator.endswith("fwd")
