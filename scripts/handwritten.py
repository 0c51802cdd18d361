"""What `jaccli jacobian configs/forecast.yaml -o FILE` does, as one would write it by hand."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

weight = jnp.asarray(np.random.default_rng(1).standard_normal((16, 16)), jnp.float32)
bias = jnp.asarray(np.random.default_rng(2).standard_normal(16), jnp.float32)
x = jnp.asarray(np.random.default_rng(3).standard_normal(16), jnp.float32)
jacobian = jax.jit(jax.jacfwd(lambda x: jnp.tanh(weight @ x + bias)))(x)
np.save(sys.argv[1], jacobian)
