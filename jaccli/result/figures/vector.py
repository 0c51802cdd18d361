"""One vector in one set of axes: bars with their names, or a line over many entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli.result.figures.heat_map import chosen, legend
from jaccli.result.figures.style import CYCLE, INK, NEGATIVE, NONFINITE, POSITIVE, cut
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import significant
from jaccli.result.result import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = 40
"""Entries up to which each has a bar."""
_POINTS = 1500
"""Entries up to which a line goes through each; of more it is the band from least to greatest."""


def draw(axes: Axes, values: Array, names: LabelledAxis, *, measure: str) -> bool:
    """Draw a vector, `(n,)`; return whether entries share a place."""
    # matplotlib overflows beside the largest doubles
    known = values.astype(np.float64)
    finite = np.isfinite(known)
    largest = float(np.abs(known[finite]).max(initial=0.0))
    if largest > 1e150:
        power = int(np.floor(np.log10(largest)))
        known, measure = known / 10.0**power, f"{measure}  / 1e{power}"
    if len(values) <= BARS:
        _bars(axes, known, values, names, measure)
        return False
    return _line(axes, known, finite, names, measure)


def _bars(axes: Axes, known: Array, values: Array, names: LabelledAxis, measure: str) -> None:
    lengths = np.where(np.isfinite(known), known, 0.0)
    places = np.arange(len(known))
    colors = [POSITIVE if value >= 0 else NEGATIVE for value in lengths]
    axes.barh(places, lengths, height=0.72, color=colors)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(places, labels=[cut(name) for name in names])
    axes.set_ylim(len(known) - 0.4, -0.6)
    low, high = min(lengths.min(), 0.0), max(lengths.max(), 0.0)
    span = (high - low) or 1.0
    axes.set_xlim(low - (0.17 * span if low < 0 else 0.02 * span),
                  high + (0.17 * span if high > 0 or low == 0 else 0.02 * span))  # fmt: skip
    for place, (length, value) in enumerate(zip(lengths, values, strict=True)):
        left = length < 0
        text = significant(float(value) + 0.0, 3)
        kind = {"nan": "NaN"}.get(text, text)
        axes.annotate(
            kind, (length, place), (-3 if left else 3, 0), textcoords="offset points",
            ha="right" if left else "left", va="center", fontsize=8,
            bbox=_boxed(kind), color="white" if kind == "inf" else INK,
        )  # fmt: skip
    axes.grid(axis="x")
    axes.set_xlabel(measure)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _boxed(kind: str) -> dict[str, Any] | None:
    color = NONFINITE.get(kind)
    return None if color is None else {"facecolor": color, "edgecolor": INK, "pad": 1.5,
                                       "linewidth": 0.5}  # fmt: skip


def _line(axes: Axes, known: Array, finite: Array, names: LabelledAxis, measure: str) -> bool:
    from matplotlib.patches import Patch

    places = np.arange(len(known))
    reduced = len(known) > _POINTS
    if reduced:
        starts = np.arange(_POINTS) * len(known) // _POINTS
        low = np.minimum.reduceat(np.where(finite, known, np.inf), starts)
        high = np.maximum.reduceat(np.where(finite, known, -np.inf), starts)
        there = low <= high
        axes.fill_between(starts, np.where(there, low, np.nan), np.where(there, high, np.nan),
                          color=CYCLE[0], linewidth=0.5)  # fmt: skip
    else:
        axes.plot(places, np.where(finite, known, np.nan), color=CYCLE[0],
                  marker="." if len(known) <= 200 else "", markersize=4)  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.margins(x=0.01)
    ticks = chosen(len(known), 6)
    axes.set_xticks(ticks, labels=[cut(name, 16) for name in names.pick(ticks)])
    axes.grid(axis="y")
    axes.set_ylabel(measure)
    axes.spines[["top", "right"]].set_visible(False)
    handles: list[Any] = []
    for kind, bad in (
        ("NaN", np.isnan(known)),
        ("inf", known == np.inf),
        ("-inf", known == -np.inf),
    ):
        where = np.flatnonzero(bad)
        if not len(where):
            continue
        for place in where[:: max(1, len(where) // 300)]:
            axes.axvline(place, color=NONFINITE[kind], linewidth=2, zorder=0)
        said = f"{kind} at {cut(names[int(where[0])])}"
        if len(where) > 1:
            said = f"{len(where):,} {kind}, the first at {cut(names[int(where[0])])}"
        handles.append(Patch(facecolor=NONFINITE[kind], edgecolor=INK, linewidth=0.6, label=said))
    if handles:
        legend(axes, handles)
        axes.get_legend().set_bbox_to_anchor((-0.02, -0.12), axes.transAxes)  # type: ignore[union-attr]
    return reduced
