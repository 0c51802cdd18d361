"""Activations that multiply x by a gate between 0 and 1: `silu`, `gelu` and `mish`.

Each has its first and second derivative in closed form.  What decays is written as a square s · s,
with x between the factors: x may lift a product above the smallest float that s · s is below.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from jaccli.expression.library.rule import Array, with_slopes

# x σ(z), z being a function of x with the derivatives z1 and z2.


def _logistic(x: Array, z: Array) -> Array:
    _, scale, size = _parts(z)
    return (x * scale) * (scale / size)


def _logistic_1(x: Array, z: Array, z1: Array | float) -> Array:
    """Return σ(z) (1 + x z1 σ(−z))."""
    h, scale, size = _parts(z)
    other = jnp.where(z > 0, h * h, 1) / size
    return (scale * (1 + x * z1 * other)) * (scale / size)


def _logistic_2(x: Array, z: Array, z1: Array | float, z2: Array | float) -> Array:
    """Return σ(z) σ(−z) (2 z1 + x z2 − x z1² tanh(z / 2))."""
    h, _, size = _parts(z)
    tanh = jnp.where(z < 0, -1, 1) * (1 - h * h) / size
    return (h * (2 * z1 + x * z2 - x * z1 * z1 * tanh)) * (h / jnp.square(size))


def _parts(z: Array) -> tuple[Array, Array, Array]:
    """Return h = exp(−|z| / 2), the root of the numerator of σ(z), and the denominator."""
    h = jnp.exp(-jnp.abs(z) / 2)
    return h, jnp.where(z > 0, 1, h), 1 + h * h


@with_slopes(lambda x: _silu_1(x))
def silu(x: Array) -> Array:
    """Return x σ(x)."""
    return _logistic(x, x)


@with_slopes(lambda x: _silu_2(x))
def _silu_1(x: Array) -> Array:
    return _logistic_1(x, x, 1)


def _silu_2(x: Array) -> Array:
    return _logistic_2(x, x, 1, 0)


def gelu(x: Array, approximate: bool = True) -> Array:
    """Return x times the normal distribution's cdf, or an approximation of that: x σ(2 u).

    u = sqrt(2 / π) (x + 0.044715 x³), so that σ(2 u) = (1 + tanh(u)) / 2.
    """
    return _gelu(x) if approximate else jax.nn.gelu(x, approximate=False)


_C = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_SATURATED = 50.0


def _gelu_gate(x: Array) -> tuple[Array, Array, Array]:
    """Return 2 u and its derivatives, of numbers that it is saturated at as of 50."""
    x = jnp.clip(x, -_SATURATED, _SATURATED)
    squared = x * x
    z = _C * x * (1 + _CUBIC * squared)
    return z, _C * (1 + 3 * _CUBIC * squared), 6 * _C * _CUBIC * x


@with_slopes(lambda x: _gelu_1(x))
def _gelu(x: Array) -> Array:
    return _logistic(x, _gelu_gate(x)[0])


@with_slopes(lambda x: _gelu_2(x))
def _gelu_1(x: Array) -> Array:
    return _logistic_1(x, *_gelu_gate(x)[:2])


def _gelu_2(x: Array) -> Array:
    return _logistic_2(x, *_gelu_gate(x))


# x t(x), with t = tanh(softplus(x)), a rational function of exp(x), or of exp(−x) above 0.


def _mish_parts(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return exp(−|x|), its root, and numerator and denominator of t, up to powers of exp(x)."""
    above = x > 0
    h = jnp.exp(jnp.where(above, -x, x) / 2)
    e = h * h
    size = jnp.where(above, 1 + 2 * e + 2 * e * e, 2 + 2 * e + e * e)
    return e, h, jnp.where(above, 1 + 2 * e, 2 + e), size


@with_slopes(lambda x: _mish_1(x))
def mish(x: Array) -> Array:
    """Return x tanh(softplus(x))."""
    _, h, numerator, size = _mish_parts(x)
    scale = jnp.where(x > 0, 1, h)
    return (x * scale) * (scale * numerator / size)


@with_slopes(lambda x: _mish_2(x))
def _mish_1(x: Array) -> Array:
    e, h, numerator, size = _mish_parts(x)
    scale = jnp.where(x > 0, 1, h)
    decay = jnp.where(x > 0, e * e, 1)
    slope = 4 * x * decay * (1 + e) / size
    return (scale * (numerator + slope)) * (scale / size)


def _mish_2(x: Array) -> Array:
    e, h, _, size = _mish_parts(x)
    cubic = jnp.where(x > 0, -2 + e * (-3 + e * (2 + 2 * e)), 2 + e * (2 + e * (-3 - 2 * e)))
    scale = jnp.where(x > 0, e, h)
    return (scale * (2 * (1 + e) + x * cubic / size)) * (4 * scale / jnp.square(size))
