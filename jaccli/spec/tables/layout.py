"""How a table is written: what the source says of it, and what its first lines show.

Each separator, with the decimal sign that its cells show, is a reading of the first lines. One in
which all columns are numbers goes before others; what still has two readings is refused with both.

Boundary: sees the first lines alone, not files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaccli.errors import SourceError
from jaccli.spec.tables import cells
from jaccli.spec.tables.keys import FIRST, NONE, TableOptions, remedy
from jaccli.spec.tables.readings import Reading, quote, rows_with, width_of, with_numbers
from jaccli.spec.tables.rows import stripped
from jaccli.spec.tables.separators import best, spelled


@dataclass(frozen=True)
class Layout:
    """How a table is written.

    `names` are those of its columns, None where it has no header; `first` is the first row,
    whatever it is, and `numeric` are the places of columns that are numbers in the first lines.
    """

    separator: str
    decimal: str
    names: tuple[str, ...] | None
    width: int
    numeric: tuple[int, ...] = ()

    @property
    def separator_name(self) -> str:
        """The separator as a spec writes it."""
        return spelled(self.separator)


def find(
    lines: Sequence[str], *, whole: bool, options: TableOptions, entries: dict[str, Any]
) -> Layout:
    """Return the layout of a table from its first lines, of which `whole` says whether it ends.

    Raises:
        SourceError: there are no lines, or they have two readings, or none.
    """
    if not any(map(str.strip, lines)):
        raise SourceError("the file is empty.")
    if options.separator is not None:
        rows = rows_with(lines, options.separator, whole)
        if not rows:
            raise SourceError("the file is empty.")
        width = width_of(rows) or len(stripped(rows[0])) or 1
        reading = Reading(options.separator, [stripped(row) for row in rows], width)
    else:
        reading = best(lines, whole=whole, options=options, entries=entries)
    reading = with_numbers(reading, options, entries)
    names = _header(reading, options, entries)
    width = reading.width if names is None else len(names)
    return Layout(reading.separator, reading.decimal, names, width, reading.numeric)


def _header(
    reading: Reading, options: TableOptions, entries: dict[str, Any]
) -> tuple[str, ...] | None:
    """Return the names in the first row, or None where it has numbers as the others.

    Raises:
        SourceError: it may be either.
    """
    first = reading.rows[0]
    if options.header == NONE:
        return None
    ignored = options.missing | {""}
    texts = [
        index
        for index, cell in enumerate(first)
        if cell not in ignored and not cells.is_number(cell, reading.decimal)
    ]
    numbers = [i for i, cell in enumerate(first) if cells.is_number(cell, reading.decimal)]
    if options.header is None:
        if numbers and not texts:
            return None
        over_numbers = any(index in reading.numeric for index in texts) and len(reading.rows) > 1
        names = [first[index] for index in texts if not cells.may_be_data(first[index])]
        if (numbers and not over_numbers) or not names:
            raise SourceError(
                f"the first line, {quote(' '.join(first))}, may name the columns, or be a row.",
                hint=f"Write {remedy(entries, header=FIRST)} or {remedy(entries, header=NONE)}.",
            )
    names = list(first)
    if len(names) < reading.width and any(len(row) > len(names) for row in reading.rows[1:]):
        # Columns at the end without names.
        names += [""] * (reading.width - len(names))
    return tuple(names)
