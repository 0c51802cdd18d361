"""How a table is written: what the source says of it, and what its first lines show.

Each separator, with the decimal sign that its cells show, is a reading of the first lines. One in
which all columns are numbers goes before others; what still has two readings is refused with both.

Boundary: sees the first lines alone, not files.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaccli.errors import SourceError, shortened
from jaccli.spec.tables import cells
from jaccli.spec.tables.keys import BLANKS, FIRST, NONE, TableOptions, remedy
from jaccli.spec.tables.rows import rows_of, stripped, wide_cells

_SEPARATORS = ("\t", ";", ",", BLANKS)
"""What is tried: of readings that are as good, the first one."""
_SPELLED = {"\t": "tab", BLANKS: "blanks"}
_GROUPED_BY_BLANKS = re.compile(r"[+-]?[1-9][0-9]{0,2}( [0-9]{3})+\Z")
_QUOTED = 60
"""Characters of a line that a message quotes."""


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


@dataclass(frozen=True)
class _Reading:
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


def spelled(separator: str) -> str:
    """Return a separator in words, or in quotes."""
    return _SPELLED.get(separator, repr(separator))


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
        rows = _rows(lines, options.separator, whole)
        width = _width(rows) or len(stripped(rows[0])) or 1
        reading = _Reading(options.separator, [stripped(row) for row in rows], width)
    else:
        reading = _best(lines, whole=whole, options=options, entries=entries)
    reading = _with_numbers(reading, options, entries)
    names = _header(reading, options, entries)
    width = reading.width if names is None else len(names)
    return Layout(reading.separator, reading.decimal, names, width, reading.numeric)


def _rows(lines: Sequence[str], separator: str, whole: bool) -> list[list[str]]:
    """Return the rows that are not blank; one that the sample cuts is left out."""
    try:
        rows = list(rows_of(lines, separator))
    except csv.Error:
        if whole or len(lines) < 2:
            raise
        return _rows(lines[:-1], separator, whole)
    return [row for row in rows if any(map(str.strip, row))]


def _width(rows: list[list[str]]) -> int:
    """Return the number of columns, or 0 where rows have not as many cells.

    Empty cells at the end of all rows are no column: separators may end lines.
    """
    width = max((len(stripped(row)) for row in rows), default=0)
    return width if all(len(row) >= width for row in rows) else 0


def _best(
    lines: Sequence[str], *, whole: bool, options: TableOptions, entries: dict[str, Any]
) -> _Reading:
    """Return the one reading of the first lines, or refuse them."""
    readings: list[_Reading] = []
    parsed: dict[str, list[list[str]]] = {}
    wrong: csv.Error | None = None
    for separator in _SEPARATORS:
        try:
            rows = parsed[separator] = _rows(lines, separator, whole)
        except csv.Error as error:
            wrong = wrong or error
            continue
        if separator == BLANKS and not _width(rows) and len(rows) > 1:
            # Names of aligned columns may have blanks: then there are more between them.
            first = next(line for line in lines if line.strip())
            if len(wide := wide_cells(first)) == _width(rows[1:]):
                rows = parsed[separator] = [wide, *rows[1:]]
        if width := _width(rows):
            reading = _Reading(separator, [stripped(row) for row in rows], width)
            readings.append(_with_numbers(reading, options, entries, ask=False))
    widths = {reading.separator: reading.width for reading in readings}
    if any(widths.get(separator) != 1 for separator in _SEPARATORS[:-1]):
        # One column, by one separator, is none where another divides lines.
        readings = [reading for reading in readings if reading.width > 1]
    if wrong is not None and not readings:
        raise wrong
    if options.decimal == ",":
        readings = [reading for reading in readings if _is_quoted(reading, parsed)] or [
            _one_column(lines, whole)
        ]
    if not readings:
        return _ragged(parsed, options, entries)
    full = [reading for reading in readings if reading.is_full]
    best, *others = full or readings
    others = [other for other in others if other.rows != best.rows]
    if others and not full:
        better = [other for other in others if len(other.numeric) > len(best.numeric)]
        if better and not best.numeric:
            best, *others = better
            others = [other for other in others if other.rows != best.rows]
            better = [other for other in others if len(other.numeric) > len(best.numeric)]
        others = better
    if others:
        raise _two(best.separator, others[0].separator, lines, entries)
    _check_comma(best, lines, options, entries)
    return best


def _one_column(lines: Sequence[str], whole: bool) -> _Reading:
    """Return the lines as one column; no line has a line end in it, so that none is divided."""
    rows = [[line.strip().strip('"')] for line in lines if line.strip()]
    return _Reading("\n", rows, 1)


def _is_quoted(reading: _Reading, parsed: dict[str, list[list[str]]]) -> bool:
    """Whether commas may separate cells though they are the decimal sign: in quoted ones."""
    if reading.separator != ",":
        return True
    return any("," in cell for row in parsed[","] for cell in row)


def _two(first: str, second: str, lines: Sequence[str], entries: dict[str, Any]) -> SourceError:
    """Return the error for lines that two separators divide."""
    line = _quote(next(line for line in lines[1:] or lines if line.strip()))
    ways = " or ".join(remedy(entries, separator=one) for one in (first, second))
    return SourceError(
        f"the separator of the cells in {line} may be {spelled(first)} or {spelled(second)}.",
        hint=f"Write {ways}.",
    )


def _quote(line: str) -> str:
    return repr(shortened(line.strip("\r\n"), _QUOTED))


def _check_comma(
    reading: _Reading, lines: Sequence[str], options: TableOptions, entries: dict[str, Any]
) -> None:
    """Refuse rows of two cells that may be numbers with a decimal comma, or thousands."""
    bare = [line.strip() for line in lines if line.strip()]
    body = bare if len(reading.rows[0]) == 1 else bare[1:] or bare
    no_header = (
        all(cells.is_number(cell, ".") for cell in reading.rows[0]) or options.header == NONE
    )
    if reading.separator == "," and reading.width > 1 and options.decimal is None and no_header:
        if reading.width == 2 and all(map(cells.has_comma, bare)):
            raise _pair_or_comma(bare[0], entries)
        if all(map(cells.is_grouped, bare)):
            raise _pair_or_comma(bare[0], entries)
    blanks = reading.separator == BLANKS and reading.width > 1 and no_header
    if blanks and all(map(_GROUPED_BY_BLANKS.match, body)):
        raise SourceError(
            f"{bare[0]!r} is {reading.width} numbers, or one with its thousands grouped.",
            hint=f"Write {remedy(entries, separator=BLANKS)}, or take the blanks out of the "
            "numbers.",
        )


def _pair_or_comma(line: str, entries: dict[str, Any]) -> SourceError:
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


def _ragged(
    parsed: dict[str, list[list[str]]], options: TableOptions, entries: dict[str, Any]
) -> _Reading:
    """Return the reading that most lines have, for its error to name the line, or refuse."""
    rows = parsed.get(",") or []
    bodies = [row[0] for row in parsed.get("\t") or parsed.get(";") or rows[1:] if len(row) == 1]
    one_name = bool(rows) and len(stripped(rows[0])) == 1
    if (
        options.decimal is None
        and one_name
        and bodies[1:]
        and all(map(cells.has_comma, bodies[1:]))
    ):
        grouped = ", or with its thousands grouped" if cells.is_grouped(bodies[1]) else ""
        raise SourceError(
            f"{bodies[1]!r} is two numbers under one name, or one with a decimal comma{grouped}.",
            hint=f"Write {remedy(entries, decimal=',')} for a decimal comma.",
        )
    for separator in _SEPARATORS:
        rows = parsed.get(separator) or []
        widths = [len(stripped(row)) for row in rows]
        if widths and widths[0] > 1 and 2 * widths.count(widths[0]) > len(widths):
            return _Reading(separator, [stripped(row) for row in rows], widths[0])
    first = next((row for row in parsed.get(";") or rows if row), [""])
    raise SourceError(
        f"the separator of the cells cannot be told: none divides all lines, of which the first "
        f"is {_quote(first[0])}, into as many cells.",
        hint=f"Name it, as in {remedy(entries, separator=';')}; lines that are no rows may be "
        "marked as comments, with #.",
    )


def _with_numbers(
    reading: _Reading, options: TableOptions, entries: dict[str, Any], *, ask: bool = True
) -> _Reading:
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
            raise _pair_or_comma(commas[0], entries)
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


def _header(
    reading: _Reading, options: TableOptions, entries: dict[str, Any]
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
                f"the first line, {_quote(' '.join(first))}, may name the columns, or be a row.",
                hint=f"Write {remedy(entries, header=FIRST)} or {remedy(entries, header=NONE)}.",
            )
    names = list(first)
    if len(names) < reading.width and any(len(row) > len(names) for row in reading.rows[1:]):
        # Columns at the end without names.
        names += [""] * (reading.width - len(names))
    return tuple(names)
