"""Modified Bessel functions of the first kind, order 0 and 1.

By the power series in x² up to a bound, by the asymptotic series in 1 / |x| beyond it: sums whose
terms, differentiated, cancel neither at 0 nor in the tails.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp

from jaccli.expression.library.rule import Array, horner, is_double, with_slopes


@dataclass(frozen=True)
class _Series:
    """The bound between both series, and how many terms each takes."""

    bound: float
    powers: int
    inverses: int


_DOUBLE, _SINGLE = _Series(20.0, 46, 30), _Series(9.0, 26, 12)


def _power_series(order: int, count: int) -> list[float]:
    """Return c with I_n(x) = (x / 2)^n Σ c_k (x² / 4)^k."""
    return [1 / (math.factorial(k) * math.factorial(k + order)) for k in range(count)]


def _asymptotic(order: int, count: int) -> list[float]:
    """Return a with exp(−x) I_n(x) sqrt(2 π x) = Σ a_k x^−k."""
    terms = [1.0]
    for k in range(1, count):
        terms.append(terms[-1] * ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k))
    return terms


@with_slopes(lambda x: _decay_slope(x))
def _decay(x: Array) -> Array:
    """Return exp(−|x|): the derivative at 0 is the mean of both sides, the second one is theirs."""
    return jnp.exp(-jnp.abs(x))


@with_slopes(_decay)
def _decay_slope(x: Array) -> Array:
    return -jnp.sign(x) * jnp.exp(-jnp.abs(x))


def _inside(x: Array) -> tuple[_Series, Array, Array, Array]:
    """Return the series of a dtype, where x is within the bound, x there, and |x| elsewhere."""
    series = _DOUBLE if is_double(x) else _SINGLE
    size = jnp.abs(x)
    near = size < series.bound
    return series, near, jnp.where(near, x, 0), jnp.where(near, series.bound, size)


@functools.cache
def _ratio(order: int) -> Callable[[Array], Array]:
    """Return the function I_n(x) / x^n, whose derivative is x I_(n+1)(x) / x^(n+1)."""

    @with_slopes(lambda x: x * _ratio(order + 1)(x))
    def ratio(x: Array) -> Array:
        series, near, inside, outside = _inside(x)
        powers = [c / 2**order for c in _power_series(order, series.powers)]
        half = jnp.exp(outside / 2)
        large = half * (_large(order, series, outside) / outside**order) * half
        return jnp.where(near, horner(powers, inside * inside / 4), large)

    return ratio


def _large(order: int, series: _Series, x: Array) -> Array:
    """Return exp(−x) I_n(x) for large x."""
    return horner(_asymptotic(order, series.inverses), 1 / x) / jnp.sqrt(2 * math.pi * x)


def i0(x: Array) -> Array:
    """Return I_0(x)."""
    return _ratio(0)(x)


def i1(x: Array) -> Array:
    """Return I_1(x)."""
    return x * _ratio(1)(x)


def i0e(x: Array) -> Array:
    """Return exp(−|x|) I_0(x)."""
    x = jnp.asarray(x, jnp.result_type(x, 1.0))
    series, near, inside, outside = _inside(x)
    return jnp.where(near, _decay(inside) * i0(inside), _large(0, series, outside))


def i1e(x: Array) -> Array:
    """Return exp(−|x|) I_1(x)."""
    x = jnp.asarray(x, jnp.result_type(x, 1.0))
    series, near, inside, outside = _inside(x)
    large = _large(1, series, outside)
    return jnp.where(near, _decay(inside) * i1(inside), jnp.where(x < 0, -large, large))
