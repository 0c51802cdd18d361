"""Activations with an exponential or rational tail: `elu` and its kin, `soft_sign`, `squareplus`.

At 0, where pieces meet, they take the derivatives that `jax.nn` takes.
"""

from __future__ import annotations

import math

import jax.numpy as jnp

from jaccli.expression.library.hyperbolic import expm1
from jaccli.expression.library.rule import Array, horner, with_slopes


def _below(x: Array) -> Array:
    """Return x below 0, and 0 above."""
    return jnp.where(x > 0, 0, x)


def elu(x: Array, alpha: Array = 1.0) -> Array:
    """Return x above 0, alpha · (exp(x) − 1) below."""
    return jnp.where(x > 0, x, alpha * expm1(_below(x)))


_SELU = 1.0507009873554804934193349852946
_ALPHA = 1.6732632423543772848170429916717


def selu(x: Array) -> Array:
    """Return the scaled elu."""
    return _SELU * elu(x, _ALPHA)


def celu(x: Array, alpha: Array = 1.0) -> Array:
    """Return x above 0, alpha · (exp(x / alpha) − 1) below."""
    return _celu(x, alpha)


@with_slopes(
    lambda x, alpha: jnp.where(x > 0, 1, _exp_ratio(_below(x), alpha)),
    lambda x, alpha: jnp.where(x > 0, 0, _celu_alpha(_below(x) / alpha)),
)
def _celu(x: Array, alpha: Array) -> Array:
    return jnp.where(x > 0, x, alpha * jnp.expm1(_below(x) / alpha))


def _scaled_exp(scale: Array, z: Array) -> Array:
    """Return scale · exp(z), also where exp(z) alone is below the smallest float."""
    half = jnp.exp(z / 2)
    return (scale * half) * half


@with_slopes(
    lambda x, alpha: _scaled_exp(1 / alpha, x / alpha),
    lambda x, alpha: _scaled_exp(-x / alpha / alpha, x / alpha),
)
def _exp_ratio(x: Array, alpha: Array) -> Array:
    return jnp.exp(x / alpha)


_NEAR_0 = [(1 - k) / math.factorial(k) for k in range(2, 18)]


@with_slopes(lambda z: _scaled_exp(-z, z))
def _celu_alpha(z: Array) -> Array:
    """Return exp(z) − 1 − z exp(z), which is −z² / 2 near 0."""
    small = jnp.abs(z) < 0.5
    series = z * z * horner(_NEAR_0, jnp.where(small, z, 0))
    return jnp.where(small, series, jnp.expm1(z) - _scaled_exp(z, z))


@with_slopes(lambda x: jnp.square(1 / (1 + jnp.abs(x))))
def soft_sign(x: Array) -> Array:
    """Return x / (1 + |x|)."""
    return x / (1 + jnp.abs(x))


def squareplus(x: Array, b: Array = 4.0) -> Array:
    """Return (x + r) / 2 with r = sqrt(x² + b)."""
    return _squareplus(x, b)


@with_slopes(
    lambda x, b: _squareplus_slope(x, b),
    lambda x, b: _inverse_root(x, b) / 4,
)
def _squareplus(x: Array, b: Array) -> Array:
    """Return (x + r) / 2, below 0 as b / 2 / (r − x)."""
    size, root = _root(x, b)
    r = size * root
    return jnp.where(x < 0, b / 2 / (r + jnp.abs(x)), x / 2 + r / 2)


def _root(x: Array, b: Array) -> tuple[Array, Array]:
    """Return the larger of |x| and sqrt(|b|), and the root of x² + b divided by it."""
    size = jnp.maximum(jnp.abs(x), jnp.sqrt(jnp.abs(b)))
    return size, jnp.sqrt(jnp.square(x / size) + b / size / size)


@with_slopes(
    lambda x, b: -(x * _inverse_root(x, b)) * jnp.square(_inverse_root(x, b)),
    lambda x, b: -(_inverse_root(x, b) ** 3) / 2,
)
def _inverse_root(x: Array, b: Array) -> Array:
    """Return 1 / r."""
    size, root = _root(x, b)
    return 1 / root / size


@with_slopes(
    lambda x, b: b * _inverse_root(x, b) / 2 * jnp.square(_inverse_root(x, b)),
    lambda x, b: -(x * _inverse_root(x, b)) * jnp.square(_inverse_root(x, b)) / 4,
)
def _squareplus_slope(x: Array, b: Array) -> Array:
    """Return (1 + x / r) / 2, below 0 as b / 2 / (r − x) / r."""
    return _squareplus(x, b) * _inverse_root(x, b)
