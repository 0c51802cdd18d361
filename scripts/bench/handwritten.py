"""What `jaccli jacobian configs/forecast.yaml -o FILE` does, as one would write it by hand."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import yaml

with open(sys.argv[1]) as file:
    inputs = yaml.safe_load(file)["inputs"]
weight, bias, x = (
    np.random.default_rng(inputs[name]["seed"])
    .standard_normal(inputs[name]["shape"])
    .astype(np.float32)
    for name in ("weight", "bias", "x")
)
jacobian = jax.jit(jax.jacfwd(lambda x: jnp.tanh(weight @ x + bias)))
np.save(sys.argv[2], jacobian(x))
