"""Spectra of matrices that are known by their products alone, by Lanczos' method.

What the other values contribute to trace and norm is estimated from random sign vectors:
M. Hutchinson, A stochastic estimator of the trace of the influence matrix, Commun. Stat. Simul.
Comput. 19 (1990) 433-450; the converged eigenvectors are projected out of them first.

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
    """The limits of Lanczos' method.

    It looks for `top` pairs at each end with at most `limit` products; `probes` more products
    estimate trace and norm.  `seed` is that of random vectors, `memory` the bytes for the basis.
    """

    top: int
    limit: int
    probes: int
    seed: int
    memory: int
    advance: Advance = lambda _: None


def tolerance(dtype: np.dtype[Any]) -> float:
    """Return the residual, relative to the greatest value, up to which a pair has converged."""
    return max(1e-6, sqrt(np.finfo(dtype).eps))


def basis(effort: Effort, ends: int, size: int, dtype: np.dtype[Any]) -> int:
    """Return the size of the basis: the recommended one, or as many vectors as fit.

    Raises:
        BudgetError: fewer vectors fit than are needed.
    """
    needed_count, wanted_count = (min(count, size) for count in lanczos.basis_sizes(ends))
    fitting = effort.memory // (size * dtype.itemsize) - lanczos.SPARE
    if fitting < needed_count:
        count = needed_count + lanczos.SPARE
        size_text = format_bytes(count * size * dtype.itemsize)
        raise BudgetError(
            f"analyze: {count} vectors of {size} entries for Lanczos' method take {size_text}, and "
            f"{format_bytes(max(effort.memory, 0))} are left of the memory budget.",
            hint="Raise --memory, or ask for less with --top.",
        )
    return min(wanted_count, fitting)


def eigen(operator: Any, effort: Effort, rtol: float | None) -> Spectrum:
    """Return both ends of the spectrum of a symmetric operator."""
    size, dtype = operator.shape[1], operator.dtype
    bound = tolerance(dtype)

    def judge(values: Array, residuals: Array) -> Array:
        return np.asarray(residuals <= bound * np.abs(values).max())

    times = _Counted(operator.matvec, effort.advance)
    high = min(effort.top, size)
    low = min(effort.top, size - high)
    ritz = lanczos.extremes(
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
        for value, v in zip(ritz.values, ritz.vectors, strict=True)
    ]
    greatest = float(np.abs(ritz.values).max())
    converged = np.array(residuals) <= bound * greatest
    found_vectors = ritz.vectors[converged]
    trace_rest, squares = _estimate_rest(times, found_vectors, effort)
    squared = _sum(squares, float((ritz.values[converged] ** 2).sum()))
    rtol = size * float(np.finfo(dtype).eps) if rtol is None else rtol
    return Spectrum(
        values=ritz.values,
        residuals=np.array(residuals),
        converged=converged,
        right=ritz.vectors,
        left=None,
        total=size,
        zero=rtol * greatest,
        rtol=rtol,
        frobenius=_root(squared),
        trace=_sum(trace_rest, float(ritz.values[converged].sum())),
        products=times.count,
    )


def singular(operator: Any, effort: Effort, rtol: float | None) -> Spectrum:
    """Return the greatest singular triplets and the smallest one.

    Lanczos' method runs on `JᵀJ` or `JJᵀ`, whichever is smaller: small values are accurate to
    about the square root of the precision of the greatest one.
    """
    dtype, (count, width) = operator.dtype, operator.shape
    size, bound = min(count, width), tolerance(operator.dtype)
    forward = _Counted(operator.matvec, effort.advance)
    backward = _Counted(operator.rmatvec, effort.advance)
    on_inputs = width <= count

    def squared(v: Array) -> Array:
        return backward(forward(v)) if on_inputs else forward(backward(v))

    def judge(values: Array, residuals: Array) -> Array:
        # A residual r of σ² leaves σ uncertain by r/σ, and by √r at most.
        sigma = np.sqrt(np.maximum(values, 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.fmin(residuals / sigma, np.sqrt(residuals))
        return np.asarray(error <= bound * sigma.max())

    high = min(effort.top, size)
    low = min(1, size - high)
    ritz = lanczos.extremes(
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
    triplets = [_triplet(v, forward, backward, on_inputs) for v in ritz.vectors[::-1]]
    values, residuals = (np.array([t[part] for t in triplets]) for part in (0, 1))
    right, left = (np.stack([t[part] for t in triplets]) for part in (2, 3))
    converged = residuals <= bound * values.max()
    inputs = right[converged] if on_inputs else left[converged]
    _, squares = _estimate_rest(forward if on_inputs else backward, inputs, effort)
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
        products=forward.count + backward.count,
    )


class _Counted:
    """A product function that counts its calls, and refuses results that are not finite."""

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
    vector: Array, forward: _Counted, backward: _Counted, on_inputs: bool
) -> tuple[float, float, Array, Array]:
    """Return σ, its residual, v and u, from v or u.

    A unit vector with `‖Jv‖ = s` proves a singular value of at most s, so the residual is at most
    s.
    """
    first, second = (forward, backward) if on_inputs else (backward, forward)
    image = first(vector)
    sigma = float(np.linalg.norm(image))
    unit = image / sigma if sigma else image
    residual = float(np.linalg.norm(second(unit) - sigma * vector)) if sigma else 0.0
    right, left = (vector, unit) if on_inputs else (unit, vector)
    return sigma, min(residual, sigma), right, left


def _estimate_rest(
    product: _Counted, basis: Array, effort: Effort
) -> tuple[SpectralEstimate, SpectralEstimate]:
    """Estimate `tr(PHP)` and `‖HP‖²` (Frobenius), where P projects out the rows of `basis`."""
    size = basis.shape[1]
    rng = np.random.default_rng(effort.seed + 1)
    traces, squares = [], []
    for _ in range(effort.probes):
        probe = rng.integers(0, 2, size).astype(basis.dtype) * 2 - 1
        probe -= (basis @ probe) @ basis
        image = product(probe)
        traces.append(float(probe @ image) if len(image) == size else 0.0)
        squares.append(float(image @ image))
    return _mean(traces), _mean(squares)


def _mean(samples: list[float]) -> SpectralEstimate:
    """Return the mean with its standard error."""
    return SpectralEstimate(
        float(np.mean(samples)), float(np.std(samples, ddof=1) / sqrt(len(samples)))
    )


def _sum(estimate: SpectralEstimate, addend: float) -> SpectralEstimate:
    return SpectralEstimate(estimate.value + addend, estimate.error)


def _root(squared: SpectralEstimate) -> SpectralEstimate:
    """Return the square root of an estimate, its error to first order."""
    root = sqrt(squared.value)
    assert squared.error is not None
    return SpectralEstimate(root, squared.error / (2 * root) if root else 0.0)
