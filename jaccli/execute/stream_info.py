"""A streamed result as plain data, and how a chunk of it gets into the file.

Boundary: computes nothing; what it says of a result can be sent from one machine to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaccli import backend
from jaccli.errors import ComputationError, format_bytes
from jaccli.execute.executable_cache import Outcome
from jaccli.execute.stream import ComputedChunk, Stream
from jaccli.plan import as_text
from jaccli.result import ChunkFile, Measuring, timings
from jaccli.result.numerals import floats
from jaccli.storage.digest import arrays_digest


@dataclass(frozen=True)
class Outline:
    """What a stream computes, in which chunks: `new` has the steps that each is the first to have.

    `identity` is what must be the same for chunks to be of one result; `words` are those of its
    summary, `plan` is the whole plan as text.  `nbytes` is the size of the result, `seconds` went
    into compiling it, or into loading what was compiled (`cache`).
    """

    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    new: tuple[int, ...]
    identity: dict[str, Any]
    words: tuple[str, ...]
    plan: str
    seconds: float
    cache: Outcome

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return len(self.new)

    def summary(self, measuring: Measuring, took: float, before: int) -> str:
        """Return one line about the whole, `before` of whose chunks are by an earlier run."""
        written = self.nbytes * (self.count - before) / max(self.count, 1)
        rate = format_bytes(int(written / took)) if took > 0 else "-"
        earlier = f", {before} of them by an earlier run" if before else ""
        seconds = {"compile": self.seconds, "run": took}
        return " · ".join(
            (
                *self.words,
                ", ".join((*timings(seconds, self.cache), f"{rate}/s")),
                f"{self.count} chunks{earlier}",
                str(measuring.measures) if not before else "",
            )
        ).removesuffix(" · ")


def outline(stream: Stream) -> Outline:
    """Return what a stream computes."""
    plan = stream.plan
    block = plan.blocks[0]
    shape = f"({', '.join(map(str, block.shape))})"
    return Outline(
        shape=block.shape,
        dtype=block.dtype.str,
        nbytes=plan.result_bytes,
        new=tuple(chunk.new for chunk in stream.program.chunks),
        identity=_identity(stream),
        words=(
            f"{plan.derivative} {block.key} {shape}",
            f"{plan.mode}: {plan.reason}",
            f"{plan.device.name} {plan.spec.dtype}",
        ),
        plan=as_text(plan),
        seconds=stream.seconds,
        cache=stream.cache,
    )


def measured(computed: ComputedChunk, target: object, *, finite: bool) -> Measuring:
    """Take the measures of a chunk; refuse one that is not `finite` where that is asked for."""
    found = Measuring()
    if computed.values.size:
        for numbers in floats(computed.new):
            found.add(numbers)
    if finite and (found.nans or found.infinities):
        message = f"{target}: chunk {computed.number} has entries that are not finite."
        raise ComputationError(message)
    return found


def put(computed: ComputedChunk, width: int, file: ChunkFile) -> None:
    """Write a chunk where it belongs among `width` rows or columns."""
    offset, values = computed.chunk.offset, computed.values
    if computed.columns:
        file.write_columns(offset, width, values)
    else:
        file.write_rows(offset * (values.size // max(len(values), 1)), values)


def _identity(stream: Stream) -> dict[str, Any]:
    """Return what must be the same for chunks to be of one result."""
    plan = stream.plan
    return {
        "spec": plan.spec.sha256,
        "inputs": arrays_digest({**plan.model.primals, **plan.vectors}),
        "derivative": plan.derivative,
        "mode": plan.operator,
        "precision": plan.spec.precision,
        "device": plan.device.name,
        "chunk": plan.chunk,
        "parts": stream.count,
        "versions": backend.versions(),
    }
