"""The long layout: a table with one row for each entry, index columns and then `value`.

    derivative            index columns
    jacobian, gradient    output, wrt
    hessian               output, wrt1, wrt2
    hvp                   output, wrt
    evaluate, jvp         output
    vjp                   wrt

`batch`, the number of the row of a batch, stands before them where there is a batch.  The others
hold labels, `y[0]` and `params.w1[0,1]`.  Blocks follow one another, their entries in reading
order.  A sparse block has a row for each entry that is kept.

Boundary: names and numbers, some rows at a time; knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from jaccli.result.labels import Names
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values
from jaccli.result.view import ShownPart, Slot, View

CHUNK = 1 << 16
"""Rows that are made at a time."""
BATCH, VALUE = "batch", "value"
LABELS = ("output", "wrt", "wrt1", "wrt2")
"""The columns of labels that there may be."""
_LISTED = 1 << 18
"""Entries of an array up to which all of its labels are kept."""

Column = Sequence[str] | Array


class LongRows(NamedTuple):
    """Some rows of a long table: index `columns` by name, all as long as `values` `(rows,)`."""

    columns: dict[str, Column]
    values: Array


def index_columns(slots: Sequence[Slot], *, batched: bool) -> tuple[str, ...]:
    """Return the names of the index columns of a result with these blocks."""
    first = slots[0]
    return ((BATCH,) if batched else ()) + tuple(_named(first))


def long_rows(view: View, size: int = CHUNK) -> Iterator[LongRows]:
    """Yield the rows of a view, at most `size` at a time."""
    for part in view.parts:
        yield from _rows(part, view.batch, size)


def _rows(part: ShownPart, batch: Names | None, size: int) -> Iterator[LongRows]:
    named = _named(part.slot)
    takers = [_Labels(names) for names in named.values()]
    numbers = None if batch is None else _numbers(batch)
    lead = () if batch is None else (prod(batch.shape),)
    # (*batch, out, in1, in2), the axes of each array joined
    shape = (*lead, *map(len, named.values()))
    values = part.values.reshape(shape)
    for positions, chunk in _entries(values, size):
        places = np.unravel_index(positions, shape) if shape else ()
        index: dict[str, Column] = {}
        if numbers is not None:
            index[BATCH] = numbers[places[0]]
        for name, labels, place in zip(named, takers, places[len(lead) :], strict=True):
            index[name] = labels.at(place)
        yield LongRows(index, chunk)


def _named(slot: Slot) -> dict[str, Names]:
    """Return the names of a block's entries by the column that holds them."""
    columns = {} if slot.output is None else {"output": slot.output}
    if len(slot.wrt) == 1:
        return columns | {"wrt": slot.wrt[0]}
    return columns | {f"wrt{number}": names for number, names in enumerate(slot.wrt, 1)}


def _numbers(batch: Names) -> Array:
    """Return the numbers of the rows of a batch, of which some may have been picked."""
    (rows,) = batch.indices
    return np.asarray([rows] if isinstance(rows, int) else rows, np.int64)


def _entries(values: Values, size: int) -> Iterator[tuple[Array, Array]]:
    """Yield the flat positions of the entries that are there, and their numbers."""
    if isinstance(values, Sparse):
        for start in range(0, values.nnz, size):
            yield values.where[start : start + size], values.values[start : start + size]
        return
    flat = values.reshape(-1)
    for start in range(0, flat.size, size):
        chunk = flat[start : start + size]
        yield np.arange(start, start + len(chunk)), chunk


class _Labels:
    """The labels of an array, all of them kept where they are few."""

    def __init__(self, names: Names) -> None:
        self._names = names
        few = len(names) <= _LISTED
        self._listed = np.array(list(names), dtype=object) if few else None

    def at(self, places: Array) -> list[str]:
        """Return the labels at these positions."""
        if self._listed is not None:
            return list(self._listed[places])
        return self._names.pick(places.tolist())
