"""Functions on which the model of compile seconds is fitted: loops in Python, and the usual small.

Beside them, `corpus_made_on.py`.  All are in float64, the default of the command line.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from cases import Case, hessian
from jax import lax


def fitted() -> Iterator[Case]:
    """All of them."""
    yield from _marching()
    yield from _recurrences()
    yield from _matrices()
    yield from _networks()
    yield from _fields()
    yield from _hessians()
    yield from _scalars()
    yield from _more_marching()
    yield from _more_matrices()


def second_derivatives(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the Hessians of those whose Jacobian was given and that have few numbers."""
    for case in cases:
        n = sum(leaf.size for leaf in jax.tree.leaves(case.point))
        m = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(case.f, case.point)))
        if case.derivative == "jacobian" and n * n * m <= 3_000:
            yield hessian(f"{case.name}, second", case.f, case.x)


def normal(*shape: int, scale: float = 1.0) -> Any:
    """Return normal random numbers in float64, the same for the same shape."""
    return jnp.asarray(scale * np.random.default_rng([7, *shape]).normal(size=shape))


def euler(rate: Callable[[Any], Any], steps: int, h: float) -> Callable[[Any], Any]:
    """Return explicit Euler steps as a loop in Python."""

    def march(s: Any) -> Any:
        for _ in range(steps):
            s = s + h * rate(s)
        return s

    return march


def midpoint(rate: Callable[[Any], Any], steps: int, h: float) -> Callable[[Any], Any]:
    """Return steps of the midpoint rule as a loop in Python."""

    def march(s: Any) -> Any:
        for _ in range(steps):
            s = s + h * rate(s + h / 2 * rate(s))
        return s

    return march


def runge_kutta(rate: Callable[[Any], Any], steps: int, h: float) -> Callable[[Any], Any]:
    """Return the classical steps of Runge and Kutta as a loop in Python."""

    def march(s: Any) -> Any:
        for _ in range(steps):
            a = rate(s)
            b = rate(s + h / 2 * a)
            c = rate(s + h / 2 * b)
            d = rate(s + h * c)
            s = s + h / 6 * (a + 2 * b + 2 * c + d)
        return s

    return march


def _prey(s: Any) -> Any:
    return jnp.stack([s[0] * (1.1 - 0.4 * s[1]), s[1] * (0.1 * s[0] - 0.4)])


def _pendulum(s: Any) -> Any:
    return jnp.array([s[1], -9.81 * jnp.sin(s[0]) - 0.1 * s[1]])


def _epidemic(s: Any) -> Any:
    new = 0.5 * s[0] * s[1]
    return jnp.stack([-new, new - 0.2 * s[1], 0.2 * s[1]])


def _marching() -> Iterator[Case]:
    """Ordinary differential equations, in steps written out."""
    state = jnp.array([1.2, 0.7])
    yield Case("prey Euler 20", euler(_prey, 20, 0.05), state)
    yield Case("prey Euler 60", euler(_prey, 60, 0.05), state)
    yield Case("prey RK4 2", runge_kutta(_prey, 2, 0.05), state)
    yield Case("prey RK4 6", runge_kutta(_prey, 6, 0.05), state)
    yield Case("pendulum midpoint 30", midpoint(_pendulum, 30, 0.02), state)
    yield Case("pendulum RK4 12", runge_kutta(_pendulum, 12, 0.02), state)
    yield Case("epidemic midpoint 25", midpoint(_epidemic, 25, 0.1), jnp.array([0.9, 0.1, 0.0]))
    A = normal(12, 12, scale=0.3)
    yield Case("linear RK4 20", runge_kutta(lambda s: jnp.tanh(A @ s), 20, 0.1), normal(12))
    yield Case("stiff relaxation 40", euler(lambda s: jnp.cos(s) - s**3, 40, 0.1), normal(30))
    yield Case(
        "prey RK4 scanned",
        lambda s: lax.fori_loop(0, 40, lambda _, s: runge_kutta(_prey, 1, 0.05)(s), s),
        state,
    )
    yield Case(
        "energy along a path 20", lambda s: (euler(_pendulum, 20, 0.02)(s) ** 2).sum(), state
    )


