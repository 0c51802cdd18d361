"""The twelve problems of GradBench, each with the derivative that its evaluation asks for.

Written anew from their descriptions (https://github.com/gradbench/gradbench, folder `evals`), in
float64, with small deterministic data of our own.  `ba`, `gmm`, `ht` and `lstm` come from ADBench
(F. Srajer, Z. Kukelova, A. Fitzgibbon, Optim. Methods Softw. 33 (2018), 889-906), `det`, `llsq`
and `ode` from cmpad, `particle` and `saddle` from Pearlmutter and Siskind.
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


def gradbench() -> Iterator[Case]:
    """All twelve, some of them at several sizes; float64, so JAX has to be told so before."""
    yield Case("hello", lambda x: x * x, jnp.asarray(3.0), derivative="gradient")
    yield _bundle_adjustment(5, 20, 60)
    yield from map(_determinant, (4, 5))
    yield from (_mixture(*sizes) for sizes in ((2, 5, 1000), (10, 25, 200)))
    yield from _hand()
    yield from (_kmeans(*sizes) for sizes in ((10, 1000, 8), (100, 1000, 8)))
    yield from _kmeans_by_diagonal()
    yield from (_least_squares(*sizes) for sizes in ((16, 128), (512, 128), (1024, 128)))
    yield from map(_logsumexp, (1_000, 10_000))
    yield from (_lstm(*sizes) for sizes in ((2, 20), (4, 60)))
    yield from (_ode(*sizes) for sizes in ((100, 10), (1_000, 10)))
    yield from _particle()
    yield _saddle()


def _array(*shape: int, scale: float = 1.0, seed: int = 0) -> Any:
    return jnp.asarray(scale * np.random.default_rng([seed, *shape]).normal(size=shape))


def _bundle_adjustment(cameras: int, points: int, observations: int) -> Case:
    """Reprojection errors of points seen by cameras, and of their weights; the whole Jacobian.

    A camera: rotation vector, center, focal length, principal point, two radial coefficients.
    """
    rng = np.random.default_rng(1)
    seen_by, seen = rng.integers(0, cameras, observations), np.arange(observations) % points
    features = _array(observations, 2)

    def project(camera: Any, point: Any) -> Any:
        r, center, focal, middle, radial = jnp.split(camera, (3, 6, 7, 9))
        theta = jnp.sqrt(jnp.sum(r**2))
        axis, X = r / theta, point - center
        turned = (
            X * jnp.cos(theta)
            + jnp.cross(axis, X) * jnp.sin(theta)
            + axis * (axis @ X) * (1 - jnp.cos(theta))
        )
        plane = turned[:2] / turned[2]
        square = jnp.sum(plane**2)
        distorted = plane * (1 + radial[0] * square + radial[1] * square**2)
        return distorted * focal + middle

    def residuals(p: Any) -> Any:
        there = jax.vmap(project)(p["cameras"][seen_by], p["points"][seen])
        return {
            "error": p["weights"][:, None] * (there - features),
            "weight": 1 - p["weights"] ** 2,
        }

    far = jnp.array([0.0, 0.0, 5.0])
    x = {
        "cameras": _array(cameras, 11, scale=0.3) + 0.1,
        "points": _array(points, 3) + far,
        "weights": 1 + _array(observations, scale=0.1),
    }
    return Case(f"ba {cameras}, {points}, {observations}", residuals, x)


def _determinant(n: int) -> Case:
    """The gradient of a determinant, expanded by minors along its first row."""

    def minors(A: Any, row: int, columns: tuple[int, ...]) -> Any:
        if len(columns) == 1:
            return A[row, columns[0]]
        parts = [
            (-1) ** k * A[row, c] * minors(A, row + 1, columns[:k] + columns[k + 1 :])
            for k, c in enumerate(columns)
        ]
        return sum(parts[1:], parts[0])

    return Case(
        f"det {n}", lambda A: minors(A, 0, tuple(range(n))), _array(n, n), derivative="gradient"
    )


def _mixture(d: int, k: int, n: int) -> Case:
    """The gradient of a Gaussian mixture's log posterior, with a Wishart prior."""
    x, gamma, m = _array(n, d, seed=1), 1.0, 0
    lower = np.tril_indices(d, -1)

    def objective(p: Any) -> Any:
        diagonals, sums = jnp.exp(p["q"]), p["q"].sum(1)
        L = jnp.zeros((k, d, d)).at[:, *lower].set(p["l"])
        centered = x[:, None] - p["mu"]
        scaled = diagonals * centered + jnp.einsum("kij,nkj->nki", L, centered)
        inner = p["alpha"] + sums - 0.5 * (scaled**2).sum(2)
        prior = 0.5 * gamma**2 * ((diagonals**2).sum() + (p["l"] ** 2).sum()) - m * sums.sum()
        likelihood = jax.nn.logsumexp(inner, axis=1).sum()
        return likelihood - n * jax.nn.logsumexp(p["alpha"]) - prior

    return Case(
        f"gmm {d}, {k}, {n}",
        objective,
        {
            "alpha": _array(k),
            "mu": _array(k, d),
            "q": _array(k, d, seed=2),
            "l": _array(k, d * (d - 1) // 2),
        },
        derivative="gradient",
    )


def _hand() -> Iterator[Case]:
    """Hand tracking: a skinned mesh of 22 bones, posed by 26 numbers; simple and complicated."""
    rng, bones, vertices, count = np.random.default_rng(2), 22, 100, 60
    parents = [
        -1,
        0,
        *itertools.chain.from_iterable((1, *range(k, k + 3)) for k in range(2, 22, 4)),
    ]
    relatives = np.tile(np.eye(4), (bones, 1, 1))
    relatives[:, :3, 3] = 0.3 * rng.normal(size=(bones, 3))
    inverses = np.linalg.inv(relatives)
    positions = np.concatenate([rng.normal(size=(vertices, 3)), np.ones((vertices, 1))], 1)
    weights = rng.dirichlet(np.full(bones, 0.2), vertices)
    points, nearest = rng.normal(size=(count, 3)), rng.integers(0, vertices, count)
    triangles = rng.integers(0, vertices, (count, 3))
    # Of each finger: two angles at its first joint, one at each of the other two.
    slots = [
        (1 + 1 + 4 * finger + joint, axis)
        for finger in range(5)
        for joint, axis in ((0, 0), (0, 1), (1, 0), (2, 0))
    ]
    rows, axes = map(np.array, zip(*slots, strict=True))

    def euler(angles: Any) -> Any:
        (a, b, c), one, zero = angles, jnp.ones(()), jnp.zeros(())
        x = jnp.stack(
            [one, zero, zero, zero, jnp.cos(a), -jnp.sin(a), zero, jnp.sin(a), jnp.cos(a)]
        )
        y = jnp.stack(
            [jnp.cos(c), zero, jnp.sin(c), zero, one, zero, -jnp.sin(c), zero, jnp.cos(c)]
        )
        z = jnp.stack(
            [jnp.cos(b), -jnp.sin(b), zero, jnp.sin(b), jnp.cos(b), zero, zero, zero, one]
        )
        return z.reshape(3, 3) @ y.reshape(3, 3) @ x.reshape(3, 3)

    def rotation(v: Any) -> Any:
        n = jnp.sqrt(v @ v)
        u, zero = v / n, jnp.zeros(())
        cross = jnp.stack([zero, -u[2], u[1], u[2], zero, -u[0], -u[1], u[0], zero]).reshape(3, 3)
        outer = u[:, None] * u
        return jnp.cos(n) * jnp.eye(3) + jnp.sin(n) * cross + (1 - jnp.cos(n)) * outer

    def mesh(theta: Any) -> Any:
        angles = jnp.zeros((bones, 3)).at[rows, axes].set(theta[6:])
        turned = jax.vmap(euler)(angles)
        local = jnp.zeros((bones, 4, 4)).at[:, :3, :3].set(turned).at[:, 3, 3].set(1.0)
        posed: Any = relatives @ local
        absolute: list[Any] = []
        for bone, parent in enumerate(parents):
            absolute.append(posed[bone] if parent < 0 else absolute[parent] @ posed[bone])
        moved = jnp.stack(absolute) @ inverses
        skinned = jnp.einsum("bij,vj,vb->vi", moved, positions, weights)[:, :3]
        return skinned @ rotation(theta[:3]).T + theta[3:6]

    theta = _array(26, scale=0.3)
    yield Case("ht simple", lambda theta: points - mesh(theta)[nearest], theta)

    def complicated(p: Any) -> Any:
        u, corners = p["us"], mesh(p["theta"])[triangles]
        third = 1 - u.sum(1, keepdims=True)
        return points - jnp.sum(corners * jnp.concatenate([u, third], 1)[..., None], 1)

    yield Case("ht complicated", complicated, {"us": _array(count, 2), "theta": theta})


def _cost(points: Any) -> Any:
    """The cost of centroids: for each point, the square of the distance to the nearest."""

    def cost(centers: Any) -> Any:
        squares = (points**2).sum(1) + (centers**2).sum(1)[:, None]
        return (squares - 2 * centers @ points.T).min(0).sum()

    return cost


def _kmeans(k: int, n: int, d: int) -> Case:
    """The gradient of the cost by the centroids."""
    return Case(
        f"kmeans gradient {k}, {n}, {d}",
        _cost(_array(n, d, seed=1)),
        _array(k, d),
        derivative="gradient",
    )


def _kmeans_by_diagonal() -> Iterator[Case]:
    """The Hessian's diagonal, which is its product with ones, beside the gradient; a Hessian."""
    for k, n, d in ((10, 1000, 8), (100, 1000, 8)):
        cost = _cost(_array(n, d, seed=1))

        def newton(centers: Any, cost: Any = cost) -> Any:
            gradient, diagonal = jax.jvp(jax.grad(cost), (centers,), (jnp.ones_like(centers),))
            return gradient / diagonal

        yield Case(f"kmeans hvp {k}, {n}, {d}", cost, _array(k, d), derivative="hvp")
        if k == 10:
            yield hessian(f"kmeans Hessian {k}, {n}, {d}", cost, _array(k, d))
            yield Case(f"kmeans step's Jacobian {k}, {n}, {d}", newton, _array(k, d))


def _least_squares(n: int, m: int) -> Case:
    """The gradient of ½ Σ (sign tᵢ − Σ xⱼ tᵢʲ)², tᵢ evenly spaced in [−1, 1]."""

    def f(x: Any) -> Any:
        t = -1 + 2 * jnp.arange(n) / (n - 1)
        powers = jnp.cumprod(jnp.where(jnp.arange(m) == 0, 1.0, t[:, None]), 1)
        return 0.5 * ((jnp.sign(t) - powers @ x) ** 2).sum()

    return Case(f"llsq {n}, {m}", f, _array(m), derivative="gradient")


def _logsumexp(n: int) -> Case:
    def f(x: Any) -> Any:
        top = x.max()
        return jnp.log(jnp.exp(x - top).sum()) + top

    return Case(f"lse {n}", f, _array(n, scale=30.0), derivative="gradient")


def _lstm(layers: int, length: int, width: int = 14) -> Case:
    """The gradient of an LSTM's loss; all its weight matrices are diagonal, as in ADBench."""
    sequence = (_array(length, width) > 0).astype(float)
    start = _array(layers, 2, width)

    def loss(p: Any) -> Any:
        def step(carry: Any, gold: Any) -> Any:
            state, given = carry
            x, states = given * p["extra"][0], []
            for layer in range(layers):
                hidden, cell = state[layer]
                weight, bias = p["main"][layer]
                gates = jnp.concatenate([x, hidden, x, hidden]) * weight + bias
                forget, into, out, change = jnp.split(gates, 4)
                cell = cell * jax.nn.sigmoid(forget) + jax.nn.sigmoid(into) * jnp.tanh(change)
                x = jax.nn.sigmoid(out) * jnp.tanh(cell)
                states.append(jnp.stack([x, cell]))
            y = x * p["extra"][1] + p["extra"][2]
            return (jnp.stack(states), gold), gold @ (y - jnp.log(2 + jnp.exp(y).sum()))

        _, scores = lax.scan(step, (start, sequence[0]), sequence[1:])
        return -scores.sum() / ((length - 1) * width)

    x = {"main": _array(layers, 2, 4 * width, scale=0.5), "extra": _array(3, width)}
    return Case(f"lstm {layers}, {length}", loss, x, derivative="gradient")


def _ode(n: int, steps: int) -> Case:
    """The gradient of yₙ₋₁(2) where y₀' = x₀, yᵢ' = xᵢ yᵢ₋₁, y(0) = 0, by Runge and Kutta."""

    def f(x: Any) -> Any:
        h = 2 / steps

        def slope(y: Any) -> Any:
            return jnp.where(jnp.arange(n) == 0, x, x * jnp.roll(y, 1))

        def step(y: Any, _: Any) -> Any:
            a = slope(y)
            b = slope(y + h / 2 * a)
            c = slope(y + h / 2 * b)
            return y + h / 6 * (a + 2 * b + 2 * c + slope(y + h * c)), None

        return lax.scan(step, jnp.zeros_like(x), None, length=steps)[0][-1]

    return Case(f"ode {n}, {steps}", f, 1 + _array(n, scale=0.1), derivative="gradient")


def _particle() -> Iterator[Case]:
    """Where a charged particle crosses the axis, by the place of a charge: nested derivatives."""

    def crossing(w: Any) -> Any:
        charges = jnp.stack([jnp.stack([10.0 + 0 * w, 10 - w]), jnp.array([10.0, 0.0])])
        dt = 0.1

        def potential(x: Any) -> Any:
            return (1 / jnp.sqrt(((x - charges) ** 2).sum(1))).sum()

        def move(s: Any) -> Any:
            x, v = s
            return x + dt * v, v - dt * jax.grad(potential)(x)

        def above(s: Any) -> Any:
            return (s[0] + dt * s[1])[1] > 0

        x, v = lax.while_loop(above, move, (jnp.array([0.0, 8.0]), jnp.array([0.75, 0.0])))
        return (x[0] - x[1] / v[1] * v[0]) ** 2

    yield Case("particle", crossing, jnp.asarray(0.0), derivative="gradient")
    yield hessian("particle Hessian", crossing, jnp.asarray(0.0))


def _saddle() -> Case:
    """The gradient by x of the largest (x₁² + x₂²) − (y₁² + y₂²), found by gradient ascent in y."""

    def f(x: Any, y: Any) -> Any:
        return (x**2).sum() - (y**2).sum()

    def largest(x: Any) -> Any:
        def ascend(s: Any) -> Any:
            y, _ = s
            slope = jax.grad(f, 1)(x, y)
            return y + 0.1 * slope, jnp.sqrt((slope**2).sum())

        start = (jnp.ones(2), jnp.asarray(math.inf))
        y, _ = lax.while_loop(lambda s: s[1] > 1e-5, ascend, start)
        return f(x, y)

    return Case("saddle", largest, jnp.ones(2), derivative="gradient")
