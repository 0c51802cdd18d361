"""The matrix to analyze, with the names of its rows and columns, and its spectrum.

Boundary: decides between LAPACK and Lanczos' method; prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from jaccli.analyze import arnoldi, dense, iterative, lanczos, nonsymmetric
from jaccli.analyze.eigenvalues import CONTINUOUS, Eigenvalues
from jaccli.analyze.iterative import Effort
from jaccli.analyze.spectrum import Array, Spectra, SpectralEstimate, Spectrum
from jaccli.errors import ComputationError, UsageError
from jaccli.result.labels import LabelledAxis
from jaccli.result.numerals import floats, norm

SIZE = 2000
"""Maximum of the smaller side of a matrix for LAPACK: a few seconds (docs/spectra.md)."""
SIZE_OF_TOP = 500
"""The same with `--top`: Lanczos' method takes a few hundred products."""
_COPIES = 6
"""Bytes that LAPACK needs for each byte of the matrix, matrix and vectors included."""

Labels = Sequence[str] | LabelledAxis


@dataclass(frozen=True, eq=False)
class SpectralProblem:
    """A Jacobian or the Hessian of a scalar output.

    `matrix` is an array `(*batch, M, N)`, a scipy sparse matrix, or a `LinearOperator` with
    products alone.  The Hessian of a model has the output's `value` `(*batch)` and
    `gradient` `(*batch, N)`.  `name` is the spec's or the file's, `output` what is differentiated.
    The Jacobian of a system at its point has the `drift` `(*batch, N)`, which is 0 at an
    equilibrium, and the size up to which `drift_tolerance` takes it for 0.
    """

    name: str
    of: str
    matrix: Any
    rows: Labels
    columns: Labels
    output: str = ""
    value: Array | None = None
    gradient: Array | None = None
    drift: Array | None = None
    drift_tolerance: Array | None = None

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
    """A problem with its spectrum; a point is stationary if the gradient is at most `gtol`.

    A square Jacobian has its eigenvalues too, whose meaning `system` says: one `Eigenvalues`, or of
    a batch one for each row, or without a system the spectral abscissas and radii alone.
    """

    problem: SpectralProblem
    spectrum: Spectrum | Spectra
    gtol: Array | None
    system: str | None = None
    eigenvalues: tuple[Eigenvalues, ...] = ()
    extremes: tuple[Array, Array] | None = None

    @property
    def slope(self) -> Array | None:
        """The Euclidean norm of the gradient, `(*batch)`."""
        gradient = self.problem.gradient
        return None if gradient is None else np.linalg.norm(gradient.astype(float), axis=-1)


def report(
    problem: SpectralProblem,
    effort: Effort,
    *,
    rtol: float | None,
    gtol: float | None,
    system: str | None = None,
) -> SpectrumReport:
    """Return the spectrum of a problem with its tolerances.

    `rtol` is the tolerance of zero, relative to the greatest value, by default `max(M, N)·eps`.
    `gtol` is that of the gradient's norm, by default `√eps·max(1, |f|)`; eps is the dtype's.

    Raises:
        BudgetError: Lanczos' method needs more memory than the budget.
        ComputationError: a product is not finite.
    """
    tolerance = None
    if problem.gradient is not None:
        eps = float(np.finfo(problem.gradient.dtype).eps)
        scale = np.maximum(1.0, np.abs(np.asarray(problem.value, float)))
        tolerance = np.asarray(np.sqrt(eps) * scale if gtol is None else np.full_like(scale, gtol))
    spectrum = _spectrum(problem, effort, rtol)
    if problem.drift is not None and gtol is not None:
        problem = replace(problem, drift_tolerance=np.full_like(problem.drift, gtol))
    if problem.of == "hessian" or problem.shape[0] != problem.shape[1]:
        return SpectrumReport(problem, spectrum, tolerance)
    if problem.batch is not None and system is None:
        extremes = nonsymmetric.extremes_of_rows(problem.matrix)
        return SpectrumReport(problem, spectrum, tolerance, extremes=extremes)
    if isinstance(problem.matrix, LinearOperator) and system is None:
        # Arnoldi's method takes many products, and may find nothing without an inverse.
        return SpectrumReport(problem, spectrum, tolerance)
    found = tuple(_eigenvalues(problem, effort, system))
    return SpectrumReport(problem, spectrum, tolerance, system, found)


def _eigenvalues(
    problem: SpectralProblem, effort: Effort, system: str | None
) -> Iterator[Eigenvalues]:
    """Yield the eigenvalues of the matrix, or of each of a batch."""
    matrix, sought = problem.matrix, system or CONTINUOUS
    if problem.batch is not None:
        yield from (nonsymmetric.eigenvalues(one, sought) for one in matrix)
    elif isinstance(matrix, np.ndarray):
        yield nonsymmetric.eigenvalues(matrix, sought)
    else:
        try:
            yield arnoldi.eigenvalues(matrix, effort, sought)
        except ComputationError:
            if system is not None:  # else they were not asked for
                raise


def check_system(system: str | None, name: str, of: str, shape: tuple[int, int]) -> None:
    """Refuse a kind of equilibrium where the matrix is no Jacobian of a system.

    Raises:
        UsageError: it is a Hessian, or not square.
    """
    if system is not None and of == "hessian":
        message = f"--system: {name}: a Hessian belongs to no system."
        raise UsageError(message, hint="Expected a square Jacobian: --of jacobian.")
    if system is not None and shape[0] != shape[1]:
        message = f"--system: {name}: the Jacobian is {shape[0]} x {shape[1]}, and that of a "
        raise UsageError(
            f"{message}system is square.",
            hint="Expected an output for each state: choose them with --select and --wrt, in "
            "the same order.",
        )


def is_small(shape: tuple[int, int], dtype: np.dtype[Any], memory: int, top: int | None) -> bool:
    """Whether to use LAPACK: the matrix fits into memory and takes seconds at most."""
    count, width = shape
    if _COPIES * count * width * dtype.itemsize > memory:
        return False
    size = SIZE if top is None else SIZE_OF_TOP
    wanted = 2 * (top or 0) + 1
    # Lanczos' method needs a basis that is smaller than the space.
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


def _spectrum(problem: SpectralProblem, effort: Effort, rtol: float | None) -> Spectrum | Spectra:
    matrix, symmetric = problem.matrix, problem.of == "hessian"
    if problem.batch is not None:
        return (dense.eigen_rows if symmetric else dense.singular_rows)(matrix, rtol)
    if isinstance(matrix, np.ndarray):
        return (dense.eigen if symmetric else dense.singular)(matrix, rtol)
    spectrum = (iterative.eigen if symmetric else iterative.singular)(
        aslinearoperator(matrix), effort, rtol
    )
    if isinstance(matrix, LinearOperator):
        return spectrum
    # A sparse matrix has its trace and norm exactly.
    trace = SpectralEstimate(float(matrix.diagonal().sum())) if symmetric else None
    return replace(spectrum, trace=trace, frobenius=SpectralEstimate(norm(floats(matrix.data))))


def as_matrix(matrix: Any, memory: int, top: int | None) -> Any:
    """Return a matrix as an array for LAPACK, or as one with products for Lanczos' method."""
    small = len(matrix.shape) == 3 or is_small(matrix.shape, matrix.dtype, memory, top)
    if small:
        return matrix.toarray() if is_sparse(matrix) else matrix
    return matrix if is_sparse(matrix) else aslinearoperator(matrix)


def is_sparse(matrix: Any) -> bool:
    """Whether it is one of scipy's sparse matrices."""
    return bool(issparse(matrix))
