"""Functions of arrays that choose, order or accumulate entries, with the errors that numpy has.

Called with values that `evaluate` has checked against the signatures: lists of literals are tuples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from jax import Array


def ldexp(x1: Any, x2: Any) -> Array:
    """Return `x1 * 2**x2`, in two steps where `2**x2` alone would overflow or vanish."""
    x2 = jnp.asarray(x2)
    if not jnp.issubdtype(x2.dtype, jnp.integer):
        raise TypeError("x2 holds integers")
    kind = jnp.result_type(x1)
    one = jnp.ones((), kind if jnp.issubdtype(kind, jnp.inexact) else float)
    half = x2 // 2
    scaled: Array = x1 * jnp.ldexp(one, half) * jnp.ldexp(one, x2 - half)
    return scaled


def select(condlist: Any, choicelist: Any, default: Any = 0) -> Array:
    """Return, entry by entry, the first choice whose condition holds, else the default."""
    if len(condlist) != len(choicelist):
        raise ValueError(f"{len(condlist)} conditions for {len(choicelist)} choices")
    result = jnp.asarray(default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = jnp.where(condition, choice, result)
    return result


def piecewise(x: Any, condlist: Any, funclist: Any) -> Array:
    """Return, entry by entry, the last value whose condition holds, else one value more, or 0.

    Values stand in place of numpy's functions: `piecewise(x, [x < 0, x >= 0], [-x, x**2])`.
    """
    values = list(funclist)
    if len(values) not in (len(condlist), len(condlist) + 1):
        raise ValueError(f"{len(condlist)} conditions for {len(values)} values")
    result = values.pop() if len(values) > len(condlist) else 0
    result = jnp.broadcast_to(jnp.asarray(result), jnp.shape(x))
    for condition, value in zip(condlist, values, strict=True):
        result = jnp.where(condition, value, result)
    return result


def nanvar(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Return the variance of the entries that are not NaN; the others have the derivative 0."""
    there = ~jnp.isnan(x)
    count = jnp.sum(there, axis=axis, keepdims=True)
    known = jnp.where(there, x, 0)
    apart = jnp.where(there, known - jnp.sum(known, axis=axis, keepdims=True) / count, 0)
    total = jnp.sum(apart * apart, axis=axis, keepdims=keepdims)
    free = jnp.sum(there, axis=axis, keepdims=keepdims) - ddof
    return jnp.where(free > 0, total / jnp.maximum(free, 1), jnp.nan)


