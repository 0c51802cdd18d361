"""Densities, bijectors and probabilistic programs of NumPyro and Distrax."""

from __future__ import annotations

import warnings

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.infer.util import log_density, potential_energy

from tests.ecosystem.cases import Tree, model, normal, positive

with warnings.catch_warnings():
    # TensorFlow Probability, which Distrax imports.
    warnings.filterwarnings("ignore", "jax.core.pytype_aval_mappings", DeprecationWarning)
    import distrax


@model(positive(2))
def densities(p: Tree) -> Tree:
    """Logarithms of three densities of NumPyro."""
    scale = jnp.exp(p[1])
    several = dist.Normal(p[0], scale).log_prob(jnp.arange(5.0)).sum()
    one = dist.Gamma(2.0, scale).log_prob(1.3)
    return several + one + dist.LogNormal(p[0], 1.0).log_prob(2.0)


@model(positive(2))
def bijector(p: Tree) -> Tree:
    """The logarithm of the determinant of a chain of Distrax."""
    chain = distrax.Chain([distrax.Tanh(), distrax.ScalarAffine(p[0], p[1])])
    return chain.forward_and_log_det(jnp.arange(3.0) / 3)[1]


def _schools() -> None:
    effects = jnp.array([28.0, 8.0, -3.0, 7.0])
    errors = jnp.array([15.0, 10.0, 16.0, 11.0])
    mean = numpyro.sample("mean", dist.Normal(0, 5))
    spread = numpyro.sample("spread", dist.HalfCauchy(5))
    with numpyro.plate("schools", 4):
        offset = numpyro.sample("offset", dist.Normal(0, 1))
        numpyro.sample("effect", dist.Normal(mean + spread * offset, errors), obs=effects)


@model({"mean": normal(1)[0], "spread": positive(1)[0], "offset": normal(4)})
def eight_schools(unconstrained: Tree) -> Tree:
    """The potential energy of a hierarchical model in unconstrained parameters.

    https://num.pyro.ai/en/stable/getting_started.html
    """
    return potential_energy(_schools, (), {}, unconstrained)


@model({"var": positive(1)[0], "length": positive(1)[0], "noise": 0.1 * positive(1)[0]})
def gaussian_process(parameters: Tree) -> Tree:
    """The density of a Gaussian process by the parameters of its kernel.

    https://num.pyro.ai/en/stable/examples/gp.html
    """
    x = jnp.linspace(-1.0, 1.0, 5)

    def program() -> None:
        var, length, noise = (
            numpyro.sample(name, dist.LogNormal(0.0, 10.0)) for name in ("var", "length", "noise")
        )
        squares = ((x[:, None] - x) / length) ** 2
        kernel = var * jnp.exp(-0.5 * squares) + (noise + 1e-6) * jnp.eye(5)
        normal = dist.MultivariateNormal(jnp.zeros(5), covariance_matrix=kernel)
        numpyro.sample("y", normal, obs=jnp.sin(4 * x))

    return log_density(program, (), {}, parameters)[0]


@model({"smoothing": 0.5 * positive(2), "level": normal(1)[0], "trend": normal(1)[0]})
def exponential_smoothing(parameters: Tree) -> Tree:
    """The density of a time series in the recursion of Holt and Winters, without seasons.

    https://num.pyro.ai/en/stable/examples/holt_winters.html
    """
    data = jnp.sin(jnp.arange(6.0))

    def program() -> None:
        smoothing = numpyro.sample("smoothing", dist.Beta(1, 1).expand([2]))
        level = numpyro.sample("level", dist.Normal(0, 1))
        trend = numpyro.sample("trend", dist.Normal(0, 1))

        def transition(carry: Tree, y: Tree) -> tuple[Tree, Tree]:
            level, trend = carry
            predicted = numpyro.sample("y", dist.Normal(level + trend, 0.3), obs=y)
            new = smoothing[0] * y + (1 - smoothing[0]) * (level + trend)
            trend = smoothing[1] * (new - level) + (1 - smoothing[1]) * trend
            return (new, trend), predicted

        scan(transition, (level, trend), data)

    return log_density(program, (), {}, parameters)[0]


@model({"transition": normal(3, 3), "location": normal(3)})
def hidden_markov(parameters: Tree) -> Tree:
    """The likelihood of a hidden Markov model, by the forward algorithm.

    https://github.com/google-deepmind/distrax/blob/master/examples/hmm.py
    """
    chain = distrax.HMM(
        init_dist=distrax.Categorical(logits=jnp.zeros(3)),
        trans_dist=distrax.Categorical(logits=parameters["transition"]),
        obs_dist=distrax.Normal(parameters["location"], jnp.ones(3)),
    )
    return chain.forward(jnp.array([0.1, -0.4, 1.2, 0.3]))[1]


@model(normal(3))
def spline_flow(x: Tree) -> Tree:
    """A coupling flow with rational-quadratic splines.

    https://github.com/google-deepmind/distrax/blob/master/examples/flow.py
    """
    weight = jnp.asarray(normal(3, 3, 10))

    def conditioner(x: Tree) -> Tree:
        return jnp.tanh(jnp.einsum("i,ijk->jk", x, weight))

    flow = distrax.MaskedCoupling(
        mask=jnp.array([True, False, True]),
        bijector=lambda p: distrax.RationalQuadraticSpline(p, range_min=-3.0, range_max=3.0),
        conditioner=conditioner,
    )
    y, log_det = flow.forward_and_log_det(x)
    return {"y": y, "log_det": log_det}


@model(positive(3))
def reparameterized(p: Tree) -> Tree:
    """Samples from a scaled and from a transformed distribution, by parameters.

    https://num.pyro.ai/en/stable/distributions.html
    """
    base = dist.Gumbel(p[0], p[1])
    shifted = dist.TransformedDistribution(
        dist.Normal(p[2], 1.0), [dist.transforms.SigmoidTransform()]
    )
    return base.sample(jax.random.key(0), (2,)) * shifted.sample(jax.random.key(1), (2,))
