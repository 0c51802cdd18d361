"""Linear algebra of balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from flint import arb, arb_mat

from jaccli.certify.arrays import ARRAYS
from jaccli.certify.balls import Array, Undecidable, array, less, real
from jaccli.certify.elementwise import ELEMENTWISE

_E = ELEMENTWISE


def _matrix(a: Array) -> arb_mat:
    return arb_mat([[real(entry) for entry in row] for row in a])


def _array(matrix: arb_mat) -> Array:
    rows, columns = matrix.nrows(), matrix.ncols()
    out = np.empty((rows, columns), object)
    for i, j in np.ndindex(rows, columns):
        out[i, j] = matrix[i, j]
    return out


def _each(function: Callable[[Array], Any]) -> Callable[[Any], Array]:
    """Return a function of one matrix as one of stacks of them."""

    def of_stack(a: Any) -> Array:
        a = array(a)
        results = {index: array(function(a[index])) for index in np.ndindex(a.shape[:-2])}
        first = next(iter(results.values()))
        out = np.empty((*a.shape[:-2], *first.shape), object)
        for index, result in results.items():
            out[index] = result if result.ndim else result[()]
        return out

    return of_stack


def _solved(a: arb_mat, b: arb_mat) -> arb_mat:
    try:
        return a.solve(b)
    except ZeroDivisionError:
        raise Undecidable("a matrix that is singular to 400 digits") from None


def _det(a: Array) -> Any:
    """Return the determinant without divisions, so that singular matrices have one too.

    Bird, A simple division-free algorithm for computing determinants, Inf. Process. Lett. 111
    (2011).
    """
    a = array(a)
    size = len(a)
    out = a
    for _ in range(size - 1):
        upper = np.triu(out, 1)
        for i in range(size - 1):
            upper[i, i] = -np.sum(np.diagonal(out)[i + 1 :])
        out = upper @ a
    return real(out[0, 0]) * (-1) ** (size - 1)


def _inverse(a: Array) -> Array:
    return _array(_solved(_matrix(a), _matrix(np.eye(len(a), dtype=int))))


def _solve(a: Any, b: Any) -> Array:
    a, b = array(a), array(b)
    if a.ndim > 2 or b.ndim > 2:
        raise Undecidable("a stack of linear systems")
    out = _array(_solved(_matrix(a), _matrix(b if b.ndim == 2 else b[:, None])))
    return out if b.ndim == 2 else out[:, 0]


def _solve_triangular(a: Any, b: Any, lower: bool = False) -> Array:
    return _solve(np.tril(a) if lower else np.triu(a), b)


def _slogdet(a: Any) -> tuple[Array, Array]:
    det = _each(_det)(a)
    return _E["sign"](det), _E["log"](_E["abs"](det))


def _cholesky(a: Array) -> Array:
    size = len(a)
    half = np.full((size, size), arb(0), object)
    for i in range(size):
        for j in range(i + 1):
            rest = (real(a[i, j]) + real(a[j, i])) / 2 - np.dot(half[i, :j], half[j, :j])
            half[i, j] = rest.sqrt() if i == j else rest / half[j, j]
    return half


def _qr(a: Any) -> tuple[Array, Array]:
    """Return the factors with the signs of Householder's method, as LAPACK has them."""
    a = array(a)
    count = min(a.shape)
    q, r = (
        np.full((a.shape[0], count), arb(0), object),
        np.full((count, a.shape[1]), arb(0), object),
    )
    work = a.copy()
    reflected = _reflected(a)
    for k in range(count):
        column = work[:, k]
        for j in range(k):
            r[j, k] = np.dot(q[:, j], a[:, k])
            column = column - r[j, k] * q[:, j]
        length = np.dot(column, column).sqrt() * reflected[k]
        r[k, k], q[:, k] = length, column / length
    for k in range(count, a.shape[1]):
        r[:, k] = q.T @ a[:, k]
    return q, r


