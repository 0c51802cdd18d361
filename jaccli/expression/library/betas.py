"""The beta function and its logarithm, by differences of the gamma functions that do not cancel."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from scipy.special import bernoulli

from jaccli.expression.library.gammas import digamma, gammaln, polygamma
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


@with_slopes(
    lambda a, b: -betafn(a, b) * _by_first(a, b),
    lambda a, b: -betafn(a, b) * _by_first(b, a),
)
def betafn(a: Array, b: Array) -> Array:
    """Return B(a, b)."""
    sign = jax.scipy.special.gammasgn
    return sign(a) * sign(b) * sign(a + b) * jnp.exp(betaln(a, b))


def _by_first(a: Array, b: Array) -> Array:
    """Return ψ(a + b) − ψ(a)."""
    return _difference(0)(a, b)


@functools.cache
def _difference(n: int) -> Callable[[Array, Array], Array]:
    """Return the function ψ⁽ⁿ⁾(a + b) − ψ⁽ⁿ⁾(a) of a and b, accurate for small b too.

    Terms are differences of powers of u = 1 / a and v = 1 / (a + b), and u − v = b u v.  Below −10,
    differences of digamma are JAX's, and those of its derivatives are not known.
    """

    @with_slopes(
        lambda a, b: _difference(n + 1)(a, b),
        lambda a, b: polygamma(n + 1, a + b),
    )
    def difference(a: Array, b: Array) -> Array:
        a, b = jnp.broadcast_arrays(a, b)
        steps = jnp.arange(_SHIFT, dtype=a.dtype)
        u, v = 1 / (a[..., None] + steps), 1 / ((a + b)[..., None] + steps)
        powers = sum((u**j * v ** (n - j) for j in range(n + 1)), jnp.zeros_like(u))
        shifted = b * jnp.sum(u * v * powers, axis=-1)
        high = a + _SHIFT
        series = _divided(_asymptotic(n), 1 / high, 1 / (high + b), b)
        if n == 0:
            series = series + jnp.log1p(b / high)
        found = (-1) ** n * (math.factorial(n) * shifted + series)
        known = jnp.minimum(a, a + b) > _LARGE - _SHIFT
        return jnp.where(known, found, digamma(a + b) - digamma(a) if n == 0 else jnp.nan)

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
