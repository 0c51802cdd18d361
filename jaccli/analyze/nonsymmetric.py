"""All eigenvalues of a real matrix that is formed, by LAPACK, each with a bound of its error.

LAPACK's eigenvalues are those of `A + E` with `‖E‖ ≤ n·eps·‖A‖`; to first order that moves an
eigenvalue of condition κ by `κ‖E‖`.  Where m of them nearly coincide, the first order is not
enough: they are within `Δ(‖E‖/Δ)^(1/m)`, with Henrici's departure from normality Δ
(P. Henrici, Numer. Math. 4 (1962) 24-40, applied to the m).

Boundary: numpy arrays in, `Eigenvalues` out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaccli.analyze.dense import norms
from jaccli.analyze.eigenvalues import CONTINUOUS, Eigenvalues, MultipleEigenvalue
from jaccli.analyze.spectrum import Array

_PARTED = 0.05
"""Distance, in units of the departure from normality, up to which rounding may have parted a
multiple eigenvalue: distinct ones of a very non-normal matrix are farther apart."""
_MAX_CLUSTERS = 8
"""Maximum number of clusters whose eigenspaces are looked at, each by a singular value
decomposition; of matrices above `_LARGE`, two."""
_LARGE = 500
_LEFT = 100.0
"""Residuals of left eigenvectors up to so many `‖E‖` are those of rounding."""
_COINCIDENT = 1e-6
"""Bounds up to so much of the greatest eigenvalue can say that two are equal."""
_RANK = 100.0
"""Singular values of `A − λI` up to so many `‖E‖` count as 0."""


def eigenvalues(matrix: Array, system: str = CONTINUOUS) -> Eigenvalues:
    """Return all eigenvalues of an `(n, n)` matrix, the rightmost (discrete: greatest) first.

    >>> eigenvalues(np.array([[0.0, 1.0], [-2.0, -3.0]])).values.real
    array([-1., -2.])
    """
    from scipy import linalg

    count = len(matrix)
    dtype_eps = float(np.finfo(matrix.dtype).eps)
    greatest = float(np.abs(matrix).max())
    scale = greatest or 1.0
    scaled = matrix.astype(np.float64) / scale  # neither overflows nor underflows
    decomposition: Any = linalg.eig(scaled, left=True, right=True)
    values, left, right = decomposition
    values = np.asarray(values, complex)
    residuals = np.linalg.norm(scaled @ right - right * values, axis=0)
    norm = float(np.linalg.norm(scaled))
    eps = float(np.finfo(np.float64).eps)
    conditions = _conditions(scaled, values, left, right, count * eps * norm)
    # float32 entries are known to their own rounding only.
    rounding = (count * eps + (dtype_eps if dtype_eps > eps else 0)) * norm
    departure = _departure(scaled, values, norm)
    error = residuals + rounding
    bounds = np.where(error > 0, conditions * error, 0.0)
    groups, bounds = _clustered(values, conditions, bounds, rounding, departure)
    order = _order(values, system)
    place = np.empty(count, int)
    place[order] = np.arange(count)
    clusters = []
    for index, group in enumerate(groups):
        mean = complex(values[group].mean())
        looked_at = index < (_MAX_CLUSTERS if count <= _LARGE else 2)
        geometric = _geometric(scaled, mean, rounding, len(group)) if looked_at else None
        members = tuple(sorted(int(place[i]) for i in group))
        clusters.append(MultipleEigenvalue(mean * scale, members, geometric))
    clusters.sort(key=lambda cluster: cluster.members)
    return Eigenvalues(
        values=values[order] * scale + 0.0,
        residuals=residuals[order] * scale,
        conditions=conditions[order],
        bounds=bounds[order] * scale,
        converged=np.ones(count, bool),
        right=right.T[order],
        total=count,
        method="LAPACK",
        frontier=-math.inf,
        norm=norm * scale,
        clusters=tuple(clusters),
        basis_condition=_condition(right),
        departure=departure * scale,
        growth=_growth(scaled, system) * scale,
    )


def extremes_of_rows(matrices: Array) -> tuple[Array, Array]:
    """Return the spectral abscissas and radii of a batch `(rows, n, n)`, `(rows,)` each."""
    values = np.linalg.eigvals(matrices.astype(np.float64))
    return values.real.max(axis=1), np.abs(values).max(axis=1)


def _conditions(matrix: Array, values: Array, left: Array, right: Array, rounding: float) -> Array:
    """Return `1/|yᴴx|` of the unit left and right eigenvectors.

    LAPACK balances the matrix, which may spoil the left eigenvectors of a badly scaled one beyond
    use.  Where they do not solve `yᴴA = λyᴴ`, those of the Schur form are: it is not balanced.
    """
    wrong = np.linalg.norm(matrix.T @ left.conj() - left.conj() * values, axis=0)
    if (wrong > _LEFT * rounding).any():
        from scipy import linalg

        triangle, basis = linalg.schur(matrix, output="complex")
        decomposition: Any = linalg.eig(triangle, left=True, right=True)
        others, left, right = decomposition
        same = np.abs(values[:, None] - others).argmin(axis=1)
        left, right = (basis @ left)[:, same], (basis @ right)[:, same]
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(1 / np.abs((left.conj() * right).sum(axis=0)), 1.0))


def _order(values: Array, system: str) -> Array:
    """Return the order in which values are shown, conjugate pairs together, +i first."""
    first = values.real if system == CONTINUOUS else np.abs(values)
    second = np.abs(values.imag) if system == CONTINUOUS else values.real
    return np.lexsort((-values.imag, -second, -first))


def _departure(matrix: Array, values: Array, norm: float) -> float:
    """Return `√(‖A‖² − Σ|λ|²)` (Frobenius); 0 for what is normal to rounding."""
    if np.array_equal(matrix, matrix.T) or np.array_equal(matrix, -matrix.T):
        return 0.0
    squared = norm**2 - float((np.abs(values) ** 2).sum())
    # The difference of two numbers of the size of ‖A‖².
    noise = len(matrix) * float(np.finfo(np.float64).eps) * norm**2
    return math.sqrt(squared) if squared > noise else 0.0


def _clustered(
    values: Array, conditions: Array, bounds: Array, rounding: float, departure: float
) -> tuple[list[list[int]], Array]:
    """Return the groups of eigenvalues that cannot be told apart, and bounds that hold for them.

    A group of m is taken for one multiple eigenvalue if its members are as near to each other as
    rounding parts such an eigenvalue, and as ill-conditioned as it makes them.
    """
    from scipy.sparse.csgraph import connected_components

    count, bounds = len(values), bounds.copy()
    # Equal to rounding; where the bounds are wide, they say nothing of multiplicity.
    apart = np.abs(values[:, None] - values)
    small = bounds <= _COINCIDENT * np.abs(values).max(initial=rounding)
    together = (apart <= bounds[:, None] + bounds) & small[:, None] & small
    if departure > rounding > 0 and count > 1:
        relative = rounding / departure
        sizes = np.arange(2, count + 1)
        parted = departure * relative ** (1 / sizes)
        ill = 0.01 * relative ** (1 / sizes - 1)
        for i in np.flatnonzero(conditions >= ill[0]):
            nearest = np.argsort(apart[i], kind="stable")
            spread = apart[i][nearest][1:]
            alike = (spread <= parted) & ((parted <= _PARTED * departure) | (spread == 0))
            fits = np.flatnonzero(alike & (conditions[i] >= ill))
            if len(fits):
                last = fits[-1]
                bounds[i] = spread[last] + 2 * parted[last]
                together[i, nearest[: last + 2]] = True
    number, labels = connected_components(together, directed=False)
    sizes_of = np.bincount(labels, minlength=number)
    several = [label for label in np.argsort(-sizes_of, kind="stable") if sizes_of[label] > 1]
    return [np.flatnonzero(labels == label).tolist() for label in several], bounds


def _geometric(matrix: Array, value: complex, rounding: float, algebraic: int) -> int:
    """Return the dimension of the eigenspace of an eigenvalue, at least 1."""
    small = abs(value.imag) <= math.sqrt(rounding) if rounding else value.imag == 0
    shift: Any = value.real if small else value
    singular = np.linalg.svd(matrix - shift * np.eye(len(matrix)), compute_uv=False)
    zero = int(np.count_nonzero(singular <= _RANK * rounding))
    return min(max(zero, 1), algebraic)


def _condition(right: Array) -> float:
    """Return the condition number of the matrix of eigenvectors."""
    singular = np.linalg.svd(right, compute_uv=False)
    smallest = float(singular[-1])
    eps = len(right) * float(np.finfo(np.float64).eps)
    return float(singular[0]) / smallest if smallest > eps * float(singular[0]) else math.inf


def _growth(matrix: Array, system: str) -> float:
    """Return the greatest eigenvalue of the symmetric part (discrete: the spectral norm).

    It is the rate at which a perturbation may grow at first.
    """
    if system == CONTINUOUS:
        return float(np.linalg.eigvalsh((matrix + matrix.T) / 2)[-1])
    return float(norms(np.linalg.svd(matrix, compute_uv=False)[:1], 0))
