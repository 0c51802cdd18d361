"""The regularized incomplete gamma functions: the slope in x is a gamma distribution's density."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import xlogy

from jaccli.expression.library.betas import stirling
from jaccli.expression.library.entropy import log_excess
from jaccli.expression.library.gammas import digamma, gammaln, polygamma
from jaccli.expression.library.rule import Array, with_slopes

_LARGE = 10
_LARGEST = 1e5
"""The number of terms at most, and the order by which the depth of the fraction is chosen."""


@with_slopes(lambda a, x: _by_order(a, x), lambda a, x: _density(a - 1, a, x))
def gammainc(a: Array, x: Array) -> Array:
    """Return the lower function P(a, x)."""
    return jax.scipy.special.gammainc(a, x)


@with_slopes(lambda a, x: -_by_order(a, x), lambda a, x: -_density(a - 1, a, x))
def gammaincc(a: Array, x: Array) -> Array:
    """Return the upper function 1 − P(a, x)."""
    return jax.scipy.special.gammaincc(a, x)


@with_slopes(
    lambda a, x: _by_order_twice(a, x),
    lambda a, x: xlogy(_density(a - 1, a, x), x) - digamma(a) * _density(a - 1, a, x),
)
def _by_order(a: Array, x: Array) -> Array:
    """Return the slope of the lower function in a: JAX's, but in the upper tail."""
    far = (x > 2) & (x > 1.3 * a)
    tail, _ = _tail(jnp.where(far, a, 1), jnp.where(far, x, 3))
    return jnp.where(far, -tail, _jax_by_order(a, jnp.where(far, a, x)))


def _by_order_twice(a: Array, x: Array) -> Array:
    """Return the second derivative of the lower function in a."""
    far = (x > 1.5) & (x > a)
    _, tail = _tail(jnp.where(far, a, 1), jnp.where(far, x, 3))
    near = ~far & (x > 0)
    return jnp.where(far, -tail, jnp.where(near, _series(a, jnp.where(near, x, 1)), 0))


def _tail(a: Array, x: Array) -> tuple[Array, Array]:
    """Return the first and second derivatives in a of the upper function, for x > a.

    The function is a g for g = x^a exp(−x) / (Γ(a + 1) f), with Legendre's continued fraction
    f = x + 1 − a − 1 (1 − a) / (x + 3 − a − 2 (2 − a) / …).
    """
    depth = jnp.int32(120 + 4 * jnp.sqrt(jnp.minimum(jnp.max(a), _LARGEST)))

    def level(number: Array, below: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        k = (depth - number).astype(a.dtype)
        value, slope, bend = below
        part = k * (k - a) / value
        part_slope = -(k + part * slope) / value
        part_bend = -(2 * part_slope * slope + part * bend) / value
        return x + (2 * k - 1) - a - part, -1 - part_slope, -part_bend

    start = x + (2 * depth + 1).astype(a.dtype) - a, -jnp.ones_like(a), jnp.zeros_like(a)
    value, slope, bend = jax.lax.fori_loop(0, depth, level, start)
    g = _density(a, a + 1, x) / value
    log_slope = jnp.log(x) - digamma(a + 1) - slope / value
    log_bend = jnp.square(slope / value) - polygamma(1, a + 1) - bend / value
    first = g * (1 + a * log_slope)
    return first, g * (2 * log_slope + a * (jnp.square(log_slope) + log_bend))


def _series(a: Array, x: Array) -> Array:
    """Return the second derivative in a of the sum of x^(a + k) exp(−x) / Γ(a + k + 1)."""
    epsilon = float(np.finfo(x.dtype).eps) / 64

    def term(state: tuple[Array, ...]) -> Array:
        _, density, psi, trigamma, _ = state
        return density * (jnp.square(jnp.log(x) - psi) - trigamma)

    def unfinished(state: tuple[Array, ...]) -> Array:
        k, density, psi, _, total = state
        size = density * jnp.maximum(1, jnp.square(jnp.log(x) - psi))
        return (k < _LARGEST) & jnp.any((a + k < x) | (size > epsilon * jnp.abs(total)))

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        k, density, psi, trigamma, total = state
        c = a + k + 1
        total = total + term(state)
        return k + 1, density * x / c, psi + 1 / c, trigamma - jnp.square(1 / c), total

    start = _density(a, a + 1, x), digamma(a + 1), polygamma(1, a + 1), jnp.zeros_like(x)
    return jax.lax.while_loop(unfinished, step, (jnp.zeros((), x.dtype), *start))[-1]


def _jax_by_order(a: Array, x: Array) -> Array:
    """Return what JAX takes for the slope of the lower function by a."""
    return jax.jvp(lambda a: jax.scipy.special.gammainc(a, x), (a,), (jnp.ones_like(a),))[1]


@with_slopes(
    lambda s, a, x: xlogy(_density(s, a, x), x),
    lambda s, a, x: -digamma(a) * _density(s, a, x),
    lambda s, a, x: _falling(s, a, x) - _density(s, a, x),
)
def _density(s: Array, a: Array, x: Array) -> Array:
    """Return x^s exp(−x) / Γ(a), for s a whole number below a."""
    plain = jnp.exp(xlogy(s, x) - x - gammaln(a))
    # By the saddle point where exponents would be large: x^a exp(−x) / Γ(a + 1) first.
    large = (a >= _LARGE) & (x > 0)
    order, at = jnp.where(large, a, _LARGE), jnp.where(large, x, _LARGE)
    d = (at - order) / order
    excess = jnp.where(jnp.abs(d) < 0.5, log_excess(d), jnp.log(at / order) - d)
    exponent = order * excess - stirling(order) + (s - a) * jnp.log(at)
    saddle = jnp.exp(exponent) * jnp.sqrt(order / (2 * math.pi))
    return jnp.where(large, saddle, plain)


def _falling(s: Array, a: Array, x: Array) -> Array:
    """Return s x^(s − 1) exp(−x) / Γ(a), 0 for s = 0."""
    power = jnp.where(s == 0, 1, s)
    return jnp.where(s == 0, 0, power * _density(power - 1, a, x))
