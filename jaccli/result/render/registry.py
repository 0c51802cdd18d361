"""What standard output gets: a result in one of several formats, or the part that `--show` picks.

A new format is one function and one entry in `RENDERERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TextIO

from jaccli.errors import UsageError, did_you_mean
from jaccli.result.result import Result
from jaccli.result.selection import show
from jaccli.result.view import View


@dataclass(frozen=True, slots=True)
class Style:
    """How a view is printed.  `width` is in characters; None is the terminal's."""

    layout: str = "blocks"
    digits: int = 6
    width: int | None = None


def render(
    result: Result,
    form: str,
    out: TextIO,
    *,
    layout: str = "blocks",
    show_text: str | None = None,
    digits: int = 6,
    width: int | None = None,
) -> None:
    """Print a result to `out` in one of the formats of `RENDERERS`.

    `show_text` is the text of `--show`, `digits` and `width` concern tables.  `out` needs a
    `buffer` for `npy`, as standard output has one.
    """
    if form not in RENDERERS:
        raise UsageError(f"--format: no format {form!r}.", hint=did_you_mean(form, RENDERERS))
    RENDERERS[form](show(result, show_text), out, Style(layout, digits, width))


def default_format(out: TextIO) -> str:
    """Return `table` for a terminal and `plain` for anything else."""
    return "table" if out.isatty() else "plain"


def _text(module: str, name: str) -> Callable[[View, TextIO, Style], None]:
    """Return the renderer that prints the lines of a module's function, imported when it is used.

    The function takes a view and its layout.
    """

    def renderer(view: View, out: TextIO, style: Style) -> None:
        lines = getattr(import_module(f"jaccli.result.{module}"), name)
        out.writelines(lines(view, style.layout))

    return renderer


def _table(view: View, out: TextIO, style: Style) -> None:
    if style.layout == "long":
        from jaccli.result.render.long_table import table_long

        out.writelines(table_long(view, style.digits))
        return
    from jaccli.result.render.table import table

    table(view, out, layout=style.layout, digits=style.digits, width=style.width)


def _npy(view: View, out: TextIO, style: Style) -> None:
    if out.isatty():
        raise UsageError(
            "--format: 'npy' is binary, and standard output is a terminal.",
            hint="Send it to a file or a pipe, or choose 'table' or 'plain'.",
        )
    from jaccli.result.io import npy

    out.flush()
    npy.write(view, style.layout, out.buffer)
    out.buffer.flush()


def _none(view: View, out: TextIO, style: Style) -> None:
    """Print nothing."""


RENDERERS: dict[str, Callable[[View, TextIO, Style], None]] = {
    "table": _table,
    "plain": _text("render.plain", "plain"),
    "json": _text("io.json", "json_text"),
    "csv": _text("io.csv", "csv_lines"),
    "tsv": _text("io.tsv", "tsv_lines"),
    "npy": _npy,
    "none": _none,
}
