"""Both ends of the spectrum of a symmetric operator, from products with it alone.

Lanczos' method with full reorthogonalization and thick restarts: K. Wu and H. Simon, Thick-restart
Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix Anal. Appl. 22 (2000)
602-616.  The memory is that of the basis and no more, however long it takes.

Boundary: knows vectors and a function; nothing of derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaccli.analyze.spectrum import Array

Apply = Callable[[Array], Array]
Judge = Callable[[Array, Array], Array]
"""From Ritz values, ascending, and their residuals to which of them have converged."""
_KEPT = 0.7
"""A sweep that leaves so much of a vector leaves it orthogonal; else once more, which is enough:
B. Parlett, The Symmetric Eigenvalue Problem (1980), section 6.9."""
SPARE = 4
"""Vectors that are held beside the basis: the one beyond it, and what is at work."""
_COLUMNS = 1 << 14
"""Columns of the basis that are rotated at a time at a restart."""


@dataclass(frozen=True, slots=True, eq=False)
class Ritz:
    """The wanted Ritz pairs: `values` ascending `(k,)`, `vectors` `(k, n)` with unit rows."""

    values: Array
    vectors: Array
    converged: Array
    products: int


def basis_sizes(wanted: int) -> tuple[int, int]:
    """Return how many vectors the basis needs and should have for so many wanted pairs.

    Fewer take more products, more do not take much less (docs/spectra.md).
    """
    return wanted + 10, 2 * wanted + 30


def extremes(
    apply: Apply,
    size: int,
    dtype: np.dtype[np.generic],
    *,
    low: int,
    high: int,
    basis: int,
    judge: Judge,
    limit: int,
    seed: int = 0,
    advance: Callable[[int], None] = lambda _: None,
) -> Ritz:
    """Return the `low` smallest and the `high` greatest eigenpairs of a symmetric operator.

    `basis` vectors of `size` entries are held: more than `low + high`, or `size`, which give all
    pairs.  It ends when the judge says that all wanted pairs have converged, or after about `limit`
    products.

    >>> found = extremes(
    ...     lambda v: np.arange(100.0) * v, 100, np.dtype(float), low=1, high=1, basis=20,
    ...     judge=lambda values, residuals: residuals < 1e-9, limit=500)
    >>> found.values.round(9) + 0.0
    array([ 0., 99.])
    """
    rng = np.random.default_rng(seed)
    vectors = np.empty((basis + 1, size), dtype)
    small = np.zeros((basis, basis))  # the operator in the basis
    vectors[0] = _orthogonal(rng, vectors[:0])
    kept = products = 0
    while True:
        coupling = 0.0
        for step in range(kept, basis):
            first = 0 if step == kept else step - 1
            fresh, coupling = _next(apply, vectors[: step + 1], small, first, rng)
            vectors[step + 1] = fresh
            if step + 1 < basis:
                small[step, step + 1] = small[step + 1, step] = coupling
            products += 1
            advance(1)
        values, rotation = np.linalg.eigh(small)
        residuals = np.abs(coupling * rotation[-1])
        converged = judge(values, residuals)
        wanted = np.r_[:low, basis - high : basis]
        if converged[wanted].all() or products >= limit:
            found = _rotated(vectors, rotation[:, wanted])[: len(wanted)]
            return Ritz(values[wanted], found.copy(), converged[wanted], products)
        more = (basis - low - high) // 3
        keep = np.r_[: low + more * (low > 0), basis - high - more * (high > 0) : basis]
        kept = len(keep)
        _rotated(vectors, rotation[:, keep])
        vectors[kept] = vectors[basis]
        small[:] = 0.0
        small[:kept, :kept] = np.diag(values[keep])
        small[:kept, kept] = small[kept, :kept] = coupling * rotation[-1, keep]


def _next(
    apply: Apply, vectors: Array, small: Array, first: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Return the next vector of the basis and its coupling to the last one.

    The last one is coupled to those from `first` on, as `small` has it; its own place there is
    filled.  Where the basis spans an invariant subspace, the next vector is a random one beside it.
    """
    last = len(vectors) - 1
    fresh = np.array(apply(vectors[last]), vectors.dtype)  # a copy: it is changed in place
    scale = float(np.linalg.norm(fresh))
    # What is known to be there goes first, so that the sweep through the basis meets rounding.
    fresh -= small[last, first:last].astype(vectors.dtype) @ vectors[first:last]
    along = vectors[last] @ fresh
    fresh -= along * vectors[last]
    small[last, last] = along
    if len(vectors) == vectors.shape[1]:  # the basis spans the space: the rest is rounding
        return np.zeros_like(fresh), 0.0
    coupling = float(np.linalg.norm(fresh))
    for _ in range(2):
        before = coupling
        fresh -= (vectors @ fresh) @ vectors
        coupling = float(np.linalg.norm(fresh))
        if coupling > _KEPT * before:
            break
    if coupling <= 10 * np.finfo(vectors.dtype).eps * scale:
        return _orthogonal(rng, vectors), 0.0
    return fresh / coupling, coupling


def _orthogonal(rng: np.random.Generator, vectors: Array) -> Array:
    """Return a random unit vector orthogonal to the given ones."""
    fresh: Array = rng.standard_normal(vectors.shape[1]).astype(vectors.dtype)
    for _ in range(2):
        fresh -= (vectors @ fresh) @ vectors
        fresh /= np.linalg.norm(fresh)
    return fresh


def _rotated(vectors: Array, rotation: Array) -> Array:
    """Replace the first vectors of the basis by combinations of all, and return the basis."""
    basis, count = rotation.shape
    turn = np.ascontiguousarray(rotation.T, vectors.dtype)
    for start in range(0, vectors.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        vectors[:count, columns] = turn @ vectors[:basis, columns]
    return vectors
