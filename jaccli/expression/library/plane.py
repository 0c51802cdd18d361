"""Length and angle of the points of a plane: `hypot` and `arctan2`."""

from __future__ import annotations

import jax.numpy as jnp

from jaccli.expression.library.rule import Array, with_slopes


@with_slopes(lambda x1, x2: _cosine(x1, x2), lambda x1, x2: _cosine(x2, x1))
def hypot(x1: Array, x2: Array) -> Array:
    """Return h = sqrt(x1² + x2²): the slopes are x1 / h and x2 / h."""
    return jnp.hypot(x1, x2)


@with_slopes(
    lambda x, y: jnp.square(_cosine(y, x)) * _inverse_length(x, y),
    lambda x, y: -_cosine(x, y) * _cosine(y, x) * _inverse_length(x, y),
)
def _cosine(x: Array, y: Array) -> Array:
    """Return x / h, of which the derivatives are y² / h³ and −x y / h³; 1/2 at the origin."""
    h = jnp.hypot(x, y)
    return jnp.where(h == 0, 0.5, x / jnp.where(h == 0, 1, h))


@with_slopes(
    lambda x, y: -_cosine(x, y) * jnp.square(_inverse_length(x, y)),
    lambda x, y: -_cosine(y, x) * jnp.square(_inverse_length(x, y)),
)
def _inverse_length(x: Array, y: Array) -> Array:
    """Return 1 / h, and 0 at the origin, where `hypot` has no second derivative."""
    h = jnp.hypot(x, y)
    return jnp.where(h == 0, 0, 1 / jnp.where(h == 0, 1, h))


@with_slopes(lambda x1, x2: _inversion(x2, x1), lambda x1, x2: -_inversion(x1, x2))
def arctan2(x1: Array, x2: Array) -> Array:
    """Return the angle of the point (x2, x1): the slopes are x2 / h² and −x1 / h²."""
    return jnp.arctan2(x1, x2)


@with_slopes(
    lambda x, y: (_inversion(y, x) - _inversion(x, y)) * (_inversion(y, x) + _inversion(x, y)),
    lambda x, y: -2 * _inversion(x, y) * _inversion(y, x),
)
def _inversion(x: Array, y: Array) -> Array:
    """Return x / (x² + y²), scaled so that squares neither overflow nor vanish."""
    h = jnp.hypot(x, y)
    return x / h / h
