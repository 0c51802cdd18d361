"""A hierarchical model of NumPyro, used by numpyro_schools.yaml."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist
from numpyro.infer.util import log_density


def program(effects: jax.Array, errors: jax.Array) -> None:
    """Eight schools: effects scatter around a common mean (Rubin, 1981)."""
    mean = numpyro.sample("mean", dist.Normal(0.0, 5.0))
    spread = numpyro.sample("spread", dist.HalfCauchy(5.0))
    with numpyro.plate("schools", effects.shape[0]):
        variance = spread**2 + errors**2
        numpyro.sample("effects", dist.Normal(mean, jnp.sqrt(variance)), obs=effects)


def log_posterior(
    mean: jax.Array, spread: jax.Array, effects: jax.Array, errors: jax.Array
) -> jax.Array:
    """Return the logarithm of the posterior density, up to a constant."""
    return log_density(program, (effects, errors), {}, {"mean": mean, "spread": spread})[0]