def nanstd(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Array:
    """Return the standard deviation of the entries that are not NaN."""
    return jnp.sqrt(nanvar(x, axis, ddof, keepdims))


def cummax(x: Any, axis: int | None = None) -> Array:
    """Return the largest entry up to each."""
    return _running(jax.lax.cummax, x, axis)


def cummin(x: Any, axis: int | None = None) -> Array:
    """Return the smallest entry up to each."""
    return _running(jax.lax.cummin, x, axis)


def cumlogsumexp(x: Any, axis: int | None = None) -> Array:
    """Return `log(sum(exp(x)))` of the entries up to each, without overflow."""
    return _running(jax.lax.cumlogsumexp, x, axis)


def _running(function: Callable[..., Array], x: Any, axis: int | None) -> Array:
    """Return a running reduction along an axis, or of the entries in reading order."""
    x = jnp.asarray(x)
    if axis is None:
        return function(jnp.ravel(x), axis=0)
    return function(x, axis=_axis(axis, x.ndim))


def _axis(axis: int, ndim: int) -> int:
    """Return an axis counted from 0."""
    if not isinstance(axis, int) or not -ndim <= axis < ndim:
        raise IndexError(f"axis {axis} is out of range for {ndim} axes")
    return axis % ndim


def gradient(f: Any, spacing: Any = 1.0, axis: int | None = None) -> Any:
    """Return numpy's second-order differences, one-sided at the ends.

    `spacing` is the distance of neighbors, or the places of all entries along the axis.  Without an
    axis there is one result for each; that of a vector stands alone.
    """
    f = jnp.asarray(f)
    if f.ndim == 0:
        raise ValueError("a scalar has no axis to take differences along")
    if axis is not None:
        return _slopes(f, spacing, _axis(axis, f.ndim))
    results = [_slopes(f, spacing, each) for each in range(f.ndim)]
    return results[0] if f.ndim == 1 else tuple(results)


def _slopes(f: Array, spacing: Any, axis: int) -> Array:
    """Return the differences along one axis."""
    f = jnp.moveaxis(f, axis, 0)
    size = f.shape[0]
    if size < 2:
        raise ValueError(f"axis {axis} has {size} entries, and differences need 2")
    if jnp.ndim(spacing) > 1 or (jnp.ndim(spacing) == 1 and jnp.shape(spacing) != (size,)):
        raise ValueError(f"spacing is a number, or has {size} entries")
    steps = jnp.diff(spacing) if jnp.ndim(spacing) else jnp.broadcast_to(spacing, (size - 1,))
    steps = steps.reshape((-1,) + (1,) * (f.ndim - 1))
    rises = jnp.diff(f, axis=0) / steps
    before, after = steps[:-1], steps[1:]
    inner = (after * rises[:-1] + before * rises[1:]) / (before + after)
    return jnp.moveaxis(jnp.concatenate([rises[:1], inner, rises[-1:]]), 0, axis)


def eigvals(a: Any) -> Array:
    """Return the eigenvalues of a square matrix as `(..., n, 2)`: real and imaginary parts.

    In LAPACK's order, conjugate pairs side by side.  An eigenvalue that stands there twice has no
    derivative.
    """
    values = jnp.linalg.eigvals(a)
    return jnp.stack([values.real, values.imag], axis=-1)


def take_along_axis(x: Any, indices: Any, axis: int = -1) -> Array:
    """Return the entries at an index for each: an error if a literal is out of range, else NaN."""
    x = jnp.asarray(x)
    axis = _axis(axis, x.ndim)
    if not isinstance(indices, jax.Array):
        indices = _literal(indices, x.shape[axis], "index", -x.shape[axis])
    if not jnp.issubdtype(indices.dtype, jnp.integer):
        raise TypeError("indices hold integers")
    return jnp.take_along_axis(x, indices, axis=axis)


def segment_sum(x: Any, segment_ids: Any, num_segments: int | None = None) -> Array:
    """Return the sums of the entries along the first axis that have the same id, from 0 on.

    Ids of an input that are negative or too large are left out.
    """
    if not isinstance(segment_ids, jax.Array):
        segment_ids = _literal(segment_ids, num_segments, "id")
        num_segments = segment_ids.max(initial=-1) + 1 if num_segments is None else num_segments
    if num_segments is None:
        raise TypeError("num_segments must be given where the ids are an input")
    if not jnp.issubdtype(segment_ids.dtype, jnp.integer):
        raise TypeError("segment_ids hold integers")
    if jnp.shape(x)[:1] != segment_ids.shape:
        raise ValueError("there is one id for each entry of the first axis")
    sums: Array = jax.ops.segment_sum(x, segment_ids, num_segments)
    return sums


def _literal(indices: Any, size: int | None, what: str, least: int = 0) -> Any:
    """Return literal integers as an array, each of them below a size."""
    array = np.asarray(indices)
    if array.dtype.kind not in "iu":
        raise TypeError(f"an {what} is an integer")
    for each in array.ravel():
        if each < least or (size is not None and each >= size):
            raise IndexError(f"{what} {each} is out of range for size {size}")
    return array


def top_k(x: Any, k: int) -> tuple[Array, Array]:
    """Return the `k` largest entries along the last axis, largest first, and their positions."""
    x = jnp.asarray(x)
    if x.ndim == 0 or not 0 <= k <= x.shape[-1]:
        raise ValueError(f"k is at most the size of the last axis, not {k}")
    values, positions = jax.lax.top_k(x, k)
    return values, positions
