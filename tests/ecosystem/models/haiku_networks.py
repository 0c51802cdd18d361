"""Networks of Haiku."""

from __future__ import annotations

import haiku as hk
import jax

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(6))
def mlp(x: Tree) -> Tree:
    """A perceptron without random numbers when applied."""
    network = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([8, 3])(x)))
    return network.apply(network.init(jax.random.PRNGKey(0), x), x)


@model(normal(4, 2))
def lstm(xs: Tree) -> Tree:
    """A recurrent core, unrolled in a scan.

    https://dm-haiku.readthedocs.io/en/latest/api.html#recurrent
    """

    def unrolled(xs: Tree) -> Tree:
        core = hk.LSTM(3)
        return hk.dynamic_unroll(core, xs, core.initial_state(None))[0]

    network = hk.without_apply_rng(hk.transform(unrolled))
    return network.apply(network.init(jax.random.PRNGKey(1), xs), xs)


@model(normal(4, 3))
def batch_normalization(batch: Tree) -> Tree:
    """A network with a state.

    https://dm-haiku.readthedocs.io/en/latest/api.html#transform-with-state
    """

    def normalized(batch: Tree) -> Tree:
        x = hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9)(batch, True)
        return hk.Linear(2)(x)

    network = hk.transform_with_state(normalized)
    key = jax.random.PRNGKey(2)
    parameters, state = network.init(key, batch)
    return network.apply(parameters, state, key, batch)[0]
