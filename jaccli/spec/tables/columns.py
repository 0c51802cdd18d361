"""Which columns of a table are asked for.

Boundary: knows names and places, not numbers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from jaccli.errors import SourceError, did_you_mean, listed
from jaccli.spec.tables.keys import BLANKS, FIRST, remedy
from jaccli.spec.tables.layout import Layout


class NotInFile(SourceError):
    """The file has no such `entry` (`key`, `column`)."""

    def __init__(self, message: str, entry: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.entry = entry


def wanted(name: str, entries: dict[str, Any], layout: Layout, comment: str = "") -> list[int]:
    """Return the places of the columns that are asked for: of all where none is.

    `comment` is one before the first line, which may have names for a table without a header.

    Raises:
        NotInFile: there is none of that name, or at that place.
        SourceError: a name stands in the header twice.
    """
    entry = "columns" if entries.get("columns") else "column"
    asked = entries.get(entry)
    names = layout.names
    if asked is None:
        if names is not None:
            _check_unique(names, [column for column in names if column])
        return list(range(layout.width))
    asked = asked if isinstance(asked, list) else [asked]
    if names is not None:
        _check_unique(names, [column for column in asked if isinstance(column, str)])
    places = {} if names is None else {column: place for place, column in enumerate(names)}
    for column in asked if names is None else ():
        if isinstance(column, str) and not column.isdecimal():
            raise _no_header(name, column, entry, entries, layout, comment)
    return [_place(name, column, entry, entries, layout, places) for column in asked]


def _no_header(
    name: str, column: str, entry: str, entries: dict[str, Any], layout: Layout, comment: str
) -> NotInFile:
    """Return the error for a column's name where there are none, but maybe in a comment."""
    message = f"{name} has no header, and so no column {column!r}."
    hint = f"Its columns are 0 to {layout.width - 1}"
    separator = None if layout.separator == BLANKS else layout.separator
    names = [word.strip() for word in comment.split(separator)]
    if len(names) == layout.width and column in names:
        way = remedy(entries, column=names.index(column))
        return NotInFile(message, entry, f"{hint}, and a comment names them: {way}.")
    way = remedy(entries, header=FIRST)
    return NotInFile(message, entry, f"{hint}; with {way} the first line names them.")


def _place(
    name: str,
    column: str | int,
    entry: str,
    entries: dict[str, Any],
    layout: Layout,
    places: dict[str, int],
) -> int:
    if isinstance(column, str) and layout.names is not None:
        if column not in places:
            message = f"{name} has no column {column!r}."
            hint = did_you_mean(column, [known for known in places if known])
            raise NotInFile(message, entry, hint)
        return places[column]
    place = int(column)
    if place >= layout.width:
        message = f"{name} has no column {place}: they are counted from 0 to {layout.width - 1}."
        named = str(place) in places
        hint = f"A name that is a number stands in quotes: '{place}'." if named else ""
        raise NotInFile(message, entry, hint)
    if isinstance(column, int) and places.get(str(place), place) != place:
        raise NotInFile(
            f"{name}: column {place} is the one named '{place}', or the one at place {place}, "
            f"{layout.names[place]!r}."
            if layout.names
            else "",
            entry,
            f"Write its name in quotes: {remedy(entries, column=str(place))}.",
        )
    return place


def _check_unique(names: tuple[str, ...], asked: list[str]) -> None:
    counts = Counter(names)
    for column in names:
        if counts[column] > 1 and column in set(asked):
            places = [str(place) for place, known in enumerate(names) if known == column]
            raise SourceError(
                f"the header names the column {column!r} twice.",
                hint=f"By place they are columns {listed(places)}.",
            )
