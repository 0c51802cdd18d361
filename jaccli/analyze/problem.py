"""The matrix to look at, wherever it comes from, with the names of its rows and columns.

Boundary: decides between LAPACK and products; prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from jaccli.analyze import dense, iterative, lanczos
from jaccli.analyze.iterative import Effort
from jaccli.analyze.spectrum import Array, Spectra, SpectralEstimate, Spectrum
from jaccli.errors import UsageError
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import floats, norm

SIZE = 2000
"""LAPACK takes matrices with a smaller side up to this: a few seconds (docs/spectra.md)."""
SIZE_OF_TOP = 500
"""The same where only some values are wanted: Lanczos' method takes a few hundred products."""
_COPIES = 6
"""Bytes that LAPACK needs for every byte of the matrix, with the matrix and the vectors."""

Labels = Sequence[str] | LabelledAxis


@dataclass(frozen=True, eq=False)
class SpectralProblem:
    """A Jacobian or the Hessian of a scalar output.

    `matrix` is an array `(*batch, M, N)`, a scipy sparse matrix, or a `LinearOperator` that has the
    products alone.  Where the function is known, a Hessian has the output's `value` `(*batch)` and
    `gradient` `(*batch, N)`.  `name` is the spec's or the file's, `output` what is differentiated.
    """

    name: str
    of: str
    matrix: Any
    rows: Labels
    columns: Labels
    output: str = ""
    value: Array | None = None
    gradient: Array | None = None

    @property
    def batch(self) -> int | None:
        """The number of batch rows, or None."""
        return int(self.matrix.shape[0]) if len(self.matrix.shape) == 3 else None

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of one matrix, `(M, N)`."""
        count, width = self.matrix.shape[-2:]
        return int(count), int(width)


@dataclass(frozen=True, eq=False)
class SpectrumReport:
    """A subject with its spectrum; where the gradient is at most `gtol`, a point is stationary."""

    subject: SpectralProblem
    spectrum: Spectrum | Spectra
    gtol: Array | None

    @property
    def slope(self) -> Array | None:
        """The Euclidean norm of the gradient, `(*batch)`."""
        gradient = self.subject.gradient
        return None if gradient is None else np.linalg.norm(gradient.astype(float), axis=-1)


def report(
    subject: SpectralProblem, effort: Effort, *, rtol: float | None, gtol: float | None
) -> SpectrumReport:
    """Return what there is to say of a subject.

    `rtol` is the tolerance of zero, relative to the greatest value, by default `max(M, N)·eps`.
    `gtol` is that of the gradient's norm, by default `√eps·max(1, |f|)`; eps is the dtype's.

    Raises:
        BudgetError: Lanczos' method needs more memory than there is.
        ComputationError: a product is not finite.
    """
    tolerance = None
    if subject.gradient is not None:
        eps = float(np.finfo(subject.gradient.dtype).eps)
        scale = np.maximum(1.0, np.abs(np.asarray(subject.value, float)))
        tolerance = np.asarray(np.sqrt(eps) * scale if gtol is None else np.full_like(scale, gtol))
    return SpectrumReport(subject, _spectrum(subject, effort, rtol), tolerance)


def is_small(shape: tuple[int, int], dtype: np.dtype[Any], memory: int, top: int | None) -> bool:
    """Whether LAPACK takes a matrix: it fits and takes seconds, or less for `top` values alone."""
    count, width = shape
    if _COPIES * count * width * dtype.itemsize > memory:
        return False
    size = SIZE if top is None else SIZE_OF_TOP
    wanted = 2 * (top or 0) + 1
    # A basis of Lanczos' method is smaller than the space.
    return count * width * min(shape) <= size**3 or lanczos.basis_sizes(wanted)[1] >= min(shape)


def check_top(top: int | None, shape: tuple[int, int], of: str) -> None:
    """Refuse to look for more values than there are."""
    if top is not None and top > min(shape):
        values = "eigenvalue" if of == "hessian" else "singular value"
        message = f"--top: {top} is more than there are: {min(shape)} {values}"
        raise UsageError(f"{message}{'s' * (min(shape) != 1)}.")


def check_size(name: str, shape: tuple[int, ...]) -> None:
    """Refuse a matrix without entries."""
    if 0 in shape:
        text = " x ".join(map(str, shape))
        raise UsageError(f"{name}: the matrix is {text}: it has no entries, and no spectrum.")


def _spectrum(subject: SpectralProblem, effort: Effort, rtol: float | None) -> Spectrum | Spectra:
    matrix, symmetric = subject.matrix, subject.of == "hessian"
    if subject.batch is not None:
        return (dense.eigen_rows if symmetric else dense.singular_rows)(matrix, rtol)
    if isinstance(matrix, np.ndarray):
        return (dense.eigen if symmetric else dense.singular)(matrix, rtol)
    found = (iterative.eigen if symmetric else iterative.singular)(
        aslinearoperator(matrix), effort, rtol
    )
    if isinstance(matrix, LinearOperator):
        return found
    # Of entries that are there, nothing has to be estimated.
    trace = SpectralEstimate(float(matrix.diagonal().sum())) if symmetric else None
    return replace(found, trace=trace, frobenius=SpectralEstimate(norm(floats(matrix.data))))


def as_matrix(matrix: Any, memory: int, top: int | None) -> Any:
    """Return a matrix as it is looked at: an array for LAPACK, otherwise what has products."""
    small = len(matrix.shape) == 3 or is_small(matrix.shape, matrix.dtype, memory, top)
    if small:
        return matrix.toarray() if is_sparse(matrix) else matrix
    return matrix if is_sparse(matrix) else aslinearoperator(matrix)


def is_sparse(matrix: Any) -> bool:
    """Whether it is one of scipy's sparse matrices."""
    return bool(issparse(matrix))
