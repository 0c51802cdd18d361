"""Markdown: tables as GitHub and Pandoc read them.  Nothing in a name is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jaccli.result.documents.document import DocumentContent, Section, one_line

_SPECIAL = re.compile(r"[\\`*<>|~$&]|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])")
"""What would be markup: of brackets those of links, of underscores those beside no letter."""


def lines(document: DocumentContent) -> Iterator[str]:
    """Yield the lines of a document, each with its end."""
    yield f"# {escaped(document.title)}\n"
    for section in document.tables:
        yield from _section(section)
    if document.warnings:
        yield "\n"
        for text in document.warnings:
            yield f"- Warning: {escaped(text)}\n"
    if document.facts:
        said = "; ".join(f"{name}: {text}" for name, text in document.facts)
        yield f"\n{escaped(said)}\n"


def _section(section: Section) -> Iterator[str]:
    yield f"\n## {escaped(section.title)}\n\n"
    first = True
    for row in section.rows:
        if first:
            header = section.header or [""] * len(row)
            yield _row([escaped(cell) for cell in header])
            yield _row([":---" if n < section.named else "---:" for n in range(len(header))])
            first = False
        # numbers have nothing to escape, and stay as they are
        yield _row([escaped(cell) if n < section.named else cell for n, cell in enumerate(row)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def escaped(text: str) -> str:
    """Return a text as Markdown, on one line."""
    return _SPECIAL.sub(r"\\\g<0>", one_line(text))
