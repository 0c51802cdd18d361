"""LaTeX: a `tabular` for each grid, numbers to `--digits`; `result/documents` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from jaccli.result.documents import latex
from jaccli.result.documents.of_result import document
from jaccli.result.io.drawn import no_numbers
from jaccli.result.named_arrays import Stored
from jaccli.result.view import View

DENSE = False
"""Of a sparse result the entries that are kept are written."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Accept every result."""


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write a view as UTF-8, line by line."""
    for line in latex.lines(document(view, layout)):
        stream.write(line.encode("utf-8", "backslashreplace"))


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Refuse it: its numbers are rounded.

    Raises:
        SourceError: always.
    """
    raise no_numbers("tex")
