"""Functions of the table that JAX lacks, or that need care with sizes known when tracing.

Called with values that `evaluate` has checked against the signatures.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.expression import size_limits
from jaccli.expression.indexing import at_positions

if TYPE_CHECKING:
    from jax import Array

_MAX_DIFFERENCES = 64


def array(x: Any) -> Array:
    """Return `x`; literals have become arrays on their way here."""
    return jnp.asarray(x)


def zeros(*shape: Any) -> Array:
    """Return zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    return jnp.zeros(_shape(shape))


def ones(*shape: Any) -> Array:
    """Return ones: `ones(2, 3)` or `ones((2, 3))`."""
    return jnp.ones(_shape(shape))


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the shape, given as one tuple or as several integers."""
    if len(shape) == 1 and isinstance(shape[0], tuple):
        return shape[0]
    return shape


def arange(start: Any, stop: Any = None, step: Any = 1) -> Array:
    """Return `start + step * k` for all k that stay before `stop`.

    Made by JAX while running, so that a long range is no constant of the program.
    """
    if any(isinstance(each, jax.Array) for each in (start, stop, step)):
        raise TypeError("start, stop and step must be literal numbers")
    count = size_limits.length(start, stop, step)
    first = 0 if stop is None else start
    numbers: Array = first + step * jnp.arange(count)
    return numbers


def diff(x: Any, n: int = 1, axis: int = -1) -> Array:
    """Return the `n`-th differences of neighbors along an axis."""
    if n > _MAX_DIFFERENCES:
        raise ValueError(f"n is at most {_MAX_DIFFERENCES}")
    return jnp.diff(x, n=n, axis=axis)


def take(x: Any, indices: Any, axis: int | None = None) -> Array:
    """Return the entries at `indices`: an error if a literal is out of range, else NaN there."""
    if axis is None:
        return at_positions(jnp.ravel(x), 0, indices)
    return at_positions(jnp.asarray(x), axis, indices)


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Array:
    """Return each entry `repeats` times, or as often as a tuple says for each."""
    return jnp.repeat(x, np.array(repeats), axis=axis)


def svd(a: Any, full_matrices: bool = False) -> tuple[Array, ...]:
    """Return `(u, s, vh)`, by default without the columns that have no derivative."""
    return tuple(jnp.linalg.svd(a, full_matrices=full_matrices))


def logdet(a: Any) -> Array:
    """Return log |det a|; its derivative with respect to `a` is the inverse, transposed."""
    log: Array = jnp.linalg.slogdet(a)[1]
    return log


def shape(x: Any) -> tuple[int, ...]:
    """Return the sizes of the axes, known when tracing."""
    return jnp.shape(x)


def size(x: Any, axis: int | None = None) -> int:
    """Return the number of entries, or the size of one axis, known when tracing."""
    return math.prod(jnp.shape(x)) if axis is None else jnp.shape(x)[axis]


def ndim(x: Any) -> int:
    """Return the number of axes, known when tracing."""
    return len(jnp.shape(x))
