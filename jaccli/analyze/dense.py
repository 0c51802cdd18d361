"""Spectra of matrices that are formed, by LAPACK.

Boundary: numpy arrays in, a `Spectrum` out.
"""

from __future__ import annotations

import numpy as np

from jaccli.analyze.spectrum import Array, Spectra, SpectralEstimate, Spectrum

NULL_SPACE = 1024
"""Maximum number of columns of a wide matrix whose whole null space is computed."""


def eigen(matrix: Array, rtol: float | None = None) -> Spectrum:
    """Return all eigenpairs of the symmetric part of an `(n, n)` matrix.

    >>> eigen(np.array([[2.0, 1.0], [1.0, 2.0]])).values
    array([1., 3.])
    """
    matrix = _symmetric(matrix)
    values, vectors = np.linalg.eigh(matrix)
    residuals = norms(matrix @ vectors - vectors * values, 0)
    rtol = default_rtol(matrix) if rtol is None else rtol
    return Spectrum(
        values=values + 0.0,  # turns -0 into 0
        residuals=residuals,
        converged=np.ones(len(values), bool),
        right=vectors.T,
        left=None,
        total=len(values),
        zero=float(rtol * np.abs(values).max()),
        rtol=rtol,
        frobenius=SpectralEstimate(float(norms(matrix, (0, 1)))),
        trace=SpectralEstimate(float(np.trace(matrix))),
    )


def singular(matrix: Array, rtol: float | None = None) -> Spectrum:
    """Return all singular triplets of an `(M, N)` matrix, and a basis of its null space.

    >>> singular(np.array([[3.0, 0.0], [0.0, -4.0]])).values
    array([4., 3.])
    """
    count, width = matrix.shape
    full = count < width <= NULL_SPACE
    left, values, right = np.linalg.svd(_padded(matrix) if full else matrix, full_matrices=False)
    rtol = default_rtol(matrix) if rtol is None else rtol
    zero = float(rtol * values[0])
    total = min(matrix.shape)
    basis = right[values <= zero]
    left, values, right = left[:count, :total], values[:total], right[:total]
    forward = norms(matrix @ right.T - left * values, 0)
    backward = norms(left.T @ matrix - right * values[:, None], 1)
    return Spectrum(
        values=values,
        residuals=np.maximum(forward, backward),
        converged=np.ones(total, bool),
        right=right,
        left=left.T,
        total=total,
        zero=zero,
        rtol=rtol,
        frobenius=SpectralEstimate(float(norms(matrix, (0, 1)))),
        determinant=float(_determinant(matrix)) if count == width else None,
        null_space=basis,
    )


def eigen_rows(matrices: Array, rtol: float | None = None) -> Spectra:
    """Return the eigenvalues of every matrix of a batch `(rows, n, n)`."""
    matrices = _symmetric(matrices)
    values, vectors = np.linalg.eigh(matrices)
    residuals = norms(matrices @ vectors - vectors * values[:, None, :], 1)
    rtol = default_rtol(matrices) if rtol is None else rtol
    return Spectra(
        values=values + 0.0,
        residuals=residuals.max(axis=1),
        zero=rtol * np.abs(values).max(axis=1),
        rtol=rtol,
        frobenius=norms(matrices, (1, 2)),
        trace=np.trace(matrices, axis1=1, axis2=2),
    )


def singular_rows(matrices: Array, rtol: float | None = None) -> Spectra:
    """Return the singular values of every matrix of a batch `(rows, M, N)`."""
    left, values, right = np.linalg.svd(matrices, full_matrices=False)
    forward = norms(matrices @ right.swapaxes(1, 2) - left * values[:, None, :], 1)
    backward = norms(left.swapaxes(1, 2) @ matrices - right * values[:, :, None], 2)
    rtol = default_rtol(matrices) if rtol is None else rtol
    square = matrices.shape[1] == matrices.shape[2]
    return Spectra(
        values=values,
        residuals=np.maximum(forward, backward).max(axis=1),
        zero=rtol * values[:, 0],
        rtol=rtol,
        frobenius=norms(matrices, (1, 2)),
        determinant=_determinant(matrices) if square else None,
    )


def norms(array: Array, axis: int | tuple[int, int]) -> Array:
    """Return Euclidean norms along one axis, or two, that neither overflow nor underflow.

    >>> norms(np.array([[3e200], [4e200]]), 0)
    array([5.e+200])
    """
    greatest = np.abs(array).max(axis=axis, keepdims=True)
    scale = np.where(greatest > 0, greatest, 1)
    return np.asarray(np.linalg.norm(array / scale, axis=axis) * scale.squeeze(axis))


def default_rtol(matrix: Array) -> float:
    """Return `max(M, N)·eps` of the matrix's dtype, as `numpy.linalg.matrix_rank` does."""
    return float(max(matrix.shape[-2:]) * np.finfo(matrix.dtype).eps)


def _determinant(matrix: Array) -> Array:
    """Return the determinants, infinite where they overflow."""
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.linalg.det(matrix))


def _symmetric(matrix: Array) -> Array:
    """Return the symmetric part: a computed Hessian is symmetric to rounding only."""
    return np.asarray((matrix + matrix.swapaxes(-1, -2)) / 2, matrix.dtype)


def _padded(matrix: Array) -> Array:
    """Return a wide matrix padded with zero rows to a square one, for a complete null space."""
    count, width = matrix.shape
    square = np.zeros((width, width), matrix.dtype)
    square[:count] = matrix
    return square
