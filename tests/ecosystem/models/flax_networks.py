"""Networks of Flax, both of linen and of nnx."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from tests.ecosystem.cases import Tree, model, normal, positive


class Dense(nn.Module):
    """Two dense layers with a normalization between them."""

    @nn.compact
    def __call__(self, x: Tree) -> Tree:
        return nn.Dense(3)(nn.gelu(nn.LayerNorm()(nn.Dense(16)(x))))


@model(positive(6))
def linen_dense(x: Tree) -> Tree:
    """A compact module, initialized where it is applied."""
    network = Dense()
    return network.apply(network.init(jax.random.PRNGKey(0), x), x)


@model({"params": {"kernel": normal(4, 2), "bias": normal(2)}})
def linen_parameters(variables: Tree) -> Tree:
    """The squared error of a linear regression by its parameters.

    https://flax-linen.readthedocs.io/en/latest/guides/flax_fundamentals/flax_basics.html
    """
    inputs = jnp.asarray(normal(5, 4))
    predicted = nn.Dense(2).apply(variables, inputs)
    return jnp.mean((predicted - jnp.tanh(inputs[:, :2])) ** 2)


@model(normal(4, 2))
def linen_lstm(xs: Tree) -> Tree:
    """A recurrent layer over a sequence.

    https://flax-linen.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
    """
    layer = nn.RNN(
        nn.LSTMCell(3, param_dtype=jnp.float64, recurrent_kernel_init=nn.initializers.normal())
    )
    return layer.apply(layer.init(jax.random.key(0), xs), xs)


@model(normal(4))
def linen_dropout(x: Tree) -> Tree:
    """A dense layer with dropout, which draws from a named stream of keys.

    https://flax-linen.readthedocs.io/en/latest/guides/training_techniques/dropout.html
    """
    network = nn.Sequential([nn.Dense(6), nn.tanh, nn.Dropout(0.3, deterministic=False)])
    weights, noise = jax.random.split(jax.random.key(1))
    variables = network.init({"params": weights, "dropout": noise}, x)
    return network.apply(variables, x, rngs={"dropout": noise})


class Perceptron(nnx.Module):
    """Two linear layers with a batch normalization and a dropout between them."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(3, 5, rngs=rngs)
        self.norm = nnx.BatchNorm(5, rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.last = nnx.Linear(5, 2, rngs=rngs)

    def __call__(self, x: Tree) -> Tree:
        return self.last(nnx.gelu(self.dropout(self.norm(self.first(x)))))


@model(normal(4, 3))
def nnx_stateful(batch: Tree) -> Tree:
    """A module that updates its statistics and its stream of keys as it is called.

    https://flax.readthedocs.io/en/stable/nnx_basics.html
    """
    return Perceptron(nnx.Rngs(0))(batch)


@model({"kernel": normal(3, 2), "bias": normal(2)})
def nnx_functional(weights: Tree) -> Tree:
    """A loss by parameters, with `split` and `merge`.

    https://flax.readthedocs.io/en/stable/nnx_basics.html
    """
    graph, state = nnx.split(nnx.Linear(3, 2, rngs=nnx.Rngs(1)))
    state["kernel"].set_value(weights["kernel"])
    state["bias"].set_value(weights["bias"])
    layer = nnx.merge(graph, state)
    inputs = jnp.asarray(normal(4, 3))
    return jnp.mean((jnp.tanh(layer(inputs)) - inputs[:, :2]) ** 2)
