"""The logarithm of the normal distribution's cdf, and the inverse of the cdf."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from jaccli.expression.library.rule import Array, horner, is_double, with_slopes

# With t = −x and r = φ(t) / Q(t), the inverse of Mills' ratio, log Φ(x) has the slope r.  In the
# tail, d = r − t is Laplace's continued fraction 1 / (t + 2 / (t + 3 / (t + …))).


def _laplace(depth: int) -> tuple[list[float], list[float]]:
    """Return the fraction's numerator and denominator, times t, as polynomials in 1 / t²."""
    below, above = [1], [1]
    for k in range(depth, 1, -1):
        shifted = [0, *(k * c for c in below)]
        size = max(len(above), len(shifted))
        padded = [p + [0] * (size - len(p)) for p in (above, shifted)]
        below, above = above, [a + b for a, b in zip(*padded, strict=True)]
    return [float(c) for c in below], [float(c) for c in above]


_DOUBLE = 6.0, _laplace(24)
_SINGLE = 4.0, _laplace(12)


def _tail(x: Array) -> tuple[Array, Array, Array]:
    """Return whether the fraction is taken, t there, and d there."""
    bound, (numerator, denominator) = _DOUBLE if is_double(x) else _SINGLE
    far = x < -bound
    t = jnp.where(far, -x, bound)
    y = 1 / t / t
    return far, t, horner(numerator, y) / horner(denominator, y) / t


def _upper(x: Array) -> Array:
    """Return Q(|x|), the probability beyond |x| on one side."""
    return jax.scipy.special.erfc(jnp.abs(x) * math.sqrt(0.5)) / 2


@with_slopes(lambda x: _ratio(x))
def log_ndtr(x: Array) -> Array:
    """Return log Φ(x)."""
    far, t, d = _tail(x)
    q = _upper(x)
    log = jnp.log(jnp.where(far, t + d, q))
    below = jnp.where(far, -t * t / 2 - log - math.log(2 * math.pi) / 2, log)
    return jnp.where(x > 0, jnp.log1p(-q), below)


@with_slopes(lambda x: -_ratio(x) * _excess(x))
def _ratio(x: Array) -> Array:
    """Return φ(x) / Φ(x)."""
    far, t, d = _tail(x)
    q = _upper(x)
    density = jnp.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return jnp.where(far, t + d, density / jnp.where(x > 0, 1 - q, q))


@with_slopes(lambda x: 1 - _ratio(x) * _excess(x))
def _excess(x: Array) -> Array:
    """Return x + φ(x) / Φ(x)."""
    far, _, d = _tail(x)
    return jnp.where(far, d, x + _ratio(x))


@with_slopes(lambda p: _ndtri_slope(p))
def ndtri(p: Array) -> Array:
    """Return the x with Φ(x) = p."""
    return jax.scipy.special.ndtri(p)


@with_slopes(lambda p: ndtri(p) * jnp.square(_ndtri_slope(p)))
def _ndtri_slope(p: Array) -> Array:
    """Return 1 / φ(x), which is infinite at 0 and 1."""
    return math.sqrt(2 * math.pi) * jnp.exp(jnp.square(ndtri(p)) / 2)
