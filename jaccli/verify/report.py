"""The report of a verification, and the comparison that gives a row its verdict."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from jaccli.plan import Plan
from jaccli.result.numerals import significant
from jaccli.result.result import Array
from jaccli.verify.finite_differences import TINY, DifferenceEstimate

OK, FAIL, UNDECIDED, SKIPPED = "ok", "FAIL", "undecided", "not applicable"
_SAFETY = 10.0
"""How many times its estimate a finite difference's error may be."""
_RESOLVED = 0.1
"""What is allowed must stay below this share of the largest number, or nothing is decided."""
_ZERO, _ULPS = 1e-6, 16 * 2.0**-52
"""A slope of a few units in the last place of its function's size is 0, if differences say that it
is below the first share of that."""
_WORST = 5
_UNDERFLOW = 100 * TINY


@dataclass(frozen=True)
class Comparands:
    """Two stacks of numbers to compare, with their names.

    `floor` is what rounding may make of the difference, as the arrays, or with fewer axes.  `name`
    gives an entry's name by its index.  `found` is the finite difference that `b` is of, with its
    errors and the slopes on either side of a kink; `floor` excuses little of what differs from it.
    """

    a: Array
    b: Array
    name: Callable[[tuple[int, ...]], str]
    words: tuple[str, str]
    compared: str
    floor: Array | float = 0.0
    found: DifferenceEstimate | None = None
    resolved: float = _RESOLVED


@dataclass(frozen=True)
class Mismatch:
    """An entry that differs, with its two numbers and whose they are."""

    entry: str
    a: float
    b: float
    words: tuple[str, str]

    def __str__(self) -> str:
        a, b = apart(self.a, self.b)
        return f"{self.entry}: {self.words[0]} {a}, {self.words[1]} {b}"


@dataclass(frozen=True)
class Certificate:
    """How many digits of a block's entries are correct: the fewest, the median, and the worst.

    `worst` has fewest beside what its conditioning takes (`lost`), and must have `needed`.
    """

    block: str
    entries: int
    least: float
    median: float
    worst: str
    digits: float
    lost: float
    needed: float
    computed: float
    true: float

    @property
    def text(self) -> str:
        """Return `least 15.4 digits, median 15.9; worst d f / d x: 15.4, needed 11.7`."""
        takes = f", its conditioning takes {self.lost:.1f}" if self.lost >= 0.05 else ""
        return (
            f"least {self.least:.1f} digits, median {self.median:.1f}; worst {self.worst}: "
            f"{self.digits:.1f}{takes}, needed {self.needed:.1f}"
        )


@dataclass(frozen=True)
class CheckResult:
    """One check: `difference` and what was `allowed` where they are worst, absolute.

    `estimated` is the estimated error of the finite difference there.  `detail` says why a check
    does not apply, or what there is to know beside the numbers; `agrees` holds for the entries that
    finite differences confirm.
    """

    name: str
    verdict: str
    compared: str = ""
    difference: float | None = None
    allowed: float | None = None
    estimated: float | None = None
    worst: tuple[Mismatch, ...] = ()
    detail: str = ""
    agrees: Array | None = field(default=None, repr=False, compare=False)
    certificate: Certificate | None = None


@dataclass(frozen=True)
class CheckReport:
    """All rows of a plan, and notes on the model that may explain them."""

    plan: Plan
    rows: tuple[CheckResult, ...]
    notes: tuple[str, ...]
    probes: int
    seed: int

    @property
    def passed(self) -> bool:
        """Whether no check failed, and none is undecided."""
        return all(row.verdict in (OK, SKIPPED) for row in self.rows)


