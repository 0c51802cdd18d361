"""Correlation matrices as factors: checks that a matrix is one, and L with R = L Lᵀ.

A factor gives variances as sums of squares, which neither turn negative nor lose the digits that
`gᵀ R g` loses where contributions cancel.  Matrices may have a leading batch axis.

Boundary: numpy and scipy alone; knows no inputs.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import linalg

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ROUNDING = 1e-10
"""What a matrix may be off, relative to its diagonal: that of numbers stored with ten digits."""


class MatrixProblem(ValueError):
    """A matrix that is no covariance or correlation matrix, and why."""


class Correlated(NamedTuple):
    """Standard deviations, `(*batch, n)`, and a factor of the correlation, `(*batch, n, n)`."""

    std: Array
    factor: Array


def from_covariance(matrix: Array) -> Correlated:
    """Return standard deviations and correlation factor of a covariance matrix.

    The row and column of an entry of variance 0 must be 0.

    Raises:
        MatrixProblem: it is not symmetric, or not positive semidefinite.

    >>> found = from_covariance(np.array([[4.0, 2.0], [2.0, 9.0]]))
    >>> found.std.tolist()
    [2.0, 3.0]
    """
    _check_finite(matrix)
    variance = np.diagonal(matrix, axis1=-2, axis2=-1)
    if (variance < 0).any():
        raise MatrixProblem(f"a variance is negative: {_text(variance.min())}")
    std = np.sqrt(variance)
    scale = np.where(std > 0, std, 1.0)
    # Divided twice: the product of two small numbers may vanish.
    scaled = matrix / scale[..., :, None] / scale[..., None, :]
    _check_symmetric(scaled, matrix)
    return Correlated(std, factor(scaled, shown=matrix))


def from_correlation(matrix: Array) -> Array:
    """Return the factor of a correlation matrix.

    Raises:
        MatrixProblem: its diagonal is not 1, an entry lies outside [-1, 1], it is not symmetric, or
            not positive semidefinite.
    """
    _check_finite(matrix)
    diagonal = np.diagonal(matrix, axis1=-2, axis2=-1)
    wrong = np.abs(diagonal - 1) > ROUNDING
    if wrong.any():
        raise MatrixProblem(f"its diagonal holds {_text(diagonal[wrong][0])} in place of 1")
    outside = np.abs(matrix) > 1 + ROUNDING
    if outside.any():
        raise MatrixProblem(f"the entry {_text(matrix[outside][0])} lies outside [-1, 1]")
    _check_symmetric(matrix, matrix)
    return factor(matrix, shown=matrix)


def from_samples(samples: Array) -> Array:
    """Return the correlation factor of samples, `(m, *batch, n)`, of m observations.

    Entries that never vary are correlated with nothing.
    """
    centered = np.moveaxis(samples - samples.mean(axis=0), 0, -2)  # (*batch, m, n)
    norms = np.sqrt((centered**2).sum(axis=-2, keepdims=True))
    scaled = np.divide(centered, norms, out=np.zeros_like(centered), where=norms > 0)
    upper: Array = np.asarray(np.linalg.qr(scaled, mode="r"))  # (*batch, min(m, n), n)
    count = scaled.shape[-1]
    square = np.zeros((*scaled.shape[:-2], count, count))
    square[..., : upper.shape[-2], :] = upper
    return np.swapaxes(square, -1, -2)


def factor(matrix: Array, *, shown: Array) -> Array:
    """Return L, `(*batch, n, n)`, with `matrix` = L Lᵀ, by Cholesky with pivots.

    `matrix` has a diagonal of ones (zeros where an entry is exact); an error is about `shown`.

    Raises:
        MatrixProblem: it is not positive semidefinite.

    >>> factor(np.array([[1.0, -1.0], [-1.0, 1.0]]), shown=np.eye(2)).tolist()
    [[1.0, 0.0], [-1.0, 0.0]]
    """
    if matrix.ndim > 2:
        pairs = zip(matrix, np.broadcast_to(shown, matrix.shape), strict=True)
        return np.stack([factor(one, shown=other) for one, other in pairs])
    count = len(matrix)
    if not count:
        return np.zeros_like(matrix)
    lower, pivots, rank, _ = linalg.lapack.dpstrf(
        np.asfortranarray(matrix), tol=4 * np.finfo(float).eps, lower=1
    )
    lower = np.tril(lower)
    lower[:, rank:] = 0
    found = np.zeros_like(matrix)
    found[pivots - 1] = lower
    # What is left of an indefinite matrix is no rounding.
    if rank < count and np.abs(matrix - found @ found.T).max() > ROUNDING:
        smallest = float(linalg.eigvalsh(shown, subset_by_index=[0, 0])[0])
        message = f"it is not positive semidefinite: its smallest eigenvalue is {_text(smallest)}"
        raise MatrixProblem(message)
    return found


def _check_finite(matrix: Array) -> None:
    if not np.isfinite(matrix).all():
        raise MatrixProblem(f"the entry {_text(matrix[~np.isfinite(matrix)][0])} is not finite")


def _check_symmetric(scaled: Array, shown: Array) -> None:
    """Refuse a matrix of which an entry differs from its mirror image by more than rounding."""
    difference = np.abs(scaled - np.swapaxes(scaled, -1, -2))
    if difference.size and difference.max() > ROUNDING:
        *_, row, column = np.unravel_index(int(difference.argmax()), difference.shape)
        at = np.unravel_index(int(difference.argmax()), difference.shape)
        mirrored = (*at[:-2], at[-1], at[-2])
        message = f"it is not symmetric: [{row},{column}] is {_text(shown[at])}"
        raise MatrixProblem(f"{message}, [{column},{row}] is {_text(shown[mirrored])}")


def _text(value: Any) -> str:
    return f"{float(value):.6g}"
