"""One reading of a table's first lines: rows of cells, the decimal sign, the columns of numbers.

Boundary: takes the separator as given.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaccli.errors import SourceError, shortened
from jaccli.spec.tables import cells
from jaccli.spec.tables.keys import TableOptions, remedy
from jaccli.spec.tables.rows import rows_of, stripped

_QUOTED = 60
"""Characters of a line that a message quotes."""


@dataclass(frozen=True)
class Reading:
    """The first lines with one separator: rows without blank ones, cells without blanks around."""

    separator: str
    rows: list[list[str]]
    width: int
    decimal: str = "."
    numeric: tuple[int, ...] = ()

    @property
    def data(self) -> list[list[str]]:
        """The rows that are surely not a header."""
        return self.rows[1:] or self.rows

    @property
    def is_full(self) -> bool:
        """Whether all columns are numbers."""
        return len(self.numeric) == self.width


def rows_with(lines: Sequence[str], separator: str, whole: bool) -> list[list[str]]:
    """Return the rows that are not blank; one that the sample cuts is left out."""
    try:
        rows = list(rows_of(lines, separator))
    except csv.Error:
        if whole or len(lines) < 2:
            raise
        return rows_with(lines[:-1], separator, whole)
    return [row for row in rows if any(map(str.strip, row))]


def width_of(rows: list[list[str]]) -> int:
    """Return the number of columns, or 0 where rows have not as many cells.

    Empty cells at the end of all rows are no column: separators may end lines.
    """
    width = max((len(stripped(row)) for row in rows), default=0)
    return width if all(len(row) >= width for row in rows) else 0


def with_numbers(
    reading: Reading, options: TableOptions, entries: dict[str, Any], *, ask: bool = True
) -> Reading:
    """Return a reading with its decimal sign and its columns of numbers.

    Raises:
        SourceError: with `ask`, commas group thousands, or are decimal signs.
    """
    flat = [cell for row in reading.rows for cell in row]
    commas = [cell for cell in flat if cells.has_comma(cell) or cells.is_grouped(cell)]
    decimal = options.decimal or "."
    if options.decimal is None and commas:
        points = any("." in cell and cells.is_number(cell, ".") for cell in flat)
        clear = not all(map(cells.is_grouped, commas))
        if ask and not points and not clear:
            cell = commas[0]
            bare = cell.replace(",", "")
            comma = f", or {cell.replace(',', '.')} with a decimal comma"
            way = f"Write {remedy(entries, decimal=',')}, or take the commas out of the numbers."
            if cell.count(",") > 1:
                comma, way = "", "Take the commas out of the numbers."
            raise SourceError(f"{cell!r} is {bare} with its thousands grouped{comma}.", hint=way)
        decimal = "." if points else ","
        if ask and decimal == "," and reading.width == 1 and options.separator is not None:
            raise pair_or_comma(commas[0], entries)
    ignored = options.missing | {""}
    numeric = []
    for index in range(reading.width):
        column = [row[index] for row in reading.data if index < len(row)]
        column = [cell for cell in column if cell not in ignored]
        strict = decimal == "," and options.decimal is None
        if column and all(_is_number(cell, decimal, strict) for cell in column):
            numeric.append(index)
    return replace(reading, decimal=decimal, numeric=tuple(numeric))


def _is_number(cell: str, decimal: str, strict: bool) -> bool:
    """Whether a cell is a number; `strict`: a comma has digits on both sides."""
    bare = cell.lstrip("+-")
    return cells.is_number(cell, decimal) and not (strict and bare != bare.strip(","))


def pair_or_comma(line: str, entries: dict[str, Any]) -> SourceError:
    """Return the error for cells that commas may separate, or that may have commas."""
    count = line.count(",") + 1
    readings = [f"{count} numbers"]
    ways = [f"{remedy(entries, separator=',')} for {count} columns"]
    if count == 2:
        readings.append("one with a decimal comma")
        ways.append(f"{remedy(entries, decimal=',')} for one")
    if cells.is_grouped(line):
        readings.append("one with its thousands grouped")
    return SourceError(f"{line!r} is {', or '.join(readings)}.", hint=f"Write {' or '.join(ways)}.")


def quote(line: str) -> str:
    """Return a line as a message quotes it."""
    return repr(shortened(line.strip("\r\n"), _QUOTED))
