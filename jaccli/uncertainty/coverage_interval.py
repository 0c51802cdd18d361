"""Coverage intervals of draws, and the tolerance that they are compared within (Supplement 1).

Boundary: numpy alone.
"""

from __future__ import annotations

from math import floor, inf, log10

import numpy as np

from jaccli.uncertainty.covariance_matrices import Array

DIGITS = 2
"""Significant digits of u that are regarded as meaningful (7.9.2)."""


def tolerance(u: Array) -> Array:
    """Return δ: half a unit of the second significant digit of each u (7.9.2); 0 of 0.

    >>> tolerance(np.array([2.0, 0.0354])).tolist()
    [0.05, 0.0005]
    """
    return np.array([_tolerance(float(one)) for one in u.reshape(-1)]).reshape(u.shape)


def _tolerance(u: float) -> float:
    if not 0 < u < inf:
        return 0.0
    power = floor(log10(u)) - DIGITS + 1
    if float(f"{u:.{DIGITS - 1}e}") >= 10.0 ** (power + DIGITS):  # 0.0996 is 0.10
        power += 1
    return float(f"5e{power - 1}")


def symmetric(ordered: Array, coverage: float) -> tuple[Array, Array]:
    """Return the probabilistically symmetric coverage interval of sorted draws (7.7.2)."""
    count = len(ordered)
    inside = min(_whole(coverage * count), count - 1)
    first = _whole((count - inside) / 2)
    first = min(max(first, 1), count - inside)
    return ordered[first - 1], ordered[first + inside - 1]


def shortest(ordered: Array, coverage: float) -> tuple[Array, Array]:
    """Return the shortest coverage interval of sorted draws (7.7.4)."""
    count = len(ordered)
    inside = min(_whole(coverage * count), count - 1)
    widths = ordered[inside:] - ordered[: count - inside]
    first = widths.argmin(axis=0)[None]
    low = np.take_along_axis(ordered, first, axis=0)[0]
    return low, np.take_along_axis(ordered, first + inside, axis=0)[0]


def _whole(number: float) -> int:
    """Return a number if it is whole, else it and a half cut to an integer (7.7.2)."""
    return floor(number + 0.5)
