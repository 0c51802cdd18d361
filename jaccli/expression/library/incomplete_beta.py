"""The regularized incomplete beta function, with its derivatives with respect to all arguments.

The value is JAX's.  With `B(a, b)` the beta function and `w(t) = t**(a-1) (1-t)**(b-1) / B(a, b)`,

    dI/dx = w(x)
    dI/da = integral from 0 to x of w(t) (log t - digamma(a) + digamma(a + b)) dt
    dI/db = integral from 0 to x of w(t) (log(1 - t) - digamma(b) + digamma(a + b)) dt

and the integrals over the whole interval are 0: they are taken on the side of the mean where `x`
is, by tanh-sinh quadrature (H. Takahasi and M. Mori, 1974).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy import special

from jaccli.expression.library.betas import betaln

if TYPE_CHECKING:
    from jax import Array

_STEP = 1 / 32
_HALF = 8.0
"""Nodes are `_STEP` apart up to this far in the variable of the double exponential map."""


def betainc(a: Any, b: Any, x: Any) -> Array:
    """Return the regularized incomplete beta function `I_x(a, b)`.

    >>> print(f"{betainc(2, 3, 0.5):.4f}")
    0.6875
    """
    value: Array = _betainc(*jnp.broadcast_arrays(*_floats(a, b, x)))
    return value


def _floats(*values: Any) -> list[Array]:
    """Return arrays of the one floating type that holds them all."""
    kind = jnp.result_type(*values)
    kind = kind if jnp.issubdtype(kind, jnp.inexact) else jnp.result_type(float)
    return [jnp.asarray(value, kind) for value in values]


@jax.custom_jvp
def _betainc(a: Array, b: Array, x: Array) -> Array:
    value: Array = special.betainc(a, b, x)
    return value


@_betainc.defjvp
def _betainc_jvp(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
    a, b, x = (jnp.asarray(each) for each in primals)
    by_a, by_b = _slopes(a, b, x)
    along = by_a * tangents[0] + by_b * tangents[1] + _density(a, b, x) * tangents[2]
    return _betainc(a, b, x), along


def _density(a: Array, b: Array, x: Array) -> Array:
    """Return `w(x)`."""
    log = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - betaln(a, b)
    return jnp.exp(log)


def _slopes(a: Array, b: Array, x: Array) -> tuple[Array, Array]:
    """Return the derivatives with respect to `a` and `b`."""
    left = x * (a + b) <= a
    first, second = jnp.where(left, a, b), jnp.where(left, b, a)
    until = jnp.where(left, x, 1 - x)
    inside = until != 0
    slopes = _integrals(first, second, jnp.where(inside, until, 0.5))
    by_first, by_second = (jnp.where(inside, slope, 0.0) for slope in slopes)
    return jnp.where(left, by_first, -by_second), jnp.where(left, by_second, -by_first)


def _integrals(a: Array, b: Array, x: Array) -> tuple[Array, Array]:
    """Return the two integrals from 0 to `x`, which is not above the mean."""
    s = np.arange(-_HALF, _HALF / 2 + _STEP, _STEP)
    # t = x u, u = 1 / (1 + exp(-pi sinh s)): log u and log(1 - u) keep all digits at both ends.
    z = math.pi * np.sinh(s)
    log_u, log_rest = -np.logaddexp(0, -z), -np.logaddexp(0, z)
    weights = _STEP * math.pi * np.cosh(s)
    log_u, log_rest, weights = (each.astype(x.dtype) for each in (log_u, log_rest, weights))
    a, b, x = a[..., None], b[..., None], x[..., None]
    log_t = jnp.log(x) + log_u
    log_else = jnp.log1p(-x * np.exp(log_u))
    log = a * log_t + (b - 1) * log_else - betaln(a, b) + log_rest
    mass = weights * jnp.exp(log)
    total = special.digamma(a + b)
    by_a = jnp.sum(mass * (log_t - special.digamma(a) + total), axis=-1)
    by_b = jnp.sum(mass * (log_else - special.digamma(b) + total), axis=-1)
    return by_a, by_b
