"""Losses, projections and unrolled optimization of Optax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(2))
def losses(weights: Tree) -> Tree:
    """A Huber loss of a line and a cross entropy."""
    line = weights[0] * jnp.arange(5.0) + weights[1]
    label = jnp.array(1)
    entropy = optax.softmax_cross_entropy_with_integer_labels(weights, label)
    return optax.huber_loss(line, jnp.ones(5)).sum() + entropy


@model(positive(2))
def adam_step(weights: Tree) -> Tree:
    """The weights after one step, by those before it."""
    optimizer = optax.adam(0.1)
    gradient = jax.grad(lambda w: jnp.sum((w - 2) ** 4))(weights)
    updates, _ = optimizer.update(gradient, optimizer.init(weights))
    return optax.apply_updates(weights, updates)


@model({"rate": positive(1)[0] - 1.0, "start": normal(2)})
def meta_learning(meta: Tree) -> Tree:
    """The loss after an inner loop of training, by the logarithm of its learning rate.

    https://optax.readthedocs.io/en/latest/_collections/examples/meta_learning.html
    """

    def loss(weights: Tree) -> Tree:
        return jnp.sum((jnp.tanh(weights) - jnp.array([0.3, -0.2])) ** 2)

    optimizer = optax.inject_hyperparams(optax.sgd)(jnp.exp(meta["rate"]), momentum=0.9)

    def step(carry: Tree, _: None) -> tuple[Tree, Tree]:
        weights, state = carry
        value, gradient = jax.value_and_grad(loss)(weights)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(weights, updates), state), value

    start = meta["start"]
    (weights, _), values = jax.lax.scan(step, (start, optimizer.init(start)), length=3)
    return {"loss": loss(weights), "history": values}


@model(normal(5))
def simplex_projection(x: Tree) -> Tree:
    """The nearest point with non-negative coordinates of sum 1.

    https://optax.readthedocs.io/en/latest/api/projections.html
    """
    return optax.projections.projection_simplex(x)


@model(normal(1, 4, 3))
def connectionist_temporal_classification(logits: Tree) -> Tree:
    """The loss of a sequence of labels without an alignment, by dynamic programming.

    https://optax.readthedocs.io/en/latest/api/losses.html#optax.losses.ctc_loss
    """
    labels, none = jnp.array([[1, 2]]), jnp.zeros
    return optax.ctc_loss(logits, none((1, 4)), labels, none((1, 2)))
