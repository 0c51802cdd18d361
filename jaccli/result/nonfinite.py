"""Finds the first entry of a result that is not finite, for `--fail-on-nonfinite`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaccli.result import notation
from jaccli.result.numerals import floats
from jaccli.result.result import Block, Result
from jaccli.result.view import Slot

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class NonFinite:
    """The first entry that is not finite, `d y[2] / d x[0] at batch row 5`, and how many are not.

    `kind` is `NaN`, `inf` or `-inf`; `count` of all `total` entries of the result are not finite.
    """

    entry: str
    kind: str
    count: int
    total: int

    def __str__(self) -> str:
        verb = "is" if self.count == 1 else "are"
        return (
            f"{self.entry} is {self.kind} ({self.count} of {self.total} entries {verb} not finite)"
        )


def first_nonfinite(result: Result) -> NonFinite | None:
    """Return the first NaN or infinity in reading order, or None when all entries are finite."""
    entry, kind, count, total = "", "", 0, 0
    for block in result.blocks:
        total += block.values.size
        if block.values.dtype.kind != "f":
            continue
        for number, chunk in enumerate(floats(block.values, _CHUNK)):
            bad = ~np.isfinite(chunk)
            found = int(np.count_nonzero(bad))
            if found and not count:
                place = int(np.argmax(bad))
                entry = entry_name(result, block, number * _CHUNK + place)
                kind = "NaN" if np.isnan(chunk[place]) else str(chunk[place])
            count += found
    return NonFinite(entry, kind, count, total) if count else None


def entry_name(result: Result, block: Block, position: int) -> str:
    """Return the name of the entry at a position in reading order."""
    slot = Slot.of(block)
    labels: list[str] = []
    for names in reversed(slot.names):
        position, place = divmod(position, len(names))
        labels.insert(0, names[place])
    output = None if slot.output is None else labels.pop(0)
    name = notation.entry(result.derivative, output, labels)
    return name if result.batch is None else f"{name} at batch row {position}"
