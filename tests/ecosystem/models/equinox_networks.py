"""Networks of Equinox: made with a key inside the model, or with their weights as the point."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(6), step=1e-4)
def mlp(x: Tree) -> Tree:
    """A multilayer perceptron with fresh weights."""
    return eqx.nn.MLP(6, 3, 16, 2, key=jax.random.PRNGKey(0))(x)


@model(normal(5, 2))
def gru_over_a_sequence(xs: Tree) -> Tree:
    """A recurrent cell in a scan.

    https://docs.kidger.site/equinox/api/nn/rnn/
    """
    cell = eqx.nn.GRUCell(2, 3, key=jax.random.key(1))
    return jax.lax.scan(lambda state, x: (cell(x, state), None), jnp.zeros(3), xs)[0]


@model({"weight": normal(3, 2), "bias": normal(3)})
def weights_of_a_layer(new: Tree) -> Tree:
    """The loss by the weights of one layer; the other one is frozen.

    https://docs.kidger.site/equinox/examples/frozen_layer/
    """
    network = eqx.nn.MLP(2, 1, 3, 1, activation=jnp.tanh, key=jax.random.key(2))
    first = network.layers[0]
    network = eqx.tree_at(
        lambda net: (net.layers[0].weight, net.layers[0].bias),
        network,
        (first.weight + new["weight"], first.bias + new["bias"]),
    )
    inputs = jnp.linspace(-1.0, 1.0, 10).reshape(5, 2)
    return jnp.mean((jax.vmap(network)(inputs)[:, 0] - jnp.sin(inputs.sum(1))) ** 2)


@model(normal(1, 6, 6))
def convolutions(image: Tree) -> Tree:
    """A convolution, a pooling and a dense layer, to the logarithms of probabilities.

    https://docs.kidger.site/equinox/examples/mnist/
    """
    first, second = jax.random.split(jax.random.key(3))
    network = eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(1, 2, kernel_size=3, key=first),
            eqx.nn.MaxPool2d(kernel_size=2),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(18, 3, key=second),
            eqx.nn.Lambda(jax.nn.log_softmax),
        ]
    )
    return network(image)


class Normalized(eqx.Module):
    """A layer with a batch normalization, which keeps its statistics in a state."""

    norm: eqx.nn.BatchNorm
    linear: eqx.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        self.norm = eqx.nn.BatchNorm(3, axis_name="batch", mode="batch")
        self.linear = eqx.nn.Linear(3, 2, key=key)

    def __call__(self, x: Tree, state: eqx.nn.State) -> tuple[Tree, eqx.nn.State]:
        x, state = self.norm(x, state)
        return self.linear(x), state


@model(normal(4, 3))
def batch_normalization(batch: Tree) -> Tree:
    """A layer that sees the whole batch through a named axis of `vmap`.

    https://docs.kidger.site/equinox/examples/stateful/
    """
    network, state = eqx.nn.make_with_state(Normalized)(jax.random.key(4))
    over_batch = jax.vmap(network, axis_name="batch", in_axes=(0, None), out_axes=(0, None))
    return over_batch(batch, state)[0]


@model(normal(3, 4))
def attention(tokens: Tree) -> Tree:
    """Multihead self-attention.

    https://docs.kidger.site/equinox/examples/vision_transformer/
    """
    layer = eqx.nn.MultiheadAttention(num_heads=2, query_size=4, key=jax.random.key(5))
    return layer(tokens, tokens, tokens)
