"""Arrays of balls: numpy arrays of objects, each a number with a bound of its error.

Integers and truth values stay numpy arrays of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from flint import arb, ctx

BITS = 1500
Array = np.ndarray[Any, Any]


class Undecidable(Exception):
    """A comparison that the balls cannot decide, or an operation that has no value; says which."""


def set_precision() -> None:
    """Compute with the precision of certificates from here on."""
    ctx.prec = BITS


def balls(values: Any) -> Array:
    """Return floats as balls without error, integers and truth values as they are."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return elementwise(lambda value: arb(float(value)))(array)
    return array


def is_ball(value: Any) -> bool:
    """Whether an operand holds balls."""
    return isinstance(value, arb) or (isinstance(value, np.ndarray) and value.dtype == object)


def array(value: Any) -> Array:
    """Return an operand as an array, balls as objects."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, arb):
        out = np.empty((), object)
        out[()] = value
        return out
    return balls(value)


def real(value: Any) -> arb:
    """Return one number as a ball."""
    return (
        value if isinstance(value, arb) else arb(value.item() if hasattr(value, "item") else value)
    )


def elementwise(function: Callable[..., Any]) -> Callable[..., Array]:
    """Return a function of numbers as one of arrays of balls."""

    def of_arrays(*arrays: Any, **fixed: Any) -> Array:
        each = [array(operand) for operand in arrays]
        shape = np.broadcast_shapes(*(one.shape for one in each))
        out = np.empty(shape, object)
        broadcast = [np.broadcast_to(one, shape) for one in each]
        for index in np.ndindex(shape):
            out[index] = function(*(one[index] for one in broadcast), **fixed)
        return out

    return of_arrays


def on_balls(function: Callable[..., Any]) -> Callable[..., Array]:
    """Return a function of balls as one of arrays, whose numbers become balls first."""
    return elementwise(lambda *values, **fixed: function(*map(real, values), **fixed))


def truth(function: Callable[..., bool]) -> Callable[..., Array]:
    """Return a function of balls to truth values as one of arrays."""
    out = on_balls(function)
    return lambda *arrays, **fixed: out(*arrays, **fixed).astype(bool)


def less(a: Any, b: Any) -> bool:
    """Return whether a < b.

    Raises:
        Unclear: the balls overlap.
    """
    if a < b:
        return True
    if a >= b:
        return False
    if a.is_nan() or b.is_nan():
        return False
    raise Undecidable("a comparison of numbers that are equal to 400 digits")


def floor(x: Any) -> Any:
    """Return the integer below.

    Raises:
        Unclear: the ball holds an integer and what is below it.
    """
    if not x.is_finite():
        return x
    below = x.floor().unique_fmpz()
    if below is None:
        raise Undecidable("a number that is an integer to 400 digits")
    return arb(below)