def _recurrences() -> Iterator[Case]:
    """Scalar recurrences and roots."""

    def logistic(p: Any) -> Any:
        x = p[0]
        for _ in range(40):
            x = p[1] * x * (1 - x)
        return x

    yield Case("logistic map 40", logistic, jnp.array([0.3, 3.2]))

    def fraction(c: Any) -> Any:
        value = c[-1]
        for k in range(24):
            value = c[k] + 1 / value
        return value

    yield Case("continued fraction 25", fraction, 1 + jnp.arange(25.0) / 10)

    def heron(a: Any) -> Any:
        x = a
        for _ in range(20):
            x = 0.5 * (x + a / x)
        return x

    yield Case("Heron's roots 20", heron, 1 + jnp.arange(50.0))

    def horner(c: Any) -> Any:
        x = jnp.linspace(-1.0, 1.0, 20)
        value = jnp.zeros(20)
        for k in range(30):
            value = value * x + c[k]
        return value

    yield Case("Horner 30", horner, normal(30))

    def chained(x: Any) -> Any:
        total = 0.0
        for k in range(29):
            total = total + 100 * (x[k + 1] - x[k] ** 2) ** 2 + (1 - x[k]) ** 2
        return total

    yield Case("Rosenbrock 30 in a loop", chained, normal(30, scale=0.3))

    def average(p: Any) -> Any:
        level, out = p[0], []
        for value in np.sin(np.arange(30)):
            level = level + jax.nn.sigmoid(p[1]) * (value - level)
            out.append(level)
        return jnp.stack(out)

    yield Case("exponential smoothing 30", average, jnp.array([0.1, 0.2]))

    def tree(p: Any) -> Any:
        spot, sigma = p
        up = jnp.exp(sigma * 0.2)
        prices = spot * up ** jnp.arange(-16.0, 17.0, 2)
        value = jnp.maximum(prices - 1.0, 0)
        for _ in range(16):
            value = 0.99 * (0.5 * value[1:] + 0.5 * value[:-1])
        return value[0]

    yield Case("European tree 16", tree, (jnp.asarray(1.1), jnp.asarray(0.3)))


