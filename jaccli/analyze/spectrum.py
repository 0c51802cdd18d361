"""The data of a spectrum: eigenpairs or singular triplets with residuals, norms, null space.

Boundary: plain data; computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class SpectralEstimate:
    """A number, exact to rounding where `error` is None, else with its standard error."""

    value: float
    error: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Singular values, descending, or the eigenvalues of a symmetric matrix, ascending.

    `values` has the shape `(k,)`; `right` `(k, N)` holds the eigenvectors or right singular
    vectors as rows, `left` `(k, M)` the left ones, or None for eigenvectors.  `residuals` `(k,)`
    are `‖Hv − λv‖`, or the greater one of `‖Jv − σu‖` and `‖Jᵀu − σv‖`; pairs whose residual
    is above the tolerance of the method are not `converged`.  There are `total` values in all;
    `products` counts the products with the matrix, None for LAPACK.

    Values up to `zero` in size count as 0: `rtol` times the greatest one.  `null_space` `(d, N)`
    spans the null space, as far as it was computed.
    """

    values: Array
    residuals: Array
    converged: Array
    right: Array
    left: Array | None
    total: int
    zero: float
    rtol: float
    frobenius: SpectralEstimate
    trace: SpectralEstimate | None = None
    determinant: float | None = None
    products: int | None = None
    null_space: Array | None = None

    @property
    def complete(self) -> bool:
        """Whether all values were computed."""
        return self.products is None


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """The spectra of a batch of matrices: `values` `(rows, k)` in the order of a `Spectrum`.

    `residuals` and `zero` have the shape `(rows,)`: the greatest residual of each row.
    """

    values: Array
    residuals: Array
    zero: Array
    rtol: float
    frobenius: Array
    trace: Array | None = None
    determinant: Array | None = None
