"""The beta function and its logarithm, by differences of the gamma functions that do not cancel."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from scipy.special import bernoulli

from jaccli.expression.library.gammas import gammaln, polygamma
from jaccli.expression.library.rule import Array, horner, with_slopes

_LARGE = 10
"""Where the asymptotic series have all digits."""
_SHIFT = 20
"""How far arguments are shifted to get there, from as low as −10."""
_TERMS = 10
_BERNOULLI = [float(b) for b in bernoulli(2 * _TERMS)[2::2]]
"""B_2, B_4, …"""
_STIRLING = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1)]


def stirling(x: Array) -> Array:
    """Return log Γ(x) − (x − 1/2) log x + x − log(2 π) / 2, for x of at least 10."""
    return horner(_STIRLING, 1 / x / x) / x


@with_slopes(lambda a, b: -_by_first(a, b), lambda a, b: -_by_first(b, a))
def betaln(a: Array, b: Array) -> Array:
    """Return log |B(a, b)|: the slope by a is ψ(a) − ψ(a + b)."""
    p, q = jnp.minimum(a, b), jnp.maximum(a, b)
    total = p + q
    large, both = (q >= _LARGE) & (p > 0), p >= _LARGE
    plain = gammaln(p) + (jnp.where(large, 0, gammaln(q)) - jnp.where(large, 0, gammaln(total)))
    high, low = jnp.where(large, q, _LARGE), jnp.where(both, p, _LARGE)
    whole = jnp.where(large, total, 2 * _LARGE)
    ratio = jnp.where(large, p, 0) / whole
    rest = stirling(high) - stirling(whole)
    log1p = jnp.log1p(-ratio)
    one = plain + rest + p - p * jnp.log(whole) + (high - 0.5) * log1p
    two = (math.log(2 * math.pi) - jnp.log(high)) / 2 + stirling(low) + rest
    two += (low - 0.5) * jnp.log(jnp.where(both, ratio, 1)) + high * log1p
    return jnp.where(both, two, jnp.where(large, one, plain))


@with_slopes(lambda a, b: _slope(a, b), lambda a, b: _slope(b, a))
def betafn(a: Array, b: Array) -> Array:
    """Return B(a, b)."""
    sign = jax.scipy.special.gammasgn
    return sign(a) * sign(b) * sign(a + b) * jnp.exp(betaln(a, b))


@with_slopes(
    lambda a, b: betafn(a, b) * (jnp.square(_by_first(a, b)) - _bend(a, b)),
    lambda a, b: _mixed(a, b),
)
def _slope(a: Array, b: Array) -> Array:
    """Return the slope of B by a."""
    return -betafn(a, b) * _by_first(a, b)


def _mixed(a: Array, b: Array) -> Array:
    """Return the derivative of B by a and b.

    B is (1 / a + 1 / b) Γ(1 + a) Γ(1 + b) / Γ(1 + a + b).  With what cancels taken out, its
    derivative is a sum of positive ones.
    """
    p, q = jnp.minimum(a, b), jnp.maximum(a, b)
    low, high = jnp.where(p > 0, p, 1), jnp.where(p > 0, q, 1)
    total = low + high
    terms = total * (_by_first(1 + low, high) / high) * (_by_first(1 + high, low) / low)
    terms += _excess(1 + low, high) + _excess(1 + high, low)
    positive = low * (high / total) * terms
    plain = _by_first(a, b) * _by_first(b, a) - polygamma(1, a + b)
    return betafn(a, b) * jnp.where(p > 0, positive, plain)


def _excess(a: Array, b: Array) -> Array:
    """Return ((ψ(a + b) − ψ(a)) / b − ψ'(a + b)) / b, the sum of 1 / ((a + k) (a + b + k)²)."""
    u, v = _reciprocals(a, b)
    high = a + _SHIFT
    ratio = b / high
    near = jnp.abs(ratio) < 0.25
    r = jnp.where(near, 1, ratio)
    t = jnp.where(near, b, 0) / (high + b)
    logs = jnp.where(
        near,
        horner([1 / k for k in range(2, 36)], t) / jnp.square(high + b),
        (jnp.log1p(r) / r - 1 / (1 + r)) / r / high / high,
    )
    u_high, v_high = 1 / high, 1 / (high + b)
    once = twice = jnp.zeros_like(high)
    value = jnp.full_like(high, _asymptotic(0)[-1])
    for c in reversed(_asymptotic(0)[:-1]):
        once, twice = value + v_high * once, once + v_high * twice
        value = c + u_high * value
    return jnp.sum(u * v * v, axis=-1) + logs + u_high * v_high * v_high * (once + v_high * twice)


def _reciprocals(a: Array, b: Array) -> tuple[Array, Array]:
    """Return 1 / (a + k) and 1 / (a + b + k) for the first k, along a last axis."""
    steps = jnp.arange(_SHIFT, dtype=a.dtype)
    return 1 / (a[..., None] + steps), 1 / ((a + b)[..., None] + steps)


def _by_first(a: Array, b: Array) -> Array:
    """Return ψ(a + b) − ψ(a)."""
    return _difference(0)(a, b)


def _bend(a: Array, b: Array) -> Array:
    """Return ψ'(a + b) − ψ'(a)."""
    return _difference(1)(a, b)


@functools.cache
def _difference(n: int) -> Callable[[Array, Array], Array]:
    """Return the function ψ⁽ⁿ⁾(a + b) − ψ⁽ⁿ⁾(a) of a and b, accurate for small b too.

    Terms are differences of powers of u = 1 / a and v = 1 / (a + b), and u − v = b u v.  Below −10
    they are differences of the functions' values, with fewer digits for small b.
    """

    @with_slopes(
        lambda a, b: _difference(n + 1)(a, b),
        lambda a, b: polygamma(n + 1, a + b),
    )
    def difference(a: Array, b: Array) -> Array:
        a, b = jnp.broadcast_arrays(a, b)
        u, v = _reciprocals(a, b)
        powers = sum((u**j * v ** (n - j) for j in range(n + 1)), jnp.zeros_like(u))
        shifted = b * jnp.sum(u * v * powers, axis=-1)
        high = a + _SHIFT
        series = _divided(_asymptotic(n), 1 / high, 1 / (high + b), b)
        if n == 0:
            series = series + jnp.log1p(b / high)
        found = (-1) ** n * (math.factorial(n) * shifted + series)
        known = jnp.minimum(a, a + b) > _LARGE - _SHIFT
        return jnp.where(known, found, polygamma(n, a + b) - polygamma(n, a))

    return difference


def _asymptotic(n: int) -> list[float]:
    """Return (−1)^(n+1) ψ⁽ⁿ⁾(1 / z), but for its logarithm, as a polynomial of z."""
    c = [0.0] * (n + 2 * _TERMS + 1)
    if n:
        c[n] = float(math.factorial(n - 1))
    c[n + 1] += math.factorial(n) / 2
    for k, b in enumerate(_BERNOULLI, 1):
        c[n + 2 * k] += b * math.factorial(2 * k + n - 1) / math.factorial(2 * k)
    return c


def _divided(coefficients: list[float], u: Array, v: Array, b: Array) -> Array:
    """Return the difference of a polynomial's values at u and v, with u − v = b u v."""
    value, divided = jnp.full_like(u, coefficients[-1]), jnp.zeros_like(u)
    for c in reversed(coefficients[:-1]):
        divided = value + v * divided
        value = c + u * value
    return divided * (b * u * v)
