"""`sinc`, by its series near 0."""

from __future__ import annotations

import math

import jax.numpy as jnp

from jaccli.expression.library.rule import Array, horner, with_slopes


@with_slopes(lambda x: math.pi * _cospi(x))
def _sinpi(x: Array) -> Array:
    """Return sin(π x), exactly 0 of whole numbers."""
    whole = jnp.round(x)
    odd = jnp.mod(whole, 2) != 0
    sine = jnp.sin(math.pi * (x - whole))
    return jnp.where(odd, -sine, sine)


@with_slopes(lambda x: -math.pi * _sinpi(x))
def _cospi(x: Array) -> Array:
    whole = jnp.round(x)
    odd = jnp.mod(whole, 2) != 0
    cosine = jnp.cos(math.pi * (x - whole))
    return jnp.where(odd, -cosine, cosine)


_SERIES = [(-(math.pi**2)) ** k / math.factorial(2 * k + 1) for k in range(16)]


def sinc(x: Array) -> Array:
    """Return sin(π x) / (π x), 1 at 0.

    Its derivatives cancel near 0; those of its series in x² do not.
    """
    x = jnp.asarray(x, jnp.result_type(x, 1.0))
    near = jnp.abs(x) < 0.5
    near_0, away = jnp.where(near, x, 0), jnp.where(near, 1, x)
    quotient = _sinpi(away) / (math.pi * away)
    return jnp.where(near, horner(_SERIES, near_0 * near_0), quotient)
