"""Functions held out: chosen before the rule of `auto`, and not looked at while making it.

Whoever changes the rule looks at `corpus_made_on.py` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import Case, array, hessian, uniform
from jax import lax


def held_out() -> Iterator[Case]:
    """All of them."""
    yield from _finance_and_filters()
    yield from _mechanics()
    yield from _fields()
    yield from _statistics()
    yield from _linear_algebra()
    yield from _networks()
    yield from _signals()


def _normal_cdf(x: Any) -> Any:
    return 0.5 * (1 + lax.erf(x / math.sqrt(2)))


def _call_price(p: Any) -> Any:
    """Black and Scholes: spot, strike, time, rate, volatility."""
    spot, strike, t, rate, sigma = (p[name] for name in ("s", "k", "t", "r", "v"))
    d1 = (jnp.log(spot / strike) + (rate + sigma**2 / 2) * t) / (sigma * jnp.sqrt(t))
    d2 = d1 - sigma * jnp.sqrt(t)
    return spot * _normal_cdf(d1) - strike * jnp.exp(-rate * t) * _normal_cdf(d2)


def _finance_and_filters() -> Iterator[Case]:
    option = {
        name: jnp.float32(value)
        for name, value in {"s": 1.1, "k": 1.0, "t": 0.5, "r": 0.02, "v": 0.3}.items()
    }
    yield Case("black-scholes delta, vega, theta, rho", _call_price, option)
    yield hessian("black-scholes second greeks", _call_price, option)
    yield Case(
        "option book by spot",
        lambda s: _call_price({**option, "s": s, "k": jnp.linspace(0.5, 2.0, 300)}),
        uniform(300, low=0.8, high=1.2),
    )
    F, H, Q = array(6, 6, scale=0.4), array(2, 6), 0.1 * jnp.eye(6)

    def kalman(state: Any) -> Any:
        m, P = F @ state["m"], F @ state["P"] @ F.T + Q
        gain = jnp.linalg.solve(H @ P @ H.T + jnp.eye(2), H @ P).T
        return {"m": m + gain @ (jnp.ones(2) - H @ m), "P": P - gain @ H @ P}

    yield Case("kalman step", kalman, {"m": array(6), "P": jnp.eye(6)})

    def portfolio(w: Any) -> Any:
        r = array(250, 30, scale=0.01) @ jax.nn.softmax(w)
        return r.mean() / (r.std() + 1e-3)

    yield Case("sharpe ratio gradient", portfolio, array(30))


def _mechanics() -> Iterator[Case]:
    def rotation(angle: Any) -> Any:
        c, s, one, zero = jnp.cos(angle), jnp.sin(angle), jnp.ones(()), jnp.zeros(())
        return jnp.stack(
            [jnp.stack([c, -s, zero]), jnp.stack([s, c, zero]), jnp.stack([zero, zero, one])]
        )

    def robot(angles: Any) -> Any:
        tip = jnp.array([1.0, 0.0, 0.3])
        for k in range(7):
            swap = jnp.eye(3)[np.roll(np.arange(3), k % 3)]
            tip = rotation(angles[k]) @ (swap @ tip) + jnp.array([0.5, 0.0, 0.1])
        return tip

    yield Case("robot arm 7 joints", robot, array(7))

    def double_pendulum(s: Any) -> Any:
        a, b, u, v = s
        d = a - b
        den = 3 - jnp.cos(2 * d)
        du = (
            -3 * jnp.sin(a) - jnp.sin(a - 2 * b) - 2 * jnp.sin(d) * (v**2 + u**2 * jnp.cos(d))
        ) / den
        dv = (2 * jnp.sin(d) * (2 * u**2 + 2 * jnp.cos(a) + v**2 * jnp.cos(d))) / den
        return jnp.stack([u, v, du, dv])

    def runge_kutta(s: Any) -> Any:
        h = 0.02
        a = double_pendulum(s)
        b = double_pendulum(s + h / 2 * a)
        c = double_pendulum(s + h / 2 * b)
        return s + h / 6 * (a + 2 * b + 2 * c + double_pendulum(s + h * c))

    yield Case("double pendulum, one step", runge_kutta, array(4))
    yield Case(
        "double pendulum, 30 steps",
        lambda s: lax.fori_loop(0, 30, lambda _, s: runge_kutta(s), s),
        array(4),
    )

    def gravity(p: Any) -> Any:
        d = p[:, None] - p
        r2 = (d**2).sum(-1) + 0.1
        return -(d / r2[..., None] ** 1.5).sum(1)

    yield Case("n-body accelerations", gravity, array(24, 3))
    edges = np.random.default_rng(3).integers(0, 80, (200, 2))

    def springs(x: Any) -> Any:
        forces = jnp.tanh(x[edges[:, 0]] - x[edges[:, 1]])
        return jnp.zeros(80).at[edges[:, 0]].add(-forces).at[edges[:, 1]].add(forces)

    yield Case("springs on a graph, scatter-add", springs, array(80))

    def energy(x: Any) -> Any:
        return jnp.sum(jnp.cosh(x[edges[:, 0]] - x[edges[:, 1]]))

    yield hessian("graph energy Hessian", energy, array(80, scale=0.3))
    species, rates = np.random.default_rng(4).integers(0, 30, (60, 3)), uniform(60)

    def network(c: Any) -> Any:
        flow = rates * c[species[:, 0]] * c[species[:, 1]]
        return jnp.zeros(30).at[species[:, 2]].add(flow).at[species[:, 0]].add(-flow)

    yield Case("reaction network", network, uniform(30))


def _fields() -> Iterator[Case]:
    def poisson(u: Any) -> Any:
        w = jnp.pad(u, 1)
        lap = w[2:, 1:-1] + w[:-2, 1:-1] + w[1:-1, 2:] + w[1:-1, :-2] - 4 * u
        return lap + jnp.exp(u)

    yield Case("bratu residual 2-D", poisson, array(24, 24, scale=0.3))

    def minimal_surface(u: Any) -> Any:
        dx, dy = u[1:, :-1] - u[:-1, :-1], u[:-1, 1:] - u[:-1, :-1]
        return jnp.sqrt(1 + dx**2 + dy**2).sum()

    yield hessian("minimal surface Hessian", minimal_surface, array(12, 12))

    def shallow_water(s: Any) -> Any:
        h, q = 1 + 0.1 * s[0], s[1]
        flux = jnp.stack([q, q**2 / h + 0.5 * h**2])
        return s - 0.1 * (jnp.roll(flux, -1, 1) - jnp.roll(flux, 1, 1))

    yield Case("shallow water step", shallow_water, array(2, 150))


def _statistics() -> Iterator[Case]:
    A, counts = array(150, 60, scale=0.2), jnp.floor(3 * uniform(150))
    yield hessian(
        "poisson regression Hessian", lambda w: (jnp.exp(A @ w) - counts * (A @ w)).sum(), array(60)
    )
    X = array(80, 12)

    def student(theta: Any) -> Any:
        r = (X[:, 0] - X[:, 1:] @ theta["w"]) * jnp.exp(-theta["s"])
        return (theta["s"] + 2.5 * jnp.log1p(r**2 / 4)).sum()

    yield hessian("student-t regression Hessian", student, {"w": array(11), "s": array()})
    yield Case(
        "moments",
        lambda x: jnp.stack([x.mean(), x.var(), ((x - x.mean()) ** 3).mean() / x.std() ** 3]),
        array(2000),
    )

    def soft_rank(x: Any) -> Any:
        return jax.nn.sigmoid((x[:, None] - x) / 0.1).sum(1)

    yield Case("soft ranks", soft_rank, array(60))
    yield Case(
        "covariance matrix", lambda x: (x - x.mean(0)).T @ (x - x.mean(0)) / 39, array(40, 10)
    )
    yield Case("polynomial features", lambda x: x[:, None] ** jnp.arange(6), uniform(100))


def _linear_algebra() -> Iterator[Case]:
    def symmetric(M: Any) -> Any:
        return M + M.T + jnp.diag(jnp.arange(10.0) * 3)

    yield Case("eigenvalues", lambda M: jnp.linalg.eigvalsh(symmetric(M)), array(10, 10, scale=0.2))
    yield Case("determinant", lambda M: jnp.linalg.det(M + 2 * jnp.eye(8)), array(8, 8, scale=0.3))
    L = jnp.tril(array(48, 48, scale=0.1)) + 2 * jnp.eye(48)
    yield Case(
        "triangular solve",
        lambda b: jax.scipy.linalg.solve_triangular(L, jnp.sin(b), lower=True),
        array(48),
    )
    A, B = array(20, 30, scale=0.2), array(10, 20, scale=0.2)
    yield Case("matrix sandwich", lambda X: B @ jnp.tanh(A @ X), array(30, 6))
    yield Case(
        "einsum network",
        lambda G: jnp.einsum("abc,cd,be->ade", G, array(8, 9), array(6, 5)),
        array(7, 6, 8),
    )


def _networks() -> Iterator[Case]:
    Q, K, V, mix = (array(16, 16, scale=0.25, seed=s) for s in range(4))
    up, down = array(16, 48, scale=0.2), array(48, 16, scale=0.2)

    def block(x: Any) -> Any:
        def norm(x: Any) -> Any:
            return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-3)

        y = norm(x)
        weights = jax.nn.softmax((y @ Q) @ (y @ K).T / 4 - 1e3 * jnp.triu(jnp.ones((12, 12)), 1))
        x = x + weights @ (y @ V) @ mix
        return x + jax.nn.gelu(norm(x) @ up) @ down

    yield Case("transformer block", block, array(12, 16))
    E, bias = array(40, 10, scale=0.3), array(40, scale=0.1)

    def lstm(state: Any) -> Any:
        i, f, g, o = jnp.split(E @ state["h"] + bias, 4)
        c = jax.nn.sigmoid(f) * state["c"] + jax.nn.sigmoid(i) * jnp.tanh(g)
        return {"h": jax.nn.sigmoid(o) * jnp.tanh(c), "c": c}

    yield Case("lstm cell", lstm, {"h": array(10), "c": array(10, seed=1)})
    D1, D2, images = array(64, 20, scale=0.2), array(10, 64, scale=0.2), array(50, 20)
    labels = np.random.default_rng(5).integers(0, 10, 50)

    def cross_entropy(params: Any) -> Any:
        scores = jax.nn.relu(images @ params["a"].T) @ params["b"].T
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1).mean()

    yield Case("classifier gradient", cross_entropy, {"a": D1, "b": D2})
    small = array(6, 5, scale=0.4)
    yield hessian(
        "tiny net Hessian by weights",
        lambda W: jnp.tanh(jnp.tanh(images[:, :5] @ W.T).sum(1)).mean(),
        small,
    )
    yield Case(
        "average pooling and bias",
        lambda x: x.reshape(8, 2, 8, 2, 4).mean((1, 3)) + jnp.sin(x[::2, ::2]),
        array(16, 16, 4),
    )
    yield Case("wide decoder", lambda z: jax.nn.sigmoid(array(3000, 4) @ jnp.tanh(z)), array(4))
    yield Case("tall encoder", lambda x: jnp.tanh(array(4, 3000, scale=0.02) @ x), array(3000))


def _signals() -> Iterator[Case]:
    yield Case("power spectrum", lambda x: jnp.abs(jnp.fft.rfft(x)) ** 2, array(128))

    def warp(flow: Any) -> Any:
        image, grid = array(16, 16), jnp.stack(jnp.mgrid[0:16, 0:16]).astype(jnp.float32)
        where = jnp.clip(grid + flow, 0, 14.99)
        low = jnp.floor(where)
        fy, fx = where - low
        y, x = low.astype(int)
        top = image[y, x] * (1 - fx) + image[y, x + 1] * fx
        return top * (1 - fy) + (image[y + 1, x] * (1 - fx) + image[y + 1, x + 1] * fx) * fy

    yield Case("image warp by flow", warp, array(2, 16, 16, scale=0.3))
    yield Case("cumulative sum of exponentials", lambda x: jnp.cumsum(jnp.exp(x)), array(200))
    knots = jnp.linspace(0.0, 1.0, 12)
    yield Case(
        "linear spline by values",
        lambda v: jnp.interp(jnp.linspace(0.05, 0.95, 400), knots, v),
        array(12),
    )

    def newton_root(a: Any) -> Any:
        return lax.while_loop(
            lambda s: jnp.abs(s[0] ** 2 - a).max() > 1e-3,
            lambda s: (0.5 * (s[0] + a / s[0]),),
            (jnp.ones_like(a),),
        )[0]

    yield Case("square roots by a while loop", newton_root, uniform(40, low=1.0, high=9.0))
    yield Case("one number", lambda x: jnp.tanh(x) ** 2, array())
