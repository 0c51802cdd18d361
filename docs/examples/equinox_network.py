"""A network of Equinox, used by equinox_network.yaml."""

from __future__ import annotations

import equinox as eqx
import jax


def network(x: jax.Array) -> dict[str, jax.Array]:
    """Return the two outputs of a perceptron with random weights."""
    mlp = eqx.nn.MLP(
        in_size=3, out_size=2, width_size=8, depth=2, activation=jax.nn.tanh, key=jax.random.key(0)
    )
    return {"y": mlp(x)}
