"""What a verification found: data, and the comparison that gives a row its verdict."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaccli.plan import Plan
from jaccli.result.numerals import significant
from jaccli.result.result import Array

OK, FAIL, NOISE, SKIPPED = "ok", "FAIL", "noise: cannot tell", "not applicable"
_SAFETY = 10.0
"""How many times its estimate a finite difference's error may be."""
_RESOLVED = 1e-3
"""An estimated error below this share of the largest entry tells a mismatch all the same."""
_WORST = 5


@dataclass(frozen=True)
class Sides:
    """Two stacks of numbers to compare, and how they are called.

    `floor` is what rounding may make of the difference, `errors` are the estimated errors of
    `b`; both as the arrays, or fewer axes.  `name` gives an entry's name by its index.
    """

    a: Array
    b: Array
    name: Callable[[tuple[int, ...]], str]
    words: tuple[str, str]
    compared: str
    floor: Array | float = 0.0
    errors: Array | None = None


@dataclass(frozen=True)
class Worst:
    """An entry that differs, with its two numbers and whose they are."""

    entry: str
    a: float
    b: float
    words: tuple[str, str]

    def __str__(self) -> str:
        a, b = apart(self.a, self.b)
        return f"{self.entry}: {self.words[0]} {a}, {self.words[1]} {b}"


@dataclass(frozen=True)
class Row:
    """One check: `difference` and what was `allowed` where they are worst, absolute.

    `estimated` is the estimated error of the finite difference there.  `detail` says why a check
    does not apply, or what there is to know beside the numbers.
    """

    name: str
    verdict: str
    compared: str = ""
    difference: float | None = None
    allowed: float | None = None
    estimated: float | None = None
    worst: tuple[Worst, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """All rows of a plan, and notes on the model that may explain them."""

    plan: Plan
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    probes: int
    seed: int

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(row.verdict != FAIL for row in self.rows)


def judge(name: str, sides: Sides, rtol: float, atol: float) -> Row:
    """Compare entry by entry: |a - b| <= atol + rtol max(|a|, |b|) + rounding + 10 errors.

    NaN equals NaN, and an infinity itself.  An entry that only the estimated error excuses is
    noise, unless that error is small beside the largest entry.
    """
    a, b = sides.a.astype(np.float64), sides.b.astype(np.float64)
    with np.errstate(all="ignore"):
        off, size = np.abs(a - b), np.maximum(np.abs(a), np.abs(b))
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        off[same] = 0.0
        off[~same & ~(np.isfinite(a) & np.isfinite(b))] = np.inf
        size[~np.isfinite(size)] = 0.0
        floor = np.broadcast_to(sides.floor, off.shape)
        tight = atol + rtol * size + np.where(np.isfinite(floor), floor, 0.0)
        errors = np.zeros_like(off) if sides.errors is None else sides.errors
        doubt = _SAFETY * np.broadcast_to(errors, off.shape)
        unknown = np.isinf(doubt)  # no finite difference at all
        failed = (off > tight + doubt) & ~unknown
        coarse = doubt > _RESOLVED * size.max(initial=0.0)
        noisy = ~failed & (off > tight) & coarse
        excess = np.where(off > 0, off / (tight + np.where(unknown, 0.0, doubt)), 0.0)
    excess[np.isnan(excess) | (unknown & ~failed)] = 0.0
    verdict = FAIL if failed.any() else NOISE if noisy.any() else OK
    return Row(
        name,
        verdict,
        sides.compared,
        **_at(np.where(noisy, off, excess) if verdict == NOISE else excess, off, tight, errors),
        worst=_worst(sides, a, b, excess, failed),
        detail=f"{noisy.sum():,} of {counted(off.size, 'entry')} lost in noise"
        if noisy.any()
        else "",
    )


def _at(
    excess: Array, off: Array, tight: Array, errors: Array
) -> dict[str, float]:  # of the entry that is worst
    if not off.size:
        return {"difference": 0.0, "allowed": 0.0}
    place = np.unravel_index(int(np.argmax(excess)), off.shape)
    found = {"difference": float(off[place]), "allowed": float(tight[place])}
    return found | ({"estimated": float(errors[place])} if errors.any() else {})


def _worst(sides: Sides, a: Array, b: Array, excess: Array, failed: Array) -> tuple[Worst, ...]:
    places = np.flatnonzero(failed)
    chosen = heapq.nlargest(_WORST, places, key=lambda i: excess.flat[i])
    return tuple(
        Worst(
            sides.name(tuple(map(int, np.unravel_index(i, a.shape)))),
            float(a.flat[i]),
            float(b.flat[i]),
            sides.words,
        )
        for i in chosen
    )


def apart(a: float, b: float) -> tuple[str, str]:
    """Return two numbers with as many digits as tell them apart, three at least."""
    texts = ((significant(a, digits), significant(b, digits)) for digits in range(3, 18))
    return next((pair for pair in texts if pair[0] != pair[1]), (repr(a), repr(b)))


def counted(number: int, noun: str, several: str = "", one: str = "1 ") -> str:
    """Return `5 directions`, `1 direction`, `all 12 entries`, `the entry`."""
    if number == 1:
        return f"{one}{noun}"
    return f"{several}{number:,} {noun[:-1] + 'ies' if noun.endswith('y') else noun + 's'}"
