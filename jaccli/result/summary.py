"""One line about a result for standard error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

import numpy as np

from jaccli.result.notation import shape_text
from jaccli.result.numerals import floats, norm_of, significant
from jaccli.result.result import Array, Result
from jaccli.result.sparse import Sparse, Values

_BLOCKS = 3
"""Blocks that are named at most."""
_REASON = 60
"""Characters of the reason that are shown at most."""


_VARIANTS = {
    "none": "",
    "relative": ", times x",
    "log": ", times x/y",
    "gauss-newton": ", Gauss-Newton",
}


def summary(result: Result) -> str:
    """Return derivative, shapes, mode and why, device, times and range of a result."""
    blocks = [f"{block.key} {shape_text(block.values.shape)}" for block in result.blocks]
    more = len(blocks) - _BLOCKS
    named = ", ".join(blocks if more <= 1 else [*blocks[:_BLOCKS], f"{more} more"])
    variant = _VARIANTS[result.scale] + _VARIANTS[result.approximation]
    return " · ".join(
        (
            f"{result.derivative} {named}{variant}",
            _mode(result),
            f"{result.device} {result.dtype}",
            ", ".join(timings(result.seconds, result.cache)),
            _range(result),
        )
    )


def timings(seconds: Mapping[str, float], cache: str) -> Iterator[str]:
    """Yield what took how long: `compile 4 ms (cached)`, `run 0.1 ms`."""
    for name, took in seconds.items():
        yield f"{name} {duration(took)}{' (cached)' * (name == 'compile' and cache == 'hit')}"


def duration(seconds: float) -> str:
    """Return a time in units that a person reads: `71 ms`, `0.1 ms`, `2.5 s`, `3 min 5 s`."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    if seconds >= 1:
        return f"{seconds:.3g} s"
    if seconds >= 1e-4:
        return f"{seconds * 1e3:.2g} ms" if seconds < 0.0995 else f"{seconds * 1e3:.0f} ms"
    return f"{seconds * 1e6:.0f} µs"


def _mode(result: Result) -> str:
    reason = result.reason.strip().split("\n")[0]
    if len(reason) > _REASON:
        reason = reason[: _REASON - 1].rstrip() + "…"
    return f"{result.mode}: {reason}" if reason else result.mode


class Measures(NamedTuple):
    """Least and greatest entry and Euclidean norm of what is finite, None without such entries."""

    low: float | None
    high: float | None
    norm: float | None
    nans: int
    infinities: int

    def __str__(self) -> str:
        found = [f"{self.nans} NaN" * (self.nans > 0)]
        found.append(f"{self.infinities} infinite" * (self.infinities > 0))
        if self.low is not None and self.high is not None and self.norm is not None:
            numbers = (significant(number, 4) for number in (self.low, self.high, self.norm))
            found.insert(0, "min {} max {} norm {}".format(*numbers))
        return ", ".join(filter(None, found))


class Measuring:
    """Takes the measures of numbers that come in chunks."""

    def __init__(self) -> None:
        self._low, self._high = np.inf, -np.inf
        self.nans = self.infinities = 0
        self._norms: list[float] = []

    def add(self, chunk: Array) -> None:
        """Take account of more numbers: one at least."""
        least, greatest = chunk.min(), chunk.max()
        if not (np.isfinite(least) and np.isfinite(greatest)):
            finite = np.isfinite(chunk)
            self.nans += int(np.count_nonzero(np.isnan(chunk)))
            self.infinities += int(np.count_nonzero(np.isinf(chunk)))
            chunk = chunk[finite]
            if not chunk.size:
                return
            least, greatest = chunk.min(), chunk.max()
        self._low, self._high = min(self._low, least), max(self._high, greatest)
        self._norms.append(norm_of(chunk, max(abs(float(least)), abs(float(greatest)))))

    def join(self, other: Measuring) -> None:
        """Take account of what another has measured."""
        self._low, self._high = min(self._low, other._low), max(self._high, other._high)
        self.nans, self.infinities = self.nans + other.nans, self.infinities + other.infinities
        self._norms += other._norms

    @property
    def measures(self) -> Measures:
        """The measures of all numbers so far."""
        if not self._norms:
            return Measures(None, None, None, self.nans, self.infinities)
        size = norm_of(np.array(self._norms), max(self._norms))
        return Measures(float(self._low), float(self._high), size, self.nans, self.infinities)


def measure(result: Result) -> Measures:
    """Return the range and the norm of a result, over all of its blocks."""
    found = Measuring()
    for chunk in chain.from_iterable(_numbers(block.values) for block in result.blocks):
        found.add(chunk)
    return found.measures


def _range(result: Result) -> str:
    """Return the measures of a result in words."""
    return ", ".join(filter(None, (str(measure(result)), _kept(result)))) or "empty"


def _numbers(values: Values) -> Iterator[Array]:
    """Yield the entries in chunks; one 0 stands for all that a sparse array leaves out."""
    if not isinstance(values, Sparse):
        yield from floats(values)
        return
    yield from floats(values.values)
    if values.nnz < values.size:
        yield np.zeros(1)


def _kept(result: Result) -> str:
    """Return how many entries the sparse arrays keep, of how many, and the density."""
    kept = [block.values for block in result.blocks if isinstance(block.values, Sparse)]
    nnz, size = sum(values.nnz for values in kept), sum(values.size for values in kept)
    return f"nnz {nnz} of {size} ({significant(100 * nnz / size, 3)} %)" if size else ""
