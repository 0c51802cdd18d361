"""Known answers: computations whose results are known without JAX; is a device right?

Source of the batched products: jax-ml/jax#39103, where they came out wrong without an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from jaccli.backend import Device

_ROWS = 16_385


def check(device: Device) -> str | None:
    """Return what the device computes wrong, or None."""
    import jax

    with jax.default_device(device.handle), jax.default_matmul_precision("highest"):
        for name, answer in _ANSWERS.items():
            error = answer()
            if not error < _TOLERANCE:
                return f"WRONG: {name}: off by {error:.1e} of the largest entry"
    return None


_TOLERANCE = 1e-5


def _products() -> float:
    """Matrix-vector products of many rows, in float32, against numpy."""
    import jax

    generator = np.random.default_rng(0)
    weight = generator.normal(size=(_ROWS, 31)).astype(np.float32)
    x = generator.normal(size=31).astype(np.float32)
    return _error(jax.jit(lambda w, x: w @ x)(weight, x), weight @ x)


def _jacobian() -> float:
    """The forecast's Jacobian in float32 against (1 - y²) W."""
    import jax
    import jax.numpy as jnp

    weight, x = _weights()
    y = np.tanh(weight @ x)
    found = jax.jit(jax.jacfwd(lambda x: jnp.tanh(jnp.asarray(weight) @ x)))(x)
    return _error(found, (1 - y**2)[:, None] * weight)


def _batched_hessian(inner: str) -> float:
    """The forecast's Hessian, batched, reverse over `inner`, against -2 y (1 - y²) W W."""
    import jax
    import jax.numpy as jnp

    first = {"forward": jax.jacfwd, "reverse": jax.jacrev}[inner]
    weight, _ = _weights()
    xs = np.random.default_rng(2).normal(size=(64, weight.shape[1])).astype(np.float32)
    y = np.tanh(xs @ weight.T)
    expected = np.einsum("bi,ij,ik->bijk", -2 * y * (1 - y**2), weight, weight)
    hessian = jax.jacrev(first(lambda x: jnp.tanh(jnp.asarray(weight) @ x)))
    return _error(jax.jit(jax.vmap(hessian))(xs), expected)


def _weights() -> tuple[np.ndarray, np.ndarray]:
    """Return W (33, 31) and x (31,), scaled so that tanh does not saturate."""
    generator = np.random.default_rng(1)
    weight = generator.normal(size=(33, 31)).astype(np.float32) / 6
    return weight, generator.normal(size=31).astype(np.float32)


def _error(found: object, expected: np.ndarray) -> float:
    """Return the largest difference relative to the largest entry (dimensionless)."""
    difference = np.abs(np.asarray(found, np.float64) - expected).max()
    return float(difference / np.abs(expected).max())


_ANSWERS: dict[str, Callable[[], float]] = {
    f"matrix-vector products of {_ROWS:,} rows": _products,
    "Jacobian of the forecast": _jacobian,
    # JAX 0.10.2 had 3 % of the entries wrong, on some machines in one order alone.
    "batched Hessian of the forecast, reverse over forward": partial(_batched_hessian, "forward"),
    "batched Hessian of the forecast, reverse over reverse": partial(_batched_hessian, "reverse"),
}
