"""Functions on which the rule of `auto` may be made, beside those of `engine_cases.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import Case, array, hessian, uniform
from engine_cases import forecast_by_weight, forecast_by_x, layer_hessian, perceptrons, science
from jax import lax


def made_on() -> Iterator[Case]:
    """All of them: of the engine's figures, then more."""
    yield from forecast_by_x(16, 256, 1024)
    yield from forecast_by_weight(64, 256)
    yield layer_hessian("Hessian 32>16", 16, 32)
    yield layer_hessian("Hessian 8>64", 64, 8)
    yield from perceptrons()
    yield from science()
    yield from _mechanics()
    yield from _statistics()
    yield from _networks()
    yield from _small()


def _mechanics() -> Iterator[Case]:
    """Arms, pendulums, reactions and fields."""

    def arm(angles: Any) -> Any:
        total = jnp.cumsum(angles)
        return jnp.stack([jnp.cos(total).sum(), jnp.sin(total).sum()])

    yield Case("planar arm 6", arm, array(6))

    def pendulum(s: Any) -> Any:
        return s + 0.05 * jnp.array([s[1], -9.81 * jnp.sin(s[0]) - 0.1 * s[1]])

    yield Case("pendulum step", pendulum, array(2))
    k = jnp.array([0.04, 3.0, 1.0])

    def kinetics(c: Any) -> Any:
        r1, r2, r3 = k[0] * c[0], k[1] * c[1] ** 2, k[2] * c[1] * c[2]
        return jnp.stack([-r1 + r3, r1 - r2 - r3, r2])

    yield Case("robertson kinetics", kinetics, uniform(3))

    def heat(u: Any) -> Any:
        return jnp.pad(u, 1)[2:] + jnp.pad(u, 1)[:-2] - 2 * u + jnp.exp(-(u**2))

    yield Case("heat residual 1-D", heat, array(400))

    def burgers(u: Any) -> Any:
        return jnp.sum((u * (jnp.roll(u, -1) - jnp.roll(u, 1)) - 0.1 * u) ** 2)

    yield hessian("burgers least squares Hessian", burgers, array(128))


def _statistics() -> Iterator[Case]:
    """Likelihoods, distances, forms."""
    S = array(40, 40, scale=0.2)
    yield hessian("quadratic form Hessian", lambda x: x @ (S @ S.T) @ x, array(40))
    yield Case("rayleigh quotient", lambda x: (x @ S @ x) / (x @ x), array(40))
    yield Case(
        "distance matrix",
        lambda p: jnp.sqrt(((p[:, None] - p) ** 2).sum(-1) + 1e-3),
        array(20, 3),
    )
    data, means = array(100, 2), array(3, 2)

    def mixture(m: Any) -> Any:
        return jax.nn.logsumexp(-((data[:, None] - m) ** 2).sum(-1) / 2, axis=1).sum()

    yield Case("mixture gradient", mixture, means)
    yield hessian("mixture Hessian", mixture, means)
    A, b = array(200, 20), array(200)

    def huber(w: Any) -> Any:
        r = A @ w - b
        return jnp.where(jnp.abs(r) < 1, 0.5 * r**2, jnp.abs(r) - 0.5).sum()

    yield hessian("huber Hessian", huber, array(20))
    yield Case(
        "log determinant", lambda M: jnp.linalg.slogdet(M + 4 * jnp.eye(12))[1], array(12, 12)
    )


def _networks() -> Iterator[Case]:
    """Layers and cells."""
    U, V, W = (array(24, 24, scale=0.2, seed=s) for s in range(3))

    def gru(h: Any) -> Any:
        z, r = jax.nn.sigmoid(U @ h), jax.nn.sigmoid(V @ h)
        return (1 - z) * h + z * jnp.tanh(W @ (r * h))

    yield Case("gru cell", gru, array(24))

    def pool(x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (2, 2), "VALID")

    yield Case("max pooling", pool, array(16, 16))
    T, u, v = array(8, 10, 12, scale=0.2), array(10), array(12)
    yield Case("bilinear map", lambda u: jnp.einsum("kij,i,j->k", T, u, v), u)
    yield Case("outer product", lambda u: jnp.tanh(u[:, None] * v), u)
    index = np.random.default_rng(0).integers(0, 300, 200)
    yield Case("gather", lambda x: x[index] ** 2, array(300))
    yield Case("batch norm", lambda x: (x - x.mean(0)) / (x.std(0) + 1e-3), array(32, 8))


def _small() -> Iterator[Case]:
    """A few scalars in, as one would type them."""
    yield Case("polar", lambda p: jnp.stack([p[0] * jnp.cos(p[1]), p[0] * jnp.sin(p[1])]), array(2))
    yield Case("ratio", lambda p: (p[0] + p[1]) / (1 + p[2] ** 2), array(3))
    yield hessian(
        "scalar formula Hessian", lambda p: jnp.exp(-p[0] * p[1]) * jnp.sin(p[2] + p[0]), array(3)
    )
    yield Case("curve", lambda t: jnp.sin(t * jnp.arange(1.0, 2001.0)), array())
    yield Case("elementwise", lambda x: jnp.exp(jnp.sin(x)), array(1500))
