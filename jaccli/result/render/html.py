"""A result as HTML tables, for notebooks: abbreviated as the terminal's, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from jaccli.result.render.nonzeros import counted, labels
from jaccli.result.render.panels import Grid, Panel, RowNames, panels
from jaccli.result.render.table import aligned, elided
from jaccli.result.sparse import Sparse
from jaccli.result.view import View

_PANELS = 12
"""Panels that are shown at most."""
_STACK = 3
"""Grids of a stack that are shown at most."""
_ROWS = 20
"""Rows of a grid that are shown at most, not counting the one that stands for the others."""
_COLUMNS = 12
"""Columns of a grid that are shown at most."""
_MORE = "…"


def html(view: View, layout: str = "blocks") -> str:
    """Return the panels of a view as one piece of HTML."""
    shown = panels(view, layout)
    parts: list[str] = []
    for position in elided(len(shown), _PANELS):
        if position is None:
            parts.append(_note(f"{_MORE} {len(shown) - _PANELS:,} more blocks"))
        else:
            parts += _panel(shown[position], view.digits)
    return f"<div>{''.join(parts)}</div>"


def _panel(panel: Panel, digits: int) -> Iterator[str]:
    if 0 in panel.values.shape:
        yield _table(panel.title(), [], [])
        yield _note("empty")
        return
    if isinstance(panel.values, Sparse):
        yield _nonzeros(panel, panel.values, digits)
        return
    for position in elided(len(panel), _STACK):
        if position is None:
            what = " batch rows" if panel.entries is None else ""
            yield _note(f"{_MORE} {len(panel) - _STACK:,} more{what}")
        else:
            grid = panel[position]
            yield _grid(panel.title(grid), grid, digits)


def _grid(title: str, grid: Grid, digits: int) -> str:
    values = grid.values if grid.columns is not None else grid.values[:, None]
    rows = elided(values.shape[0], _ROWS)
    columns = elided(values.shape[1], _COLUMNS)
    picked = [row for row in rows if row is not None]
    cells = {
        column: iter(aligned(values[picked, column], digits))
        for column in columns
        if column is not None
    }
    head = [] if grid.columns is None else ["", *_named(grid.columns, columns)]
    body = [
        [
            name,
            *(
                _MORE if row is None or column is None else next(cells[column]).strip()
                for column in columns
            ),
        ]
        for row, name in zip(rows, _named(grid.rows, rows), strict=True)
    ]
    return _table(title, head, body)


def _named(names: Sequence[str] | RowNames, positions: Iterable[int | None]) -> list[str]:
    return [_MORE if position is None else names[position] for position in positions]


def _nonzeros(panel: Panel, values: Sparse, digits: int) -> str:
    rows = elided(values.nnz, _ROWS)
    picked = [row for row in rows if row is not None]
    columns = labels(panel, values.where[picked])
    numbers = [cell.strip() for cell in aligned(values.values[picked], digits)]
    entries = iter(zip(*columns, numbers, strict=True))
    width = len(columns) + 1
    body = [[_MORE] * width if row is None else list(next(entries)) for row in rows]
    return _table(f"{panel.title()}  {counted(values)}", [], body, named=len(columns))


def _table(title: str, head: list[str], body: list[list[str]], named: int = 1) -> str:
    """Return a table; the first `named` cells of a row are names."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = [
        "".join(
            f'<th scope="row">{escape(cell)}</th>' if n < named else f"<td>{escape(cell)}</td>"
            for n, cell in enumerate(row)
        )
        for row in body
    ]
    rows = "".join(f"<tr>{line}</tr>" for line in lines)
    shown = f"<thead><tr>{top}</tr></thead>" if head else ""
    caption = " ".join(title.split())
    return f"<table><caption>{escape(caption)}</caption>{shown}<tbody>{rows}</tbody></table>"


def _note(text: str) -> str:
    return f"<p>{escape(text)}</p>"
