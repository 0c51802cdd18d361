"""Numbers against what a sweep varies, as curves with their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaccli.result.figures.style import CYCLE, INK, caption, cut, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
"""Curves of a figure at most."""
_DECADES = 3.0
"""Powers of 10 that positive numbers span from which on an axis is logarithmic."""
_STYLES = ("-", "--", ":")
_TICKS = 12
"""Names below an axis at most."""


@dataclass(frozen=True)
class Curve:
    """Points that are joined; NaN leaves a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Curves:
    """What a sweep's figure shows: `names` stand at 0, 1 ... where `x` are no numbers."""

    curves: Sequence[Curve]
    x: str
    y: str
    title: str
    names: Sequence[str] = ()
    notes: Sequence[str] = ()


def figure(shown: Curves) -> Figure:
    """Return the curves in one set of axes, with a legend at their right."""
    curves = shown.curves[:MOST]
    made = new_figure(6.6 if len(curves) > 1 else 5.6, 3.6)
    axes = made.add_subplot()
    handles: list[Any] = []
    for number, curve in enumerate(curves):
        color = CYCLE[number % len(CYCLE)]
        style = _STYLES[number // len(CYCLE) % len(_STYLES)]
        points = len(curve.x)
        handles += axes.plot(curve.x, _known(curve.y), color=color, linestyle=style,
                             marker="o" if points <= 40 else "", markersize=3.5)  # fmt: skip
    axes.set_title(cut(shown.title, 64))
    axes.set_xlabel(cut(shown.x, 48))
    axes.set_ylabel(cut(shown.y, 40))
    _scale(axes, "x", [x for curve in curves for x in curve.x] if not shown.names else [])
    ys = [y for curve in curves for y in curve.y if math.isfinite(y)]
    _scale(axes, "y", ys)
    if ys and axes.get_yscale() == "linear" and min(ys) < 0 < max(ys):
        axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
    if shown.names:
        step = max(1, math.ceil(len(shown.names) / _TICKS))
        places = range(0, len(shown.names), step)
        labels = [cut(shown.names[place], 24) for place in places]
        axes.set_xticks(list(places), labels=labels, rotation=45, ha="right")
    axes.grid()
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        # matplotlib leaves out names that begin with an underscore
        texts = [f"\N{THIN SPACE}{cut(curve.name, 36)}" for curve in curves]
        axes.legend(handles, texts, loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=8)
    notes = list(shown.notes)
    if len(shown.curves) > len(curves):
        notes.append(f"{len(curves)} of {len(shown.curves):,} curves are shown, the first ones.")
    gaps = sum(not math.isfinite(y) for curve in curves for y in curve.y)
    if gaps:
        notes.append(f"{gaps:,} point{'s are' if gaps > 1 else ' is'} not finite and left out.")
    caption(made, notes)
    return made


def _known(values: Sequence[float]) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values]


def _scale(axes: Axes, side: str, values: Sequence[float]) -> None:
    """Make an axis logarithmic where its numbers are positive and span many powers of 10."""
    least, most = min(values, default=0.0), max(values, default=0.0)
    if least > 0 and math.log10(most) - math.log10(least) >= _DECADES:
        from matplotlib.ticker import FuncFormatter, NullFormatter

        (axes.set_xscale if side == "x" else axes.set_yscale)("log")
        axis = axes.xaxis if side == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
