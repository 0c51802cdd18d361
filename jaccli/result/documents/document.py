"""What a document holds, whatever its format: titled tables, an account, warnings.  Texts alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """Return a text on one line, without characters that command a terminal or turn its order."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))


@dataclass(frozen=True)
class Section:
    """A table with its title: the first `named` cells of a row are names, the others numbers.

    `rows` may be made as they are written.  A header is a name for each column, or nothing.
    """

    title: str
    header: Sequence[str]
    rows: Iterable[Sequence[str]]
    named: int = 1


@dataclass(frozen=True)
class DocumentContent:
    """`tables` are the result; `about` says of what: the model, the point; `facts` how it was made.

    `figure` is an SVG, with `alt` for those who do not see it; only HTML shows it.  `body` is HTML
    that stands in place of the tables there.
    """

    title: str
    tables: Iterable[Section]
    about: Sequence[Section] = ()
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    figure: bytes | None = None
    alt: str = ""
    body: str | None = field(default=None)
