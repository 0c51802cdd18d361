"""A sparse Jacobian of the unknowns: detected, colored, and factored by SuperLU (scipy).

SuperLU runs on the host, called from the compiled program.  The last factors are kept by their
matrix's entries, so that the many solutions that one Jacobian needs (columns, rows, the transposed
system) share one factorization.

Boundary: the one module that calls the host from a program.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.derivative.sparse.compressed import Coloring, color, colored
from jaccli.derivative.sparse.detect import jacobian_pattern
from jaccli.derivative.sparse.index_sets import TooDense

Array = Any

_KEPT = 4
"""Factorizations that are kept: a Newton iteration and the derivative use one at a time."""
_COLORS = 0.25
"""Colors over unknowns from which on the products cost as much as a dense Jacobian's."""


@dataclass(frozen=True, eq=False)
class _Factors:
    """P R J C Q = L U: the decomposition of the matrix with its rows and columns scaled."""

    lu: Any
    rows: np.ndarray
    columns: np.ndarray

    def solve(self, b: np.ndarray, *, transposed: bool) -> np.ndarray:
        """Return the solutions `(n, k)` for right-hand sides `(n, k)`."""
        if transposed:
            return self.rows[:, None] * self.lu.solve(self.columns[:, None] * b, trans="T")
        return self.columns[:, None] * self.lu.solve(self.rows[:, None] * b)

    @property
    def smallest_pivot(self) -> float:
        """The smallest pivot over the largest."""
        pivots = np.abs(self.lu.U.diagonal())
        return float(pivots.min() / pivots.max())


@dataclass(frozen=True, eq=False)
class SparseSystem:
    """A Jacobian whose entries, in the order of the coloring's pattern, are `(nnz,)`."""

    n: int
    coloring: Coloring
    method: Any
    _factored: OrderedDict[bytes, _Factors | None] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def words(self) -> str:
        """What solves the linear systems."""
        return f"sparse LU decomposition, {self.where.nnz:,} entries"

    @property
    def where(self) -> Any:
        """Where the entries stand: `Entries` of one block."""
        return self.method.entries[0]

    def entries(self, f: Callable[[Array], Array], u: Array) -> Array:
        """Return the entries, by one product for each color."""
        return self.method.values(f, u)[0]

    def factors(self, entries: Array) -> Array:
        """Return the entries: the host has their factors."""
        return entries

    def solve(self, factors: Array, b: Array, *, transposed: bool = False) -> Array:
        """Return the solution `(n,)`, computed in float64; NaN where the matrix is singular."""
        call = partial(self._solve_on_host, transposed=transposed)
        shape = jax.ShapeDtypeStruct(b.shape, b.dtype)
        return jax.pure_callback(call, shape, factors, b, vmap_method="expand_dims")

    def row_sizes(self, entries: Array, x: Array) -> Array:
        """Return the size of the terms of each row."""
        rows, columns = (jnp.asarray(part) for part in divmod(self.where.where, self.n))
        return jax.ops.segment_sum(jnp.abs(entries * x[columns]), rows, self.n)

    def smallest_pivot(self, factors: Array) -> Array:
        """Return the smallest pivot over the largest, rows and columns scaled."""
        shape = jax.ShapeDtypeStruct((), factors.dtype)
        return jax.pure_callback(self._pivot_on_host, shape, factors, vmap_method="expand_dims")

    def matrix(self, entries: np.ndarray) -> Any:
        """Return the matrix in CSC."""
        from scipy.sparse import coo_array

        values = self.where.collected(np.asarray(entries, np.float64))
        return coo_array((values, self._coordinates), (self.n, self.n)).tocsc()

    @cached_property
    def _coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        return divmod(self.where.positions, self.n)

    def _solve_on_host(self, entries: Any, b: Any, *, transposed: bool) -> np.ndarray:
        """Return the solutions of one matrix, `(..., nnz)`, or of one for each right-hand side."""
        entries, b = np.asarray(entries), np.asarray(b)
        matrices = entries.reshape(-1, entries.shape[-1])
        sides = np.asarray(b.reshape(-1, self.n), np.float64)
        if len(matrices) == 1:
            return self._solved(matrices[0], sides, transposed).reshape(b.shape).astype(b.dtype)
        lead = np.broadcast_shapes(entries.shape[:-1], b.shape[:-1])
        sides = np.broadcast_to(b, (*lead, self.n)).astype(np.float64)
        which = np.arange(len(matrices)).reshape(entries.shape[:-1])
        which = np.broadcast_to(which, lead)
        out = np.empty_like(sides)
        for k, matrix in enumerate(matrices):
            out[which == k] = self._solved(matrix, sides[which == k], transposed)
        return out.astype(b.dtype)

    def _solved(self, entries: np.ndarray, sides: np.ndarray, transposed: bool) -> np.ndarray:
        """Return the solutions `(k, n)` for right-hand sides `(k, n)`."""
        factors = self._factors(entries)
        if factors is None or not np.isfinite(sides).all():
            return np.full(sides.shape, np.nan)
        return factors.solve(sides.T, transposed=transposed).T

    def _pivot_on_host(self, entries: Any) -> np.ndarray:
        entries = np.asarray(entries)
        found = [self._factors(each) for each in entries.reshape(-1, entries.shape[-1])]
        pivots = [0.0 if factors is None else factors.smallest_pivot for factors in found]
        return np.asarray(pivots, entries.dtype).reshape(entries.shape[:-1])

    def _factors(self, entries: np.ndarray) -> _Factors | None:
        """Return the factors of a matrix; None where it is singular, or not finite."""
        name = blake2b(np.ascontiguousarray(entries).tobytes(), digest_size=16).digest()
        with self._lock:
            if name in self._factored:
                self._factored.move_to_end(name)
                return self._factored[name]
        made = self._decomposed(entries)
        with self._lock:
            self._factored[name] = made
            while len(self._factored) > _KEPT:
                self._factored.popitem(last=False)
        return made

    def _decomposed(self, entries: np.ndarray) -> _Factors | None:
        from scipy.sparse import dia_array
        from scipy.sparse.linalg import splu

        if not np.isfinite(entries).all():
            return None
        matrix = self.matrix(entries)
        rows = _inverse(abs(matrix).max(axis=1).toarray().ravel())
        scaled = dia_array((rows[None], [0]), matrix.shape) @ matrix
        columns = _inverse(abs(scaled).max(axis=0).toarray().ravel())
        scaled = (scaled @ dia_array((columns[None], [0]), matrix.shape)).tocsc()
        try:
            return _Factors(splu(scaled), rows, columns)
        except RuntimeError:  # "Factor is exactly singular"
            return None


def _inverse(sizes: np.ndarray) -> np.ndarray:
    return 1 / np.where(sizes > 0, sizes, 1)


def sparse_system(residual: Any, u: Any, theta: Any, most: int) -> SparseSystem:
    """Return the system of `residual(u, theta)` by u; shapes alone are read.

    Raises:
        TooDense: there may be more than `most` entries, or not fewer colors than unknowns.
    """
    n = u.shape[0]
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), x.dtype), (u, theta))
    pattern = jacobian_pattern(residual, *shapes, most)
    if pattern.nnz > most:
        raise TooDense(f"{pattern.nnz} entries")
    coloring = color("jacobian", pattern)
    if coloring.products > _COLORS * n:
        raise TooDense(f"{coloring.products} colors")
    return SparseSystem(n, coloring, colored(coloring, ((n,),), ((n,),)))
