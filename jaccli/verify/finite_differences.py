"""Derivatives along directions by finite differences, each with an estimate of its error.

The function is taken at steps to both sides that double from a few units in the last place of x up
to a third of it, or of 1: no single one serves x = 1e-8, x = 1e8 and sin(1e6 x).  Central
differences are extrapolated to the step 0 (Richardson), from each step and in every order, and the
estimate with the smallest error counts.  That error is how far the extrapolation has moved it, what
the function's own rounding makes of it, and how far it is from what smaller steps allow: wide steps
across a narrow peak agree with each other, and not with those within it.

scipy.differentiate and numdifftools were tried: they choose one first step, and take what looks
converged at a wrong scale for the derivative (exp(-((x - 2) / 1e-4)**2), |x - 1e-5| at 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaccli.result.result import Array
from jaccli.verify.one_sided import corners

_LARGEST, _APART = 0.37, 0.29
"""The largest steps, relative to x and to 1; no powers of two, at which periods would repeat."""
_SMALLEST = 1e-30
"""The smallest step from 0, beside which nothing is rounded."""
_WIDEST = 1e25
"""The largest step relative to an x that is all but 0."""
_ULPS = 4.0
"""Units in the last place of x that the smallest step is at least."""
_ORDERS = 7
"""Times that central differences are extrapolated."""
_MANY, _STRIDE = 10_000, 2
"""Inputs from which on every second step must do."""
_HELD = 1 << 21
"""Numbers that one array of samples holds, about."""
_HIDDEN = 2.0**-36
"""Changes below this share of a function may be the rounding of what it is made of: a part of it
that stays the same at all of the smallest steps."""
_FINE = 2.0**-20
"""Steps below this share of the largest leave out nothing that matters of a smooth function."""
_SETTLED = 1e-3
"""Estimated errors below this share of the derivative tell that there is one."""
_FLAT, _COARSE = 8, 1e4
"""Steps that must leave a function as it is, and units in the last place that the first one that
moves it must then do so by, for that to be the end of a piece of it."""
_LEAP, _QUANTIZED = 3, (0.4, 1.2)
"""Steps after that one at which a slope in coarse units has moved the function in proportion to
them, within these bounds, and the end of a piece has not."""
_LEAST = 5e-324
"""The smallest number: errors do not underflow to 0."""
TINY = float(np.finfo(np.float64).tiny)
"""What is smaller may be taken for 0, which is a rounding error too."""


class DifferenceEstimate(NamedTuple):
    """Derivatives along directions, `(k, B, M)`, and their estimated errors (inf: none found).

    `left` and `right` are the slopes on either side of a kink, NaN elsewhere; `jumps` is not 0
    where the function jumps.  `sizes` are those of the function over those of x: a slope far below
    them is lost beside it.
    """

    values: Array
    errors: Array
    left: Array
    right: Array
    jumps: Array
    sizes: Array


def along(
    f: Callable[[Array], Array], x: Array, directions: Array, eps: float
) -> DifferenceEstimate:
    """Return the derivative of f at `x` (B, N) along `directions` (k, B, N).

    f takes points `(p, B, N)` and returns `(p, B, M)`, rounded to `eps` (relative).
    """
    at = f(x[None])[0].astype(np.float64)
    each = max(1, _HELD // (max(1, at.size, x.size) * 200))
    with np.errstate(all="ignore"):
        parts = [
            _along(f, x, run[start : start + each], eps, at)
            for run in _alike(x, directions, eps)
            for start in range(0, len(run), each)
        ]
    if not parts:
        return DifferenceEstimate(*np.empty((6, 0, *at.shape)))
    return DifferenceEstimate(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _alike(x: Array, directions: Array, eps: float) -> list[Array]:
    """Return runs of directions that are taken with the same steps."""
    keys = [_range(x, v, eps) for v in directions]
    return np.split(directions, [i for i in range(1, len(keys)) if keys[i] != keys[i - 1]])


def _relative(x: Array, v: Array) -> float:
    """Return how long a step along v is that is as long as x: as 1 where x is 0."""
    both = (v != 0) & (x != 0)
    if both.any():
        return float(np.median(np.abs(x[both]) / np.abs(v[both])))
    return 1 / (float(np.abs(v).max(initial=0.0)) or 1.0)


def _range(x: Array, v: Array, eps: float) -> tuple[float, float]:
    """Return the smallest step along v and the largest."""
    both = (v != 0) & (x != 0)
    relative = _relative(x, v)
    if not both.any():
        return _SMALLEST * relative, _LARGEST * relative
    apart = _APART / float(np.abs(v).max())
    most = max(_LARGEST * relative, min(apart, _WIDEST * relative))
    least = _ULPS * eps * float((np.abs(x[both]) / np.abs(v[both])).max())
    return min(least, most), most


def _along(
    f: Callable[[Array], Array], x: Array, directions: Array, eps: float, at: Array
) -> DifferenceEstimate:
    least, most = _range(x, directions[0], eps)
    count = 1 + int(np.log2(most / least))
    steps = (most * 0.5 ** np.arange(count, dtype=np.float64))[::-1]  # the smallest first
    steps = steps[:: _STRIDE if x.size >= _MANY else 1]
    found = np.stack([_moved(f, x, directions, sign * steps) for sign in (1.0, -1.0)])
    right, left = found[0] - at, at - found[1]  # (s, k, B, M)
    unit = eps * (np.abs(at) + np.abs(found).max(axis=0))
    grain = _grain(right, left)
    ends, late = _ends(steps, np.fmax(np.abs(right), np.abs(left)), unit)
    coarse = np.where(ends, 0.0, grain)
    values, errors = _extrapolated(steps, (right + left) / 2, coarse + unit, unit / eps * _HIDDEN)
    values = np.where(late, 0.0, values)
    corner = corners(steps, left, right, grain, unit)
    jumps = np.where(errors <= _SETTLED * np.abs(values), 0.0, corner.jumps)
    around = np.maximum(np.abs(at), np.nan_to_num(np.abs(found[:, -1]).min(axis=0), posinf=0.0))
    scale = _LARGEST * _relative(x, directions[0])
    sizes = np.broadcast_to(around.max(axis=-1, keepdims=True, initial=0.0) / scale, values.shape)
    return DifferenceEstimate(values, errors, corner.left, corner.right, jumps, sizes)


def _moved(f: Callable[[Array], Array], x: Array, directions: Array, steps: Array) -> Array:
    """Return f at x + h v for all steps h and directions v, `(s, k, B, M)`."""
    each = max(1, _HELD // max(1, x.size * len(directions)))
    parts = []
    for start in range(0, len(steps), each):
        h = steps[start : start + each, None, None, None]
        parts.append(f((x + h * directions).reshape(-1, *x.shape)).astype(np.float64))
    found = np.concatenate(parts)
    return found.reshape(len(steps), len(directions), *found.shape[1:])


def _grain(right: Array, left: Array) -> Array:
    """Return how far f moves at the first step that moves it: rounding is no less."""
    change = np.fmax(np.abs(right), np.abs(left))
    first = np.argmax(change > 0, axis=0)[None]
    moved: Array = np.take_along_axis(change, first, 0)[0]
    return np.nan_to_num(moved, nan=0.0, posinf=0.0)


def _ends(steps: Array, change: Array, unit: Array) -> tuple[Array, Array]:
    """Return where the first step that moves f leaves a flat piece of it, and where it may.

    floor(x) at 2.9 and sort(x)[0] at (1, 2) along x[1] do not change at all at the steps below 0.1
    and 1.  The change there is no rounding, unless f is a slope in coarse units: then it goes on
    in proportion to the steps.  What the widest steps alone show (the second) is not known.
    """
    last = len(steps) - 1
    first = np.argmax(change > 0, axis=0)
    moved, ulp = (np.take_along_axis(a, first[None], 0)[0] for a in (change, unit))
    later = np.minimum(first + _LEAP, last)
    grown = np.take_along_axis(change, later[None], 0)[0] / moved * steps[first] / steps[later]
    flat = (first >= _FLAT) & (moved > _COARSE * ulp)
    late = first + _LEAP > last
    return flat & ~late & ((grown < _QUANTIZED[0]) | (grown > _QUANTIZED[1])), flat & late


def _scatter(h: Array, column: Array) -> Array:
    """Return by how much small steps disagree about f, as a rule: its rounding.

    Where what f is made of is larger than f, its units in the last place are not those of f.
    """
    small = (h <= _FINE * h[-1])[:-1, 0, 0, 0]
    apart = np.sort(np.nan_to_num((np.abs(np.diff(column, axis=0)) * h[:-1])[small]), axis=0)
    if not len(apart):
        return np.zeros(column.shape[1:])
    middle = len(apart) - (np.count_nonzero(apart, axis=0) + 1) // 2
    middle = np.minimum(middle, len(apart) - 1)
    scatter: Array = np.take_along_axis(apart, middle[None], 0)[0]
    return scatter


def _extrapolated(
    steps: Array, halves: Array, rounding: Array, hidden: Array
) -> tuple[Array, Array]:
    """Return slopes and errors from half the changes `(s, k, B, M)` between -h and h.

    `hidden` is rounding that small steps may not show.
    """
    h = steps[:, None, None, None]
    column = halves / h
    noise = np.maximum(np.maximum(rounding, 4 * _scatter(h, column)), TINY) / h
    noise = np.maximum(noise, _LEAST)
    # What smaller steps allow: each central difference, give or take its own error.
    doubt = 4 * noise[:-1] + (hidden / h)[:-1] + 2 * np.abs(np.diff(column, axis=0))
    low, high = column[:-1] - doubt, column[:-1] + doubt
    none = np.full_like(column[:1], np.inf)
    low = np.fmax.accumulate(np.concatenate([-none, low]), axis=0)
    high = np.fmin.accumulate(np.concatenate([none, high]), axis=0)
    best, least = column[0], np.full(column.shape[1:], np.inf)
    ratio = float(steps[1] / steps[0]) ** 2 if len(steps) > 1 else 4.0
    for order in range(1, min(_ORDERS, len(steps) - 1) + 1):
        fine, coarse = column[:-1], column[1:]
        column = fine + (fine - coarse) / (ratio**order - 1)
        rows = len(column)
        error = np.maximum(np.abs(column - fine), np.abs(column - coarse)) + 2 * noise[:rows]
        outside = np.maximum(low[:rows] - column, column - high[:rows])
        error = error + np.maximum(outside, 0.0)
        error[~np.isfinite(error)] = np.inf
        place = np.argmin(error, axis=0)[None]
        found = np.take_along_axis(error, place, 0)[0]
        better = found < least
        best = np.where(better, np.take_along_axis(column, place, 0)[0], best)
        least = np.where(better, found, least)
    return best, least
