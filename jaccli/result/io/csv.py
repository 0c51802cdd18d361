"""CSV: the matrix layout with a row of column labels and a column of row labels, 2-D only.

The corner is empty.  Labels with commas are quoted (`"w[2,3]"`), lines end in a line feed, and
what is not finite is `nan`, `inf` or `-inf`.  One labelled side makes a column headed `value`; with
a batch its rows are `batch[0]`, `batch[1]`, ...

In the long layout a row for each entry (`result/long.py`), of any number of axes.  `.tsv` is the
same with tabs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from sys import getsizeof
from typing import BinaryIO

import numpy as np

from jaccli.errors import SourceError, UsageError
from jaccli.result.io.long_text import is_long, long_lines, quoted, read_long, rows_of
from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.matrix import matrix
from jaccli.result.named_arrays import Stored
from jaccli.result.notation import shape_text
from jaccli.result.numerals import lines as number_lines
from jaccli.result.view import View
from jaccli.storage.reading import lines, too_large

DENSE = True
"""Zeros are written too."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse a matrix layout of more than two axes."""
    check_table("csv", shape, layout)


def check_table(name: str, shape: tuple[int, ...], layout: str) -> None:
    """Refuse a matrix layout of more than two axes for a table of that name."""
    if len(shape) > 2 and layout != "long":
        raise UsageError(
            f"{name}: two axes at most, and the matrix layout of the result has the shape "
            f"{shape_text(shape)}.",
            hint="Use --layout long, .npz or .json, or print one part of it with --show.",
        )


def csv_lines(view: View, layout: str = "matrix") -> Iterator[str]:
    """Yield the lines of a view, each with its end: in the matrix layout if it is not long."""
    return table_lines(view, layout, ",")


def table_lines(view: View, layout: str, separator: str) -> Iterator[str]:
    """Yield the lines of a view with this separator."""
    if layout == "long":
        yield from long_lines(view, separator)
        return
    joined, quote = matrix(view), quoted(separator)
    check_table("csv" if separator == "," else "tsv", joined.values.shape, layout)
    values = joined.values
    rows, columns = joined.sides[0], LabelledAxis((Names("value"),))
    if len(joined.sides) == 2:
        columns = joined.sides[1]
    elif values.ndim == 2 and joined.batch is not None:
        rows, columns = LabelledAxis((joined.batch,)), joined.sides[0]
    yield f"{separator.join(['', *map(quote, columns)])}\n"
    table = values.reshape((len(rows), len(columns)))
    for label, row in zip(rows, number_lines(table), strict=True):
        yield f"{separator.join([quote(label), *row])}\n"


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write a view as UTF-8."""
    for line in csv_lines(view, layout):
        stream.write(line.encode())


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read a table of numbers; the labels are there when the corner is empty."""
    return read_table(stream, limit, ",")


def read_table(stream: BinaryIO, limit: int, separator: str) -> Stored:
    """Read a table with this separator, in the matrix or the long layout."""
    records = rows_of(lines(stream, limit), separator)
    header = next(records, None)
    if header is None:
        raise SourceError("the table is empty.")
    if is_long(header):
        return read_long(header, records, limit, lambda: records.line_num)
    # Without columns, the line of their labels is empty.
    header = header or [""]
    labelled = header[0] == ""
    columns = header[1:] if labelled else []
    names, numbers, count, taken = [], array("d"), 0, 0
    for record in records if labelled else _again(header, records):
        if len(record) != len(header):
            raise SourceError(
                f"line {records.line_num}: {len(record)} cells where the first line has "
                f"{len(header)}."
            )
        if labelled:
            names.append(record.pop(0))
            taken += getsizeof(names[-1])
        numbers.extend(_number(cell, records.line_num) for cell in record)
        count, taken = count + 1, taken + numbers.itemsize * len(record)
        if taken > limit:
            raise too_large(f"the first {count} rows need", taken, limit)
    values = np.frombuffer(numbers) if numbers else np.empty(0)
    matrix = values.reshape(count, len(header) - labelled)
    return Stored({"matrix": matrix}, "matrix", names, columns, typed=False)


def _again(first: list[str], rest: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rest


def _number(cell: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        if cell in ("True", "False"):
            return float(cell == "True")
        raise SourceError(f"line {line}: {cell!r} is not a number.") from None
