"""Models that make their own keys and draw from them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from tests.ecosystem.cases import Tree, model, positive


@model(positive(6))
def scaled_noise(x: Tree) -> Tree:
    """Multiplicative noise from a new-style key."""
    return x * jax.random.normal(jax.random.key(1), x.shape)


@model(positive(6))
def split_keys(x: Tree) -> Tree:
    """Two draws from the halves of an old-style key, one of them of booleans."""
    first, second = jax.random.split(jax.random.PRNGKey(0))
    chosen = jax.random.bernoulli(second, 0.5, x.shape)
    return x * jax.random.uniform(first, x.shape) + chosen * x**2


@model(positive(6))
def dropout(x: Tree) -> Tree:
    """Inverted dropout."""
    keep = jax.random.bernoulli(jax.random.key(2), 0.8, x.shape)
    return jnp.where(keep, x / 0.8, 0.0) ** 2


@model(positive(4))
def monte_carlo(x: Tree) -> Tree:
    """A mean over samples, each with a key of its own."""

    def sample(key: jax.Array) -> jax.Array:
        return jnp.tanh(x + jax.random.normal(key, x.shape))

    return jax.vmap(sample)(jax.random.split(jax.random.key(0), 5)).mean(0)


@model(positive(4))
def permuted(x: Tree) -> Tree:
    """A random permutation, as in a shuffled batch."""
    return x[jax.random.permutation(jax.random.key(0), 4)] ** 2


GAMMA = jax.random.key(3)


def _gamma_quantiles(concentration: Tree) -> Tree:
    """Gamma samples as quantiles of probabilities that do not depend on the parameter."""
    there = positive(2)
    with jax.ensure_compile_time_eval():
        probability = special.gammainc(there, np.asarray(jax.random.gamma(GAMMA, there)))
    shape = jax.ShapeDtypeStruct(there.shape, there.dtype)
    return jax.pure_callback(lambda a: special.gammaincinv(a, probability), shape, concentration)


@model(positive(2), smooth=_gamma_quantiles)
def gamma_samples(concentration: Tree) -> Tree:
    """Samples whose derivative by the parameter is implicit: along a quantile.

    https://docs.jax.dev/en/latest/_autosummary/jax.random.gamma.html
    """
    return jax.random.gamma(GAMMA, concentration)


@model(positive(3))
def random_walk(x: Tree) -> Tree:
    """A loop that carries its key and splits it at every step.

    https://docs.jax.dev/en/latest/random-numbers.html
    """

    def step(carry: Tree, _: None) -> tuple[Tree, Tree]:
        key, position = carry
        key, now = jax.random.split(key)
        position = position + 0.1 * jnp.sin(position) * jax.random.normal(now, position.shape)
        return (key, position), position

    return jax.lax.scan(step, (jax.random.key(7), x), length=4)[1]


@model(positive(4))
def gumbel_softmax(logits: Tree) -> Tree:
    """A relaxed categorical sample, with a key folded from an index.

    https://docs.jax.dev/en/latest/_autosummary/jax.random.gumbel.html
    """
    key = jax.random.fold_in(jax.random.key(0), 5)
    return jax.nn.softmax((logits + jax.random.gumbel(key, logits.shape)) / 0.7)
