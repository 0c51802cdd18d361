"""HTML: one page that stands for itself: figure, tables, model, point, account, warnings.

Long tables are abbreviated, as a terminal's.  Needs matplotlib, the extra `figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from jaccli.result.documents import html_page
from jaccli.result.documents.of_result import document, values_of
from jaccli.result.figures import style
from jaccli.result.io.drawn import check_drawn, no_numbers
from jaccli.result.named_arrays import Stored
from jaccli.result.render.html import html
from jaccli.result.view import View


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse it where matplotlib is missing."""
    check_drawn("html")


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write the page of a view."""
    from jaccli.result.figures.of_result import alt_text, figure_of

    alt = alt_text(view, layout)
    figure = style.drawn(lambda: figure_of(view, layout), ".svg", alt)
    beside = values_of(view)
    body = ("" if beside is None else html(beside)) + html(view, layout)
    made = replace(document(view, layout), tables=(), figure=figure, alt=alt, body=body)
    for piece in html_page.page(made):
        stream.write(piece.encode("utf-8", "backslashreplace"))


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Refuse it: a page is for people.

    Raises:
        SourceError: always.
    """
    raise no_numbers("html")
