"""Tables that the program itself wrote: labels of rows and columns, and the array they index.

In the matrix layout the first cell is empty, and rows and columns begin with labels (`y[0]`). In
the long layout each row is labels and a number, below `output,wrt,value`.

Boundary: knows labels and numbers, not text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import Any

from jaccli.errors import SourceError, listed

VALUE = "value"
_BATCH = "batch"
_LONG = (_BATCH, "output", "wrt", "wrt1", "wrt2")
_LABEL = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:\[([0-9]{1,9}(?:,[0-9]{1,9})*)\])?\Z")

Index = tuple[int, ...]


def is_long(names: Sequence[str] | None) -> bool:
    """Whether these are the columns of a long table of one result."""
    *index, last = names or [""]
    return last == VALUE and bool({*_LONG[1:]} & set(index)) and set(index) <= set(_LONG)


def of_matrix(np: Any, table: Any, rows: Sequence[str], columns: Sequence[str]) -> Any:
    """Return the array of a table with labels: of one block its own, else the matrix (M, N).

    `table` is of shape (M, N); a column headed `value` is no axis.
    """
    sides = [_axis(rows), () if tuple(columns) == (VALUE,) else _axis(columns)]
    if None not in sides:
        return table.reshape([size for side in sides for size in side or ()])
    return table[:, 0] if table.shape[1] == 1 else table


def _axis(labels: Sequence[str]) -> Index | None:
    """Return the shape that labels index, each entry once and in order, under one name."""
    parsed = [_parsed(label) for label in labels]
    names = {name for name, _ in parsed}
    if len(names) != 1 or None in names:
        return None
    shape = tuple(place + 1 for place in parsed[-1][1])
    if prod(shape) != len(parsed):
        return None
    places = (index for _, index in parsed)
    return shape if all(index == _at(flat, shape) for flat, index in enumerate(places)) else None


def _at(flat: int, shape: Index) -> Index:
    """Return the indices of the entry at a place in C order."""
    index = []
    for size in reversed(shape):
        flat, place = divmod(flat, size)
        index.append(place)
    return tuple(reversed(index))


def _parsed(label: str) -> tuple[str | None, Index]:
    match = _LABEL.match(label)
    if match is None:
        return None, ()
    return match[1], tuple(map(int, match[2].split(","))) if match[2] else ()


def of_long(np: Any, numbers: Any, names: Sequence[str], labels: Sequence[Sequence[str]]) -> Any:
    """Return the one block of a long table; `labels` are the columns before the numbers (K,).

    Raises:
        SourceError: there are several blocks, or not all entries of one, or what is no label.
    """
    if not len(numbers):
        raise SourceError("the table has no rows.")
    keys: set[str] = set()
    indices: list[Index] = []
    for row in zip(*labels, strict=True):
        parts = [
            (None, (int(cell),)) if name == _BATCH and cell.isdecimal() else _parsed(cell)
            for name, cell in zip(names, row, strict=False)
        ]
        wrong = [
            cell
            for name, cell, (known, index) in zip(names, row, parts, strict=False)
            if known is None and not (name == _BATCH and index)
        ]
        if wrong:
            raise SourceError(f"{wrong[0]!r} is not a label such as x or y[0].")
        keys.add(".".join(known for known, _ in parts if known is not None))
        indices.append(tuple(place for _, index in parts for place in index))
    if len(keys) > 1:
        raise SourceError(
            f"the table holds {len(keys)} blocks: {listed(sorted(keys), 5)}.",
            hint="An input is one array: write the result with --select and --wrt, or as .npz.",
        )
    if len({len(index) for index in indices}) > 1:
        raise SourceError(f"{keys.pop()}: labels have not as many indices as others.")
    shape = tuple(max(axis) + 1 for axis in zip(*indices, strict=True))
    if prod(shape) != len(indices) or len(set(indices)) != len(indices):
        raise SourceError(
            f"{keys.pop()}: {len(indices)} rows where the labels go up to {prod(shape)} entries.",
            hint="Column 'value' alone has the numbers in the order of the rows.",
        )
    array = np.empty(shape)
    array[tuple(np.array(axis, np.int64) for axis in zip(*indices, strict=True))] = numbers
    return array
