"""A result that does not fit: computed part by part, each handed over as soon as it is there.

Parts are batch rows where there is a batch, else rows or columns of the derivative.  The next one
is computed while the last is being written.

Boundary: computes; what becomes of a part is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaccli import memory
from jaccli.derivative.basis import Tree
from jaccli.derivative.select_mode import Choice
from jaccli.execute.compile_plan import Chunk, ChunkedProgram, compiled_chunks, settings
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
    """One part as it is to be written: its `number`, and where it begins along the cut side.

    `values` are whole rows `(count, width)`; or, with `columns`, a matrix `(height, count)`.  The
    last `new` of them are in no part before.
    """

    number: int
    start: int
    values: Array
    new: int
    columns: bool

    @property
    def fresh(self) -> Array:
        """The values that are in no part before."""
        new = self.values[:, -self.new :] if self.columns else self.values[-self.new :]
        return np.ascontiguousarray(new)


@dataclass(frozen=True)
class Stream:
    """A compiled plan of one block, computed in `count` parts.

    `width` is how many rows or columns there are; `seconds` went into compiling, or into loading
    what an earlier process has compiled (`cache`).
    """

    plan: Plan
    chunks: ChunkedProgram
    columns: bool
    width: int
    seconds: float
    cache: Outcome

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self.chunks.parts)

    def run(
        self, done: Collection[int], write: Callable[[ComputedChunk], None], progress: Progress
    ) -> None:
        """Compute all parts but those that are done; `write` one while computing the next."""
        chunks = self.chunks
        earlier = sum(part.fresh for part in chunks.numbered(sorted(done)))
        progress.start(self.plan.steps, earlier)

        def write_all(pieces: Sequence[ComputedChunk]) -> None:
            for piece in pieces:
                write(piece)

        with settings(self.plan), ThreadPoolExecutor(1) as writer:
            pending: Future[None] | None = None
            try:
                for numbers in chunks.rounds(done):
                    parts = chunks.numbered(numbers)
                    computed = chunks.compute(parts, chunks.point)
                    pieces = list(map(self._piece, numbers, parts, computed))
                    if pending is not None:
                        pending.result()
                    pending = writer.submit(write_all, pieces)
                    progress.advance(sum(part.fresh for part in parts))
            finally:
                if pending is not None:
                    pending.result()

    def piece(self, number: int) -> ComputedChunk:
        """Compute one part by itself."""
        parts = self.chunks.numbered([number])
        with settings(self.plan):
            (computed,) = self.chunks.compute(parts, self.chunks.point)
            return self._piece(number, parts[0], computed)

    def _piece(self, number: int, part: Chunk, computed: Tree) -> ComputedChunk:
        (leaf,) = jax.tree.leaves(computed)
        values = np.asarray(leaf)
        far, tile = self.chunks.pieces[part.piece]
        count = math.prod(tile)
        start = int(np.ravel_multi_index(part.corner, far)) if far else 0
        if not self.columns:
            return ComputedChunk(
                number, start, values.reshape(count, -1), part.fresh, columns=False
            )
        stacked = not self.plan.operator.startswith("structured-")
        matrix = values.reshape(count, -1).T if stacked else values.reshape(-1, count)
        return ComputedChunk(number, start, matrix, part.fresh, columns=True)


def prepare_stream(plan: Plan, at_least: int = 1) -> Stream:
    """Compile a plan in parts that fit the budget, with the one before that is being written.

    In `at_least` so many parts, where the plan has no chunk of its own and rows enough.

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
    # Each device has a part of its own at a time.
    rows = min(left // plan.device.pooled // _HELD, _LARGEST // plan.device.count) // row
    chunk = plan.chunk or max(1, min(plan.share, rows, math.ceil(plan.steps / at_least)))
    with settings(plan):
        while True:
            trial = replace(plan, chunk=chunk)
            chunks = compiled_chunks(trial, compiler)
            held = (
                plan.input_bytes
                + chunks.copied
                + max(_HELD * cost.outputs + cost.temporaries for _, cost in chunks.costs)
            )
            if held <= plan.budget or plan.chunk is not None or chunk == 1:
                break
            chunk //= 2
    check_budget(trial, held, "inputs, temporaries and three rows of the result")
    columns = plan.model.batch_size is None and _is_by_columns(plan)
    return Stream(trial, chunks, columns, plan.steps, compiler.seconds, compiler.cache)


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
