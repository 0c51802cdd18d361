"""What figures and documents share: how a view is drawn, and that nothing reads them back."""

from __future__ import annotations

from typing import BinaryIO

from jaccli.errors import SourceError
from jaccli.result.figures import style
from jaccli.result.view import View


def check_drawn(name: str) -> None:
    """Refuse a figure where matplotlib is missing.

    Raises:
        UsageError: it is.
    """
    style.require(name)


def write_drawn(view: View, layout: str, suffix: str, stream: BinaryIO) -> None:
    """Draw a view, and write the figure."""
    from jaccli.result.figures.of_result import alt_text, figure_of

    style.write(lambda: figure_of(view, layout), suffix, alt_text(view, layout), stream)


def no_numbers(name: str) -> SourceError:
    """Return the error of who wants to read numbers from what is for people."""
    from jaccli.result.io.registry import READ_BACK

    hint = f"Expected one of {', '.join(READ_BACK)}."
    return SourceError(f".{name} is for people, and holds no numbers to read back.", hint=hint)
