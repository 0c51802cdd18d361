"""Relative entropies: `rel_entr` and `kl_div`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from jaccli.expression.library.rule import Array, horner, with_slopes

_ATANH = [2 / (2 * k + 3) for k in range(17)]


def log_excess(d: Array) -> Array:
    """Return log(1 + d) − d, which is −d² / 2 near 0, for d of at least −1."""
    near = jnp.abs(d) < 0.5
    small = jnp.where(near, d, 0)
    s = small / (2 + small)  # log(1 + d) = 2 artanh(s)
    series = s * (s * s * horner(_ATANH, s * s) - small)
    return jnp.where(near, series, jnp.log1p(d) - d)


def _log_ratio(p: Array, q: Array) -> Array:
    """Return log(p / q), where that is out of the range of floats too."""
    ratio = p / q
    tiny = float(np.finfo(ratio.dtype).tiny)
    normal = (ratio >= tiny) & jnp.isfinite(ratio)
    return jnp.where(normal, jnp.log(ratio), jnp.log(p) - jnp.log(q))


def _defined(p: Array, q: Array) -> Array:
    return (p >= 0) & (q > 0)


@with_slopes(
    lambda p, q: jnp.where(_defined(p, q), _log(p, q) + 1, 0),
    lambda p, q: jnp.where(_defined(p, q), -p / q, 0),
)
def rel_entr(p: Array, q: Array) -> Array:
    """Return p log(p / q), 0 where p is 0."""
    inside = jnp.where(p > 0, p * _log_ratio(p, q), 0)
    return jnp.where((p > 0) & (q > 0) | (p == 0) & (q >= 0), inside, jnp.inf)


@with_slopes(
    lambda p, q: jnp.where(_defined(p, q), _log(p, q), -1),
    lambda p, q: jnp.where(_defined(p, q), _gap(p, q), 1),
)
def kl_div(p: Array, q: Array) -> Array:
    """Return p log(p / q) − p + q, q where p is 0."""
    d = (p - q) / q
    near = jnp.abs(d) < 0.5
    small = jnp.where(near, d, 0)
    difference = q * (small * jnp.log1p(small) + log_excess(small))
    whole = jnp.where(near, difference, jnp.where(p > 0, p * _log_ratio(p, q), 0) - p + q)
    return jnp.where((p > 0) & (q > 0) | (p == 0) & (q >= 0), whole, jnp.inf)


@with_slopes(lambda p, q: 1 / p, lambda p, q: -1 / q)
def _log(p: Array, q: Array) -> Array:
    return _log_ratio(p, q)


@with_slopes(lambda p, q: -1 / q, lambda p, q: p / q / q)
def _gap(p: Array, q: Array) -> Array:
    """Return 1 − p / q."""
    return (q - p) / q
