"""Kinks and jumps by one-sided differences: where a function has no derivative along a direction.

With R(h) and L(h) the differences to the right and to the left, R(h) - L(h) shrinks as h does where
the function is smooth, and stays what it is at a kink.  So the smallest steps count of which
rounding leaves enough: five of them, a factor of 256 apart, that agree.  A narrow peak or a steep
step is smooth at those, however wide the steps are at which it looks like a kink.  At a jump,
f(x + h) - f(x) itself stays what it is, down to steps of a few units in the last place.

Boundary: knows functions of vectors, and nothing of models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaccli.result.result import Array

_LARGEST = 0.37
_FACTOR = 4.0
"""Between one step and the next."""
_SMALLEST = 1e-30
"""Where nothing is large beside which a step could be rounded."""
_JUMPS_TO = 1e-9
"""A jump is one at all steps up to here, relative to the entry."""
_LEVELS = 5
"""Steps that must agree."""
_ALIKE = 0.02
_CLEAR = 50.0
"""How many times its rounding R - L must be."""
_HELD = 1 << 21


class Corners(NamedTuple):
    """Slopes `(k, B, M)` on either side of a kink, NaN elsewhere, and jumps, 0 where there is none.

    A jump is by how much f changes at once, divided by the largest step.  `grain` is how much the
    smallest step changes f that changes it at all: what f is rounded to is no finer.
    """

    left: Array
    right: Array
    jumps: Array
    grain: Array


def corners(f: Callable[[Array], Array], x: Array, directions: Array, eps: float) -> Corners:
    """Return where f at `x` (B, N) has kinks along `directions` (k, B, N).

    f takes points `(p, B, N)` and returns `(p, B, M)`, rounded to `eps` (relative).
    """
    at = f(x[None])[0].astype(np.float64)
    each = max(1, _HELD // (max(1, at.size, x.size) * 100))
    with np.errstate(all="ignore"):
        parts: list[Array] = []
        for start in range(0, len(directions), each):
            parts += [_of(f, x, v, eps, at) for v in _alike(x, directions[start : start + each])]
    stacked = np.concatenate(parts, axis=1) if parts else np.empty((4, 0, *at.shape))
    return Corners(*stacked)


def _alike(x: Array, directions: Array) -> list[Array]:
    """Return runs of directions that are taken with the same steps."""
    keys = [_range(x, v, 1.0) for v in directions]
    edges = [i for i in range(1, len(keys)) if keys[i] != keys[i - 1]]
    return np.split(directions, edges)


def _range(x: Array, v: Array, eps: float) -> tuple[float, float]:
    """Return the smallest step along v and the largest."""
    size = float(np.abs(v).max(initial=0.0)) or 1.0
    both = (v != 0) & (x != 0)
    if not both.any():
        return _SMALLEST / size, _LARGEST / size
    ratios = np.abs(x[both]) / np.abs(v[both])
    return 4 * eps * float(ratios.max()), _LARGEST * float(np.median(ratios))


def _of(f: Callable[[Array], Array], x: Array, v: Array, eps: float, at: Array) -> Array:
    """Return the slopes to the left and to the right, the jumps, the grain: `(4, k, B, M)`."""
    least, most = _range(x, v[0], eps)
    count = 1 + max(0, int(np.log(most / least) / np.log(_FACTOR)))
    steps = (most * _FACTOR ** -np.arange(count, dtype=np.float64))[::-1]  # the smallest first
    moves = np.concatenate([steps, -steps])[:, None, None, None] * v  # (2 s, k, B, N)
    found = f((x + moves).reshape(-1, *x.shape)).reshape(2, count, len(v), *at.shape)
    found = found.astype(np.float64)
    right, left = found[0] - at, at - found[1]  # (s, k, B, M)
    h = steps[:, None, None, None]
    unit = eps * (np.abs(at) + np.abs(found).max(axis=0))
    sides = np.full((4, *right.shape[1:]), np.nan)
    grain = _granularity(right, left)
    sides[2], sides[3] = 0.0, grain[0]

    # A kink: R - L is the same at the smallest steps at which rounding leaves it.
    bend = (right - left) / h
    noise = 4 * (grain.max(axis=0) + unit) / h
    clear = (np.abs(bend) > _CLEAR * noise) & np.isfinite(bend)
    first = np.argmax(clear, axis=0)
    window = [np.minimum(first + i, count - 1)[None] for i in range(_LEVELS)]
    taken = np.concatenate([np.take_along_axis(bend, level, 0) for level in window])
    plain = np.concatenate([np.take_along_axis(clear, level, 0) for level in window])
    size = np.abs(taken).max(axis=0)
    kink = plain.all(axis=0) & (np.ptp(taken, axis=0) <= _ALIKE * size)
    kink &= first + _LEVELS <= count
    middle = window[_LEVELS // 2]
    for side, part in zip(sides[:2], (left, right), strict=True):
        side[kink] = np.take_along_axis(part / h, middle, 0)[0][kink]

    # A jump: the difference itself is the same at all small steps, on one side or on both.
    small = steps <= _JUMPS_TO / _LARGEST * most
    if small.sum() >= _LEVELS:
        jumps = [_jump(part[small], unit[small]) for part in (left, right)]
        sides[:2, (jumps[0] > 0) | (jumps[1] > 0)] = np.nan
        sides[2] = np.maximum(*jumps) / most
    return sides


def _granularity(right: Array, left: Array) -> Array:
    """Return how far f moves at the first three steps that move it: rounding is no less."""
    change = np.fmax(np.abs(right), np.abs(left))
    first = np.argmax(change > 0, axis=0)
    places = [np.minimum(first + i, len(change) - 1)[None] for i in range(3)]
    moved: Array = np.concatenate([np.take_along_axis(change, p, 0) for p in places])
    return np.nan_to_num(moved, nan=0.0, posinf=0.0)


def _jump(change: Array, unit: Array) -> Array:
    """Return how large the jump is that small steps have in common, 0 where they have none."""
    size = np.abs(change[0])
    same = np.abs(change - change[0]).max(axis=0) <= _ALIKE * size
    jump: Array = np.where(np.isfinite(size) & same & (size > 1e4 * unit.max(axis=0)), size, 0.0)
    return jump
