"""One matrix in one set of axes: a heat map, or of a sparse matrix where its entries are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli.result.figures.cells import Cells
from jaccli.result.figures.color_scale import ColorScale, rgb
from jaccli.result.figures.style import INK, NONFINITE, cut
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import significant
from jaccli.result.result import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PIXELS = 1024
"""Pixels of the picture at least, so that viewers that smooth it leave sharp edges."""
_MARKED = 40
"""Cells that are not finite and are circled, in a picture of more than `_PLAIN` a side."""
_PLAIN = 60
_NUMBERED = 100
"""Entries up to which they are written into their cells."""
_BOX = (0.12, 3.0)
"""Height over width of the axes."""
_SPY = "#1b3a6b"


def box(shape: tuple[int, int]) -> float:
    """Return the height of a picture over its width: that of the matrix, within bounds."""
    return min(max(shape[0] / shape[1], _BOX[0]), _BOX[1])


def draw(
    axes: Axes,
    cells: Cells,
    scale: ColorScale | None,
    rows: LabelledAxis,
    columns: LabelledAxis,
    *,
    measure: str,
    room: tuple[int, int],
) -> None:
    """Draw a matrix; without a scale where a sparse one has entries.

    `measure` is what the color bar says; `room` how many labels there may be of rows and columns.
    """
    count, width = cells.shape
    colors = _spy_colors(cells) if scale is None else scale.colors(cells.values)
    by = [max(1, -(-_PIXELS // size)) for size in colors.shape[:2]]
    picture = colors.repeat(by[0], axis=0).repeat(by[1], axis=1)
    axes.imshow(picture, interpolation="none", aspect="auto", extent=(0, width, count, 0))
    axes.set_box_aspect(box(cells.shape))
    axes.xaxis.tick_top()
    axes.tick_params(length=2.5, pad=2)
    _label(axes, "y", rows, room[0])
    _label(axes, "x", columns, room[1])
    if scale is not None:
        if count * width <= _NUMBERED and max(cells.shape) <= 12:
            _numbers(axes, cells, colors)
        _bar(axes, scale, measure, 9 if box(cells.shape) > 0.5 else 3)
    _nonfinite(axes, cells, rows, columns)


def _spy_colors(cells: Cells) -> Array:
    assert cells.kept is not None
    colors = np.full((*cells.values.shape, 3), 255, np.uint8)
    colors[cells.kept] = rgb(_SPY)
    for kind, where in _bad(cells):
        colors[where] = rgb(NONFINITE[kind])
    return colors


def _bad(cells: Cells) -> list[tuple[str, Array]]:
    values = cells.values
    return [
        ("NaN", np.isnan(values)),
        ("inf", np.isposinf(values)),
        ("-inf", np.isneginf(values)),
    ]


def chosen(count: int, room: int) -> list[int]:
    """Return the positions that have labels: all, or about as many as fit, both ends included."""
    if count <= room:
        return list(range(count))
    step = _round_step(count / min(room, 7))
    places = list(range(0, count, step))
    if count - 1 - places[-1] < 0.6 * step and len(places) > 1:
        places.pop()
    return places if places[-1] == count - 1 else [*places, count - 1]


def _round_step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20 ... that is no smaller."""
    power = int(10 ** math.floor(math.log10(least)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)


def _label(axes: Axes, side: str, names: LabelledAxis, room: int) -> None:
    if side == "x" and len(names) > room and names.width > 5:
        room = min(room, 5)  # more would not fit side by side
    places = chosen(len(names), room)
    labels = list(map(cut, names.pick(places)))
    axis: Any = axes.xaxis if side == "x" else axes.yaxis
    axis.set_ticks([place + 0.5 for place in places], labels=labels)
    if side == "x" and sum(map(len, labels)) > 34:
        axes.tick_params(axis="x", rotation=90)


def _numbers(axes: Axes, cells: Cells, colors: Array) -> None:
    """Write the entries into their cells, light on what is dark."""
    size = 8.5 if cells.shape[1] <= 6 else 6.5
    for (row, column), value in np.ndenumerate(cells.values):
        light = colors[row, column] @ np.array([0.299, 0.587, 0.114]) < 130
        color = "white" if light else INK
        text = "NaN" if np.isnan(value) else significant(float(value) + 0.0, 3)
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=color,
                  fontsize=size)  # fmt: skip


def _bar(axes: Axes, scale: ColorScale, measure: str, most: int) -> None:
    """Draw the color bar at the right of the axes."""
    bar = axes.inset_axes((1.03, 0.0, 0.045, 1.0))
    positions = np.linspace(1, -1, 513)
    if scale.decades is None:
        shades = scale.colors(positions[:, None] * scale.size)
    else:
        shades = ColorScale(1.0).colors(positions[:, None])
    bar.imshow(shades, aspect="auto", extent=(0, 1, -1, 1), interpolation="none")
    bar.xaxis.set_visible(False)
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    ticks = scale.ticks(most)
    bar.yaxis.set_ticks([place for place, _ in ticks], labels=[label for _, label in ticks])
    bar.tick_params(length=2.5, pad=2, labelsize=8)
    bar.set_ylabel(measure, fontsize=8.5)


def _nonfinite(axes: Axes, cells: Cells, rows: LabelledAxis, columns: LabelledAxis) -> None:
    """Name what is not finite below the axes, and circle it where it is easily overlooked."""
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for kind, where in _bad(cells):
        if kind not in cells.counts:
            continue
        row, column = cells.first[kind]
        place = f"{cut(rows[row])}, {cut(columns[column])}"
        total = cells.counts[kind]
        said = f"{total:,} {kind}, the first at {place}" if total > 1 else f"{kind} at {place}"
        patch = Patch(facecolor=NONFINITE[kind], edgecolor=INK, linewidth=0.6, label=said)
        handles.append(patch)
        there = np.argwhere(where)
        if max(cells.values.shape) > _PLAIN and len(there) <= _MARKED:
            scale = np.array(cells.shape) / np.array(cells.values.shape)
            down, across = ((there + 0.5) * scale).T
            axes.scatter(across, down, s=60, facecolors="none", edgecolors=INK, linewidths=1.0)
    if handles:
        legend(axes, handles)


def legend(axes: Axes, handles: Sequence[Any]) -> None:
    """Write a legend below the axes, to the left."""
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.02, -0.02), fontsize=8,
                borderaxespad=0.2, handlelength=1.2, handleheight=1.0)  # fmt: skip
