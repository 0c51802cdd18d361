"""Kinks and jumps by one-sided differences: where a function has no derivative along a direction.

With R(h) and L(h) the differences to the right and to the left, R(h) - L(h) shrinks as h does where
the function is smooth, and stays what it is at a kink.  So the smallest steps count of which
rounding leaves enough: nine of them, a factor of 256 apart, that agree.  A narrow peak or a steep
step is smooth at those, however wide the steps are at which it looks like a kink.  At a jump,
f(x + h) - f(x) itself stays what it is, down to steps of a few units in the last place.

Boundary: knows samples of functions, and nothing of models.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaccli.result.result import Array

_LEVELS = 9
"""Steps that must agree, each twice the one before."""
_ALIKE = 0.02
_CLEAR = 200.0
"""How many times its rounding R - L must be."""
_SMALL = 1e-9
"""A jump is one at all steps up to here, relative to the largest."""
_ULPS = 1e4
"""Units in the last place that a jump must have."""


class Corners(NamedTuple):
    """Slopes `(k, B, M)` on either side of a kink, NaN elsewhere, and jumps, 0 where there is none.

    A jump is by how much f changes at once, divided by the largest step.
    """

    left: Array
    right: Array
    jumps: Array


def corners(steps: Array, left: Array, right: Array, grain: Array, unit: Array) -> Corners:
    """Return the kinks of a function that changes by `right` (s, k, B, M) and -`left`.

    The steps `(s,)` grow.  The function is rounded to `grain` (k, B, M), and in units in the last
    place of `unit` (s, k, B, M).
    """
    count = len(steps)
    h = steps[:, None, None, None]
    bend = (right - left) / h
    clear = (np.abs(bend) > _CLEAR * (grain + unit) / h) & np.isfinite(bend)
    first = np.argmax(clear, axis=0)
    window = [np.minimum(first + i, count - 1)[None] for i in range(_LEVELS)]
    taken = np.concatenate([np.take_along_axis(bend, level, 0) for level in window])
    kink = np.concatenate([np.take_along_axis(clear, level, 0) for level in window]).all(axis=0)
    kink &= np.ptp(taken, axis=0) <= _ALIKE * np.abs(taken).max(axis=0)
    kink &= first + _LEVELS <= count
    middle = window[_LEVELS // 2]
    sides = [np.take_along_axis(part / h, middle, 0)[0] for part in (left, right)]
    small = steps <= _SMALL * steps[-1]
    jumps = np.zeros(bend.shape[1:])
    if small.sum() >= _LEVELS:
        for part in (left, right):
            jumps = np.maximum(jumps, _jump(part[small], unit[small]) / steps[-1])
    kink &= jumps == 0
    one, other = (np.where(kink, side, np.nan) for side in sides)
    return Corners(one, other, jumps)


def _jump(change: Array, unit: Array) -> Array:
    """Return how large the jump is that small steps have in common, 0 where they have none."""
    size = np.abs(change[0])
    same = np.abs(change - change[0]).max(axis=0) <= _ALIKE * size
    found = np.isfinite(size) & same & (size > _ULPS * unit.max(axis=0))
    jump: Array = np.where(found, size, 0.0)
    return jump
