"""Compares two results, entry by entry or by a norm; reflexive and symmetric.

    entry    |a - b| <= atol + rtol * max(|a|, |b|)           for every entry
    max      max|a - b| <= atol + rtol * max(max|a|, max|b|)  for every array
    fro      the same with Frobenius norms

NaN equals NaN, an infinity equals itself, and nothing else equals them, with every norm.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Literal

import numpy as np

from jaccli.errors import UsageError, expected
from jaccli.result.compare.align import Pair, pairs
from jaccli.result.named_arrays import Stored, stored
from jaccli.result.notation import shape_text
from jaccli.result.numerals import floats, significant
from jaccli.result.numerals import norm as euclidean
from jaccli.result.result import Array, Result
from jaccli.result.sparse import Sparse, Values, union

Norm = Literal["entry", "max", "fro"]
NORMS: tuple[Norm, ...] = ("entry", "max", "fro")
_WORST = 5
"""Entries that are named at most."""
_CHUNK = 1 << 18
"""Entries that are compared at a time."""


@dataclass(frozen=True, slots=True, order=True)
class DifferingEntry:
    """Two numbers that differ; `excess` is their difference over what is allowed.

    `position` counts the entries of the array in reading order.
    """

    excess: float
    name: str = field(compare=False)
    a: float = field(compare=False)
    b: float = field(compare=False)
    key: str = field(compare=False)
    position: int = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.a!r} and {self.b!r}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one array.

    `difference` is the greatest |a - b| (the Frobenius norm of a - b with `fro`), `allowed` what
    it may be with `max` and `fro`.  `failed` of `size` entries differ by more than is allowed,
    or, with `max` and `fro`, in not being finite.  `same_kind` is false where floats meet integers.
    """

    key: str
    passed: bool
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    dtypes: tuple[str, str]
    rtol: float
    atol: float
    difference: float = 0.0
    allowed: float | None = None
    failed: int = 0
    size: int = 0
    worst: tuple[DifferingEntry, ...] = ()
    same_kind: bool = True

    def __str__(self) -> str:
        if self.shapes[0] != self.shapes[1]:
            return f"{self.key}: the shapes are {' and '.join(map(shape_text, self.shapes))}"
        if not self.same_kind:
            return f"{self.key}: the types are {' and '.join(self.dtypes)}"
        if self.passed:
            atol = f", atol {self.atol:g}" if self.atol else ""
            return f"{self.key}: equal within rtol {self.rtol:g}{atol}"
        if self.failed:
            return f"{self.key}: {self.failed} of {self.size} entries differ"
        difference, allowed = significant(self.difference, 3), significant(self.allowed or 0, 3)
        return f"{self.key}: the difference has the norm {difference}, allowed is {allowed}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict on two results.

    `worst` names up to five entries that differ the most, also when they are within what is
    allowed.  `only_a` and `only_b` are keys that the other has not; `notes` are differences that
    do not count: of types and of labels.
    """

    passed: bool
    verdicts: tuple[Verdict, ...]
    worst: tuple[DifferingEntry, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...]
    norm: Norm

    @property
    def off(self) -> tuple[DifferingEntry, ...]:
        """The worst of the entries that made it fail; by a norm, all of an array have a part."""
        if self.passed:
            return ()
        return tuple(entry for entry in self.worst if self.norm != "entry" or entry.excess > 1)

    def __str__(self) -> str:
        """Return what failed, a line for each array, and the entries that differ the most."""
        lines = [str(verdict) for verdict in self.verdicts if self.passed or not verdict.passed]
        lines += [f"{key}: only in the first" for key in self.only_a]
        lines += [f"{key}: only in the second" for key in self.only_b]
        lines += [f"  {entry}" for entry in self.off]
        return "\n".join(dict.fromkeys((*lines, *self.notes)))


def compare(
    a: Result | Stored,
    b: Result | Stored,
    *,
    rtol: float | None = None,
    atol: float = 0.0,
    norm: Norm = "entry",
) -> Comparison:
    """Compare two results, or files that `read` has read.

    `rtol` is 1e-6 when it is None, and 1e-4 where one of two arrays is float32.  In two files,
    floats are not integers of the same value; a result may be expected in integers.
    """
    norm = norm_named(norm)
    for name, tolerance in (("rtol", rtol or 0.0), ("atol", atol)):
        if not 0 <= tolerance < np.inf:
            raise UsageError(
                f"--{name}: {tolerance} is not a tolerance.", hint="Expected 0 or more."
            )
    pairing = pairs(_meeting(a, b), _meeting(b, a))
    files = isinstance(a, Stored) and isinstance(b, Stored)
    verdicts = tuple(_verdict(pair, rtol, atol, norm, strict=files) for pair in pairing.pairs)
    worst = heapq.nlargest(_WORST, (entry for verdict in verdicts for entry in verdict.worst))
    passed = all(verdict.passed for verdict in verdicts)
    return Comparison(
        passed and not pairing.only_a and not pairing.only_b,
        verdicts,
        tuple(worst),
        pairing.only_a,
        pairing.only_b,
        pairing.notes,
        norm,
    )


def norm_named(name: str) -> Norm:
    """Return the norm of that name."""
    for norm in NORMS:
        if name == norm:
            return norm
    raise UsageError(f"--norm: no norm {name!r}.", hint=expected(NORMS))


def _meeting(result: Result | Stored, other: Result | Stored) -> Stored:
    """Return what is compared of a result: its matrix when it meets one."""
    if isinstance(result, Stored):
        return result
    if isinstance(other, Result):
        return stored(result)
    several = len(result.blocks) > 1
    return stored(result, "matrix" if other.layout == "array" and several else other.layout)


def _verdict(pair: Pair, rtol: float | None, atol: float, norm: Norm, *, strict: bool) -> Verdict:
    a, b = pair.a, pair.b
    dtypes = (str(a.dtype), str(b.dtype))
    if rtol is None:
        rtol = 1e-4 if np.float32 in (a.dtype, b.dtype) else 1e-6
    if a.shape != b.shape:
        return Verdict(pair.key, False, (a.shape, b.shape), dtypes, rtol, atol)
    x, y, where = _entries(a, b)
    measured = _measure(x, y, rtol, atol, by_entry=norm == "entry")
    difference, allowed = measured.largest, None
    same_kind = pair.same_kind or not strict
    passed = measured.failed == 0 and same_kind
    if norm != "entry":
        difference, allowed, within = _by_norm(x, y, rtol, atol, norm)
        passed = passed and within
    return Verdict(
        pair.key,
        passed,
        (a.shape, b.shape),
        dtypes,
        rtol,
        atol,
        difference,
        allowed,
        measured.failed,
        a.size,
        tuple(_entry(pair, where, *found) for found in measured.worst),
        same_kind,
    )


def _entry(
    pair: Pair, where: Array | None, excess: float, place: int, one: float, other: float
) -> DifferingEntry:
    """Return an entry that differs, by its place among those that are compared."""
    position = place if where is None else int(where[place])
    return DifferingEntry(excess, pair.name(position), one, other, pair.key, position)


def _entries(a: Values, b: Values) -> tuple[Values, Values, Array | None]:
    """Return what is compared: of two sparse arrays what either keeps, and where that is."""
    if not (isinstance(a, Sparse) and isinstance(b, Sparse)):
        return a, b, None
    where = union(a, b)
    return a.at(where), b.at(where), where


@dataclass(slots=True)
class _Measured:
    """`worst` has excess, position and the two numbers of the entries that differ the most."""

    largest: float = 0.0
    failed: int = 0
    worst: list[tuple[float, int, float, float]] = field(default_factory=list)


def _measure(a: Values, b: Values, rtol: float, atol: float, *, by_entry: bool) -> _Measured:
    """Go through all entries; by norm only those that are not finite can fail here."""
    measured = _Measured()
    start = 0
    for x, y in zip(floats(a, _CHUNK), floats(b, _CHUNK), strict=True):
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            difference = np.abs(x - y)
            allowed = atol + rtol * np.maximum(np.abs(x), np.abs(y))
            excess = difference / allowed if by_entry else difference
        excess[difference == 0] = 0
        finite = np.isfinite(x) & np.isfinite(y)
        excess[~finite] = np.inf
        excess[(x == y) | (np.isnan(x) & np.isnan(y))] = 0
        bad = ~(difference <= allowed) if by_entry else ~finite
        bad[~finite] = excess[~finite] > 0
        measured.failed += int(np.count_nonzero(bad))
        measured.largest = max(measured.largest, float(difference[finite].max(initial=0.0)))
        candidates = np.argpartition(-excess, min(_WORST, len(excess)) - 1)[:_WORST]
        entries = [
            (float(excess[i]), start + int(i), float(x[i]), float(y[i]))
            for i in candidates
            if excess[i] > 0
        ]
        measured.worst = heapq.nlargest(_WORST, measured.worst + entries, key=itemgetter(0))
        start += len(x)
    return measured


def _by_norm(
    a: Values, b: Values, rtol: float, atol: float, norm: Norm
) -> tuple[float, float, bool]:
    """Return the norm of a - b, what it may be, and whether it is, over what is finite in both."""

    def measure(of: Callable[[Array, Array], Array]) -> float:
        chunks = (of(*pair) for pair in _finite(a, b))
        return euclidean(chunks) if norm == "fro" else _largest(chunks)

    # Everything is scaled by a power of two, which is exact, so that no norm overflows.
    largest = max(_largest(x for x, _ in _finite(a, b)), _largest(y for _, y in _finite(a, b)))
    power = int(np.frexp(largest)[1])
    with np.errstate(over="ignore"):
        difference = measure(lambda x, y: np.ldexp(x, -power) - np.ldexp(y, -power))
        size = max(
            measure(lambda x, y: np.ldexp(x, -power)), measure(lambda x, y: np.ldexp(y, -power))
        )
        allowed = float(np.ldexp(atol, -power)) + rtol * size
        unscaled = [float(np.ldexp(number, power)) for number in (difference, allowed)]
    return unscaled[0], unscaled[1], difference <= allowed


def _finite(a: Values, b: Values) -> Iterator[tuple[Array, Array]]:
    """Yield the entries that are finite in both, in chunks."""
    for x, y in zip(floats(a, _CHUNK), floats(b, _CHUNK), strict=True):
        both = np.isfinite(x) & np.isfinite(y)
        yield x[both], y[both]


def _largest(chunks: Iterator[Array]) -> float:
    return max((float(np.abs(chunk).max(initial=0.0)) for chunk in chunks), default=0.0)
