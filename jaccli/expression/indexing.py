"""Indexing with numpy's meaning, and errors where JAX would silently clamp.

A literal index out of range is an error.  An integer input cannot be checked when tracing:
where it points outside, the result is NaN (of integer arrays: the smallest integer).
"""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from jax import Array

IndexPart = int | slice | EllipsisType | np.ndarray | jax.Array | None
"""One part of an index; numpy arrays hold literals, JAX arrays hold what is known at run time."""


def literal(value: Any) -> IndexPart:
    """Return one part of an index, from an evaluated node.

    Raises TypeError or IndexError for what cannot be an index.
    """
    if isinstance(value, tuple):
        if not all(isinstance(each, int | tuple) and not isinstance(each, bool) for each in value):
            return _integers(jnp.stack([jnp.asarray(each) for each in value]))
        return _integers(np.array(value, dtype=np.int64))
    if isinstance(value, bool):
        raise TypeError("a truth value is not an index")
    if value is None or value is ... or isinstance(value, int | slice):
        return value
    if isinstance(value, jax.Array):
        return _integers(value)
    raise TypeError(f"an index is an integer, not {value!r}")


def _integers(array: np.ndarray | Array) -> np.ndarray | Array:
    """Return the array if it holds integers."""
    if array.dtype == bool:
        raise TypeError(
            "a mask gives a shape that depends on the values; write where(mask, x, 0) instead"
        )
    if not jnp.issubdtype(array.dtype, jnp.integer):
        raise TypeError("an index holds integers")
    return array


def select(array: Array, parts: tuple[IndexPart, ...]) -> Array:
    """Return `array[parts]`.

    Raises IndexError for a literal out of range and for more parts than axes.
    """
    parts = _checked(array.shape, parts)
    if not any(isinstance(part, np.ndarray | jax.Array) for part in parts):
        # Static slices, which keep the structure of the derivative.
        return array[parts]
    all_literal = not any(isinstance(part, jax.Array) for part in parts)
    inexact = jnp.issubdtype(array.dtype, jnp.inexact)
    if all_literal:
        return array.at[parts].get(mode="promise_in_bounds")
    return array.at[parts].get(mode="fill", fill_value=jnp.nan if inexact else None)


def at_positions(array: Array, axis: int, positions: Any) -> Array:
    """Return the entries at `positions` along one axis, as `take` does."""
    if not -array.ndim <= axis < array.ndim:
        raise IndexError(f"axis {axis} is out of range for {array.ndim} axes")
    before = (slice(None),) * (axis % array.ndim)
    return select(array, (*before, literal(positions)))


def _checked(shape: tuple[int, ...], parts: tuple[IndexPart, ...]) -> tuple[IndexPart, ...]:
    """Return the parts with literals counted from 0, after checking them against the axes."""
    index_count = sum(part is not None and part is not ... for part in parts)
    if index_count > len(shape):
        if not shape:
            raise IndexError("a scalar has no entries to pick: leave the index out")
        raise IndexError(f"{index_count} indices for {len(shape)} axes")
    if sum(part is ... for part in parts) > 1:
        raise IndexError("'...' may stand only once")
    checked: list[IndexPart] = []
    axis = 0
    for part in parts:
        if part is ...:
            axis += len(shape) - index_count
        elif part is not None:
            part = _within(part, axis, shape[axis])
            axis += 1
        checked.append(part)
    return tuple(checked)


def _within(part: IndexPart, axis: int, size: int) -> IndexPart:
    """Return a literal counted from 0, or raise IndexError where it points outside the axis."""
    if isinstance(part, slice) and part.step == 0:
        raise IndexError("the step of a slice is not 0")
    if not isinstance(part, int | np.ndarray):
        return part
    outside = [int(each) for each in np.ravel(part) if not -size <= each < size]
    if outside:
        raise IndexError(f"index {outside[0]} is out of range for axis {axis} with size {size}")
    return part % size if size else part
