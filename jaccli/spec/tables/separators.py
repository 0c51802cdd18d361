"""The separator of a table's cells, found from its first lines.

Boundary: sees readings with each separator, and chooses or refuses; names of columns are no matter.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import Any

from jaccli.errors import SourceError
from jaccli.spec.tables import cells
from jaccli.spec.tables.keys import BLANKS, NONE, TableOptions, remedy
from jaccli.spec.tables.readings import (
    Reading,
    pair_or_comma,
    quote,
    rows_with,
    width_of,
    with_numbers,
)
from jaccli.spec.tables.rows import stripped, wide_cells

_SEPARATORS = ("\t", ";", ",", BLANKS)
"""What is tried: of readings that are as good, the first one."""
_SPELLED = {"\t": "tab", BLANKS: "blanks"}
_GROUPED_BY_BLANKS = re.compile(r"[+-]?[1-9][0-9]{0,2}( [0-9]{3})+\Z")


def spelled(separator: str) -> str:
    """Return a separator in words, or in quotes."""
    return _SPELLED.get(separator, repr(separator))


def best(
    lines: Sequence[str], *, whole: bool, options: TableOptions, entries: dict[str, Any]
) -> Reading:
    """Return the one reading of the first lines, or refuse them."""
    readings: list[Reading] = []
    parsed: dict[str, list[list[str]]] = {}
    wrong: csv.Error | None = None
    for separator in _SEPARATORS:
        try:
            rows = parsed[separator] = rows_with(lines, separator, whole)
        except csv.Error as error:
            wrong = wrong or error
            continue
        if separator == BLANKS and not width_of(rows) and len(rows) > 1:
            # Names of aligned columns may have blanks: then there are more between them.
            first = next(line for line in lines if line.strip())
            if len(wide := wide_cells(first)) == width_of(rows[1:]):
                rows = parsed[separator] = [wide, *rows[1:]]
        if width := width_of(rows):
            reading = Reading(separator, [stripped(row) for row in rows], width)
            readings.append(with_numbers(reading, options, entries, ask=False))
    dividing = [
        separator for separator in _SEPARATORS if separator in parsed and separator != BLANKS
    ]
    if wrong is not None and not dividing:
        raise wrong
    if options.decimal == "," and not any(
        "," in cell for row in parsed.get(",", []) for cell in row
    ):
        # No cell is quoted, so that commas are decimal signs alone.
        dividing.remove(",")
        readings = [reading for reading in readings if reading.separator != ","]
    widths = {reading.separator: reading.width for reading in readings}
    if any(widths.get(separator) != 1 for separator in dividing):
        # One column, by one separator, is none where another divides lines.
        readings = [reading for reading in readings if reading.width > 1]
    if not readings:
        if wrong is not None:
            raise wrong
        return _ragged(parsed, options, entries)
    full = [reading for reading in readings if reading.is_full]
    chosen, *others = full or readings
    others = [other for other in others if other.rows != chosen.rows]
    if not full:
        if not chosen.numeric:
            chosen = max(readings, key=lambda reading: len(reading.numeric))
        others = [other for other in others if len(other.numeric) > len(chosen.numeric)]
    if others:
        raise _two(chosen.separator, others[0].separator, lines, entries)
    _check_comma(chosen, lines, options, entries)
    return chosen


def _two(first: str, second: str, lines: Sequence[str], entries: dict[str, Any]) -> SourceError:
    """Return the error for lines that two separators divide."""
    line = quote([line for line in lines if line.strip()][:2][-1])
    ways = " or ".join(remedy(entries, separator=one) for one in (first, second))
    return SourceError(
        f"the separator of the cells in {line} may be {spelled(first)} or {spelled(second)}.",
        hint=f"Write {ways}.",
    )


def _check_comma(
    reading: Reading, lines: Sequence[str], options: TableOptions, entries: dict[str, Any]
) -> None:
    """Refuse rows of two cells that may be numbers with a decimal comma, or thousands."""
    bare = [line.strip() for line in lines if line.strip()]
    body = bare if len(reading.rows[0]) == 1 else bare[1:] or bare
    no_header = (
        all(cells.is_number(cell, ".") for cell in reading.rows[0]) or options.header == NONE
    )
    if reading.separator == "," and reading.width > 1 and options.decimal is None and no_header:
        if reading.width == 2 and all(map(cells.has_comma, bare)):
            raise pair_or_comma(bare[0], entries)
        if all(map(cells.is_grouped, bare)):
            raise pair_or_comma(bare[0], entries)
    blanks = reading.separator == BLANKS and reading.width > 1 and no_header
    if blanks and all(map(_GROUPED_BY_BLANKS.match, body)):
        raise SourceError(
            f"{bare[0]!r} is {reading.width} numbers, or one with its thousands grouped.",
            hint=f"Write {remedy(entries, separator=BLANKS)}, or take the blanks out of the "
            "numbers.",
        )


def _ragged(
    parsed: dict[str, list[list[str]]], options: TableOptions, entries: dict[str, Any]
) -> Reading:
    """Return the reading that most lines have, for its error to name the line, or refuse."""
    alone = [stripped(row)[0] for row in parsed.get(";") or parsed.get("\t") or [] if len(row) == 1]
    body = alone
    if alone and not cells.is_number(alone[0], ","):
        body = [] if "," in alone[0] else alone[1:]
    commas = [cell for cell in body if cells.has_comma(cell)]
    if options.decimal is None and commas and all(cells.is_number(cell, ",") for cell in body):
        grouped = ", or with its thousands grouped" if cells.is_grouped(commas[0]) else ""
        raise SourceError(
            f"{commas[0]!r} is two cells, or one number with a decimal comma{grouped}.",
            hint=f"Write {remedy(entries, decimal=',')} for a decimal comma.",
        )
    for separator in _SEPARATORS:
        rows = parsed.get(separator) or []
        widths = [len(stripped(row)) for row in rows]
        if widths and widths[0] > 1 and 2 * widths.count(widths[0]) > len(widths):
            return Reading(separator, [stripped(row) for row in rows], widths[0])
    first = next((row for row in parsed.get(";") or rows if row), [""])
    raise SourceError(
        f"the separator of the cells cannot be told: none divides all lines, of which the first "
        f"is {quote(first[0])}, into as many cells.",
        hint=f"Name it, as in {remedy(entries, separator=';')}; lines that are no rows may be "
        "marked as comments, with #.",
    )
