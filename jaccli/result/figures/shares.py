"""What has shares of a whole, as bars in descending order; values with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaccli.result.figures.style import CYCLE, FAINT, INK, NEGATIVE, cut
from jaccli.result.numerals import significant
from jaccli.result.result import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 15
"""Bars at most; what is left has one together."""
_WIDE = 30.0
"""The greatest value over the smallest from which on intervals are drawn in percent."""


def ordered(names: Sequence[str], percent: Array) -> tuple[list[str], list[float]]:
    """Return shares in descending size, those beyond `MOST` summed as `N more`.

    >>> ordered(["a", "b"], np.array([25.0, 75.0]))
    (['b', 'a'], [75.0, 25.0])
    """
    order = np.argsort(-np.nan_to_num(np.abs(percent)), kind="stable").tolist()
    kept = order if len(order) <= MOST else order[: MOST - 1]
    shown = [names[place] for place in kept]
    sizes = [float(percent[place]) for place in kept]
    if len(kept) < len(order):
        shown.append(f"{len(order) - len(kept):,} more")
        sizes.append(float(percent[order[len(kept) :]].sum()))
    return shown, sizes


def bars(axes: Axes, names: Sequence[str], percent: Array, *, measure: str) -> None:
    """Draw shares in percent as bars; below 0, where inputs are correlated, in another color."""
    shown, sizes = ordered(names, percent)
    rest = len(shown) < len(names)
    lengths = np.nan_to_num(np.array(sizes), posinf=0.0, neginf=0.0)
    colors = [CYCLE[0] if size >= 0 else NEGATIVE for size in lengths]
    if rest:
        colors[-1] = FAINT
    axes.barh(range(len(shown)), lengths, height=0.7, color=colors)
    axes.set_yticks(range(len(shown)), labels=[cut(name) for name in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    low, high = min(lengths.min(initial=0.0), 0.0), max(lengths.max(initial=0.0), 0.0)
    span = (high - low) or 1.0
    axes.set_xlim(low - (0.2 * span if low < 0 else 0), high + 0.2 * span)
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, (length, size) in enumerate(zip(lengths, sizes, strict=True)):
        text = f"{size:.1f} %" if math.isfinite(size) else "not defined"
        left = length < 0
        axes.annotate(text, (length, place), (-3 if left else 3, 0), textcoords="offset points",
                      ha="right" if left else "left", va="center", fontsize=8)  # fmt: skip
    axes.grid(axis="x")
    axes.set_xlabel(measure)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def intervals(axes: Axes, names: Sequence[str], value: Array, half: Array, *, what: str) -> None:
    """Draw values with their intervals, `value ± half`: of very different ones in percent."""
    size = np.abs(value)
    usable = bool(np.isfinite(value).all() and np.isfinite(half).all() and size.all())
    relative = usable and float(size.max() / size.min()) > _WIDE
    center, width = (np.zeros(len(value)), 100 * half / size) if relative else (value, half)
    known = np.isfinite(center) & np.isfinite(width)
    places = np.arange(len(value))
    axes.errorbar(center[known], places[known], xerr=width[known], fmt="o", markersize=4,
                  color=CYCLE[0], ecolor=CYCLE[0], capsize=3, linewidth=1.4)  # fmt: skip
    if relative or (
        np.min(center - width, initial=0.0) <= 0 <= np.max(center + width, initial=0.0)
    ):
        axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    labels = [
        f"{cut(name)}\n{significant(float(v), 5)} ± {significant(float(h), 2)}"
        for name, v, h in zip(names, value, half, strict=True)
    ]
    axes.set_yticks(places, labels=labels, fontsize=8)
    axes.set_ylim(len(value) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_xlabel(f"deviation from the {what}, %" if relative else what)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
