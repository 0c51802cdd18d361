"""TSV: what CSV is (`csv.py`), with tabs for commas; labels need no quotation marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from jaccli.result.io.csv import check_table, read_table, table_lines
from jaccli.result.named_arrays import Stored
from jaccli.result.view import View

DENSE = True
"""Zeros are written too, but in the long layout."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse a matrix layout of more than two axes."""
    check_table("tsv", shape, layout)


def tsv_lines(view: View, layout: str = "matrix") -> Iterator[str]:
    """Yield the lines of a view, each with its end: in the matrix layout if it is not long."""
    return table_lines(view, layout, "\t")


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write a view as UTF-8."""
    for line in tsv_lines(view, layout):
        stream.write(line.encode())


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read a table of numbers; the labels are there when the corner is empty."""
    return read_table(stream, limit, "\t")
