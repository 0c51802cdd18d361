"""Kepler's equation as a fixed point with a reverse rule, used by kepler.yaml."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def fixed_point(f: Callable[[Any, jax.Array], jax.Array], a: Any, start: jax.Array) -> jax.Array:
    """Return x with x = f(a, x), in as many steps as it takes."""
    return jax.lax.while_loop(lambda x: jnp.abs(f(a, x) - x) > 1e-12, lambda x: f(a, x), start)


def forward(f: Any, a: Any, start: jax.Array) -> tuple[jax.Array, tuple[Any, jax.Array]]:
    """Return the fixed point, and what the reverse rule needs."""
    x = fixed_point(f, a, start)
    return x, (a, x)


def reverse(f: Any, saved: tuple[Any, jax.Array], cotangent: jax.Array) -> tuple[Any, jax.Array]:
    """Return the cotangent of `a`, by the implicit function theorem: another fixed point."""
    a, x = saved
    u = fixed_point(
        lambda held, u: held[2] + jax.vjp(lambda x: f(held[0], x), held[1])[1](u)[0],
        (a, x, cotangent),
        cotangent,
    )
    return jax.vjp(lambda a: f(a, x), a)[1](u)[0], jnp.zeros_like(x)


fixed_point.defvjp(forward, reverse)


def anomaly(M: jax.Array, e: jax.Array) -> dict[str, jax.Array]:
    """Return the eccentric anomaly E = M + e sin(E) at the mean anomaly M."""
    return {"E": fixed_point(lambda a, E: a[0] + a[1] * jnp.sin(E), (M, e), M)}
