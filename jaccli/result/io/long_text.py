"""The long layout as text, and back: the rows of `.csv` and `.tsv`.

A cell with the separator, a quotation mark or a line's end is quoted, as `"params.w1[0,1]"`.

Boundary: lines in and out; which file they are of is the caller's.
"""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from jaccli.errors import SourceError
from jaccli.result.long import BATCH, LABELS, VALUE, index_columns, long_rows
from jaccli.result.named_arrays import Stored
from jaccli.result.numerals import shortest
from jaccli.result.result import Array
from jaccli.result.view import View
from jaccli.storage.reading import too_large

_LABEL = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)(?:\[([0-9]{1,18}(?:,[0-9]{1,18})*)\])?\Z")
_ROW = re.compile(r"[0-9]{1,18}\Z")
_ROW_BYTES = 96
"""Bytes that a row takes at most while a table is read: its place, and its number."""


def long_lines(view: View, separator: str) -> Iterator[str]:
    """Yield the lines of a view, each with its end."""
    batched = view.batch is not None
    columns = index_columns([part.slot for part in view.parts], batched=batched)
    yield f"{separator.join((*columns, VALUE))}\n"
    cell = quoted(separator)
    for rows in long_rows(view):
        cells = [
            map(str, rows.columns[name]) if name == BATCH else map(cell, rows.columns[name])
            for name in columns
        ]
        numbers = shortest(rows.values)
        yield "".join(f"{separator.join(row)}\n" for row in zip(*cells, numbers, strict=True))


def quoted(separator: str) -> Callable[[str], str]:
    """Return the function that quotes a cell where that is needed; it remembers the last ones."""
    special = re.compile(f'[{re.escape(separator)}"\r\n]')

    def quote(cell: str) -> str:
        if not special.search(cell):
            return cell
        return f'"{cell.replace(chr(34), 2 * chr(34))}"'

    return quote


def is_long(header: Sequence[str]) -> bool:
    """Whether the first line is that of a long table of one result."""
    *index, last = header or [""]
    known = (BATCH, *LABELS)
    return last == VALUE and bool(set(index) & set(LABELS)) and set(index) <= set(known)


def read_long(
    header: Sequence[str], records: Iterable[Sequence[str]], limit: int, line: Callable[[], int]
) -> Stored:
    """Read the rows after the header; `line` is the number of the last line that was read.

    Raises:
        SourceError: a row is damaged, or some are missing: a part of a result, or a sparse one.
    """
    blocks = LongBlocks(header[:-1], limit)
    for record in records:
        if len(record) != len(header):
            message = f"line {line()}: {len(record)} cells where the first line has {len(header)}."
            raise SourceError(message)
        try:
            number = float(record[-1]) if record[-1] != "True" else 1.0
        except ValueError:
            if record[-1] != "False":
                message = f"line {line()}: {record[-1]!r} is not a number."
                raise SourceError(message) from None
            number = 0.0
        try:
            blocks.add(record[:-1], number)
        except ValueError as error:
            raise SourceError(f"line {line()}: {error}") from None
    return blocks.stored(typed=False)


class LongBlocks:
    """The blocks of a result as the rows of its long table come.

    `columns` are the index columns; `limit` is that of the bytes that the rows take.
    """

    def __init__(self, columns: Sequence[str], limit: int) -> None:
        self._columns, self._limit, self._count = list(columns), limit, 0
        self._labels: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._places: dict[tuple[str, ...], array[int]] = {}
        self._numbers: dict[tuple[str, ...], array[float]] = {}
        self._axes: dict[tuple[str, ...], list[int]] = {}

    def add(self, cells: Sequence[Any], number: float) -> None:
        """Add a row.

        Raises:
            ValueError: a cell is no label, or no number of a row; a sentence.
            SourceError: there are too many.
        """
        names: list[str] = []
        place: list[int] = []
        axes: list[int] = []
        for column, cell in zip(self._columns, cells, strict=True):
            if column == BATCH:
                if not _ROW.match(str(cell)):
                    raise ValueError(f"{cell!r} is not the number of a row of a batch.")
                place.append(int(cell))
                continue
            name, index = self._label(cell)
            names.append(name)
            axes.append(len(index))
            place.extend(index)
        key = tuple(names)
        if self._axes.setdefault(key, axes) != axes:
            raise ValueError(f"{', '.join(map(str, cells))} has not as many indices as others.")
        self._places.setdefault(key, array("q")).extend(place)
        self._numbers.setdefault(key, array("d")).append(number)
        self._count += 1
        if self._count * _ROW_BYTES > self._limit:
            needed = self._count * _ROW_BYTES
            raise too_large(f"the first {self._count} rows need", needed, self._limit)

    def stored(self, *, typed: bool) -> Stored:
        """Return the blocks.

        Raises:
            SourceError: there are entries without a row.
        """
        arrays = {".".join(key): self._array(key) for key in self._numbers}
        if not arrays:
            raise SourceError("the table has no rows.")
        return Stored(arrays, "blocks", typed=typed)

    def _label(self, cell: str) -> tuple[str, tuple[int, ...]]:
        found = self._labels.get(cell)
        if found is None:
            match = _LABEL.match(str(cell))
            if match is None:
                raise ValueError(f"{cell!r} is not a label such as x or y[0].")
            indices = tuple(map(int, match[2].split(","))) if match[2] else ()
            found = self._labels[cell] = (match[1], indices)
        return found

    def _array(self, key: tuple[str, ...]) -> Array:
        numbers = np.array(self._numbers[key])
        axes = (BATCH in self._columns) + sum(self._axes[key])
        places = np.array(self._places[key], np.int64).reshape(len(numbers), axes)
        shape: tuple[int, ...] = ()
        if axes:
            shape = tuple(int(size) + 1 for size in places.max(axis=0))
        total = prod(shape)
        name = ".".join(key)
        if total != len(numbers):
            raise SourceError(
                f"{name}: {len(numbers)} rows where the labels go up to {total} entries.",
                hint="A part of a result, or a sparse one, cannot be read back from a long table: "
                "use .npz or .mtx.",
            )
        values = np.empty(shape)
        flat = np.zeros(1, np.int64)
        if shape:
            flat = np.asarray(np.ravel_multi_index(tuple(places.T), shape))
        if len(np.unique(flat)) != len(flat):
            raise SourceError(f"{name}: an entry has two rows.")
        values.reshape(-1)[flat] = numbers
        return values


def rows_of(text: Iterable[str], separator: str) -> Any:
    """Return a reader of the rows of a table."""
    return csv.reader(text, delimiter=separator, strict=True)
