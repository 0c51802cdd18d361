"""HTML: one page that stands for itself, light or dark as its reader has it, without scripts.

Everything is escaped: names and texts of specs may hold tags.  The figure is in the page, as SVG.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from jaccli.result.documents.document import DocumentContent, Section, one_line

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --line: #d5d5d5; --head: #f3f4f6;
  --quiet: #555; --warn: #8a3b00; --warned: #fff4e5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181c; --line: #3a3f47;
  --head: #22262c; --quiet: #b0b4bb; --warn: #ffc078; --warned: #33261a; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .2rem 0; }
th, td { border: 1px solid var(--line); padding: .2rem .6rem; text-align: right; }
th { background: var(--head); font-weight: 500; text-align: left; }
td.text { text-align: left; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.warnings { background: var(--warned); border-left: 4px solid var(--warn); padding: .4rem 1rem; }
figure { margin: 1rem 0; padding: .6rem; background: #fff; border: 1px solid var(--line);
  border-radius: 4px; overflow-x: auto; } figure svg { max-width: 100%; height: auto; }
footer, .quiet { color: var(--quiet); font-size: .9rem; }
"""


def page(document: DocumentContent) -> Iterator[str]:
    """Yield the page, in pieces."""
    title = escape(one_line(document.title))
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n"
    )
    if document.warnings:
        items = "".join(f"<li>{escape(one_line(text))}</li>" for text in document.warnings)
        yield f'<section class="warnings">\n<h2>Warnings</h2>\n<ul>{items}</ul>\n</section>\n'
    if document.figure is not None:
        alt = escape(one_line(document.alt))
        svg = _inline(document.figure, alt)
        yield f"<section>\n<h2>Figure</h2>\n<figure>{svg}</figure>\n</section>\n"
    yield "<section>\n<h2>Result</h2>\n"
    if document.body is not None:
        yield f'<div class="wide">{document.body}</div>\n'
    for section in document.tables:
        yield from _table(section)
    yield "</section>\n"
    for heading in document.about:
        yield f"<section>\n<h2>{escape(one_line(heading.title))}</h2>\n"
        yield from _table(Section("", heading.header, heading.rows, heading.named), texts=True)
        yield "</section>\n"
    if document.facts:
        yield "<section>\n<h2>How it was computed</h2>\n"
        yield from _table(Section("", (), document.facts), texts=True)
        yield "</section>\n"
    yield "</main>\n</body>\n</html>\n"


def _table(section: Section, *, texts: bool = False) -> Iterator[str]:
    """Yield a table; with `texts` its cells are no numbers."""
    yield '<div class="wide"><table>'
    if section.title:
        yield f"<caption>{escape(one_line(section.title))}</caption>"
    if any(section.header):
        cells = "".join(f'<th scope="col">{escape(one_line(cell))}</th>' for cell in section.header)
        yield f"<thead><tr>{cells}</tr></thead>"
    yield "<tbody>\n"
    kind = ' class="text"' if texts else ""
    for row in section.rows:
        names = row[: section.named]
        named = "".join(f'<th scope="row">{escape(one_line(cell))}</th>' for cell in names)
        cells = "".join(f"<td{kind}>{escape(one_line(cell))}</td>" for cell in row[section.named :])
        yield f"<tr>{named}{cells}</tr>\n"
    yield "</tbody></table></div>\n"


def _inline(svg: bytes, alt: str) -> str:
    """Return an SVG as an element of a page, with what it shows in words."""
    text = svg.decode()
    element = text[text.index("<svg") :].rstrip()
    return element.replace("<svg", f'<svg role="img" aria-label="{alt}"', 1)
