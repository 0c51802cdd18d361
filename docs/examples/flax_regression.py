"""A layer of Flax and its loss, used by flax_regression.yaml."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp


def loss(kernel: jax.Array, bias: jax.Array, x: jax.Array, target: jax.Array) -> jax.Array:
    """Return the mean squared error of a dense layer with a tanh."""
    variables = {"params": {"kernel": kernel, "bias": bias}}
    predicted = jnp.tanh(nn.Dense(features=2).apply(variables, x))
    return jnp.mean((predicted - target) ** 2)