def _matrices() -> Iterator[Case]:
    """Products of matrices, one after another."""

    def taylor(A: Any) -> Any:
        total = term = jnp.eye(6)
        for k in range(1, 13):
            term = term @ A / k
            total = total + term
        return total

    yield Case("matrix exponential by Taylor 12", taylor, normal(6, 6, scale=0.3))

    def power(A: Any) -> Any:
        v = jnp.ones(10)
        for _ in range(25):
            v = A @ v
            v = v / jnp.sqrt(v @ v)
        return v @ A @ v

    yield Case("power iteration 25", power, normal(10, 10) + 4 * jnp.eye(10))

    def chain(angles: Any) -> Any:
        total = jnp.eye(3)
        for k in range(5):
            c, s = jnp.cos(angles[k]), jnp.sin(angles[k])
            total = total @ jnp.array([[c, -s, 1.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        return total[:2, 2]

    yield Case("planar chain of 5", chain, normal(5))
    A, b = normal(60, 8), normal(60)
    yield Case("residuals of a fit", lambda p: jnp.exp(-((A @ p) ** 2)) - b, normal(8))
    yield Case(
        "inverse and trace", lambda M: jnp.trace(jnp.linalg.inv(M)), normal(9, 9) + 5 * jnp.eye(9)
    )


def _networks() -> Iterator[Case]:
    """Layers in a loop."""
    weights = [normal(24, 24, scale=0.2 + k / 100) for k in range(12)]

    def deep(x: Any) -> Any:
        for W in weights:
            x = jnp.tanh(W @ x)
        return x

    yield Case("12 layers of 24", deep, normal(24))
    yield Case("12 layers, loss", lambda x: (deep(x) ** 2).sum(), normal(24))
    data, labels = normal(64, 40), normal(64, 1)

    def loss(params: Any) -> Any:
        y = data
        for W in params:
            y = jnp.tanh(y @ W)
        return ((y - labels) ** 2).mean()

    sizes = [40, 64, 64, 32, 1]
    layers = [normal(a, b, scale=0.2) for a, b in itertools.pairwise(sizes)]
    yield Case("loss of 4 layers", loss, layers)
    U, V = normal(16, 16, scale=0.3), normal(16, 4)

    def recurrent(h: Any) -> Any:
        for k in range(20):
            h = jnp.tanh(U @ h + V[:, k % 4])
        return h

    yield Case("recurrent 20", recurrent, normal(16))


def _fields() -> Iterator[Case]:
    """Grids, in one sweep and in many."""

    def diffuse(u: Any) -> Any:
        for _ in range(20):
            u = u + 0.2 * (jnp.roll(u, 1) - 2 * u + jnp.roll(u, -1))
        return u

    yield Case("diffusion 20 steps", diffuse, normal(40))

    def residual(u: Any) -> Any:
        w = jnp.pad(u, 1)
        return w[2:] - 2 * w[1:-1] + w[:-2] + jnp.exp(u)

    yield Case("Bratu 1-D 1200", residual, normal(1200, scale=0.1))

    def jacobi(b: Any) -> Any:
        u = jnp.zeros((8, 8))
        for _ in range(12):
            w = jnp.pad(u, 1)
            u = 0.25 * (w[2:, 1:-1] + w[:-2, 1:-1] + w[1:-1, 2:] + w[1:-1, :-2] + b)
        return u.sum()

    yield Case("Jacobi sweeps 12", jacobi, normal(8, 8))


def _hessians() -> Iterator[Case]:
    """Second derivatives, of loops too."""
    state = jnp.array([0.4, 0.3])
    yield hessian("prey Euler 8 Hessian", lambda s: euler(_prey, 8, 0.05)(s).sum(), state)
    yield hessian("pendulum Euler 15 Hessian", euler(_pendulum, 15, 0.02), state)

    def stirling(p: Any) -> Any:
        return p[0] * jnp.log(p[0]) - p[0] + 0.5 * jnp.log(2 * jnp.pi * p[1]) + 1 / (12 * p[2])

    yield hessian("formula Hessian", stirling, jnp.array([1.0, 2.0, 3.0]))

    def cubes(x: Any) -> Any:
        total = 0.0
        for k in range(12):
            total = total + (x[k] - x[(k + 1) % 12]) ** 4 + jnp.cos(x[k])
        return total

    yield hessian("ring of 12 Hessian", cubes, normal(12))
    A = normal(50, 10)
    yield hessian("log-cosh Hessian", lambda w: jnp.log(jnp.cosh(A @ w)).sum(), normal(10))


def _scalars() -> Iterator[Case]:
    """Loops over single numbers, which are sliced from arrays."""

    def thomas(d: Any) -> Any:
        upper, right = [0.25], [d[0] / 4]
        for k in range(1, 15):
            pivot = 4 - upper[-1]
            right.append((d[k] - right[-1]) / pivot)
            upper.append(1 / pivot)
        out = [right[-1]]
        for k in range(13, -1, -1):
            out.append(right[k] - upper[k] * out[-1])
        return jnp.stack(out)

    yield Case("tridiagonal solve 15", thomas, normal(15))

    def mandelbrot(c: Any) -> Any:
        x, y = 0.0, 0.0
        for _ in range(15):
            x, y = x * x - y * y + c[0], 2 * x * y + c[1]
        return jnp.stack([x, y])

    yield Case("complex squares 15", mandelbrot, jnp.array([-0.4, 0.3]))

    def newton(p: Any) -> Any:
        x, y = 1.0, 1.0
        for _ in range(10):
            f, g = x**2 + y - p[0], x + jnp.exp(y) - p[1]
            a, b, c, d = 2 * x, 1.0, 1.0, jnp.exp(y)
            det = a * d - b * c
            x, y = x - (d * f - b * g) / det, y - (a * g - c * f) / det
        return jnp.stack([x, y])

    yield Case("two equations by Newton 10", newton, jnp.array([2.0, 3.0]))

    def simpson(p: Any) -> Any:
        total: Any = 0.0
        for k in range(41):
            weight = 1.0 if k in (0, 40) else (4.0 if k % 2 else 2.0)
            total = total + weight * jnp.exp(-p[0] * (k / 40) ** p[1])
        return total / 120

    yield Case("Simpson's rule 41", simpson, jnp.array([1.0, 2.5]))

    def residuals(p: Any) -> Any:
        return jnp.stack(
            [p[0] * jnp.cos(p[1] * k / 10) * jnp.exp(-p[2] * k) - 0.1 for k in range(25)]
        )

    yield Case("25 residuals in a list", residuals, jnp.array([1.0, 2.0, 0.1]))

    def smoothing(p: Any) -> Any:
        level, trend, total = p[2], p[3], 0.0
        for value in np.cos(np.arange(20)):
            error = value - level - trend
            total = total + error**2
            level, trend = level + trend + p[0] * error, trend + p[0] * p[1] * error
        return total

    yield Case("Holt's smoothing 20", smoothing, jnp.array([0.4, 0.2, 0.1, 0.0]))


def _more_marching() -> Iterator[Case]:
    """Systems of several numbers, steps written out."""

    def oregonator(s: Any) -> Any:
        x, y, z, w = s
        return jnp.array([y - x * y + x - x**2, -y - x * y + z, x - z, 0.1 * (x - w)])

    start = jnp.array([0.4, 0.3, 0.2, 0.1])
    yield Case("four species Euler 15", euler(oregonator, 15, 0.02), start)
    yield Case("four species RK4 4", runge_kutta(oregonator, 4, 0.02), start)
    yield Case("four species, a sum", lambda s: runge_kutta(oregonator, 3, 0.02)(s).sum(), start)
    yield Case(
        "epidemic RK4 6, one",
        lambda s: runge_kutta(_epidemic, 6, 0.1)(s)[1],
        jnp.array([0.9, 0.1, 0.0]),
    )

    def bodies(q: Any) -> Any:
        v = jnp.zeros((3, 2))
        for _ in range(10):
            d = q[:, None] - q
            v = v - 0.01 * (d / ((d**2).sum(-1) + 0.1)[..., None] ** 1.5).sum(1)
            q = q + 0.01 * v
        return q

    yield Case("three bodies 10", bodies, normal(3, 2))

    def relaxed(u: Any) -> Any:
        for k in range(1, 19):
            u = u.at[k].set(0.5 * (u[k - 1] + u[k + 1]))
        return u

    yield Case("one sweep by at", relaxed, normal(20))

    def advected(u: Any) -> Any:
        for _ in range(15):
            u = u.at[1:].add(-0.3 * (u[1:] - u[:-1]))
        return u

    yield Case("upwind 15", advected, normal(30))
    yield Case("upwind 15, energy", lambda u: (advected(u) ** 2).sum(), normal(30))

    def scheme(k: Any) -> Any:
        u = jnp.sin(jnp.linspace(0, 3.0, 24))
        for _ in range(12):
            u = u + k[0] * jnp.diff(u, 2, prepend=u[:1], append=u[-1:]) - k[1] * u**3
        return u

    yield Case("reaction and diffusion by rates", scheme, jnp.array([0.2, 0.1]))


def _more_matrices() -> Iterator[Case]:
    """Matrices and paths in loops."""

    def euler_angles(q: Any) -> Any:
        R = jnp.eye(3)
        for k in range(8):
            c, s = jnp.cos(q[k]), jnp.sin(q[k])
            rows = [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]
            R = R @ jnp.roll(jnp.array(rows), k % 3, (0, 1))
        return R

    yield Case("8 rotations", euler_angles, normal(8))
    yield Case("8 rotations, one point", lambda q: euler_angles(q) @ jnp.ones(3), normal(8))
    draws = np.random.default_rng(3).normal(size=(15, 200))

    def path(p: Any) -> Any:
        x: Any = p[0] * jnp.ones(200)
        payoff: Any = 0.0
        for z in draws:
            x = x + p[1] * (p[2] - x) / 15 + 0.2 * jnp.sqrt(jnp.abs(x)) * z / 4
            payoff = payoff + jnp.maximum(x - 1, 0)
        return payoff.mean()

    yield Case("square-root process, 200 paths", path, jnp.array([1.0, 0.5, 1.1]))

    def viterbi(A: Any) -> Any:
        logs, a = jax.nn.log_softmax(A), jnp.zeros(5)
        for k in range(15):
            a = jax.scipy.special.logsumexp(a[:, None] + logs, axis=0) + 0.1 * (k % 4)
        return a.sum()

    yield Case("forward algorithm 15", viterbi, normal(5, 5))

    def implicit(u: Any) -> Any:
        M = jnp.eye(6) + 0.1 * normal(6, 6)
        for _ in range(5):
            u = jnp.linalg.solve(M + 0.1 * jnp.diag(u), u)
        return u

    yield Case("implicit Euler 5", implicit, normal(6))
    Q, K = normal(8, 8, scale=0.3), normal(8, 8, scale=0.2)

    def attention(x: Any) -> Any:
        for _ in range(4):
            x = x + jax.nn.softmax((x @ Q) @ (x @ K).T) @ x
        return x

    yield Case("attention 4 times", attention, normal(6, 8))

    def descent(w: Any) -> Any:
        X, y = normal(30, 5), normal(30)
        for _ in range(15):
            w = w - 0.05 * X.T @ (jax.nn.sigmoid(X @ w) - y) / 30
        return w

    yield Case("logistic descent 15", descent, normal(5))