def judge(
    name: str, sides: Comparands, rtol: float, atol: float, differences: CheckResult | None = None
) -> CheckResult:
    """Compare entry by entry: |a - b| <= atol + rtol max(|a|, |b|) + rounding + 10 errors.

    NaN equals NaN, and an infinity itself.  What agrees only because very much is allowed is
    undecided.  A slope that is another on either side is a failure, whatever was computed.
    `differences` is the row of finite differences of the same derivative, as computed: it decides
    where just one of two modes is not finite, and where rounding may be all that they differ by.
    """
    a, b = sides.a.astype(np.float64), sides.b.astype(np.float64)
    with np.errstate(all="ignore"):
        off, size = np.abs(a - b), np.maximum(np.abs(a), np.abs(b))
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        lone = ~same & ~(np.isfinite(a) & np.isfinite(b))
        off[same], off[lone] = 0.0, np.inf
        size[~np.isfinite(size)] = 0.0
        floor = np.broadcast_to(sides.floor, off.shape)
        close = atol + rtol * size + _UNDERFLOW
        tight = close + np.where(np.isfinite(floor), floor, 0.0)
        errors = np.zeros_like(off)
        kinks, zero = np.zeros((2, *off.shape), bool)
        if sides.found is not None:
            errors = np.broadcast_to(sides.found.errors, off.shape)
            kinks = np.nan_to_num(np.abs(sides.found.right - sides.found.left)) > tight
            kinks |= np.abs(sides.found.jumps) > tight
            zero = np.abs(a) <= _ULPS * sides.found.sizes
            zero &= np.abs(b) + _SAFETY * errors <= _ZERO * sides.found.sizes
            close = tight
        confirmed = _confirmed(differences, off.shape)
        decided = lone & (np.isfinite(a) | np.isfinite(b)) & confirmed
        off[decided] = 0.0
        unknown = np.isinf(errors)  # no finite difference at all
        allowed = tight + _SAFETY * np.where(unknown, 0.0, errors)
        # What does not move at any step says nothing of what rounding takes within it.
        failed = (off > allowed) & ~unknown & ~(zero & (b == 0)) | kinks
        much = unknown | (allowed - close > sides.resolved * size.max(initial=0.0))
        unclear = ~failed & (off > close) & much & ~zero & ~confirmed
        excess = np.where(off > 0, off / allowed, 0.0)
    excess[np.isnan(excess) | (unknown & ~failed)] = 0.0
    excess[kinks] = np.inf
    verdict = FAIL if failed.any() else UNDECIDED if unclear.any() else OK
    details = []
    if kinks.any():
        details.append(_corner(sides, kinks))
    if unclear.any():
        details.append(f"{unclear.sum():,} of {counted(off.size, 'entry')} lost in rounding")
    if decided.any():
        details.append(_of_modes(sides, decided))
    ranked = {FAIL: excess, UNDECIDED: np.where(unclear, off, 0.0)}.get(verdict, off)
    return CheckResult(
        name,
        verdict,
        sides.compared,
        *_at(ranked, off, allowed, errors),
        worst=_worst(sides, a, b, excess, failed),
        detail="; ".join(details),
        agrees=None if sides.found is None else ~failed & ~unclear & ~unknown,
    )


def _confirmed(differences: CheckResult | None, shape: tuple[int, ...]) -> Array:
    """Return for which entries finite differences confirm the derivative."""
    if differences is None or differences.agrees is None:
        return np.zeros(shape, bool)
    if differences.agrees.shape == shape:
        return differences.agrees
    return np.full(shape, differences.verdict == OK)


def _corner(sides: Comparands, kinks: Array) -> str:
    """Return `kink: d f / d x is -1 on the left and 1 on the right`."""
    assert sides.found is not None
    place = tuple(map(int, np.unravel_index(int(np.argmax(kinks)), kinks.shape)))
    more = f" ({counted(int(kinks.sum()) - 1, 'more entry')})" if kinks.sum() > 1 else ""
    name = sides.name(place)
    left, right = (float(side[place]) for side in (sides.found.left, sides.found.right))
    if np.isnan(left):
        return f"kink: {name}: the function jumps there{more}"
    shown = (significant(side, 3) for side in (left, right))
    return f"kink: {name} is {' on the left and '.join(shown)} on the right{more}"


def _of_modes(sides: Comparands, decided: Array) -> str:
    word = sides.words[1] if np.isfinite(sides.a[decided]).all() else sides.words[0]
    what = f"{word} is not finite in {counted(int(decided.sum()), 'entry')}"
    return f"{what}, where finite differences confirm what is computed"


def _at(
    ranked: Array, off: Array, allowed: Array, errors: Array
) -> tuple[float, float, float | None]:
    """Return the difference, what is allowed and the estimated error where `ranked` is largest."""
    if not off.size:
        return 0.0, 0.0, None
    place = np.unravel_index(int(np.argmax(ranked)), off.shape)
    return float(off[place]), float(allowed[place]), float(errors[place]) if errors.any() else None


def _worst(
    sides: Comparands, a: Array, b: Array, excess: Array, failed: Array
) -> tuple[Mismatch, ...]:
    places = np.flatnonzero(failed)
    chosen = heapq.nlargest(_WORST, places, key=lambda i: excess.flat[i])
    return tuple(
        Mismatch(
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
