"""An array kept as its non-zeros; its dense form is never made unless `dense` is called.

numpy only: scipy is imported where a scipy array is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """An array of shape `(*batch, *out, *in)` kept as its non-zeros.

    `where`, shape (nnz,), holds their flat positions in C order, ascending and unique; `values`,
    shape (nnz,), what is there.  A value may be 0: an entry of the pattern that vanishes at this
    point.  Every other entry is 0.

    >>> eye = Sparse.from_dense(np.eye(2))
    >>> eye.where, eye.values
    (array([0, 3]), array([1., 1.]))
    """

    where: NDArray[np.int64]
    values: NDArray[Any]
    shape: tuple[int, ...]

    @classmethod
    def from_dense(cls, array: NDArray[Any]) -> Sparse:
        """Keep the entries of an array that are not 0 (NaN is not 0)."""
        flat = array.reshape(-1)
        where = np.flatnonzero(flat).astype(np.int64, copy=False)
        return cls(where, flat[where], array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of the dense form."""
        return math.prod(self.shape)

    @property
    def nnz(self) -> int:
        """The number of entries that are kept."""
        return len(self.where)

    @property
    def nbytes(self) -> int:
        """The bytes that are kept."""
        return self.where.nbytes + self.values.nbytes

    @property
    def density(self) -> float:
        """The part of the entries that is kept, between 0 and 1; 0 for an empty array."""
        return self.nnz / self.size if self.size else 0.0

    def reshape(self, shape: tuple[int, ...]) -> Sparse:
        """Return the same entries, in C order, with another shape of equal size."""
        if math.prod(shape) != self.size:
            raise ValueError(f"cannot reshape {self.shape} into {shape}")
        return Sparse(self.where, self.values, shape)

    def indices(self) -> tuple[NDArray[np.int64], ...]:
        """Return one array of shape (nnz,) for each axis: where the values are along it."""
        if not self.ndim:
            return ()
        if not self.nnz:
            return tuple(np.empty(0, np.int64) for _ in self.shape)
        return np.unravel_index(self.where, self.shape)

    def dense(self) -> NDArray[Any]:
        """Return the dense form, `size` entries."""
        array = np.zeros(self.size, self.dtype)
        array[self.where] = self.values
        return array.reshape(self.shape)

    def scipy(self) -> csr_array:
        """Return the matrix in compressed rows; only of two axes."""
        from scipy.sparse import csr_array

        if self.ndim != 2:
            raise ValueError(f"a matrix has two axes, not {self.ndim}")
        rows, columns = self.indices()
        starts = np.zeros(self.shape[0] + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=self.shape[0]), out=starts[1:])
        return csr_array((self.values, columns, starts), shape=self.shape)
