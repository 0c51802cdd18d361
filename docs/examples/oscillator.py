"""The period of a damped oscillator, used by oscillator.yaml."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def period(spring: dict[str, jax.Array], damping: jax.Array) -> dict[str, jax.Array]:
    """Return 2 pi / sqrt(k / m - damping**2)."""
    return {"T": 2 * jnp.pi / jnp.sqrt(spring["k"] / spring["mass"] - damping**2)}
