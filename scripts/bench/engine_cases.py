"""The cases of the engine's figures: forecast, tutorial, perceptrons, science and learning.

Every function returns the cases of one part of `bench_engine.py`; hand-written derivatives stand
beside the functions.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import Case, array, hessian
from jax import lax


def forecast_by_x(*sizes: int) -> Iterator[Case]:
    """The forecast tanh(W x + b) of D numbers with respect to x: (1 − y²) W."""
    for d in sizes:
        W, b = array(d, d, scale=d**-0.5), array(d)

        def f(x: Any, W: Any = W, b: Any = b) -> Any:
            return jnp.tanh(W @ x + b)

        def closed(x: Any, W: Any = W, b: Any = b) -> Any:
            return (1 - jnp.tanh(W @ x + b) ** 2)[:, None] * W

        yield Case(f"forecast x {d}", f, array(d), closed)


def forecast_by_weight(*sizes: int) -> Iterator[Case]:
    """The forecast with respect to W: row i of W moves output i alone, by (1 − y²)ᵢ x."""
    for d in sizes:
        x, b = array(d), array(d)

        def f(W: Any, x: Any = x, b: Any = b) -> Any:
            return jnp.tanh(W @ x + b)

        def closed(W: Any, x: Any = x, b: Any = b) -> Any:
            slope = 1 - jnp.tanh(W @ x + b) ** 2
            return jnp.where(jnp.eye(x.size, dtype=bool)[:, :, None], slope[:, None, None] * x, 0.0)

        yield Case(f"forecast W {d}", f, array(d, d, scale=d**-0.5), closed)


def forecast_values(d: int) -> Case:
    """The forecast with respect to W, `closed` giving its D² non-zeros alone."""
    (case,) = forecast_by_weight(d)
    x, b = array(d), array(d)

    def closed(W: Any) -> Any:
        return (1 - jnp.tanh(W @ x + b) ** 2)[:, None] * x

    return Case(f"forecast W {d} non-zeros", case.f, case.x, closed)


def layer_hessian(name: str, outputs: int, inputs: int, batch: int = 0) -> Case:
    """The Hessian of a layer tanh(W x + c), of one point or of a batch of them."""
    W, c = array(outputs, inputs, scale=0.2), array(outputs)

    def closed(x: Any) -> Any:
        y = jnp.tanh(x @ W.T + c)
        return (-2 * y * (1 - y**2))[..., None, None] * (W[:, :, None] * W[:, None, :])

    x = array(batch, inputs) if batch else array(inputs)
    return Case(name, lambda x: jnp.tanh(W @ x + c), x, closed, "hessian", batch > 0)


def tutorial() -> Iterator[Case]:
    """The tutorial's Hessian and its batch."""
    yield layer_hessian("Hessian 32>16", 16, 32)
    yield layer_hessian("Hessians 64x31>33", 33, 31, 64)


def perceptron(name: str, *sizes: int) -> Case:
    """A multi-layer perceptron; its chain is multiplied from the side with fewer numbers."""
    weights = [array(m, n, scale=n**-0.5) for n, m in itertools.pairwise(sizes)]

    def f(x: Any) -> Any:
        for W in weights:
            x = jnp.tanh(W @ x)
        return x

    def chain(x: Any) -> Any:
        factors = []
        for W in weights:
            x = jnp.tanh(W @ x)
            factors.append((1 - x**2)[:, None] * W)
        if sizes[0] > sizes[-1]:
            J = factors.pop()
            while factors:
                J = J @ factors.pop()
            return J
        J = factors.pop(0)
        for factor in factors:
            J = factor @ J
        return J

    return Case(f"mlp {name}", f, array(sizes[0]), chain)


def perceptrons() -> Iterator[Case]:
    """Multi-layer perceptrons against their chain rule written out."""
    yield perceptron("wide>narrow", 512, 128, 16)
    yield perceptron("narrow>wide", 16, 128, 512)
    yield perceptron("square", 256, 256, 256, 256)
    yield perceptron("bottleneck", 256, 16, 256)
    W, V = array(128, 128, scale=0.1), array(128, 128, scale=0.1, seed=1)

    def residual(x: Any) -> Any:
        for M in (W, V):
            x = x + jnp.tanh(M @ x)
        return x

    def residual_chain(x: Any) -> Any:
        factors = []
        for M in (W, V):
            y = jnp.tanh(M @ x)
            factors.append((1 - y**2)[:, None] * M)
            x = x + y
        first, second = factors
        return jnp.eye(128) + first + second + second @ first

    yield Case("mlp residual", residual, array(128), residual_chain)
    X, Y, U = array(64, 32), array(64, 4), array(4, 48, scale=0.2)

    def loss(W: Any) -> Any:
        return jnp.mean((jnp.tanh(X @ W.T) @ U.T - Y) ** 2)

    def loss_chain(W: Any) -> Any:
        H = jnp.tanh(X @ W.T)
        return (((2 / Y.size) * (H @ U.T - Y) @ U) * (1 - H**2)).T @ X

    yield Case("mlp loss W", loss, array(48, 32, scale=0.2), loss_chain)


