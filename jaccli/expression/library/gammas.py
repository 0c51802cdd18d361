"""The gamma function, its logarithm, and the derivatives of that: `digamma` and `polygamma`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from scipy.special import zeta

from jaccli.expression.library.rule import Array, horner, with_slopes

_AROUND_2 = [0.0, 1 - 0.5772156649015328606] + [
    (-1) ** k * float(zeta(k, 2)) / k for k in range(2, 30)
]
"""Coefficients of log Γ(2 + e); JAX's values around 1 and 2 have no digits beyond 1e-16."""


@with_slopes(lambda x: digamma(x))
def gammaln(x: Array) -> Array:
    """Return log |Γ(x)|."""
    near = jnp.abs(x - 1.5) < 1
    below = x < 1.5
    e = jnp.where(near, x - jnp.where(below, 1, 2), 0)
    series = horner(_AROUND_2, e) - jnp.where(below, jnp.log1p(e), 0)
    return jnp.where(near, series, jax.scipy.special.gammaln(x))


@with_slopes(lambda x: gammafn(x) * digamma(x))
def gammafn(x: Array) -> Array:
    """Return Γ(x): Γ' = Γ ψ."""
    return jax.scipy.special.gamma(x)


def factorial(x: Array) -> Array:
    """Return Γ(x + 1)."""
    return gammafn(x + 1)


def digamma(x: Array) -> Array:
    """Return ψ(x), the derivative of log Γ."""
    return _polygamma(0)(x)


def polygamma(n: int, x: Array) -> Array:
    """Return the n-th derivative of ψ."""
    if n < 0:
        raise ValueError("n must not be negative")
    return _polygamma(n)(x)


@functools.cache
def _polygamma(n: int) -> Callable[[Array], Array]:
    """Return the n-th derivative of ψ as a function: its derivative is the next one."""

    @with_slopes(lambda x: _polygamma(n + 1)(x))
    def derivative(x: Array) -> Array:
        if n == 0:
            return jax.scipy.special.digamma(x)
        # Below 0 by reflection: ψ(1 − x) − ψ(x) = π cot(π x).
        negative = x <= 0
        above = jax.scipy.special.polygamma(n, jnp.where(negative, 1 - x, x))
        cotangent = 1 / jnp.tan(math.pi * (x - jnp.round(x)))
        reflected = (-1) ** n * above - math.pi ** (n + 1) * horner(_cotangent(n), cotangent)
        return jnp.where(negative, reflected, above)

    return derivative


def _cotangent(n: int) -> list[float]:
    """Return the n-th derivative of cot as a polynomial of cot: cot' = −1 − cot²."""
    polynomial = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(polynomial)][1:]
        padded = [*slope, 0, 0], [0, 0, *slope]
        polynomial = [-a - b for a, b in zip(*padded, strict=True)]
    return [float(c) for c in polynomial]
