"""What is computed a chunk at a time: the one loop over chunks, and how their values are handed on.

Chunks are of an axis: batch rows, unit vectors or colors (`derivative/chunking.py`).  As many are
computed together as there are devices; what is computed goes to a `write`: into arrays in memory,
or into a file, while the next ones are computed.

Boundary: compiles nothing, and knows no plan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, TypeVar

import numpy as np

from jaccli.derivative.basis import ChunkKernel, Tree
from jaccli.derivative.chunking import Chunk
from jaccli.derivative.cost import Cost
from jaccli.execute.functions import Arguments
from jaccli.execute.progress import Progress
from jaccli.execute.sharding import Call

_T = TypeVar("_T")
Computed = Sequence[tuple[Chunk, Tree]]
"""Chunks that were computed together, with their values."""


@dataclass(frozen=True)
class ChunkedProgram:
    """The chunks of a derivative, what computes them, and the arrays that they fill.

    `kernels` and `calls` have an item for each axis; `own` returns what a chunk alone is computed
    from.  `together` is how many chunks are computed at a time: as many as there are devices.
    `point` is where, as `at` makes it of arguments.  `costs` say how many rounds cost how much;
    `copied` are the bytes of inputs that a round has for itself.
    """

    chunks: Sequence[Chunk]
    together: int
    kernels: Sequence[ChunkKernel]
    calls: Sequence[Call]
    own: Callable[[Chunk, Arguments], Tree]
    at: Callable[[Arguments], tuple[Tree, Arguments]]
    point: tuple[Tree, Arguments]
    empty: Callable[[], list[np.ndarray]]
    assemble: Callable[[list[np.ndarray]], Tree]
    costs: Sequence[tuple[int, Cost]]
    copied: int

    def rounds(self, done: Collection[int] = ()) -> Iterator[list[Chunk]]:
        """Yield the chunks that are computed together, those whose numbers are done left out."""
        left = (chunk for chunk in self.chunks if chunk.number not in done)
        for _, chunks in groupby(left, key=lambda chunk: chunk.axis):
            while together := list(islice(chunks, self.together)):
                yield together

    def compute(self, chunks: Sequence[Chunk], point: Any = None) -> Computed:
        """Compute chunks of one axis, `together` of them at most."""
        shared, arguments = self.point if point is None else point
        owns = [self.own(chunk, arguments) for chunk in chunks]
        return list(zip(chunks, self.calls[chunks[0].axis](shared, owns), strict=True))

    def write(self, arrays: list[np.ndarray], computed: Computed) -> None:
        """Write values to their places in the arrays of the whole."""
        for chunk, values in computed:
            self.kernels[chunk.axis].write(arrays, chunk, values)


def run(
    program: ChunkedProgram,
    write: Callable[[Computed], None],
    progress: Progress,
    *,
    done: Collection[int] = (),
    point: Any = None,
) -> None:
    """Compute all chunks but those whose numbers are `done`, and have them written."""
    total = sum(chunk.new for chunk in program.chunks)
    progress.start(total, sum(chunk.new for chunk in program.chunks if chunk.number in done))
    for chunks in program.rounds(done):
        write(program.compute(chunks, point))
        progress.advance(sum(chunk.new for chunk in chunks))


def in_memory(program: ChunkedProgram, progress: Progress, point: Any = None) -> Tree:
    """Compute all chunks, and return what they assemble to."""
    arrays = program.empty()
    run(program, lambda computed: program.write(arrays, computed), progress, point=point)
    return program.assemble(arrays)


@contextmanager
def in_background(write: Callable[[_T], None]) -> Iterator[Callable[[_T], None]]:
    """Give a `write` that goes on in a thread of its own, when the one before is done.

    All are done at the end.
    """
    with ThreadPoolExecutor(1) as writer:
        pending: Future[None] | None = None

        def submit(values: _T) -> None:
            nonlocal pending
            if pending is not None:
                pending.result()
            pending = writer.submit(write, values)

        try:
            yield submit
        finally:
            if pending is not None:
                pending.result()
