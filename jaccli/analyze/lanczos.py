"""Both ends of the spectrum of a symmetric operator, from products with it alone.

Lanczos' method with full reorthogonalization and thick restarts: K. Wu and H. Simon, Thick-restart
Lanczos method for large symmetric eigenvalue problems, SIAM J. Matrix Anal. Appl. 22 (2000)
602-616.  The memory is that of the basis, for any number of products.

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
_ORTHOGONAL = 0.7
"""A vector that keeps this share of its length is orthogonal; otherwise repeat, once:
B. Parlett, The Symmetric Eigenvalue Problem (1980), section 6.9."""
SPARE = 4
"""Vectors besides the basis: the next one, and temporaries."""
_COLUMNS = 1 << 14
"""Columns of the basis that are rotated at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Ritz:
    """The wanted Ritz pairs: `values` ascending `(k,)`, `vectors` `(k, n)` with unit rows."""

    values: Array
    vectors: Array
    converged: Array
    products: int


def basis_sizes(wanted: int) -> tuple[int, int]:
    """Return the minimum and the recommended size of the basis for `wanted` pairs.

    A smaller basis takes more products, a larger one not many fewer (docs/spectra.md).
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

    The basis has `basis` vectors of `size` entries: more than `low + high`, or `size`, which gives
    all pairs.  Stops when all wanted pairs have converged according to `judge`, or after about
    `limit` products.

    >>> found = extremes(
    ...     lambda v: np.arange(100.0) * v, 100, np.dtype(float), low=1, high=1, basis=20,
    ...     judge=lambda values, residuals: residuals < 1e-9, limit=500)
    >>> found.values.round(9) + 0.0
    array([ 0., 99.])
    """
    rng = np.random.default_rng(seed)
    vectors = np.empty((basis + 1, size), dtype)
    projected = np.zeros((basis, basis))  # the operator in the basis
    vectors[0] = _orthogonal(rng, vectors[:0])
    locked = products = 0
    while True:
        coupling = 0.0
        for step in range(locked, basis):
            first = 0 if step == locked else step - 1
            new_vector, coupling = _next_vector(apply, vectors[: step + 1], projected, first, rng)
            vectors[step + 1] = new_vector
            if step + 1 < basis:
                projected[step, step + 1] = projected[step + 1, step] = coupling
            products += 1
            advance(1)
        values, rotation = np.linalg.eigh(projected)
        residuals = np.abs(coupling * rotation[-1])
        converged = judge(values, residuals)
        wanted = np.r_[:low, basis - high : basis]
        if converged[wanted].all() or products >= limit:
            ritz_vectors = _rotate(vectors, rotation[:, wanted])[: len(wanted)]
            return Ritz(values[wanted], ritz_vectors.copy(), converged[wanted], products)
        extra = (basis - low - high) // 3
        retained = np.r_[: low + extra * (low > 0), basis - high - extra * (high > 0) : basis]
        locked = len(retained)
        _rotate(vectors, rotation[:, retained])
        vectors[locked] = vectors[basis]
        projected[:] = 0.0
        projected[:locked, :locked] = np.diag(values[retained])
        projected[:locked, locked] = projected[locked, :locked] = coupling * rotation[-1, retained]


def _next_vector(
    apply: Apply, vectors: Array, projected: Array, first: int, rng: np.random.Generator
) -> tuple[Array, float]:
    """Return the next vector of the basis and its coupling to the last one.

    The last vector is coupled to those from `first` on, by `projected`, whose diagonal entry is set
    here.  Where the basis spans an invariant subspace, the next vector is a random one beside it.
    """
    last = len(vectors) - 1
    new_vector = np.array(apply(vectors[last]), vectors.dtype)  # a copy: it is changed in place
    scale = float(np.linalg.norm(new_vector))
    # Subtract the known couplings first, so that only rounding is left to orthogonalize.
    new_vector -= projected[last, first:last].astype(vectors.dtype) @ vectors[first:last]
    along = vectors[last] @ new_vector
    new_vector -= along * vectors[last]
    projected[last, last] = along
    if len(vectors) == vectors.shape[1]:  # the basis spans the space: the rest is rounding
        return np.zeros_like(new_vector), 0.0
    coupling = float(np.linalg.norm(new_vector))
    for _ in range(2):
        previous = coupling
        new_vector -= (vectors @ new_vector) @ vectors
        coupling = float(np.linalg.norm(new_vector))
        if coupling > _ORTHOGONAL * previous:
            break
    if coupling <= 10 * np.finfo(vectors.dtype).eps * scale:
        return _orthogonal(rng, vectors), 0.0
    return new_vector / coupling, coupling


def _orthogonal(rng: np.random.Generator, vectors: Array) -> Array:
    """Return a random unit vector orthogonal to the given ones."""
    new_vector: Array = rng.standard_normal(vectors.shape[1]).astype(vectors.dtype)
    for _ in range(2):
        new_vector -= (vectors @ new_vector) @ vectors
        new_vector /= np.linalg.norm(new_vector)
    return new_vector


def _rotate(vectors: Array, rotation: Array) -> Array:
    """Replace the first vectors of the basis by combinations of all, and return the basis."""
    basis, count = rotation.shape
    turn = np.ascontiguousarray(rotation.T, vectors.dtype)
    for start in range(0, vectors.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        vectors[:count, columns] = turn @ vectors[:basis, columns]
    return vectors
