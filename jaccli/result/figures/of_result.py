"""The figure of a result: its panels, laid out, with a caption of what is not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jaccli.result.figures import heat_map, vector
from jaccli.result.figures.cells import Cells, cells
from jaccli.result.figures.color_scale import ColorScale
from jaccli.result.figures.style import caption, cut, new_figure
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import significant
from jaccli.result.render.panels import Grid, Panel, panels
from jaccli.result.sparse import Sparse, Values, dense
from jaccli.result.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 6
"""Panels of a figure at most."""
_CELLS, _CELLS_BESIDE = 512, 256
"""Cells of a heat map either way, alone and beside others: no more than it has pixels."""
_SCALED = {"relative": "x · ", "log": "x/y · "}


@dataclass(frozen=True)
class FigurePanel:
    """One picture of a figure: `values` are `(rows, columns)`, or `(rows,)` without columns.

    Pictures of one `group`, a panel and an output's entry, share their color scale.
    """

    title: str
    measure: str
    values: Values
    rows: LabelledAxis
    columns: LabelledAxis | None
    group: tuple[int, str | None]

    @property
    def is_vector(self) -> bool:
        """Whether it is drawn as bars or as a line."""
        return self.columns is None or 1 in self.values.shape


def figure_of(view: View, layout: str) -> Figure:
    """Return the figure of a view; a panel for each block, batch row and output, up to six."""
    found = panels(view, layout)
    shown = [one for number, panel in enumerate(found) for one in _of_panel(view, panel, number,
             max(1, MOST // len(found)))][:MOST]  # fmt: skip
    total = sum(max(1, len(panel)) for panel in found)
    notes = []
    if total > len(shown):
        notes.append(f"{len(shown)} of {total:,} panels are shown, the first ones.")
    single = len(shown) == 1
    pictures = [
        None if one.is_vector or 0 in one.values.shape
        else cells(one.values, _CELLS if single else _CELLS_BESIDE)
        for one in shown
    ]  # fmt: skip
    figure, axes = _laid_out(shown, pictures)
    scales = _scales(shown, pictures)
    reduced = False
    for one, picture, where in zip(shown, pictures, axes, strict=True):
        where.set_title(cut(one.title, 64 if single else 40), pad=8)
        if 0 in one.values.shape:
            where.text(0.5, 0.5, "empty", ha="center", va="center", transform=where.transAxes)
            where.set_xticks([])
            where.set_yticks([])
        elif picture is None:
            names = one.rows
            if one.columns is not None and one.values.shape[0] == 1:
                names = one.columns
            reduced |= vector.draw(where, dense(one.values).reshape(-1), names,
                                   measure=cut(one.measure, 48))  # fmt: skip
        else:
            assert one.columns is not None
            scale = scales[one.group]
            room = _room(picture.shape, single=single)
            heat_map.draw(where, picture, scale, one.rows, one.columns,
                          measure=cut(one.measure, 48), room=room)  # fmt: skip
            notes += _said(one, picture, scale)
    if reduced:
        notes.append("The band goes from the least to the greatest of neighboring entries.")
    caption(figure, list(dict.fromkeys(notes)))
    return figure


def alt_text(view: View, layout: str) -> str:
    """Return what the figure shows, in a line for those who do not see it."""
    names = [" ".join(panel.title().split()) for panel in panels(view, layout)[:MOST]]
    return f"Figure of {', '.join(names)}"


def _of_panel(view: View, panel: Panel, number: int, most: int) -> list[FigurePanel]:
    prefix = _SCALED.get(view.result.scale, "")

    def named(title: str) -> str:
        return f"{prefix}{title}" if prefix else title

    def shown(values: Values, title: str, entry: str | None = None) -> FigurePanel:
        measure = named(" ".join(panel.title().rpartition("(")[0].split()))
        return FigurePanel(
            named(title), measure, values, panel.rows, panel.columns, (number, entry)
        )

    if isinstance(panel.values, Sparse):
        sides = [len(side) for side in (panel.rows, panel.columns) if side is not None]
        stack = panel.values.reshape((len(panel), *sides))
        some = range(min(most, len(panel)))
        grids = [_sparse_grid(panel, place) for place in some]
        return [shown(stack[(place,)], panel.title(grid) if grid else panel.title())
                for place, grid in zip(some, grids, strict=True)]  # fmt: skip
    if 0 in panel.values.shape:
        return [shown(panel.values, panel.title())]
    each = (panel[place] for place in range(min(most, len(panel))))
    return [shown(grid.values, panel.title(grid), grid.entry) for grid in each]


def _sparse_grid(panel: Panel, place: int) -> Grid | None:
    """Return the names of one matrix of a stack of sparse ones, None where there is no stack."""
    entry, row = panel.place(place)
    if entry is None and row is None:
        return None
    sides = [len(side) for side in (panel.rows, panel.columns) if side is not None]
    nothing = np.broadcast_to(0.0, sides)
    return Grid(entry, row, nothing, panel.rows, panel.columns)


def _scales(
    shown: list[FigurePanel], pictures: list[Cells | None]
) -> dict[tuple[int, str | None], ColorScale | None]:
    """Return the color scale of each group: rows of a batch share one; None of sparse ones."""
    groups: dict[tuple[int, str | None], list[Cells]] = {}
    for one, picture in zip(shown, pictures, strict=True):
        if picture is not None:
            groups.setdefault(one.group, []).append(picture)
    return {
        name: None if group[0].kept is not None else ColorScale.of(group)
        for name, group in groups.items()
    }


def _said(one: FigurePanel, picture: Cells, scale: ColorScale | None) -> list[str]:
    """Return what a picture does not show by itself."""
    notes = []
    if isinstance(one.values, Sparse):
        nnz, size = one.values.nnz, one.values.size
        notes.append(
            f"{nnz:,} of {size:,} entries are kept ({significant(100 * nnz / size, 3)} %)."
        )
        if picture.is_reduced:
            rows, columns = picture.each
            notes.append(f"A cell is dark where any of its {rows} × {columns} entries is kept.")
        return notes
    if picture.is_reduced:
        rows, columns = picture.each
        notes.append(
            f"Each cell shows the entry of largest absolute value among {rows} × {columns}."
        )
    if scale is not None and scale.decades is not None:
        notes.append("The color scale is logarithmic in the absolute value.")
    if not picture.counts and picture.largest == 0:
        notes.append("All entries are 0.")
    return notes


def _room(shape: tuple[int, int], *, single: bool) -> tuple[int, int]:
    """Return how many labels fit beside and above a picture."""
    most = 32 if single else 12
    height = heat_map.box(shape)
    return max(2, int(most * min(height, 1))), max(2, int(most / max(height, 1)))


def _laid_out(shown: list[FigurePanel], pictures: list[Cells | None]) -> tuple[Figure, list[Axes]]:
    """Return a figure with axes for each picture."""
    count = len(shown)
    across = 1 if count == 1 else 2 if count in (2, 4) else 3
    down = math.ceil(count / across)
    width = 5.6 if count == 1 else 4.2
    heights = [_height(one, picture, width) for one, picture in zip(shown, pictures, strict=True)]
    each = [max(heights[row * across : (row + 1) * across]) for row in range(down)]
    figure = new_figure(width * across, sum(each) + 0.3)
    grid = figure.add_gridspec(down, across, height_ratios=each)
    return figure, [figure.add_subplot(grid[divmod(place, across)]) for place in range(count)]


def _height(one: FigurePanel, picture: Cells | None, width: float) -> float:
    if picture is not None:
        return min(heat_map.box(picture.shape) * (width - 1.7) + 1.2, 9.0)
    size = one.values.size
    return 1.1 + 0.21 * size if size <= vector.BARS else 2.9
