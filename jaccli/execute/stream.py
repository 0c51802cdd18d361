"""A result that does not fit: computed part by part, each handed over as soon as it is there.

Parts are batch rows where there is a batch, else rows or columns of the derivative.  The next one
is computed while the last is being written.

Boundary: computes; what becomes of a part is the caller's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaccli.derivative.choose import Choice
from jaccli.execute.compiler import Compiler
from jaccli.execute.prepare import Chunks, Part, compiled_chunks, settings
from jaccli.execute.programs import Outcome
from jaccli.execute.progress import Progress
from jaccli.plan import Plan, check_budget, with_choice

Array = np.ndarray[Any, Any]
_LARGEST = 128 << 20
"""Bytes of a part at most: what a crash may cost, and how often progress is noted."""
_HELD = 3
"""Results of a part that are held at a time: one computed, one written, one reused."""


@dataclass(frozen=True)
class Piece:
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
    chunks: Chunks
    columns: bool
    width: int
    seconds: float
    cache: Outcome

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(self.chunks.parts)

    def run(
        self, done: Collection[int], write: Callable[[Piece], None], progress: Progress
    ) -> None:
        """Compute all parts but those that are done; `write` one while computing the next."""
        progress.start(self.plan.steps)
        with settings(self.plan), ThreadPoolExecutor(1) as writer:
            pending: Future[None] | None = None
            try:
                for number, part in enumerate(self.chunks.parts):
                    if number not in done:
                        piece = self._piece(number, part)
                        if pending is not None:
                            pending.result()
                        pending = writer.submit(write, piece)
                    progress.advance(part.fresh)
            finally:
                if pending is not None:
                    pending.result()

    def _piece(self, number: int, part: Part) -> Piece:
        (leaf,) = jax.tree.leaves(self.chunks.compute(part, self.chunks.point))
        values = np.asarray(leaf)
        far, tile = self.chunks.pieces[part.piece]
        count = math.prod(tile)
        start = int(np.ravel_multi_index(part.corner, far)) if far else 0
        if not self.columns:
            return Piece(number, start, values.reshape(count, -1), part.fresh, columns=False)
        stacked = not self.plan.operator.startswith("structured-")
        matrix = values.reshape(count, -1).T if stacked else values.reshape(-1, count)
        return Piece(number, start, matrix, part.fresh, columns=True)


def prepare_stream(plan: Plan) -> Stream:
    """Compile a plan in parts that fit the budget, with the one before that is being written.

    Raises:
        BudgetError: not even one row at a time fits.
        ComputationError: JAX cannot differentiate the model in this mode.
    """
    plan = _by_output_rows(plan)
    compiler = Compiler()
    row = max(plan.result_bytes // max(plan.steps, 1), 1)
    left = max(plan.budget - plan.input_bytes, 0)
    chunk = plan.chunk or max(1, min(plan.steps, min(left // _HELD, _LARGEST) // row))
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
