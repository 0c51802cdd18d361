"""The regularized incomplete gamma functions: the slope in x is a gamma distribution's density."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from jaccli.expression.library.betas import stirling
from jaccli.expression.library.entropy import log_excess
from jaccli.expression.library.gammas import digamma, gammaln
from jaccli.expression.library.rule import Array, with_slopes

_LARGE = 10


@with_slopes(lambda a, x: _by_order(a, x), lambda a, x: _density(a - 1, a, x))
def gammainc(a: Array, x: Array) -> Array:
    """Return the lower function P(a, x)."""
    return jax.scipy.special.gammainc(a, x)


@with_slopes(lambda a, x: -_by_order(a, x), lambda a, x: -_density(a - 1, a, x))
def gammaincc(a: Array, x: Array) -> Array:
    """Return the upper function 1 − P(a, x)."""
    return jax.scipy.special.gammaincc(a, x)


@with_slopes(
    lambda a, x: _jax_slope(_jax_by_order, a, x),
    lambda a, x: xlogy(_density(a - 1, a, x), x) - digamma(a) * _density(a - 1, a, x),
)
def _by_order(a: Array, x: Array) -> Array:
    """Return the slope of the lower function in a: JAX's, but in the upper tail."""
    far = (x > 2) & (x > 1.3 * a)
    a_far, x_far = jnp.where(far, a, 1), jnp.where(far, x, 3)
    return jnp.where(far, -_tail(a_far, x_far), _jax_by_order(a, jnp.where(far, a, x)))


_DEPTH = 120


def _tail(a: Array, x: Array) -> Array:
    """Return the slope in a of the upper function, by Legendre's continued fraction.

    It is x^a exp(−x) / Γ(a) times 1 / (x + 1 − a − 1 (1 − a) / (x + 3 − a − 2 (2 − a) / …)).
    """

    def level(number: Array, below: tuple[Array, Array]) -> tuple[Array, Array]:
        k = _DEPTH - number
        value, slope = below
        part = k * (k - a) / value
        moved = -(k + part * slope) / value
        return x + (2 * k - 1) - a - part, -1 - moved

    start = x + (2 * _DEPTH + 1) - a, -jnp.ones_like(a)
    value, slope = jax.lax.fori_loop(0, _DEPTH, level, start)
    return _density(a, a, x) * (jnp.log(x) - digamma(a) - slope / value) / value


def _jax_by_order(a: Array, x: Array) -> Array:
    return _jax_slope(jax.scipy.special.gammainc, a, x)


def _jax_slope(f: Array, a: Array, x: Array) -> Array:
    """Return what JAX takes for the slope by the first argument."""
    return jax.jvp(lambda a: f(a, x), (a,), (jnp.ones_like(a),))[1]


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
