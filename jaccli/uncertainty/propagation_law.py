"""The law of propagation of uncertainty: J S Jᵀ, budget, effective degrees of freedom.

With S = D L Lᵀ D, the rows of J D L have the outputs' standard uncertainties as norms, and their
products are the output covariance (GUM 5.2.2; Supplement 2, 6.2).  J D has the contributions
`c u` (GUM 5.1.3).

Boundary: numpy and scipy alone; which J, and how large it may be, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.coverage_factor import welch_satterthwaite
from jaccli.uncertainty.input_covariance import Coupled, InputCovariance

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_CHUNK = 1 << 20
"""Entries that are squared at a time."""


@dataclass(frozen=True, eq=False)
class BudgetShares:
    """What each input entry contributes to each output entry, `(*batch, M, N)`.

    `percent` is `100 c_i u_i Σ_j r_ij c_j u_j / u²`: it sums to 100, and may be negative where
    inputs are correlated.  NaN where u is 0.
    """

    sensitivity: Array
    contribution: Array
    percent: Array


@dataclass(frozen=True, eq=False)
class FirstOrder:
    """Standard uncertainty and effective degrees of freedom of M outputs, `(*batch, M)`.

    `dof` is NaN where inputs that contribute are correlated.  `correlation`, `(*batch, M, M)`, is
    NaN where u is 0.
    """

    u: Array
    dof: Array
    correlation: Array | None
    budget: BudgetShares | None

    @property
    def covariance(self) -> Array | None:
        """The output covariance, `(*batch, M, M)`."""
        if self.correlation is None:
            return None
        u = self.u
        known = np.where(np.isnan(self.correlation) & ~_both(np.isnan(u)), 0.0, self.correlation)
        return np.asarray(known * u[..., :, None] * u[..., None, :])


def _both(missing: Array) -> Array:
    return np.asarray(missing[..., :, None] | missing[..., None, :])


def dense(
    jacobian: Array, inputs: InputCovariance, *, budget: bool, correlation: bool
) -> FirstOrder:
    """Propagate through a Jacobian, `(*batch, M, N)`, which is overwritten.

    >>> from jaccli.uncertainty.input_covariance import UncertainInput
    >>> x = UncertainInput("x", (2,), np.zeros(2), np.array([3.0, 4.0]), np.inf, "normal")
    >>> dense(np.ones((1, 2)), InputCovariance((x,), (), None), budget=False, correlation=False).u
    array([5.])
    """
    std, dof = inputs.std[..., None, :], inputs.dof
    sensitivity = jacobian.copy() if budget else None
    with np.errstate(invalid="ignore", over="ignore"):
        np.multiply(jacobian, std, out=jacobian)
    # What is exact contributes nothing, be its sensitivity infinite.
    if not std.all():
        np.copyto(jacobian, 0.0, where=np.broadcast_to(std == 0, jacobian.shape))
    contribution = jacobian.copy() if budget else None
    finite = np.isfinite(dof)
    limited = jacobian[..., finite]  # a copy
    undefined = _contribute_correlated(jacobian, inputs.coupled)
    inputs.decorrelate(jacobian)
    u = row_norms(jacobian)
    safe = np.where(u > 0, u, 1.0)[..., None]
    effective = welch_satterthwaite(limited / safe, dof[finite])
    effective[undefined | np.isnan(u)] = np.nan
    shares = None
    with np.errstate(invalid="ignore"):
        np.divide(jacobian, safe, out=jacobian)
    if budget:
        assert sensitivity is not None
        assert contribution is not None
        together = jacobian.copy()
        inputs.correlate(together)
        with np.errstate(invalid="ignore", over="ignore"):
            percent = 100 * (contribution / safe) * together
        percent[u == 0] = np.nan
        shares = BudgetShares(sensitivity, contribution, percent)
    matrix = None
    if correlation:
        with np.errstate(invalid="ignore"):
            matrix = jacobian @ np.swapaxes(jacobian, -1, -2)
        matrix = _of_units(matrix, u)
    return FirstOrder(u, effective, matrix, shares)


def sparse(jacobian: csr_array, inputs: InputCovariance, *, correlation: bool) -> FirstOrder:
    """Propagate through a sparse Jacobian, (M, N), without a batch."""
    from scipy.sparse import csr_array

    std, dof = inputs.std, inputs.dof
    data = jacobian.data.astype(np.float64)
    columns = jacobian.indices
    with np.errstate(invalid="ignore", over="ignore"):
        data *= std[columns]
    data[std[columns] == 0] = 0.0
    scaled = csr_array((data, columns, jacobian.indptr), shape=jacobian.shape)
    undefined = np.zeros(jacobian.shape[0], bool)
    rows = scaled
    for one in inputs.coupled:
        undefined |= _sparse_correlated(scaled, one)
        rows = rows @ _spread(one, jacobian.shape[1])
    u = _sparse_norms(rows)
    safe = np.where(u > 0, u, 1.0)
    effective = np.full(len(u), np.inf)
    if np.isfinite(dof).any():
        lengths = np.diff(scaled.indptr)
        share = (scaled.data / np.repeat(safe, lengths)) ** 4 / dof[columns]
        with np.errstate(divide="ignore"):
            effective = 1 / _row_sums(share, scaled.indptr)
    effective[undefined | np.isnan(u)] = np.nan
    matrix = None
    if correlation:
        unit = csr_array(
            (rows.data / np.repeat(safe, np.diff(rows.indptr)), rows.indices, rows.indptr),
            shape=rows.shape,
        )
        matrix = _of_units((unit @ unit.T).toarray(), u)
    return FirstOrder(u, effective, matrix, None)


def _of_units(matrix: Array, u: Array) -> Array:
    """Return products of unit vectors as correlations: 1 on the diagonal, NaN where u is 0."""
    np.clip(matrix, -1.0, 1.0, out=matrix)
    places = np.arange(matrix.shape[-1])
    matrix[..., places, places] = 1.0
    np.copyto(matrix, np.nan, where=_both(~(u > 0)))
    return matrix


def row_norms(rows: Array) -> Array:
    """Return the Euclidean norms along the last axis, without overflow or underflow of squares."""
    flat = rows.reshape(-1, rows.shape[-1])
    found = np.empty(len(flat))
    step = max(1, _CHUNK // max(1, flat.shape[1]))
    for start in range(0, len(flat), step):
        chunk = flat[start : start + step]
        largest = np.maximum(chunk.max(axis=-1, initial=0.0), -chunk.min(axis=-1, initial=0.0))
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        scaled = chunk / scale[:, None]
        found[start : start + step] = scale * np.sqrt(np.einsum("ij,ij->i", scaled, scaled))
    return found.reshape(rows.shape[:-1])


def _contribute_correlated(contribution: Array, coupled: tuple[Coupled, ...]) -> Array:
    """Return which outputs depend on two entries or more that are correlated, `(*batch, M)`."""
    found = np.zeros(contribution.shape[:-1], bool)
    for one in coupled:
        linked = np.abs(one.correlation) > 0
        places = np.arange(linked.shape[-1])
        linked[..., places, places] = False
        there = (contribution[..., one.index] != 0).astype(np.float32)  # (*batch, M, sites, k)
        matrix = linked.astype(np.float32)
        matrix = matrix if matrix.ndim == 2 else matrix[:, None]
        found |= ((there @ matrix) * there).any(axis=(-1, -2))
    return found


def _sparse_correlated(contribution: csr_array, one: Coupled) -> Array:
    """Return which rows of a sparse matrix depend on two correlated entries or more, (M,)."""
    from scipy.sparse import csr_array

    linked = np.abs(one.correlation) > 0
    np.fill_diagonal(linked, False)
    pattern = csr_array(contribution, copy=True)
    pattern.data = (pattern.data != 0).astype(np.float64)
    partners = pattern @ _placed(one.index, linked.astype(np.float64), pattern.shape[1])
    return np.asarray(partners.multiply(pattern).sum(axis=1)).reshape(-1) > 0


def _spread(one: Coupled, size: int) -> csr_array:
    """Return L of one group among all N entries, the identity elsewhere."""
    from scipy.sparse import csr_array, diags_array

    others = np.ones(size)
    others[one.index.reshape(-1)] = 0.0
    return csr_array(_placed(one.index, one.factor, size) + diags_array(others))


def _placed(index: Array, matrix: Array, size: int) -> csr_array:
    """Return a matrix, (k, k), at each site of `index`, (sites, k), of an (N, N) matrix."""
    from scipy.sparse import coo_array

    rows, columns = np.nonzero(matrix)
    values = np.broadcast_to(matrix[rows, columns], (len(index), len(rows)))
    where = (index[:, rows].reshape(-1), index[:, columns].reshape(-1))
    return coo_array((values.reshape(-1), where), shape=(size, size)).tocsr()


def _sparse_norms(rows: csr_array) -> Array:
    """Return the Euclidean norm of each row."""
    found = np.zeros(rows.shape[0])
    for start, stop in _ranges(rows.indptr):
        values = rows.data[rows.indptr[start] : rows.indptr[stop]]
        lengths = np.diff(rows.indptr[start : stop + 1])
        largest = np.zeros(stop - start)
        filled = lengths > 0
        offsets = (rows.indptr[start:stop] - rows.indptr[start])[filled]
        if len(values):
            largest[filled] = np.maximum.reduceat(np.abs(values), offsets)
        scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
        squares = (values / np.repeat(scale, lengths)) ** 2
        sums = np.zeros(stop - start)
        if len(values):
            sums[filled] = np.add.reduceat(squares, offsets)
        found[start:stop] = scale * np.sqrt(sums)
    return found


def _row_sums(values: Array, indptr: Array) -> Array:
    """Return the sum of each row's values."""
    found = np.zeros(len(indptr) - 1)
    filled = np.diff(indptr) > 0
    if len(values):
        found[filled] = np.add.reduceat(values, indptr[:-1][filled])
    return found


def _ranges(indptr: Array) -> Iterator[tuple[int, int]]:
    """Yield ranges of rows with at most so many entries, or one row."""
    start, count = 0, len(indptr) - 1
    while start < count:
        stop = int(np.searchsorted(indptr, indptr[start] + _CHUNK, side="right")) - 1
        stop = min(max(stop, start + 1), count)
        yield start, stop
        start = stop
