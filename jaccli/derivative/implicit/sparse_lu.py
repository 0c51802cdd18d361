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
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

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
            found = self.rows[:, None] * self.lu.solve(self.columns[:, None] * b, trans="T")
        else:
            found = self.columns[:, None] * self.lu.solve(self.rows[:, None] * b)
        return np.asarray(found)

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
        return _on_host(partial(self._solve_on_host, transposed=transposed), b, factors, b)

    def row_sizes(self, entries: Array, x: Array) -> Array:
        """Return the size of the terms of each row."""
        rows, columns = (jnp.asarray(part) for part in divmod(self.where.where, self.n))
        return jax.ops.segment_sum(jnp.abs(entries * x[columns]), rows, self.n)

    def smallest_pivot(self, factors: Array) -> Array:
        """Return the smallest pivot over the largest, rows and columns scaled."""
        return _on_host(self._pivot_on_host, factors[0], factors)

    def matrix(self, entries: np.ndarray) -> Any:
        """Return the matrix in CSC."""
        from scipy.sparse import coo_array

        values = self.where.collected(np.asarray(entries, np.float64))
        return coo_array((values, self._coordinates), (self.n, self.n)).tocsc()

    @cached_property
    def _coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = np.divmod(self.where.positions, self.n)
        return rows, columns

    @cached_property
    def _ordering(self) -> Literal["MMD_AT_PLUS_A", "COLAMD"]:
        """SuperLU's order of the columns: of a symmetric pattern that of A + Aᵀ fills in less."""
        rows, columns = self._coordinates
        places = rows * self.n + columns
        symmetric = np.array_equal(places, np.sort(columns * self.n + rows))
        return "MMD_AT_PLUS_A" if symmetric else "COLAMD"

    def _solve_on_host(self, entries: np.ndarray, b: np.ndarray, *, transposed: bool) -> np.ndarray:
        """Return the solutions of one matrix, `(..., nnz)`, or of one for each right-hand side."""
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

    def _pivot_on_host(self, entries: np.ndarray) -> np.ndarray:
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
        from scipy.sparse import diags_array
        from scipy.sparse.linalg import splu

        if not np.isfinite(entries).all():
            return None
        matrix: Any = self.matrix(entries)
        rows = _inverse(abs(matrix).max(axis=1).toarray().ravel())
        scaled = diags_array(rows) @ matrix
        columns = _inverse(abs(scaled).max(axis=0).toarray().ravel())
        scaled = (scaled @ diags_array(columns)).tocsc()
        try:
            return _Factors(splu(scaled, permc_spec=self._ordering), rows, columns)
        except RuntimeError:  # "Factor is exactly singular"
            return None


def _on_host(call: Callable[..., np.ndarray], like: Array, *arrays: Array) -> Array:
    """Return what `call` makes of arrays of one dtype in numpy: an array of the shape of `like`.

    They travel as bits: JAX casts float64 to float32 in the threads that call back, which do not
    know that this program has 64 bits.
    """
    dtype = np.dtype(like.dtype)

    def there(*bits: Any) -> np.ndarray:
        given = [_of_bits(np.asarray(each), dtype) for each in bits]
        return _as_bits(np.asarray(call(*given), dtype))

    double = (2,) if dtype.itemsize == 8 else ()
    shape = jax.ShapeDtypeStruct((*like.shape, *double), jnp.uint32)
    bits = [lax.bitcast_convert_type(each, jnp.uint32) for each in arrays]
    found = jax.pure_callback(there, shape, *bits, vmap_method="expand_dims")
    return lax.bitcast_convert_type(found, dtype)


def _as_bits(array: np.ndarray) -> np.ndarray:
    """Return floats as their bits, `(..., 2)` of float64."""
    double = (2,) if array.dtype.itemsize == 8 else ()
    bits = np.ascontiguousarray(array.reshape(-1)).view(np.uint32)
    return bits.reshape((*array.shape, *double))


def _of_bits(bits: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the floats of which these are the bits."""
    shape = bits.shape[:-1] if dtype.itemsize == 8 else bits.shape
    return np.ascontiguousarray(bits.reshape(-1)).view(dtype).reshape(shape)


def _inverse(sizes: np.ndarray) -> np.ndarray:
    """Return 1 over positive sizes, 1 over 0."""
    return 1 / np.where(sizes > 0, sizes, 1)


def sparse_system(residual: Any, u: Any, theta: Any, most: int) -> SparseSystem:
    """Return the system of `residual(u, theta)` by u; shapes alone are read.

    Raises:
        TooDense: there may be more than `most` entries, or not fewer colors than unknowns.
    """
    n = u.shape[0]
    pattern = jacobian_pattern(residual, u, theta, most)
    if pattern.nnz > most:
        raise TooDense(f"{pattern.nnz} entries")
    coloring = color("jacobian", pattern)
    if coloring.products > _COLORS * n:
        raise TooDense(f"{coloring.products} colors")
    return SparseSystem(n, coloring, colored(coloring, ((n,),), ((n,),)))
