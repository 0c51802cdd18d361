"""Powers whose exponents are arrays, at base 0 too."""

from __future__ import annotations

import operator
from typing import Any

import jax.numpy as jnp

from jaccli.expression.library.rule import Array, with_slopes


def power(x1: Any, x2: Any) -> Array:
    """Return x1 ** x2; literal whole exponents become products."""
    literal = isinstance(x2, bool | int | float)
    if literal or not jnp.issubdtype(jnp.result_type(x1, x2), jnp.inexact):
        return operator.pow(x1, x2)
    return _power(x1, x2)


@with_slopes(lambda x, y: _by_base(x, y), lambda x, y: _by_exponent(x, y))
def _power(x: Array, y: Array) -> Array:
    return jnp.power(x, y)


def _by_base(x: Array, y: Array) -> Array:
    """Return y x^(y − 1), 0 where both are 0: x^0 is 1 there too."""
    constant = (x == 0) & (y == 0)
    order = jnp.where(constant, 1, y)
    return jnp.where(constant, 0, order * _power(x, order - 1))


def _by_exponent(x: Array, y: Array) -> Array:
    """Return x^y log(x), 0 at base 0."""
    zero = x == 0
    return jnp.where(zero, 0, _power(x, y) * jnp.log(jnp.where(zero, 1, x)))
