"""Numbers as text: the shortest that reads back as the same number, a bounded chunk at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values

_CHUNK = 1 << 16
"""Numbers that are turned into text, or into float64, at a time."""


def shortest(values: Array) -> list[str]:
    """Return every number of a flat array in its shortest round-trip form.

    float32 is shortest as float32 (`0.1`).  Not finite: `nan`, `inf`, `-inf`.  Booleans: `True`.
    """
    if values.dtype == np.float64:
        return list(map(repr, values.tolist()))
    if values.dtype.kind in "iub":
        return list(map(str, values.tolist()))
    return list(map(str, values))


def longest(dtype: np.dtype[np.generic]) -> int:
    """Return how many characters `shortest` may need for one number of this type."""
    return {"f": 24 if dtype.itemsize > 4 else 15, "b": 5}.get(dtype.kind, 20)


def lines(values: Values) -> Iterator[list[str]]:
    """Yield the rows of an `(rows, columns)` array as shortest numbers."""
    count, columns = values.shape
    step = max(1, _CHUNK // max(1, columns))
    for start in range(0, count, step):
        # A row may be long by itself, so a chunk is at least one row.
        stop = min(start + step, count)
        texts = shortest(_rows(values, start, stop))
        for row in range(stop - start):
            yield texts[row * columns : (row + 1) * columns]


def _rows(values: Values, start: int, stop: int) -> Array:
    """Return some rows, flat; only these become dense."""
    if isinstance(values, Sparse):
        return values.stretch(start * values.shape[1], stop * values.shape[1])
    return values[start:stop].reshape(-1)


def floats(values: Values, size: int = 1 << 20) -> Iterator[Array]:
    """Yield all of an array's entries, zeros included, in reading order as float64 chunks."""
    if isinstance(values, Sparse):
        for start in range(0, values.size, size):
            yield _float64(values.stretch(start, start + size))
        return
    flat = values.reshape(-1)
    for start in range(0, flat.size, size):
        yield _float64(flat[start : start + size])


def _float64(values: Array) -> Array:
    """Return numbers in double precision; files may hold NaNs that the processor complains of."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64, copy=False)


def norm(values: Iterator[Array]) -> float:
    """Return the Euclidean norm of chunks without NaN, without overflow for finite norms."""
    norms = []
    for chunk in values:
        largest = float(max(chunk.max(initial=0.0), -chunk.min(initial=0.0)))
        norms.append(norm_of(chunk, largest))
    return norm_of(np.array(norms), max(norms, default=0.0))


def norm_of(chunk: Array, largest: float) -> float:
    """Return the Euclidean norm of float64 numbers, of which `largest` is the largest in size."""
    if np.isinf(largest):
        return largest
    # Only what would overflow or vanish when squared is scaled: that takes three times as long.
    unit = largest if largest and not 1e-100 < largest < 1e100 else 1.0
    scaled = chunk if unit == 1.0 else chunk / unit
    return unit * float(np.sqrt(scaled @ scaled))


def significant(value: float, digits: int, exact: str = "") -> str:
    """Return a number to `digits` significant digits, zeros at its end left out.

    `exact` is its shortest round-trip form, by default that of a float64: a number that has no more
    digits than these is shown by them (`1e-320`, `0.3` of float32).  The sign of zero stays.
    """
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0"
    text, exact = f"{value:.{digits}g}", exact or repr(float(value))
    known = _figures(exact)
    return text if _figures(text) == known or len(known) > digits else _general(exact, digits)


def _figures(text: str) -> str:
    """Return the digits of a number from its first to its last one that is not 0."""
    return text.lower().partition("e")[0].lstrip("-").replace(".", "").strip("0")


def _general(exact: str, digits: int) -> str:
    """Return a decimal number as the format `g` would write it, without rounding it."""
    from decimal import Decimal  # for the few numbers of which `g` says more than is known

    number = Decimal(exact).normalize()
    power = number.adjusted()
    if -5 < power < digits:
        return f"{number:f}"
    return f"{number.scaleb(-power):f}e{power:+03d}"
