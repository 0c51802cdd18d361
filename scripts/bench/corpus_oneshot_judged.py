"""Functions on which one-shot choices are judged: not looked at while the model was fitted.

Beside them, `corpus_held_out.py`.  Whoever changes the model looks at `corpus_oneshot_fit.py` and
`corpus_made_on.py` alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import Case, hessian
from jax import lax


def judged() -> Iterator[Case]:
    """All of them."""
    yield from _marching()
    yield from _finance()
    yield from _roots()
    yield from _kinematics()
    yield from _networks()
    yield from _fields()
    yield from _statistics()
    yield from _matrices()


def numbers(*shape: int, scale: float = 1.0) -> Any:
    """Return normal random numbers in float64, the same for the same shape."""
    return jnp.asarray(scale * np.random.default_rng([11, *shape]).normal(size=shape))


def _lorenz(s: Any) -> Any:
    x, y, z = s
    return jnp.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def _rk4(rate: Any, s: Any, h: float) -> Any:
    a = rate(s)
    b = rate(s + h / 2 * a)
    c = rate(s + h / 2 * b)
    return s + h / 6 * (a + 2 * b + 2 * c + rate(s + h * c))


def _marching() -> Iterator[Case]:
    """Ordinary differential equations: most in loops that Python writes out."""

    def lorenz(steps: int) -> Any:
        def flow(s: Any) -> Any:
            for _ in range(steps):
                s = _rk4(_lorenz, s, 0.01)
            return s

        return flow

    start = jnp.array([1.0, 2.0, 20.0])
    yield Case("Lorenz RK4 3", lorenz(3), start)
    yield Case("Lorenz RK4 20", lorenz(20), start)
    yield Case("Lorenz RK4 8, one output", lambda s: lorenz(8)(s)[0], start)

    def oscillator(p: Any) -> Any:
        x, v = p["x"], p["v"]
        for _ in range(30):
            v = v - 0.1 * (p["k"] * x + p["c"] * v)
            x = x + 0.1 * v
        return x

    yield Case(
        "damped oscillator 30",
        oscillator,
        {
            name: jnp.asarray(value)
            for name, value in zip("xvkc", (1.0, 0.1, 2.0, 0.3), strict=True)
        },
    )

    def leapfrog(q: Any) -> Any:
        p = jnp.zeros_like(q)
        for _ in range(20):
            p = p - 0.05 * q / (q @ q) ** 1.5
            q = q + 0.05 * p
        return jnp.concatenate([q, p])

    yield Case("Kepler leapfrog 20", leapfrog, jnp.array([1.0, 0.2, 0.1]))

    def van_der_pol(s: Any) -> Any:
        for _ in range(60):
            s = s + 0.02 * jnp.stack([s[1], 1.5 * (1 - s[0] ** 2) * s[1] - s[0]])
        return s

    yield Case("van der Pol Euler 60", van_der_pol, jnp.array([0.5, 0.1]))

    def compartments(k: Any) -> Any:
        c = jnp.array([1.0, 0.0, 0.0, 0.0])
        for _ in range(40):
            flow = k * c
            c = c + 0.1 * (jnp.roll(flow, 1) - flow)
        return c

    yield Case("compartments 40 by rates", compartments, jnp.array([0.3, 0.2, 0.1, 0.4]))

    def scanned(s: Any) -> Any:
        return lax.scan(lambda s, _: (_rk4(_lorenz, s, 0.01), s[0]), s, None, length=50)[1]

    yield Case("Lorenz scan 50, path", scanned, start)

    def adams(y: Any) -> Any:
        def rate(y: Any) -> Any:
            return -(y**2) + jnp.sin(3 * y)

        old = rate(y)
        for _ in range(25):
            new = rate(y)
            y = y + 0.04 * (1.5 * new - 0.5 * old)
            old = new
        return y

    yield Case("Adams-Bashforth 25, 100 points", adams, numbers(100))


def _cdf(x: Any) -> Any:
    return 0.5 * (1 + lax.erf(x / math.sqrt(2)))


def _finance() -> Iterator[Case]:
    """Options: trees, barriers by loops, Greeks."""

    def american(steps: int) -> Any:
        def price(p: Any) -> Any:
            spot, sigma, rate = p
            dt = 1 / steps
            up = jnp.exp(sigma * math.sqrt(dt))
            q = (jnp.exp(rate * dt) - 1 / up) / (up - 1 / up)
            value = jnp.maximum(1 - spot * up ** (2.0 * jnp.arange(steps + 1) - steps), 0)
            for n in range(steps - 1, -1, -1):
                value = jnp.exp(-rate * dt) * (q * value[1:] + (1 - q) * value[:-1])
                exercised = 1 - spot * up ** (2.0 * jnp.arange(n + 1) - n)
                value = jnp.maximum(value, exercised)
            return value[0]

        return price

    contract = jnp.array([1.0, 0.25, 0.03])
    yield Case("American put tree 20", american(20), contract)
    yield Case("American put tree 40", american(40), contract)
    yield hessian("American put tree 6 Hessian", american(6), contract)

    def put(p: Any) -> Any:
        s, k, t, r, v = p
        d = (jnp.log(s / k) + (r + v**2 / 2) * t) / (v * jnp.sqrt(t))
        return k * jnp.exp(-r * t) * _cdf(v * jnp.sqrt(t) - d) - s * _cdf(-d)

    greeks = jnp.array([1.1, 1.0, 0.5, 0.02, 0.3])
    yield Case("put Greeks", put, greeks)
    yield hessian("put second Greeks", put, greeks)

    def bond(p: Any) -> Any:
        total = 0.0
        for year in range(1, 31):
            total = total + p[0] * jnp.exp(-(p[1] + p[2] * year) * year)
        return total + jnp.exp(-30 * (p[1] + p[2] * 30))

    yield Case("bond of 30 coupons", bond, jnp.array([0.04, 0.03, 0.0005]))
    yield hessian("bond of 30 coupons Hessian", bond, jnp.array([0.04, 0.03, 0.0005]))
    draws = np.random.default_rng(2).normal(size=(24, 500))

    def asian(p: Any) -> Any:
        spot, total = p[0] * jnp.ones(500), 0.0
        for z in draws:
            spot = spot * jnp.exp((p[1] - p[2] ** 2 / 2) / 24 + p[2] * z / math.sqrt(24))
            total = total + spot
        return jnp.maximum(total / 24 - 1, 0).mean()

    yield Case("Asian option 24 dates, 500 paths", asian, jnp.array([1.0, 0.02, 0.3]))


def _roots() -> Iterator[Case]:
    """Newton and fixed points, written out."""

    def kepler(p: Any) -> Any:
        E = p[0]
        for _ in range(20):
            E = E - (E - p[1] * jnp.sin(E) - p[0]) / (1 - p[1] * jnp.cos(E))
        return E

    yield Case("Kepler's equation by Newton 20", kepler, jnp.array([1.0, 0.4]))

    def friction(re: Any) -> Any:
        f = jnp.full_like(re, 0.02)
        for _ in range(30):
            f = (-2 * jnp.log10(1e-4 / 3.7 + 2.51 / (re * jnp.sqrt(f)))) ** -2.0
        return f

    yield Case("Colebrook 30 iterations", friction, jnp.linspace(1e4, 1e6, 40))

    def cubic(c: Any) -> Any:
        x = 1.0
        for _ in range(25):
            x = x - (((c[3] * x + c[2]) * x + c[1]) * x + c[0]) / (
                (3 * c[3] * x + 2 * c[2]) * x + c[1]
            )
        return x

    yield Case("cubic by Newton 25", cubic, jnp.array([-2.0, 1.0, 0.3, 1.0]))

    def clenshaw(c: Any) -> Any:
        x = jnp.linspace(-1.0, 1.0, 30)
        b1 = b2 = jnp.zeros(30)
        for k in range(39, 0, -1):
            b1, b2 = 2 * x * b1 - b2 + c[k], b1
        return x * b1 - b2 + c[0]

    yield Case("Chebyshev by Clenshaw 40", clenshaw, numbers(40))

    def bessel(x: Any) -> Any:
        term = total = jnp.ones_like(x)
        for k in range(1, 21):
            term = -term * x**2 / (4 * k * k)
            total = total + term
        return total

    yield Case("Bessel series 20", bessel, jnp.linspace(0.1, 3.0, 64))

    def mean(p: Any) -> Any:
        a, b = p
        for _ in range(20):
            a, b = (a + b) / 2, jnp.sqrt(a * b)
        return a

    yield hessian("arithmetic-geometric mean Hessian", mean, jnp.array([1.0, 2.0]))


def _kinematics() -> Iterator[Case]:
    """Chains of joints."""

    def link(theta: Any, alpha: float, a: float, d: float) -> Any:
        c, s, ca, sa = jnp.cos(theta), jnp.sin(theta), math.cos(alpha), math.sin(alpha)
        return jnp.array(
            [
                [c, -s * ca, s * sa, a * c],
                [s, c * ca, -c * sa, a * s],
                [0.0, sa, ca, d],
                [0.0, 0.0, 0.0, 1.0],
            ]
        )

    def arm(joints: int) -> Any:
        def tool(q: Any) -> Any:
            T = jnp.eye(4)
            for k in range(joints):
                T = T @ link(q[k], (k % 3 - 1) * math.pi / 2, 0.2 + 0.05 * k, 0.1)
            return T[:3, 3]

        return tool

    yield Case("arm of 6 joints", arm(6), numbers(6))
    yield Case("snake of 20 joints", arm(20), numbers(20))
    yield hessian("arm of 4 joints Hessian", arm(4), numbers(4))

    def strip(q: Any) -> Any:
        x: Any = 0.0
        y: Any = 0.0
        angle, out = 0.0, []
        for k in range(20):
            angle = angle + q[k]
            x, y = x + jnp.cos(angle), y + jnp.sin(angle)
            out += [x, y]
        return jnp.stack(out)

    yield Case("planar strip 20, all points", strip, numbers(20))

    def quaternions(q: Any) -> Any:
        w, x, y, z = 1.0, 0.0, 0.0, 0.0
        for k in range(12):
            a, b, c, d = q[k]
            w, x, y, z = (
                w * a - x * b - y * c - z * d,
                w * b + x * a + y * d - z * c,
                w * c - x * d + y * a + z * b,
                w * d + x * c - y * b + z * a,
            )
        return jnp.stack([w, x, y, z])

    yield Case("product of 12 quaternions", quaternions, numbers(12, 4, scale=0.5))


def _networks() -> Iterator[Case]:
    """Perceptrons, small to large, and a recurrent one."""

    def perceptron(params: Any, x: Any) -> Any:
        for W, b in params:
            x = jax.nn.silu(x @ W + b)
        return x

    def layers(*sizes: int) -> Any:
        pairs = itertools.pairwise(sizes)
        return [(numbers(a, b, scale=0.2), numbers(b)) for a, b in pairs]

    small, wide = layers(5, 8, 1), layers(200, 800, 400, 10)
    x, images = numbers(5), numbers(128, 200)
    yield Case("small net by input", lambda x: perceptron(small, x), x)
    yield Case("small net by weights", lambda p: perceptron(p, x), small)
    yield Case("large net loss by weights", lambda p: (perceptron(p, images) ** 2).mean(), wide)
    yield Case(
        "net of 10 layers by input", lambda x: perceptron(layers(*[30] * 11), x), numbers(30)
    )
    yield hessian("small net loss Hessian", lambda x: (perceptron(small, x) ** 2).sum(), x)
    U, W = numbers(20, 20, scale=0.2), numbers(60, 20, scale=0.2)

    def gated(h: Any) -> Any:
        for k in range(20):
            z, r, n = jnp.split(W @ h, 3)
            z, r = jax.nn.sigmoid(z + k / 20), jax.nn.sigmoid(r)
            h = (1 - z) * jnp.tanh(n + U @ (r * h)) + z * h
        return (h**2).sum()

    yield Case("gated unit 20 steps, loss", gated, numbers(20))
    dense = numbers(900, 900, scale=0.05)
    yield Case("dense layer of 900", lambda x: jnp.tanh(dense @ x), numbers(900))


def _fields() -> Iterator[Case]:
    """Stencils and partial differential equations."""

    def burgers(u: Any) -> Any:
        for _ in range(20):
            flux = 0.5 * u**2
            u = (
                u
                - 0.1 * (flux - jnp.roll(flux, 1))
                + 0.05 * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1))
            )
        return u

    yield Case("Burgers 20 steps", burgers, numbers(50, scale=0.3))

    def laplace(u: Any) -> Any:
        w = jnp.pad(u, 1)
        return w[2:, 1:-1] + w[:-2, 1:-1] + w[1:-1, 2:] + w[1:-1, :-2] - 4 * u + u**3

    yield Case("Allen-Cahn residual 40x40", laplace, numbers(40, 40))

    def stepping(u: Any) -> Any:
        for _ in range(25):
            u = u.at[1:-1].add(0.2 * (u[2:] - 2 * u[1:-1] + u[:-2]))
        return (u**2).sum()

    yield Case("heat 25 steps, energy", stepping, numbers(60))

    def wave(c: Any) -> Any:
        u, old = jnp.sin(jnp.linspace(0, 3.0, 64)), jnp.sin(jnp.linspace(0, 3.0, 64))
        for _ in range(30):
            u, old = 2 * u - old + c * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1)), u
        return u

    yield Case("wave 30 steps by speed", wave, jnp.asarray(0.2))
    yield hessian(
        "Dirichlet energy Hessian",
        lambda u: (jnp.diff(u) ** 2).sum() + (1 - jnp.cos(u)).sum(),
        numbers(300),
    )


def _statistics() -> Iterator[Case]:
    """Likelihoods, least squares, filters."""
    t = jnp.linspace(0.0, 1.0, 20)

    def gaussian_process(p: Any) -> Any:
        K = p[0] * jnp.exp(-((t[:, None] - t) ** 2) / p[1]) + p[2] * jnp.eye(20)
        L = jnp.linalg.cholesky(K)
        a = jax.scipy.linalg.solve_triangular(L, jnp.sin(6 * t), lower=True)
        return 0.5 * a @ a + jnp.log(jnp.diagonal(L)).sum()

    yield Case("GP likelihood", gaussian_process, jnp.array([1.0, 0.1, 0.05]))
    yield hessian("GP likelihood, Hessian", gaussian_process, jnp.array([1.0, 0.1, 0.05]))
    yield Case(
        "decay residuals", lambda p: p[0] * jnp.exp(-p[1] * t) + p[2] - jnp.cos(t), numbers(3)
    )
    X = numbers(4000, 60)
    yield Case("large least squares residuals", lambda w: jnp.tanh(X @ w), numbers(60))

    def volatility(p: Any) -> Any:
        variance, total = p[0], 0.0
        for r in np.random.default_rng(1).normal(size=50):
            total = total + jnp.log(variance) + r**2 / variance
            variance = p[0] + p[1] * r**2 + p[2] * variance
        return total

    yield Case("GARCH 50 returns", volatility, jnp.array([0.1, 0.2, 0.6]))

    def local_level(p: Any) -> Any:
        m: Any = 0.0
        P: Any = 1.0
        total: Any = 0.0
        for y in np.sin(np.arange(25)):
            P = P + jnp.exp(p[0])
            S = P + jnp.exp(p[1])
            total = total + jnp.log(S) + (y - m) ** 2 / S
            m, P = m + P / S * (y - m), P - P**2 / S
        return total

    yield Case("Kalman likelihood 25", local_level, jnp.array([-1.0, -0.5]))

    def hidden(A: Any) -> Any:
        P = jax.nn.softmax(A)
        a = jnp.ones(4) / 4
        for k in range(30):
            a = (a @ P) * (0.5 + 0.1 * ((k + jnp.arange(4)) % 3))
        return jnp.log(a.sum())

    yield Case("hidden Markov 30", hidden, numbers(4, 4))


def _matrices() -> Iterator[Case]:
    """Functions of matrices."""

    def sine(A: Any) -> Any:
        total = term = A
        for k in range(1, 11):
            term = -(A @ A @ term) / (2 * k * (2 * k + 1))
            total = total + term
        return total

    yield Case("matrix sine series 10", sine, numbers(5, 5, scale=0.4))

    def sinkhorn(C: Any) -> Any:
        K = jnp.exp(-C)
        u = jnp.ones(12)
        for _ in range(20):
            u = 1 / (K @ (1 / (K.T @ u)))
        return (u[:, None] * K).sum()

    yield Case("Sinkhorn 20", sinkhorn, numbers(12, 12))

    def conjugate(b: Any) -> Any:
        A = numbers(15, 15, scale=0.1)
        A = A @ A.T + jnp.eye(15)
        x, r = jnp.zeros(15), b
        p = r
        for _ in range(10):
            Ap = A @ p
            alpha = (r @ r) / (p @ Ap)
            x, new = x + alpha * p, r - alpha * Ap
            p = new + (new @ new) / (r @ r) * p
            r = new
        return x

    yield Case("conjugate gradients 10", conjugate, numbers(15))
    yield Case(
        "log det of a 20x20", lambda M: jnp.linalg.slogdet(M)[1], numbers(20, 20) + 6 * jnp.eye(20)
    )
