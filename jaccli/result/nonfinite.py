"""Finds the first entry of a result that is not finite, for `--fail-on-nonfinite`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaccli.result import notation
from jaccli.result.numerals import floats
from jaccli.result.result import Block, Result
from jaccli.result.sparse import Sparse
from jaccli.result.view import Slot

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class NonFinite:
    """The first entry that is not finite, `d y[2] / d x[0] at batch row 5`, and how many are not.

    `kind` is `NaN`, `inf` or `-inf`; `count` of all `total` entries of the result are not finite.
    The entry is one of the block of `output` and `wrt`; `places` count the entries of the output
    (if there is one) and of each input in reading order, and `row` is that of the batch.
    """

    entry: str
    kind: str
    count: int
    total: int
    output: str | None = None
    wrt: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    row: int | None = None

    def __str__(self) -> str:
        verb = "is" if self.count == 1 else "are"
        return (
            f"{self.entry} is {self.kind} ({self.count} of {self.total} entries {verb} not finite)"
        )


def first_nonfinite(result: Result) -> NonFinite | None:
    """Return the first NaN or infinity in reading order, or None when all entries are finite."""
    first: tuple[Block, int, str] | None = None
    count, total = 0, 0
    for block in result.blocks:
        total += block.values.size
        if block.values.dtype.kind != "f":
            continue
        kept = block.values.values if isinstance(block.values, Sparse) else block.values
        for number, chunk in enumerate(floats(kept, _CHUNK)):
            bad = ~np.isfinite(chunk)
            found = int(np.count_nonzero(bad))
            if found and first is None:
                place = int(np.argmax(bad))
                position = number * _CHUNK + place
                if isinstance(block.values, Sparse):
                    position = int(block.values.where[position])
                kind = "NaN" if np.isnan(chunk[place]) else str(chunk[place])
                first = block, position, kind
            count += found
    return None if first is None else _located(result, *first, count, total)


def entry_name(result: Result, block: Block, position: int) -> str:
    """Return the name of the entry at a position in reading order."""
    return _located(result, block, position, "", 0, 0).entry


def _located(
    result: Result, block: Block, position: int, kind: str, count: int, total: int
) -> NonFinite:
    """Return what is known of the entry of a block at a position in reading order."""
    slot = Slot.of(block)
    places: list[int] = []
    for names in reversed(slot.names):
        position, place = divmod(position, len(names))
        places.insert(0, place)
    labels = [names[place] for names, place in zip(slot.names, places, strict=True)]
    output = None if slot.output is None else labels.pop(0)
    wrt = block.wrt
    if slot.whole is not None:
        output, labels, places, wrt = _of_part(result, block, slot, output, labels, places)
    name = notation.entry(result.derivative, output, labels)
    if result.part == "trace":
        name = f"the trace of {name}"
    row = None if result.batch is None else position
    if row is not None:
        number = row if result.batch_rows is None else result.batch_rows[row]
        name = f"{name} at batch row {number}"
    return NonFinite(name, kind, count, total, block.output, wrt, tuple(places), row)


def _of_part(
    result: Result,
    block: Block,
    slot: Slot,
    output: str | None,
    labels: list[str],
    places: list[int],
) -> tuple[str | None, list[str], list[int], tuple[str, ...]]:
    """Return what an entry of a diagonal or a trace is the derivative of, and with respect to what.

    On the diagonal a place stands for each axis; a trace has no place.
    """
    if result.part == "trace":
        return output or block.output, list(block.wrt), [], ()
    if result.derivative == "hessian":
        return output, labels * 2, [*places, places[-1]], block.wrt
    return block.output, labels, places * 2, block.wrt