def lorenz96(x: Any) -> Any:
    """Weather on a circle: d/dt xᵢ = (xᵢ₊₁ − xᵢ₋₂) xᵢ₋₁ − xᵢ + 8."""
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + 8


def brusselator(u: Any) -> Any:
    """Reaction and diffusion on a ring, two species."""
    a, b = u[0], u[1]
    lap = jnp.roll(u, 1, 1) + jnp.roll(u, -1, 1) - 2 * u
    return jnp.stack([1 + a**2 * b - 4 * a, 3 * a - a**2 * b]) + 0.5 * lap


def rosenbrock(x: Any) -> Any:
    """The valley Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²."""
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def lennard_jones(p: Any) -> Any:
    """Energy of all pairs."""
    i, j = np.triu_indices(p.shape[0], 1)
    r6 = (((p[i] - p[j]) ** 2).sum(-1)) ** -3
    return jnp.sum(r6**2 - r6)


def _networks() -> Iterator[Case]:
    """Layers of networks."""
    k1, k2 = array(5), array(8, 3, 3, 3)
    yield Case("conv 1-D", lambda x: jnp.tanh(jnp.convolve(x, k1, "same")), array(512))
    yield Case(
        "conv 2-D", lambda x: jnp.tanh(lax.conv(x[None], k2, (1, 1), "SAME")[0]), array(3, 12, 12)
    )
    yield Case("softmax", jax.nn.softmax, array(512))
    yield Case("softmax batch", lambda x: jax.nn.softmax(x, -1), array(32, 32))
    Q, K, V = (array(16, 16, scale=0.25, seed=s) for s in range(3))

    def attention(x: Any) -> Any:
        return jax.nn.softmax((x @ Q) @ (x @ K).T / 4) @ (x @ V)

    yield Case("attention", attention, array(16, 16))

    def layer_norm(x: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)

    yield Case("layer norm", layer_norm, array(16, 64))
    R, S = array(32, 32, scale=0.1), array(32, 8, scale=0.3)

    def rnn(xs: Any) -> Any:
        return lax.scan(lambda h, x: (jnp.tanh(R @ h + S @ x), None), jnp.zeros(32), xs)[0]

    yield Case("scanned RNN", rnn, array(20, 8))


def _losses() -> Iterator[Case]:
    """Scalar functions: gradients and Hessians."""
    yield Case("rosenbrock gradient", rosenbrock, array(1000))
    yield hessian("rosenbrock Hessian", rosenbrock, array(512))

    def closed(x: Any) -> Any:
        p = jax.nn.softmax(x)
        return jnp.diag(p) - p[:, None] * p

    yield hessian("logsumexp Hessian", jax.nn.logsumexp, array(512), closed)
    A, t = array(256, 48), jnp.sign(array(256))

    def logistic(w: Any) -> Any:
        return jnp.mean(jnp.logaddexp(0.0, -t * (A @ w)))

    yield Case("logistic gradient", logistic, array(48, scale=0.1))
    yield hessian("logistic Hessian", logistic, array(48, scale=0.1))
    points = array(32)

    def likelihood(h: Any) -> Any:
        distance = (points[:, None] - points) ** 2
        C = jnp.exp(h[0] - distance * jnp.exp(h[1])) + (jnp.exp(h[2]) + 1e-2) * jnp.eye(32)
        L = jnp.linalg.cholesky(C)
        z = jax.scipy.linalg.solve_triangular(L, jnp.sin(points), lower=True)
        return 0.5 * z @ z + jnp.log(jnp.diag(L)).sum()

    yield Case("GP likelihood gradient", likelihood, array(3, scale=0.1))
    yield hessian("GP likelihood Hessian", likelihood, array(3, scale=0.1))
    grid = jnp.stack(jnp.meshgrid(*[jnp.arange(3.0)] * 3), -1).reshape(27, 3)
    lattice = 1.2 * grid + array(27, 3, scale=0.05)
    yield Case("Lennard-Jones gradient", lennard_jones, lattice)
    yield hessian("Lennard-Jones Hessian", lennard_jones, lattice)


def science() -> Iterator[Case]:
    """Functions of science and learning."""
    yield Case("lorenz96 512", lorenz96, array(512))
    yield from _networks()

    def step(x: Any, _: Any) -> tuple[Any, None]:
        return x + 0.01 * lorenz96(x), None

    yield Case("scanned ODE", lambda x: lax.scan(step, x, None, length=20)[0], array(64))
    yield Case("brusselator", brusselator, array(2, 128))
    yield from _losses()
    P = jnp.eye(24) * 3
    yield Case("inverse", lambda M: jnp.linalg.inv(M + P), array(24, 24, scale=0.2))
    yield Case("solve", lambda M: jnp.linalg.solve(M + P, jnp.ones(24)), array(24, 24, scale=0.2))
    yield Case(
        "cholesky", lambda M: jnp.linalg.cholesky(M @ M.T + jnp.eye(16)), array(16, 16, scale=0.2)
    )
    yield Case("cumulative product", jnp.cumprod, 1 + array(128, scale=0.1))
    yield Case("sort", lambda x: jnp.sort(jnp.sin(x)), array(256))
