"""The logistic function and the functions that it is the derivative of."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from jaccli.expression.library.hyperbolic import tanh
from jaccli.expression.library.rule import Array, with_slopes


@with_slopes(lambda x: bell(x))
def sigmoid(x: Array) -> Array:
    """Return σ(x) = 1 / (1 + exp(−x)): σ'(x) = σ(x) σ(−x)."""
    e, r = _parts(x)
    return jnp.where(x < 0, e * r, r)


@with_slopes(lambda x: -bell(x) * tanh(x / 2))
def bell(x: Array) -> Array:
    """Return σ(x) σ(−x), also where one of them is 1."""
    e, r = _parts(x)
    return e * r * r


def _parts(x: Array) -> tuple[Array, Array]:
    """Return e = exp(−|x|) and 1 / (1 + e), which value and slope share."""
    e = jnp.exp(-jnp.abs(x))
    return e, 1 / (1 + e)


@with_slopes(sigmoid)
def softplus(x: Array) -> Array:
    """Return log(1 + exp(x))."""
    return jax.nn.softplus(x)


def log_sigmoid(x: Array) -> Array:
    """Return log σ(x) = −softplus(−x)."""
    return -softplus(-x)


def _apart(x1: Array, x2: Array) -> Array:
    """Return x1 − x2, 0 of equal infinities."""
    return jnp.where(jnp.isinf(x1) & (x1 == x2), 0, x1 - x2)


@with_slopes(
    lambda x1, x2: sigmoid(_apart(x1, x2)),
    lambda x1, x2: sigmoid(_apart(x2, x1)),
)
def logaddexp(x1: Array, x2: Array) -> Array:
    """Return log(exp(x1) + exp(x2)); the slopes are σ(x1 − x2) and σ(x2 − x1)."""
    return jnp.logaddexp(x1, x2)


@with_slopes(
    lambda x1, x2: sigmoid(math.log(2) * _apart(x1, x2)),
    lambda x1, x2: sigmoid(math.log(2) * _apart(x2, x1)),
)
def logaddexp2(x1: Array, x2: Array) -> Array:
    """Return log2(2**x1 + 2**x2)."""
    return jnp.logaddexp2(x1, x2)
