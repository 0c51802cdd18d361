"""Spectra of matrices that are known by their products alone, by Lanczos' method.

What the rest of the spectrum adds to trace and norm is estimated from random vectors of signs:
M. Hutchinson, A stochastic estimator of the trace of the influence matrix, Commun. Stat. Simul.
Comput. 19 (1990) 433-450; what was found of the spectrum is taken out of them first.

Boundary: scipy's `LinearOperator`, which stands for arrays, sparse matrices and products alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from jaccli.analyze import lanczos
from jaccli.analyze.spectrum import Array, SpectralEstimate, Spectrum
from jaccli.errors import BudgetError, ComputationError, format_bytes

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard Lanczos' method tries.

    `top` pairs of an end are wanted.  `limit` products at most are spent on them, `probes` on what
    is estimated; `seed` begins their random vectors.  `memory` has the bytes for the basis.
    """

    top: int
    limit: int
    probes: int
    seed: int
    memory: int
    advance: Advance = lambda _: None


def tolerance(dtype: np.dtype[Any]) -> float:
    """Return up to which residual, relative to the greatest value, a pair counts as converged."""
    return max(1e-6, sqrt(np.finfo(dtype).eps))


def basis(effort: Effort, ends: int, size: int, dtype: np.dtype[Any]) -> int:
    """Return how many vectors the basis has: as many as should be, or as there are, or fit.

    Raises:
        BudgetError: not even as many as are needed.
    """
    least, good = (min(count, size) for count in lanczos.basis_sizes(ends))
    fitting = effort.memory // (size * dtype.itemsize) - lanczos.SPARE
    if fitting < least:
        count = least + lanczos.SPARE
        needed = format_bytes(count * size * dtype.itemsize)
        raise BudgetError(
            f"analyze: {count} vectors of {size} entries for Lanczos' method take {needed}, and "
            f"{format_bytes(max(effort.memory, 0))} are left of the memory budget.",
            hint="Raise --memory, or ask for less with --top.",
        )
    return min(good, fitting)


def eigen(operator: Any, effort: Effort, rtol: float | None) -> Spectrum:
    """Return both ends of the spectrum of a symmetric operator."""
    size, dtype = operator.shape[1], operator.dtype
    bound = tolerance(dtype)

    def judge(values: Array, residuals: Array) -> Array:
        return np.asarray(residuals <= bound * np.abs(values).max())

    times = _Counted(operator.matvec, effort.advance)
    high = min(effort.top, size)
    low = min(effort.top, size - high)
    found = lanczos.extremes(
        times,
        size,
        dtype,
        low=low,
        high=high,
        basis=basis(effort, low + high, size, dtype),
        judge=judge,
        limit=effort.limit,
        seed=effort.seed,
    )
    residuals = [
        float(np.linalg.norm(times(v) - value * v))
        for value, v in zip(found.values, found.vectors, strict=True)
    ]
    greatest = float(np.abs(found.values).max())
    converged = np.array(residuals) <= bound * greatest
    known = found.vectors[converged]
    rest, squares = _probed(times, known, effort)
    squared = _sum(squares, float((found.values[converged] ** 2).sum()))
    rtol = size * float(np.finfo(dtype).eps) if rtol is None else rtol
    return Spectrum(
        values=found.values,
        residuals=np.array(residuals),
        converged=converged,
        right=found.vectors,
        left=None,
        total=size,
        zero=rtol * greatest,
        rtol=rtol,
        frobenius=_root(squared),
        trace=_sum(rest, float(found.values[converged].sum())),
        products=times.count,
    )


