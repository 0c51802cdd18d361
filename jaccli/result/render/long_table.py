"""The long layout for people: a row for each entry in aligned columns.

`plain` has every row and every number in full; a table is rounded, and cut in the middle.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from jaccli.result.labels import Names
from jaccli.result.long import BATCH, VALUE, LongRows, index_columns, long_rows
from jaccli.result.numerals import longest, shortest, significant
from jaccli.result.view import View

_ENDS = 10
"""Rows of each end that a table shows at most."""
_MEASURED = 1 << 16
"""Rows that a list may have for its columns to be as narrow as they can be."""


def plain_long(view: View) -> Iterator[str]:
    """Yield the lines of a view, each with its end."""
    header = _header(view)
    count = sum(getattr(part.values, "nnz", part.values.size) for part in view.parts)
    if count <= _MEASURED:
        body = [row for rows in long_rows(view) for row in _cells(rows, header)]
        yield from _aligned([header, *body])
        return
    widths = [_width(view, name) for name in header]
    yield _line(header, widths)
    for rows in long_rows(view):
        yield from (_line(row, widths) for row in _cells(rows, header))


def table_long(view: View, digits: int) -> Iterator[str]:
    """Yield the lines of a table, `digits` significant digits, without the middle."""
    header = _header(view)
    first: list[list[str]] = []
    last: deque[list[str]] = deque(maxlen=_ENDS)
    count = 0
    for rows in long_rows(view):
        for row in _cells(rows, header, digits, first=_ENDS - count, last=_ENDS):
            if len(first) < _ENDS:
                first.append(row)
            else:
                last.append(row)
        count += len(rows.values)
    left_out = count - len(first) - len(last)
    middle = [[f"... {left_out} more", *[""] * (len(header) - 1)]] if left_out else []
    yield from _aligned([header, *first, *middle, *last])


def _header(view: View) -> list[str]:
    batched = view.batch is not None
    return [*index_columns([part.slot for part in view.parts], batched=batched), VALUE]


def _cells(
    rows: LongRows,
    header: list[str],
    digits: int | None = None,
    *,
    first: int | None = None,
    last: int = 0,
) -> Iterator[list[str]]:
    """Yield rows as text; with `first`, so many of the beginning and the `last` ones alone."""
    count = len(rows.values)
    if first is None or max(first, 0) + last >= count:
        spans = [(0, count)]
    else:
        spans = [(0, max(first, 0)), (count - last, count)]
    for start, stop in spans:
        values = rows.values[start:stop]
        numbers = shortest(values) if digits is None or values.dtype.kind != "f" else (
            [significant(float(value), digits) for value in values]
        )  # fmt: skip
        index = [map(str, rows.columns[name][start:stop]) for name in header[:-1]]
        yield from map(list, zip(*index, numbers, strict=True))


def _width(view: View, name: str) -> int:
    """Return the greatest width that a column may need."""
    if name == VALUE:
        return max(longest(part.values.dtype) for part in view.parts)
    if name == BATCH:
        return max(len(BATCH), len(str(view.batch_shape[0] if view.batch_shape else 0)))
    found = [len(name)]
    for part in view.parts:
        labels: dict[str, Names] = dict(zip(_header(view)[-1 - len(part.slot.names) : -1],
                                            part.slot.names, strict=True))  # fmt: skip
        found.append(labels[name].width)
    return max(found)


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return (_line(row, widths) for row in rows)


def _line(row: list[str], widths: list[int]) -> str:
    *index, number = (
        cell.ljust(width) if place < len(row) - 1 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return f"{' '.join([*index, number]).rstrip()}\n"
