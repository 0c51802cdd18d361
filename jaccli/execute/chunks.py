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
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from jaccli.derivative.basis import ChunkKernel, Tree
from jaccli.derivative.chunking import Chunk
from jaccli.derivative.cost import Cost
from jaccli.execute.functions import Arguments
from jaccli.execute.sharding import Call, OneDevice

if TYPE_CHECKING:
    from jaccli.context import Progress

_T = TypeVar("_T")
Computed = Sequence[tuple[Chunk, Tree]]
"""Chunks that were computed together, with their values."""


class Steps(NamedTuple):
    """The steps of a plan: the kernel of each axis, and what chunks are computed from.

    `function(axis)` takes what all chunks share, and what is a chunk's own: `share` and `own` make
    them of arguments.  `empty` and `assemble` are of the arrays that the chunks fill.
    """

    kernels: Sequence[ChunkKernel]
    function: Callable[[int], Callable[[Tree, Tree], Tree]]
    share: Callable[[Arguments], Tree]
    own: Callable[[Chunk, Arguments], Tree]
    empty: Callable[[], list[np.ndarray]]
    assemble: Callable[[list[np.ndarray]], Tree]


@dataclass(frozen=True)
class ChunkedProgram:
    """The steps of a plan cut into `chunks`, and the compiled `calls` of each axis.

    The `devices` compute `together` chunks at a time.  `point` is where: what is shared, on the
    devices, and all arguments.  `costs` say how many rounds cost how much; `copied` are the bytes
    of inputs that a round has for itself.
    """

    steps: Steps
    chunks: Sequence[Chunk]
    calls: Sequence[Call]
    devices: OneDevice
    together: int
    point: tuple[Tree, Arguments]
    costs: Sequence[tuple[int, Cost]]
    copied: int

    def at(self, arguments: Arguments) -> ChunkedProgram:
        """Return the program at other arguments."""
        shared = self.devices.shared(self.steps.share(arguments))
        return replace(self, point=(shared, arguments))

    def rounds(self, done: Collection[int] = ()) -> Iterator[list[Chunk]]:
        """Yield the chunks that are computed together, those whose numbers are done left out."""
        left = (chunk for chunk in self.chunks if chunk.number not in done)
        for _, chunks in groupby(left, key=lambda chunk: chunk.axis):
            while together := list(islice(chunks, self.together)):
                yield together

    def compute(self, chunks: Sequence[Chunk]) -> Computed:
        """Compute chunks of one axis, `together` of them at most."""
        shared, arguments = self.point
        owns = [self.steps.own(chunk, arguments) for chunk in chunks]
        return list(zip(chunks, self.calls[chunks[0].axis](shared, owns), strict=True))


def run(
    program: ChunkedProgram,
    write: Callable[[Computed], None],
    progress: Progress,
    done: Collection[int] = (),
) -> None:
    """Compute all chunks but those whose numbers are `done`, and have them written."""
    total = sum(chunk.new for chunk in program.chunks)
    progress.start(total, sum(chunk.new for chunk in program.chunks if chunk.number in done))
    for chunks in program.rounds(done):
        write(program.compute(chunks))
        progress.advance(sum(chunk.new for chunk in chunks))


def in_memory(program: ChunkedProgram, progress: Progress) -> Tree:
    """Compute all chunks, and return what they assemble to."""
    steps, arrays = program.steps, program.steps.empty()

    def write(computed: Computed) -> None:
        for chunk, values in computed:
            steps.kernels[chunk.axis].write(arrays, chunk, values)

    run(program, write, progress)
    return steps.assemble(arrays)


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
