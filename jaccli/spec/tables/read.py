"""A table's file to the array that a source asks for.

Boundary: the one module here that holds numbers; what it takes is counted against the budget.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from jaccli.errors import SourceError, shortened
from jaccli.spec.tables import cells, columns, labelled, layout
from jaccli.spec.tables.keys import FIRST, NONE, TableOptions, remedy, shown
from jaccli.spec.tables.layout import Layout
from jaccli.spec.tables.rows import Rows, picker, rows_of
from jaccli.spec.tables.text import TableLines
from jaccli.storage.reading import too_large

_LABEL_BYTES = 64
"""Bytes that a label takes at most besides its characters."""
_OTHER_SEPARATOR = re.compile(r"[0-9]\s*([|:/!&~^])\s*[0-9.+-]")
"""What may separate cells and is not tried."""
_QUOTED = 60
"""Characters of a cell that a message quotes."""


def read(
    name: str,
    stream: BinaryIO,
    entries: dict[str, Any],
    limit: int,
    tell: Callable[[str], None] | None = None,
) -> Any:
    """Return the columns that `entries` ask for: (rows,) of one, (rows, columns) of several.

    A table that the program wrote is the array of its one block, or its matrix. `tell` is called
    with what was not said of the table, and how it was taken.

    Raises:
        SourceError: the file is no table of numbers, has two readings, or is over `limit` bytes.
        NotInFile: it has no such column.
    """
    import numpy as np

    options = TableOptions.of(entries)
    lines = TableLines(stream, options, entries, limit)
    found = layout.find(lines.sample, whole=lines.is_whole, options=options, entries=entries)
    indices = columns.wanted(name, entries, found, lines.comment)
    whole = entries.get("column") is None and not entries.get("columns")
    labels: list[int] = []
    if whole and labelled.is_long(found.names):
        *labels, last = range(found.width)
        indices = [last]
    elif whole and found.names and found.width > 1 and found.names[0] == "":
        labels, indices = [0], indices[1:]
    lines.expect(found.decimal)
    table = _Table(found, options, entries, indices, labels, limit)
    table.fill(lines)
    if tell is not None:
        tell(_assumed(found, options, lines, _labels(labels)))
    return _shaped(np, table, whole=whole)


def _labels(places: list[int]) -> str:
    """Return which columns are taken as labels."""
    if len(places) > 1:
        return f"the first {len(places)} columns as labels"
    return "the first column as labels" if places else ""


def _shaped(np: Any, table: _Table, *, whole: bool) -> Any:
    """Return the array of a table."""
    width = len(table.indices)
    numbers = np.frombuffer(table.numbers) if table.numbers else np.empty(0)
    for sentinel in table.options.sentinels:
        numbers = np.where(numbers == sentinel, np.nan, numbers)
    if table.entries.get("dtype") == "int64" and (large := numbers[abs(numbers) >= 2.0**53]).size:
        raise SourceError(f"{large[0]:.0f} may have lost digits: tables are read in float64.")
    numbers = numbers.reshape(table.count, width)
    names = table.layout.names or ()
    if len(table.labels) == 1 and not labelled.is_long(names):
        table.check_labels()
        return labelled.of_matrix(np, numbers, table.texts[0], names[1:])
    if table.labels:
        return labelled.of_long(np, numbers[:, 0], names[:-1], table.texts)
    return numbers[:, 0] if width == 1 and not table.entries.get("columns") else numbers


@dataclass
class _Table:
    """The numbers of some columns and the texts of others, as the rows come."""

    layout: Layout
    options: TableOptions
    entries: dict[str, Any]
    indices: list[int]
    labels: list[int]
    limit: int
    numbers: array[float] = field(default_factory=lambda: array("d"))
    texts: list[list[str]] = field(default_factory=list)
    count: int = 0
    _blank: list[int] = field(default_factory=list)
    """The numbers of blank lines since the last row: there may be no other row after them."""
    _text_bytes: int = 0

    def fill(self, lines: TableLines) -> None:
        """Read all rows."""
        self.texts = [[] for _ in self.labels]
        rows = rows_of(lines, self.layout.separator)
        each = iter(rows)
        if self.layout.names is not None:
            next(row for row in each if any(map(str.strip, row)))
            lines.is_odd = self.layout.decimal == ","
        width, numbers, blank = self.layout.width, self.numbers, self._blank
        pick, size = picker(self.indices, width), len(self.indices)
        is_comma, labelled_rows = self.layout.decimal == ",", bool(self.labels)
        capacity = self.limit // numbers.itemsize
        for row in each:
            # What is rare goes through `_add`: `float` alone reads three times as fast.
            if lines.is_odd or len(row) != width or blank or labelled_rows:
                self._add(row, rows, lines)
                lines.is_odd = is_comma
            else:
                try:
                    numbers.extend(map(float, pick(row)))
                    self.count += 1
                except ValueError:
                    del numbers[self.count * size :]
                    self._add(row, rows, lines)
            if len(numbers) > capacity or labelled_rows:
                self._check_size()

    def _check_size(self) -> None:
        needed = self.numbers.itemsize * len(self.numbers) + self._text_bytes
        if needed > self.limit:
            raise too_large(f"the first {self.count} rows need", needed, self.limit)

    def _add(self, row: list[str], rows: Rows, lines: TableLines) -> None:
        """Add a row that may be blank, ragged, or have cells that `float` does not read."""
        line, width = rows.line + lines.skipped, self.layout.width
        texts = [cell.strip() for cell in row]
        if not any(texts):
            if len(row) > 1 or width == 1:
                self._blank.append(line)
            return
        for blank in self._blank:
            self._append([""] * width, blank)
        self._blank.clear()
        if len(row) < width or any(texts[width:]):
            raise self._ragged(row, line)
        self._append(texts[:width], line)

    def _append(self, row: list[str], line: int) -> None:
        missing, decimal = self.options.missing, self.layout.decimal
        for index in self.indices:
            cell = row[index]
            if cell in missing:
                self.numbers.append(float("nan"))
                continue
            try:
                self.numbers.append(cells.number(cell, decimal))
            except ValueError:
                raise self._wrong(cell, index, line) from None
        for texts, index in zip(self.texts, self.labels, strict=True):
            texts.append(row[index])
            self._text_bytes += _LABEL_BYTES + len(row[index])
        self.count += 1

    def check_labels(self) -> None:
        """Refuse labels of rows that may be numbers of a column without a name."""
        for place, label in enumerate(self.texts[0]):
            if cells.is_number(label, self.layout.decimal) or not label:
                numbers = [name or place for place, name in enumerate(self.layout.names or ())]
                raise SourceError(
                    f"the first column has no name: {label!r}, in row {place + 1}, may be a label "
                    "or a number.",
                    hint=f"Write {remedy(self.entries, columns=numbers[1:])} without it, or "
                    f"{remedy(self.entries, columns=numbers)} with it.",
                )

    def _ragged(self, row: list[str], line: int) -> SourceError:
        names, width, count = self.layout.names, self.layout.width, len(row)
        what = "the header" if names is not None else "the first line"
        hint = ""
        if self.layout.separator == "," and count == 2 * width and self.options.decimal is None:
            hint = (
                "Numbers with a decimal comma stand in quotation marks where commas separate cells."
            )
        elif self.options.separator is None and self.layout.separator != ",":
            hint = f"Cells are separated by {self.layout.separator_name}."
        return SourceError(f"line {line} has {count} cells, {what} {width}.", hint=hint)

    def _wrong(self, cell: str, index: int, line: int) -> SourceError:
        """Return the error for a cell that is no number."""
        where = f"line {line}, column {self._called(index)}"
        cell = shortened(cell, _QUOTED)
        if not cell or cells.MISSING.match(cell):
            what = f"{cell!r} is not a number" if cell else "the cell is empty"
            missing = [*self.options.missing, *self.options.sentinels, cell]
            hint = f"To make it NaN: {remedy(self.entries, missing=missing)}."
            return SourceError(f"{where}: {what}.", hint=hint)
        what, hint = cells.describe(cell, self.layout.decimal)
        if self.layout.decimal == "." and cells.has_comma(cell):
            way = remedy(self.entries, decimal=",")
            hint = f"{hint} If it is a decimal comma: {way}." if hint else f"Write {way}."
        other = _OTHER_SEPARATOR.search(cell) if self.layout.width == 1 else None
        if other is not None and self.options.separator is None:
            hint = f"If {other[1]!r} separates cells: {remedy(self.entries, separator=other[1])}."
        good = self.layout.numeric
        if not hint and good and not self.count and not self.entries.get("column"):
            names = self.layout.names
            picked = [place if names is None else names[place] or place for place in good]
            hint = f"The columns of numbers: {remedy(self.entries, columns=picked)}."
        return SourceError(f"{where}: {what}", hint=hint)

    def _called(self, index: int) -> str:
        names = self.layout.names
        return repr(names[index]) if names is not None and names[index] else str(index)


def _assumed(found: Layout, options: TableOptions, lines: TableLines, more: str) -> str:
    """Return what the source does not say of its table, as it would say it."""
    header = NONE if found.names is None else FIRST
    said = {
        "separator": (options.separator, found.separator),
        "decimal": (options.decimal, found.decimal),
        "header": (options.header, header),
        "encoding": (options.encoding, lines.encoding),
    }
    words = [
        shown(key, value)
        for key, (given, value) in said.items()
        if given is None and not (key == "separator" and found.width == 1)
    ]
    words += [more] if more else []
    text = f"assumed {', '.join(words)}" if words else "read as said"
    if not lines.skipped:
        return text
    count = "1 line that begins" if lines.skipped == 1 else f"{lines.skipped:,} lines that begin"
    return f"{text}; skipped {count} with {options.comment!r}"