def _reflected(a: Array) -> list[int]:
    """Return the signs that Householder's method gives the diagonal of r."""
    signs = []
    work = a.copy()
    rows = a.shape[0]
    for k in range(min(a.shape)):
        x = work[k:, k]
        if k == rows - 1:  # nothing is left to be reflected
            signs.append(-1 if less(x[0], arb(0)) else 1)
            continue
        negative = less(x[0], arb(0))
        signs.append(1 if negative else -1)
        length = np.dot(x, x).sqrt()
        v = x.copy()
        v[0] = v[0] - length if negative else v[0] + length
        work[k:] = work[k:] - np.outer(v, v @ work[k:]) * (2 / np.dot(v, v))
    return signs


def _eigenvalues(a: Array) -> Array:
    """Return the eigenvalues of a symmetric matrix, the smallest first."""
    symmetric = (array(a) + array(a).T) / 2
    if len(a) == 1:
        return np.diagonal(symmetric)
    try:
        found = [value.real for value in _matrix(symmetric).eig()]
    except ValueError:
        raise Undecidable("eigenvalues that are equal to 400 digits") from None
    out: Array = ARRAYS["sort"](np.array(found, dtype=object))
    return out


def _svdvals(a: Array) -> Array:
    a = array(a)
    small = a @ a.T if a.shape[0] <= a.shape[1] else a.T @ a
    out: Array = _E["sqrt"](_eigenvalues(small))[::-1]
    return out


def _pinv(a: Array) -> Array:
    a = array(a)
    if a.shape[0] >= a.shape[1]:
        return _inverse(a.T @ a) @ a.T
    return a.T @ _inverse(a @ a.T)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = array(x)
    if (ord is None or (ord == "fro" and x.ndim == 2) or (ord == 2 and x.ndim == 1)) or (
        ord == 2 and isinstance(axis, int)
    ):
        return _E["sqrt"](np.sum(x * x, axis=axis, keepdims=keepdims))
    if x.ndim == 2 and axis is None and not keepdims:
        size = _E["abs"](x)
        if ord in (1, -1, float("inf"), -float("inf")):
            sums = np.sum(size, axis=0 if abs(ord) == 1 else 1)
            return ARRAYS["max" if ord > 0 else "min"](sums)
        values = _svdvals(x)
        return {2: values[0], -2: values[-1], "nuc": np.sum(values)}[ord]
    size = _E["abs"](x)
    if ord in (float("inf"), -float("inf")):
        return ARRAYS["max" if ord > 0 else "min"](size, axis=axis, keepdims=keepdims)
    if ord == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    power = ord if isinstance(ord, int) else arb(ord)
    return _E["power"](
        np.sum(_E["power"](size, power), axis=axis, keepdims=keepdims), arb(1) / power
    )


def _matrix_power(a: Any, n: int) -> Any:
    a = array(a)
    base = a if n >= 0 else _each(_inverse)(a)
    out = np.broadcast_to(np.eye(a.shape[-1], dtype=int).astype(object), a.shape)
    for _ in range(abs(n)):
        out = out @ base
    return out


def _toeplitz(c: Any, r: Any = None) -> Array:
    c = np.ravel(array(c))
    r = c if r is None else np.ravel(array(r))
    out = np.empty((len(c), len(r)), object)
    for i, j in np.ndindex(out.shape):
        out[i, j] = c[i - j] if i >= j else r[j - i]
    return out


def _block_diag(*arrays: Any) -> Array:
    blocks = [np.atleast_2d(array(each)) for each in arrays]
    out = np.full(tuple(np.sum([b.shape for b in blocks], axis=0)), arb(0), object)
    row = column = 0
    for block in blocks:
        out[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return out


MATRICES: dict[str, Callable[..., Any]] = {
    "norm": _norm, "det": _each(_det), "slogdet": _slogdet, "logdet": lambda a: _slogdet(a)[1],
    "inv": _each(_inverse), "pinv": _each(_pinv), "solve": _solve,
    "solve_triangular": _solve_triangular, "cholesky": _each(_cholesky), "qr": _qr,
    "svdvals": _each(_svdvals), "eigvalsh": _each(_eigenvalues),
    "matrix_power": _matrix_power, "expm": _each(lambda a: _array(_matrix(a).exp())),
    "toeplitz": _toeplitz, "block_diag": _block_diag,
}  # fmt: skip
"""The functions of matrices by name."""
