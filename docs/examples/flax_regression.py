"""A layer of Flax and its loss, used by flax_regression.yaml."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp


def loss(params: dict[str, jax.Array], x: jax.Array, target: jax.Array) -> jax.Array:
    """Return the mean squared error of a dense layer with a tanh."""
    predicted = jnp.tanh(nn.Dense(features=2).apply({"params": params}, x))
    return jnp.mean((predicted - target) ** 2)
