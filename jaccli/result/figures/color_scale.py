"""Numbers as colors: blue below 0, white at 0, red above, to the same absolute value both ways.

The map goes between ColorBrewer's blue and red, which color-blind people can tell apart.  Where
most entries are far smaller than the greatest, the scale is logarithmic in the absolute value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jaccli.result.figures.cells import Cells
from jaccli.result.figures.style import NONFINITE
from jaccli.result.numerals import significant
from jaccli.result.result import Array

_ANCHORS = ("#1b4f93", "#4393c3", "#92c5de", "#d9eaf4", "#ffffff",
            "#fde3d3", "#f4a582", "#d6604d", "#a11022")  # fmt: skip
_HALF = 256
"""Shades on either side of white."""
_SMALL = 1e-3
"""The median of what is not 0, in parts of the greatest, below which the scale is logarithmic."""
_FAINTEST = 0.1
"""Where a logarithmic scale begins beside 0."""
_DECADES = (3, 18)


@dataclass(frozen=True)
class ColorScale:
    """From `-size` to `size`; with `decades` logarithmic over so many powers of 10."""

    size: float
    decades: int | None = None

    @staticmethod
    def of(pictures: list[Cells]) -> ColorScale:
        """Return the scale that these pictures share."""
        size = max((one.largest for one in pictures), default=0.0)
        if size == 0:
            return ColorScale(1.0)
        nonzero = np.concatenate([
            np.abs(one.values[np.isfinite(one.values) & (one.values != 0)]) for one in pictures
        ])  # fmt: skip
        logs = np.log10(nonzero)
        if np.median(logs) - math.log10(size) >= math.log10(_SMALL):
            return ColorScale(size)
        least, most = _DECADES
        decades = math.ceil(math.log10(size) - float(np.percentile(logs, 2)))
        return ColorScale(size, min(max(decades, least), most))

    @property
    def name(self) -> str:
        """What is said of it."""
        return "linear" if self.decades is None else "logarithmic in |entry|"

    def position(self, values: Array) -> Array:
        """Return where numbers lie between -1 and 1; NaN stays."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if self.decades is None:
                return np.asarray(np.clip(values / self.size, -1.0, 1.0))
            part = 1 + (np.log10(np.abs(values)) - math.log10(self.size)) / self.decades
            sized = np.sign(values) * (_FAINTEST + (1 - _FAINTEST) * np.clip(part, 0, 1))
            return np.asarray(np.where(values == 0, 0.0, sized))

    def colors(self, values: Array) -> Array:
        """Return `(..., 3)` bytes of red, green and blue."""
        positions = self.position(values)
        known = np.nan_to_num(positions, nan=0.0)
        found = _table()[np.rint((known + 1) * _HALF).astype(np.int64)]
        for kind, where in (
            ("NaN", np.isnan(values)),
            ("inf", np.isposinf(values)),
            ("-inf", np.isneginf(values)),
        ):
            found[where] = rgb(NONFINITE[kind])
        return np.asarray(found)

    def ticks(self, most: int = 9) -> list[tuple[float, str]]:
        """Return about `most` positions with their labels, three at least."""
        if self.decades is None:
            parts = (-1.0, -0.5, 0.0, 0.5, 1.0) if most >= 5 else (-1.0, 0.0, 1.0)
            return [(part, significant(part * self.size + 0.0, 3)) for part in parts]
        top = math.floor(math.log10(self.size))
        bottom = math.ceil(math.log10(self.size) - self.decades)
        step = max(1, math.ceil((top - bottom) / max(1, (most - 1) // 2)))
        powers = range(top, bottom - 1, -step)
        found = [(0.0, "0")]
        for power in powers:
            place = float(self.position(np.array(10.0**power)))
            if place > 2 * _FAINTEST or len(powers) == 1:
                found += [(place, f"1e{power}"), (-place, f"-1e{power}")]
        return sorted(found)


def rgb(color: str) -> list[int]:
    """Return the bytes of a color `#rrggbb`."""
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]


def _table() -> Array:
    """Return the colors of the scale, `(2 _HALF + 1, 3)`, white in the middle."""
    anchors = np.array([rgb(color) for color in _ANCHORS], float)
    places = np.linspace(-1, 1, len(anchors))
    shades = np.linspace(-1, 1, 2 * _HALF + 1)
    mixed = [np.interp(shades, places, anchors[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(mixed, axis=-1)), np.uint8)
