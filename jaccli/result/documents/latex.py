r"""LaTeX: a `tabular` for each table, without packages; names are escaped, numbers are mathematics.

Letters beyond ASCII are written as they are: pdfLaTeX has the common ones, LuaLaTeX all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jaccli.result.documents.document import DocumentContent, Section, one_line

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "∂": r"$\partial$", "²": r"$^2$", "ᵀ": r"$^{\mathsf{T}}$", "·": r"$\cdot$", "×": r"$\times$",
    "…": r"\ldots{}",
}  # fmt: skip
_NUMBER = re.compile(r"(-?)(\d+(?:\.\d+)?)(?:e([+-]?)0*(\d+))?\Z")
_INFINITE = {"inf": r"$\infty$", "-inf": r"$-\infty$", "nan": "NaN"}


def lines(document: DocumentContent) -> Iterator[str]:
    r"""Yield the lines of a document, each with its end: a fragment for `\input`."""
    yield f"% {one_line(document.title)}\n"
    for name, text in document.facts:
        yield f"% {one_line(name)}: {one_line(text)}\n"
    for text in document.warnings:
        yield f"% Warning: {one_line(text)}\n"
    for section in document.tables:
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    width = 0
    for row in section.rows:
        if not width:
            width = len(row)
            columns = "l" * section.named + "r" * (width - section.named)
            yield f"\n\\begin{{tabular}}{{{columns}}}\n"
            yield f"\\multicolumn{{{width}}}{{l}}{{{escaped(section.title)}}} \\\\\n\\hline\n"
            if any(section.header):
                yield _row([escaped(cell) for cell in section.header])
                yield "\\hline\n"
        yield _row([escaped(cell) if n < section.named else number(cell)
                    for n, cell in enumerate(row)])  # fmt: skip
    if width:
        yield "\\hline\n\\end{tabular}\n"


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\\n"


def number(cell: str) -> str:
    r"""Return a number as mathematics: `-1.5e-07` is `$-1.5 \times 10^{-7}$`.

    >>> number("-1.5e-07"), number("2"), number("inf")
    ('$-1.5 \\times 10^{-7}$', '$2$', '$\\infty$')
    """
    if cell in _INFINITE:
        return _INFINITE[cell]
    match = _NUMBER.match(cell)
    if match is None:
        return escaped(cell)
    sign, digits, down, power = match.groups()
    if power is None:
        return f"${sign}{digits}$"
    return f"${sign}{digits} \\times 10^{{{'-' * (down == '-')}{power}}}$"


def escaped(text: str) -> str:
    """Return a text of which LaTeX takes nothing for a command."""
    return "".join(_SPECIAL.get(letter, letter) for letter in one_line(text))
