"""Derivatives over balls by central differences, with a step so small that they are exact.

With 1,500 bits and a step of 2**-500 (2**-400 for second derivatives) the truncation
error is below 2**-700 of the third and fourth derivative; rounding errors are in the balls.
One-sided differences that disagree are a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from flint import arb

from jaccli.certify.balls import Array, Undecidable

_FIRST, _SECOND = -500, -400
_KINK = arb(2) ** -200

Function = Callable[[Sequence[tuple[int, arb]]], Array]
"""The flat outputs, with steps added to some of the flat inputs."""


def first(f: Function, base: Array, j: int) -> Array:
    """Return the derivatives of all outputs by input j.

    Raises:
        Unclear: the function has a kink there, or a comparison cannot be decided.
    """
    h = arb(2) ** _FIRST
    above, below = f([(j, h)]), f([(j, -h)])
    for up, at, down in zip(above, base, below, strict=True):
        bend = abs((up - at) - (at - down)) / h
        if bend.is_finite() and bend > _KINK * (1 + abs(up - at) / h):
            raise Undecidable("a kink: one-sided differences disagree")
    slope: Array = (above - below) / (2 * h)
    return slope


def second(f: Function, base: Array, i: int, j: int) -> Array:
    """Return the second derivatives of all outputs by inputs i and j.

    Raises:
        Unclear: a comparison cannot be decided.
    """
    h = arb(2) ** _SECOND
    if i == j:
        above, below = f([(i, h)]), f([(i, -h)])
        left, right = (base - below) / h, (above - base) / h
        for a, b in zip(left, right, strict=True):
            if abs(a - b).is_finite() and abs(a - b) > _KINK * (1 + abs(a)):
                raise Undecidable("a kink: one-sided differences disagree")
        curved: Array = (above - 2 * base + below) / (h * h)
        return curved
    corners = [f([(i, si * h), (j, sj * h)]) for si in (1, -1) for sj in (1, -1)]
    mixed: Array = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * h * h)
    return mixed
