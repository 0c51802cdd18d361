"""Values during evaluation: JAX arrays, plain numbers, and lists that become arrays when used.

Lists stay tuples of values until something needs an array, since `axis=(0, 1)` and `[x, y]` look
alike to the parser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.expression.scalars import Number

if TYPE_CHECKING:
    from jax import Array

_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class MultipleResults:
    """The results of a function that returns more than one; an index selects one."""

    values: tuple[Any, ...]


def operand(value: Any, dtype: np.dtype[Any]) -> Array | Number:
    """Return an operand as an array or a weakly typed number.

    Lists become arrays, of `dtype` when they hold only numbers.  Raises TypeError for
    values that are not numbers, ValueError for lists whose entries have different shapes.
    """
    if isinstance(value, jax.Array | bool | float):
        return value
    if isinstance(value, int):
        # Without 64-bit mode JAX has no larger integers.
        return value if -_INT32 <= value < _INT32 else float(value)
    if isinstance(value, tuple):
        return _stacked(value, dtype)
    if isinstance(value, MultipleResults):
        raise TypeError("this gives several results; choose one by its index, as in slogdet(a)[1]")
    raise TypeError(f"{value!r} is not a number")


def in_spec_dtype(result: Array, operands: list[Any], dtype: np.dtype[Any]) -> Array:
    """Return the result in `dtype` if it is floating and no floating array took part in it.

    So `sin(2)`, `eye(3)` and `argmax(x) / 3` follow the spec, not JAX's default.
    """
    if _floating(result) and not any(_floating(each) for each in operands):
        return result.astype(dtype)
    return result


def arrays(values: list[Any]) -> list[Array]:
    """Return the arrays among values and lists of values."""
    return [leaf for leaf in _leaves(values) if isinstance(leaf, jax.Array)]


def _floating(value: Any) -> bool:
    """Tell whether a value is an array of floats."""
    return isinstance(value, jax.Array) and bool(jnp.issubdtype(value.dtype, jnp.inexact))


def _stacked(entries: tuple[Any, ...], dtype: np.dtype[Any]) -> Array:
    """Return the array that nested tuples describe."""
    _shape(entries)
    leaves = list(_leaves(entries))
    if not arrays(leaves):
        kind = np.dtype(bool) if all(isinstance(leaf, bool) for leaf in leaves) else dtype
        return jnp.asarray(np.array(entries, dtype=kind))
    kind = jnp.result_type(*leaves)
    if jnp.issubdtype(kind, jnp.inexact) and not any(_floating(leaf) for leaf in leaves):
        kind = dtype
    return _stack(entries, kind)


def _stack(entry: Any, dtype: np.dtype[Any]) -> Array:
    """Return nested tuples of one shape as an array."""
    if isinstance(entry, tuple):
        return jnp.stack([_stack(each, dtype) for each in entry])
    return jnp.asarray(entry, dtype)


def _leaves(entries: Any) -> Iterator[Any]:
    """Iterate over the entries of nested tuples and lists."""
    for entry in entries:
        if isinstance(entry, tuple | list):
            yield from _leaves(entry)
        else:
            yield entry


def _shape(entry: Any) -> tuple[int, ...]:
    """Return the shape of nested tuples, or raise ValueError if they are ragged."""
    if not isinstance(entry, tuple):
        if not isinstance(entry, jax.Array | int | float):
            raise TypeError(f"{entry!r} is not a number")
        return np.shape(entry)
    shapes = list(dict.fromkeys(_shape(each) for each in entry))
    if not shapes:
        raise ValueError("an array literal needs at least one entry")
    if len(shapes) > 1:
        raise ValueError(f"the entries have different shapes, {shapes[0]} and {shapes[1]}")
    return (len(entry), *shapes[0])
