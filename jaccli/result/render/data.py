"""A view as plain data, for a page that draws it: tables of texts, and a heat map of each matrix.

Numbers are in their shortest round-trip form.  Long tables are abbreviated: None stands in the
place of what is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jaccli.result.figures.cells import Cells, cells
from jaccli.result.figures.color_scale import ColorScale
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import shortest, significant
from jaccli.result.render.nonzeros import axes, counted, labels
from jaccli.result.render.panels import Grid, Panel, RowNames, panels
from jaccli.result.render.table import elided
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values
from jaccli.result.view import View

Data = dict[str, Any]
_PANELS, _STACK = 24, 8
"""Panels, and grids of a stack, that are shown at most."""
_ROOM, _ROOM_BESIDE = (120, 40), (20, 12)
"""Rows and columns of a table that are shown at most: of few tables, and of many."""
_FEW = 4
_CELLS, _CELLS_BESIDE = 96, 32
"""Cells of a heat map either way at most."""
_DIGITS = 6
"""Significant digits of a heat map's cell."""


def tables(view: View, layout: str = "blocks") -> list[Data]:
    """Return a table for each grid: `title`, `header`, `rows` and `map`.

    The first `named` cells of a row are names, the others numbers.  `map` is None, or a picture of
    a matrix: the `rows` and `columns` of its cells by name, their `values` as texts, and their
    `places` on the color scale, from -1000 to 1000; a cell that is not finite, or not kept, has
    none.
    """
    found = panels(view, layout)
    few = sum(min(len(panel), _STACK) for panel in found) <= _FEW
    made: list[Data] = []
    for position in elided(len(found), _PANELS):
        if position is None:
            made.append(_left_out(f"{len(found) - _PANELS:,} more blocks"))
        else:
            made += _panel(found[position], few=few)
    return made


def _panel(panel: Panel, *, few: bool) -> Iterator[Data]:
    if 0 in panel.values.shape:
        yield _table(f"{panel.title()}, empty", [], [], 1)
        return
    if isinstance(panel.values, Sparse):
        yield _nonzeros(panel, panel.values, few=few)
        return
    for position in elided(len(panel), _STACK):
        if position is None:
            yield _left_out(f"{len(panel) - _STACK:,} more")
        else:
            grid = panel[position]
            yield _grid(panel.title(grid), grid, few=few)


def _grid(title: str, grid: Grid, *, few: bool) -> Data:
    values = grid.values if grid.columns is not None else grid.values[:, None]
    down, across = (
        elided(*pair) for pair in zip(values.shape, _ROOM if few else _ROOM_BESIDE, strict=True)
    )
    picked = [place for place in across if place is not None]
    rows: list[list[str | None]] = []
    for row in down:
        if row is None:
            rows.append([None] * (1 + len(across)))
            continue
        texts = iter(shortest(values[row, picked]))
        rows.append([grid.rows[row], *(None if at is None else next(texts) for at in across)])
    header: list[str | None] = [""]
    if grid.columns is not None:
        header += [None if at is None else grid.columns[at] for at in across]
    else:
        header.append("value")
    picture = None if grid.columns is None else _map(values, grid.rows, grid.columns, few=few)
    return _table(title, header, rows, 1, picture)


def _nonzeros(panel: Panel, values: Sparse, *, few: bool) -> Data:
    shown = elided(values.nnz, (_ROOM if few else _ROOM_BESIDE)[0])
    picked = [place for place in shown if place is not None]
    named = labels(panel, values.where[picked])
    entries = zip(*named, shortest(values.values[picked]), strict=True)
    width = len(axes(panel)) + 1
    rows = [[None] * width if place is None else list(next(entries)) for place in shown]
    header = [""] * (width - 1) + ["value"]
    picture = None
    if len(panel) == 1 and panel.columns is not None:
        matrix = values.reshape((len(panel.rows), len(panel.columns)))
        picture = _map(matrix, panel.rows, panel.columns, few=few)
    return _table(f"{panel.title()}, {counted(values)}", header, rows, width - 1, picture)


def _map(values: Values, rows: RowNames, columns: LabelledAxis, *, few: bool) -> Data | None:
    """Return the picture of a matrix; None where it would be a line."""
    if 1 in values.shape:
        return None
    picture = cells(values, _CELLS if few else _CELLS_BESIDE)
    scale = ColorScale.of([picture])
    return {
        "rows": _names(rows, picture, 0),
        "columns": _names(columns, picture, 1),
        "values": _each(picture, [significant(v + 0.0, _DIGITS) for v in picture.values.flat]),
        "places": _each(picture, _places(scale, picture.values)),
        "scale": {"size": significant(scale.size, _DIGITS), "name": scale.name},
        "each": picture.each if picture.is_reduced else None,
    }


def _names(names: Sequence[str] | RowNames, picture: Cells, side: int) -> list[str]:
    """Return the name of each cell's first row, or column."""
    count, size = picture.values.shape[side], picture.shape[side]
    return [names[place * size // count] for place in range(count)]


def _places(scale: ColorScale, values: Array) -> list[int | None]:
    finite = np.isfinite(values)
    places = np.rint(1000 * scale.position(np.where(finite, values, 0.0)))
    found = zip(places.flat, finite.flat, strict=True)
    return [int(place) if known else None for place, known in found]


def _each(picture: Cells, flat: Sequence[Any]) -> list[list[Any]]:
    """Return what belongs to the cells row by row; nothing where no entry is kept."""
    count = picture.values.shape[1]
    kept = None if picture.kept is None else picture.kept.reshape(-1).tolist()
    shown = [v if kept is None or kept[at] else None for at, v in enumerate(flat)]
    return [shown[at : at + count] for at in range(0, len(shown), count)]


def _left_out(what: str) -> Data:
    return _table(f"… {what}", [], [], 1)


def _table(
    title: str,
    header: Sequence[str | None],
    rows: Sequence[Sequence[str | None]],
    named: int,
    picture: Data | None = None,
) -> Data:
    return {
        "title": " ".join(title.split()),
        "header": header,
        "rows": rows,
        "named": named,
        "map": picture,
    }
