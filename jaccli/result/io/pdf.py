"""PDF: the figure of a result (`result/figures`); needs matplotlib, the extra `figures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from jaccli.result.io.drawn import check_drawn, no_numbers, write_drawn
from jaccli.result.named_arrays import Stored
from jaccli.result.view import View


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse it where matplotlib is missing."""
    check_drawn("pdf")


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Draw a view."""
    write_drawn(view, layout, ".pdf", stream)


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Refuse it: a figure holds no numbers.

    Raises:
        SourceError: always.
    """
    raise no_numbers("pdf")
