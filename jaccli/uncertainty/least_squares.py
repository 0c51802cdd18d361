"""The covariance of least-squares estimates, `s² (JᵀJ)⁻¹`, by the singular values of J.

J is scaled to columns of length 1 and joined with the residuals; a QR factorization leaves a small
triangle, whose singular values say what the data determine.  `JᵀJ` is never formed: its condition
is the square of J's.  Golub & Van Loan, Matrix Computations, 5.3 and 5.5; Bates & Watts, Nonlinear
Regression Analysis, 2.2 (the convergence criterion).

Boundary: numpy and scipy alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy import linalg

from jaccli.uncertainty.covariance_matrices import Array

_TOUCHED = 2.0**-26
"""Part of a unit direction, in scaled parameters, from which on a parameter belongs to it."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """What n residuals say of p parameters; all numbers in the units of the parameters.

    `factor`, `(p, rank)`, is a root of `(JᵀJ)⁻¹` on the directions that are determined.  `scale`
    is what it is multiplied with: s, 1 for known standard deviations, NaN where s is not defined.
    `undetermined`, `(p - rank, p)`, holds unit vectors along which no residual changes; `touched`
    says which parameters they concern.  `weakest` is the determined direction that the residuals
    say least about.  `offset` is 0 at the solution: the length of the residuals' part that the
    parameters could take away, relative to the rest, each by its degrees of freedom; NaN without.
    """

    rank: int
    dof: int
    sum_of_squares: float
    scale: float
    factor: Array
    undetermined: Array
    touched: Array
    weakest: Array
    condition: float
    scaled_condition: float
    offset: float
    lengths: Array

    @property
    def variance(self) -> float:
        """The residual variance s²; NaN without degrees of freedom."""
        return self.sum_of_squares / self.dof if self.dof else nan

    @property
    def standard_errors(self) -> Array:
        """The standard errors, `(p,)`: infinite where the data do not determine a parameter."""
        found = self.scale * _lengths(self.factor.T)
        return np.where(self.touched, np.inf, found)

    def covariance(self) -> Array:
        """Return the covariance `(p, p)`: infinite and NaN where it is not determined."""
        root = self.scale * self.factor
        found: Array = root @ root.T
        found[self.touched] = found[:, self.touched] = np.nan
        np.fill_diagonal(found, np.where(self.touched, np.inf, found.diagonal()))
        return np.asarray(found)

    def correlation(self) -> Array:
        """Return the correlation `(p, p)`: NaN where it is not determined."""
        length = _lengths(self.factor.T)[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = self.factor / length
        found: Array = np.clip(unit @ unit.T, -1.0, 1.0)
        found[self.touched] = found[:, self.touched] = np.nan
        np.fill_diagonal(found, np.where(self.touched, np.nan, 1.0))
        return found

    def standard_errors_of(self, jacobian: Array) -> Array:
        """Return the standard errors `(m,)` of functions of the parameters with this `(m, p)`
        Jacobian: infinite where they depend on what is not determined.
        """
        found = self.scale * _lengths((jacobian @ self.factor).T)
        if len(self.undetermined):
            along = np.abs(jacobian @ self.undetermined.T)
            size = np.abs(jacobian) @ np.abs(self.undetermined.T)
            found = np.where((along > sqrt(_TOUCHED) * size).any(axis=1), np.inf, found)
        return np.asarray(found)


def estimate(jacobian: Array, residuals: Array, *, known: bool, eps: float) -> Estimate:
    """Return what residuals `(n,)` with the Jacobian `(n, p)`, n ≥ p, say of the parameters.

    Where the standard deviations are `known`, residuals are in units of them.  `eps` is the
    relative rounding of the entries: singular values below `n eps` of the largest are zeros.

    >>> line = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> found = estimate(line, np.array([1.0, -2.0, 1.0]), known=False, eps=2.0**-52)
    >>> found.rank, found.dof, round(found.variance, 12)
    (2, 1, 6.0)
    >>> found.covariance().round(12).tolist()
    [[5.0, -3.0], [-3.0, 3.0]]
    """
    n, p = jacobian.shape
    lengths = _lengths(jacobian)
    unit = np.where(lengths > 0, lengths, 1.0)
    joined = np.column_stack([jacobian / unit, residuals])
    (triangle,) = linalg.qr(joined, mode="r", overwrite_a=True, check_finite=False)
    triangle = triangle[: p + 1]
    scaled, rest = triangle[:p, :p], triangle[:, p]
    left, values, right = linalg.svd(scaled, check_finite=False)
    rank = int((values > max(n, p) * eps * values[0]).sum())
    factor = right[:rank].T / values[:rank] / unit[:, None]
    free = right[rank:] / unit
    touched = np.linalg.norm(right[rank:], axis=0) > _TOUCHED
    fitted = float(np.linalg.norm(left[:, :rank].T @ rest[:p]))
    (length,) = _lengths(residuals[:, None]).tolist()
    dof = n - rank
    whole = np.linalg.svd(scaled * unit, compute_uv=False)
    s = length / sqrt(dof) if dof else nan
    return Estimate(
        rank=rank,
        dof=dof,
        sum_of_squares=float(np.square(length)),
        scale=1.0 if known else s,
        factor=factor,
        undetermined=_directions(free),
        touched=touched,
        weakest=_unit(right[rank - 1] / unit) if rank else np.zeros(p),
        condition=float(whole[0] / whole[-1]) if rank == p else np.inf,
        scaled_condition=float(values[0] / values[-1]) if rank == p else np.inf,
        offset=_offset(fitted, length, rank, dof),
        lengths=lengths,
    )


def _lengths(matrix: Array) -> Array:
    """Return the lengths of the columns; squares neither overflow nor vanish."""
    largest = np.abs(matrix).max(axis=0, initial=0.0)
    safe = np.where(largest > 0, largest, 1.0)
    return np.asarray(largest * np.linalg.norm(matrix / safe, axis=0))


def _offset(fitted: float, length: float, rank: int, dof: int) -> float:
    """Return the relative offset of Bates and Watts."""
    if not rank or not dof or not length:
        return nan
    rest = sqrt(max(length - fitted, 0.0) * (length + fitted))
    return float("inf") if not rest else (fitted / sqrt(rank)) / (rest / sqrt(dof))


def _directions(free: Array) -> Array:
    """Return unit vectors `(k, p)` of the same span that each concern few parameters."""
    if not len(free):
        return free
    basis = np.linalg.qr(free.T)[0]
    pivots = linalg.qr(basis.T, mode="r", pivoting=True)[1][: len(free)]
    found = linalg.solve(basis[pivots].T, basis.T)
    found[np.abs(found) < _TOUCHED * np.abs(found).max(axis=1, keepdims=True)] = 0.0
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _unit(direction: Array) -> Array:
    return np.asarray(direction / np.linalg.norm(direction))
