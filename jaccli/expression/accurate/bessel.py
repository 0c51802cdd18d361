"""Modified Bessel functions of the first kind, order 0 and 1.

By the power series in x² up to a bound, by the asymptotic series in 1 / |x| beyond it: sums whose
terms, differentiated, cancel neither at 0 nor in the tails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax.numpy as jnp

from jaccli.expression.accurate.rule import Array, horner, is_double, with_slopes


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


def _bessel(order: int, x: Array, scaled: bool) -> Array:
    """Return I_n(x), or exp(−|x|) I_n(x)."""
    x = jnp.asarray(x, jnp.result_type(x, 1.0))
    series = _DOUBLE if is_double(x) else _SINGLE
    size = jnp.abs(x)
    near = size < series.bound
    inside, outside = jnp.where(near, x, 0), jnp.where(near, series.bound, size)
    small = horner(_power_series(order, series.powers), inside * inside / 4)
    small = small * (inside / 2) if order else small
    if scaled:
        small = small * _decay(inside)
    large = horner(_asymptotic(order, series.inverses), 1 / outside)
    large = large / jnp.sqrt(2 * math.pi * outside)
    if not scaled:
        half = jnp.exp(outside / 2)
        large = half * large * half
    large = jnp.where(x < 0, -large, large) if order else large
    return jnp.where(near, small, large)


def i0(x: Array) -> Array:
    """Return I_0(x)."""
    return _bessel(0, x, scaled=False)


def i0e(x: Array) -> Array:
    """Return exp(−|x|) I_0(x)."""
    return _bessel(0, x, scaled=True)


def i1(x: Array) -> Array:
    """Return I_1(x)."""
    return _bessel(1, x, scaled=False)


def i1e(x: Array) -> Array:
    """Return exp(−|x|) I_1(x)."""
    return _bessel(1, x, scaled=True)
