"""Hyperbolic functions, their inverses, and `expm1`."""

from __future__ import annotations

import math

import jax.numpy as jnp

from jaccli.expression.library.rule import Array, with_slopes


@with_slopes(lambda x: sech2(x))
def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent: tanh' = sech²."""
    return jnp.tanh(x)


@with_slopes(lambda x: -2 * tanh(x) * sech2(x))
def sech2(x: Array) -> Array:
    """Return 1 / cosh(x)², also where tanh(x) is 1."""
    e = jnp.exp(math.log(4) - 2 * jnp.abs(x))  # 4 exp(−2 |x|), which the result is in the tails
    r = 1 / (1 + e / 4)
    return e * r * r


@with_slopes(jnp.exp)
def expm1(x: Array) -> Array:
    """Return exp(x) − 1: expm1' = exp."""
    return jnp.expm1(x)


@with_slopes(lambda x: _arctanh_slope(x))
def arctanh(x: Array) -> Array:
    """Return the inverse of tanh."""
    return jnp.arctanh(x)


@with_slopes(lambda x: 2 * x * jnp.square(_arctanh_slope(x)))
def _arctanh_slope(x: Array) -> Array:
    return 1 / ((1 - x) * (1 + x))


@with_slopes(lambda x: _arcsinh_slope(x))
def arcsinh(x: Array) -> Array:
    """Return the inverse of sinh."""
    return jnp.arcsinh(x)


@with_slopes(lambda x: -_cubed(x, _arcsinh_slope(x)))
def _arcsinh_slope(x: Array) -> Array:
    """Return 1 / sqrt(1 + x²), of numbers whose square would overflow too."""
    size = jnp.maximum(jnp.abs(x), 1)
    return 1 / (size * jnp.sqrt(jnp.square(x / size) + jnp.square(1 / size)))


@with_slopes(lambda x: _arccosh_slope(x))
def arccosh(x: Array) -> Array:
    """Return the inverse of cosh."""
    return jnp.arccosh(x)


@with_slopes(lambda x: -_cubed(x, _arccosh_slope(x)))
def _arccosh_slope(x: Array) -> Array:
    return 1 / (jnp.sqrt(x - 1) * jnp.sqrt(x + 1))


def _cubed(x: Array, slope: Array) -> Array:
    """Return x · slope³, multiplied in an order that keeps to the range of floats."""
    return (x * slope) * slope * slope