def singular(operator: Any, effort: Effort, rtol: float | None) -> Spectrum:
    """Return the greatest singular triplets and the smallest one.

    Lanczos' method runs on `JᵀJ` or `JJᵀ`, whichever is smaller: a value is found to about the
    square root of the precision of the greatest one.
    """
    dtype, (count, width) = operator.dtype, operator.shape
    size, bound = min(count, width), tolerance(operator.dtype)
    forth = _Counted(operator.matvec, effort.advance)
    back = _Counted(operator.rmatvec, effort.advance)
    tall = width <= count

    def squared(v: Array) -> Array:
        return back(forth(v)) if tall else forth(back(v))

    def judge(values: Array, residuals: Array) -> Array:
        # A residual r of σ² leaves σ uncertain by r/σ, and by √r at most.
        sigma = np.sqrt(np.maximum(values, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.fmin(residuals / sigma, np.sqrt(residuals))
        return np.asarray(error <= bound * sigma.max())

    high = min(effort.top, size)
    low = min(1, size - high)
    found = lanczos.extremes(
        squared,
        size,
        dtype,
        low=low,
        high=high,
        basis=basis(effort, low + high, size, dtype),
        judge=judge,
        limit=effort.limit // 2,
        seed=effort.seed,
    )
    triplets = [_triplet(v, forth, back, tall) for v in found.vectors[::-1]]
    values, residuals = (np.array([t[place] for t in triplets]) for place in (0, 1))
    right, left = (np.stack([t[place] for t in triplets]) for place in (2, 3))
    converged = residuals <= bound * values.max()
    inputs = right[converged] if tall else left[converged]
    _, squares = _probed(forth if tall else back, inputs, effort)
    rtol = max(count, width) * float(np.finfo(dtype).eps) if rtol is None else rtol
    return Spectrum(
        values=values,
        residuals=residuals,
        converged=converged,
        right=right,
        left=left,
        total=size,
        zero=float(rtol * values.max()),
        rtol=rtol,
        frobenius=_root(_sum(squares, float((values[converged] ** 2).sum()))),
        products=forth.count + back.count,
    )


class _Counted:
    """A product that is counted, and refused where it is not finite."""

    def __init__(self, product: Callable[[Array], Array], advance: Advance) -> None:
        self.product, self.advance, self.count = product, advance, 0

    def __call__(self, vector: Array) -> Array:
        result = np.asarray(self.product(vector))
        if not np.isfinite(result).all():
            raise ComputationError("analyze: a product with the matrix has a NaN or an infinity.")
        self.count += 1
        self.advance(1)
        return result


def _triplet(
    vector: Array, forth: _Counted, back: _Counted, tall: bool
) -> tuple[float, float, Array, Array]:
    """Return σ, its residual, v and u from one of the two vectors.

    A unit vector with `‖Jv‖ = s` proves a singular value of at most s by itself, so a residual
    never counts for more.
    """
    first, second = (forth, back) if tall else (back, forth)
    image = first(vector)
    sigma = float(np.linalg.norm(image))
    unit = image / sigma if sigma else image
    residual = float(np.linalg.norm(second(unit) - sigma * vector)) if sigma else 0.0
    right, left = (vector, unit) if tall else (unit, vector)
    return sigma, min(residual, sigma), right, left


def _probed(
    product: _Counted, known: Array, effort: Effort
) -> tuple[SpectralEstimate, SpectralEstimate]:
    """Estimate `tr(PHP)` and `‖HP‖²` (Frobenius), where P takes out the known orthonormal rows."""
    size = known.shape[1]
    rng = np.random.default_rng(effort.seed + 1)
    traces, squares = [], []
    for _ in range(effort.probes):
        probe = rng.integers(0, 2, size).astype(known.dtype) * 2 - 1
        probe -= (known @ probe) @ known
        image = product(probe)
        traces.append(float(probe @ image) if len(image) == size else 0.0)
        squares.append(float(image @ image))
    return _mean(traces), _mean(squares)


def _mean(samples: list[float]) -> SpectralEstimate:
    """Return the mean with its standard error."""
    return SpectralEstimate(
        float(np.mean(samples)), float(np.std(samples, ddof=1) / sqrt(len(samples)))
    )


def _sum(estimate: SpectralEstimate, known: float) -> SpectralEstimate:
    return SpectralEstimate(estimate.value + known, estimate.error)


def _root(squared: SpectralEstimate) -> SpectralEstimate:
    """Return the square root of an estimate, its error to first order."""
    root = sqrt(squared.value)
    assert squared.error is not None
    return SpectralEstimate(root, squared.error / (2 * root) if root else 0.0)
