"""Derivatives along directions by finite differences, each with an estimate of its error.

scipy.differentiate takes central differences of order 8 with steps that it halves until they stop
converging, and estimates the error from the last two.  It starts here from a ladder of first steps,
over twelve decades and more, because no single one serves x = 1e-8, x = 1e8 and sin(1e6 x); of each
entry the two first steps count that agree the best.  numdifftools 0.11 was tried beside it: its
steps follow from x alone, so that sin(1e6 x), |x - 1e-5| at 0 or log at 1e-8 come out wrong, and
without a warning in the estimated error.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from jaccli.result.result import Array
from jaccli.verify.corners import corners

_FIRST = 0.37 * 10.0 ** -np.arange(0.0, 8.0, 2.0)
"""First steps of the ladder; no powers of two, at which periodic functions would repeat."""
_MANY = 10_000
"""Inputs from which on every second step must do."""
_APART = 0.29
"""The second ladder's factor, so that no step of it is one of the first."""
_HELD = 1 << 21
"""Numbers that scipy keeps of one call, about."""
_CALLS = 27
"""Abscissae that one call of scipy takes at most for every first step."""
_SETTLED = 1e-3
"""Estimated errors below this share of the derivative tell that there is one."""
TINY = float(np.finfo(np.float64).tiny)
"""What is smaller may be taken for 0, which is a rounding error too."""


class Estimate(NamedTuple):
    """Derivatives along directions, `(k, B, M)`, and their estimated errors (inf: none found).

    `left` and `right` are the slopes on either side of a kink, NaN elsewhere; `jumps` is not 0
    where the function jumps.  `sizes` are those of the function divided by the steps: a slope far
    below them is lost beside it.
    """

    values: Array
    errors: Array
    left: Array
    right: Array
    jumps: Array
    sizes: Array


class _Central(NamedTuple):
    values: Array
    errors: Array


def along(f: Callable[[Array], Array], x: Array, directions: Array, eps: float) -> Estimate:
    """Return the derivative of f at `x` (B, N) along `directions` (k, B, N).

    f takes points `(p, B, N)` and returns `(p, B, M)`, rounded to `eps` (relative).
    """
    at = f(x[None])[0]
    each = max(1, _HELD // (max(1, at.size) * 2 * len(_FIRST) * _CALLS))
    left, right, jumps, grain = corners(f, x, directions, eps)
    parts = [
        _along(f, x, directions[part], eps, at, np.maximum(grain[part], eps * np.abs(at)))
        for part in (slice(start, start + each) for start in range(0, len(directions), each))
    ]
    values, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    with np.errstate(all="ignore"):  # where central differences settle on a slope is no jump
        jumps = np.where(errors <= _SETTLED * np.abs(values), 0.0, jumps)
    moves = np.array([_steps(x, v, eps).max() for v in directions]).reshape(-1, 1, 1)
    size = np.abs(at).max(axis=-1, keepdims=True, initial=0.0) / moves
    return Estimate(values, errors, left, right, jumps, np.broadcast_to(size, values.shape))


def _along(
    f: Callable[[Array], Array], x: Array, directions: Array, eps: float, at: Array, grain: Array
) -> _Central:
    """Return central differences of f, which is rounded to `grain` (k, B, M)."""
    from scipy.differentiate import derivative  # 0.2 s that other commands do not pay

    steps = np.stack([_steps(x, v, eps) for v in directions], axis=1)  # (s, k)
    shape = (*steps.shape, *at.shape)  # (s, k, B, M)

    def moved(t: Array) -> Array:
        """Take the parameters `(s, k, B, M)`, or with abscissae as a last axis, to f there."""
        count = t.shape[4] if t.ndim == 5 else 1
        times = t.reshape(*shape, count)[:, :, 0, 0]  # (s, k, abscissae)
        which = np.broadcast_to(np.arange(len(directions))[:, None], times.shape).reshape(-1)
        moves = times.reshape(-1, 1, 1)
        found = np.empty((len(moves), *at.shape))
        each = max(1, _HELD // x.size)
        for start in range(0, len(moves), each):
            part = slice(start, start + each)
            found[part] = f(x + moves[part] * directions[which[part]])
        found = np.moveaxis(found.reshape(*times.shape, *at.shape), 2, -1)
        return found.reshape(t.shape)

    with np.errstate(all="ignore"):
        done = derivative(
            moved,
            np.zeros(shape),
            initial_step=np.broadcast_to(steps[..., None, None], shape),
            tolerances={"atol": 0.0, "rtol": 0.0},
            order=8,
            maxiter=10,
            preserve_shape=True,
        )
        # Rounding alone makes differences of this size, however well two steps agree.
        rounding = np.maximum(grain, TINY) / steps[..., None, None]
        errors = np.maximum(done.error, rounding)
        errors[~np.isfinite(done.df) | np.isnan(errors)] = np.inf
        return _agreed(done.df, errors)


def _agreed(values: Array, errors: Array) -> _Central:
    """Take the two first steps `(s, ...)` that agree the best: one may seem right by chance."""
    best = _Central(values[0], np.full(values.shape[1:], np.inf))
    for i, j in combinations(range(len(values)), 2):
        doubt = np.maximum(np.maximum(errors[i], errors[j]), np.abs(values[i] - values[j]))
        value = np.where(errors[i] <= errors[j], values[i], values[j])
        better = doubt < best.errors
        best = _Central(np.where(better, value, best.values), np.where(better, doubt, best.errors))
    return best


def _steps(x: Array, v: Array, eps: float) -> Array:
    """Return first steps for x + t v: relative to x, and relative to 1."""
    first = _FIRST if x.size < _MANY else _FIRST[::2]
    moved = v != 0
    size = float(np.abs(v).max(initial=0.0)) or 1.0
    both = moved & (x != 0)
    relative = float(np.median(np.abs(x[both]) / np.abs(v[both]))) if both.any() else 1.0 / size
    least = 1e6 * eps * relative if both.any() else 0.0
    ladders = np.concatenate([first * relative, first * _APART / size])
    steps: Array = np.maximum(ladders, min(least, _FIRST[0] * relative))
    return steps
