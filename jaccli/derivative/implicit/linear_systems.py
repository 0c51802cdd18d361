"""The Jacobian of the unknowns at a point: its entries, and what solves with it.

Two kinds with one interface: a dense matrix with XLA's LU decomposition here, entries of a known
pattern with SuperLU in `sparse_lu.py`.  Every method is traced; nothing is computed eagerly.

Boundary: knows of no iteration, and of no derivative of the solution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import lu_factor, lu_solve

from jaccli.derivative.sparse import TooManyEntries
from jaccli.derivative.sparse.index_sets import TooDense
from jaccli.derivative.structure_losses import StructureError

Array = Any
Residual = Callable[[Array, Any], Array]
"""F(u, θ): the residuals `(n,)` of the unknowns `(n,)` at the inputs θ, a tree of arrays."""

SPARSE_FROM = 256
"""Unknowns from which on a sparse Jacobian is looked for: XLA's dense LU takes 2 ms there."""
SPARSEST = 0.1
"""The share of entries that may be non-zero in a Jacobian that is kept sparse."""


class LinearSystem(Protocol):
    """The Jacobian ∂F/∂u, `(n, n)`, as `entries` of some shape, and as `factors` to solve with."""

    @property
    def words(self) -> str:
        """What solves the linear systems."""

    def entries(self, f: Callable[[Array], Array], u: Array) -> Array:
        """Return the entries of the Jacobian of a function with the structure of F at u."""

    def factors(self, entries: Array) -> Array:
        """Return what `solve` takes."""

    def solve(self, factors: Array, b: Array, *, transposed: bool = False) -> Array:
        """Return the solution `(n,)` of J x = b, or Jᵀ x = b; NaN where J is singular."""

    def row_sizes(self, entries: Array, x: Array) -> Array:
        """Return Σⱼ |Jᵢⱼ xⱼ|, `(n,)`: the size of the terms of each row at x."""

    def smallest_pivot(self, factors: Array) -> Array:
        """Return the smallest pivot over the largest, of the matrix with rows and columns scaled.

        About the reciprocal of the condition number; 0 of a matrix that is exactly singular.
        """

    def matrix(self, entries: np.ndarray) -> Any:
        """Return entries in numpy as a matrix: numpy's, or scipy's in CSC."""


@dataclass(frozen=True)
class DenseSystem:
    """A dense Jacobian, `(n, n)`."""

    @property
    def words(self) -> str:
        """What solves the linear systems."""
        return "dense LU decomposition"

    def entries(self, f: Callable[[Array], Array], u: Array) -> Array:
        """Return the matrix, `(n, n)`."""
        return jax.jacfwd(f)(u)

    def factors(self, entries: Array) -> Array:
        """Return the LU decomposition of R J C, and the scales R and C of rows and columns."""
        rows = _inverse(jnp.max(jnp.abs(entries), axis=1))
        columns = _inverse(jnp.max(jnp.abs(rows[:, None] * entries), axis=0))
        return lu_factor(rows[:, None] * entries * columns), rows, columns

    def solve(self, factors: Array, b: Array, *, transposed: bool = False) -> Array:
        """Return the solution; infinite or NaN where the matrix is singular."""
        lu, rows, columns = factors
        if transposed:
            return rows * lu_solve(lu, columns * b, trans=1)
        return columns * lu_solve(lu, rows * b)

    def row_sizes(self, entries: Array, x: Array) -> Array:
        """Return the size of the terms of each row."""
        return jnp.abs(entries) @ jnp.abs(x)

    def smallest_pivot(self, factors: Array) -> Array:
        """Return the smallest pivot over the largest."""
        pivots = jnp.abs(jnp.diagonal(factors[0][0]))
        return jnp.min(pivots) / jnp.max(pivots)

    def matrix(self, entries: np.ndarray) -> np.ndarray:
        """Return the matrix."""
        return np.asarray(entries)


def _inverse(sizes: Array) -> Array:
    return 1 / jnp.where(sizes > 0, sizes, 1)


def system_of(residual: Residual, u: Any, theta: Any) -> LinearSystem:
    """Return what solves with the Jacobian of `residual(u, theta)` by u; shapes alone are read.

    Sparse where there are many unknowns and few of the entries can be non-zero, whatever the
    numbers are.
    """
    n = u.shape[0]
    if n >= SPARSE_FROM:
        from jaccli.derivative.implicit.sparse_lu import sparse_system

        try:
            return sparse_system(residual, u, theta, int(SPARSEST * n * n))
        except (TooDense, TooManyEntries, StructureError):
            pass
    return DenseSystem()
