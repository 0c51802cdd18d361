"""Chebyshev series with coefficients that are known, for functions that JAX has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp

if TYPE_CHECKING:
    from jax import Array


def chebyshev(coefficients: tuple[float, ...], t: Array) -> Array:
    """Return the sum of `coefficients[k] * T_k(t)`, `t` from -1 to 1, by Clenshaw's recurrence."""
    one: Array = jnp.zeros_like(t)
    two: Array = jnp.zeros_like(t)
    for coefficient in reversed(coefficients[1:]):
        one, two = coefficient + 2 * t * one - two, one
    return coefficients[0] + t * one - two
