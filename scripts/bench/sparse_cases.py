"""The cases of bench_sparse.py: one function each in JAX and in CasADi, at a size.

CasADi's side is what its manual recommends: vectorized SX expressions, the sparse derivative of
which it builds as an expression, too.  Loops of unknown length have no counterpart there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "configs"))
from bundle_adjustment import residuals  # type: ignore[import-not-found]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A derivative of `f(x)` with x a vector, at size n; `casadi(x)` writes f in CasADi.

    `bundle adjustment` counts observations.
    """

    derivative: str
    f: Callable[[Any], Any]
    x: Array
    casadi: Callable[[Any], Any] | None


def chain(n: int) -> Case:
    """r_i = x_{i+1} − x_i²."""
    return Case("jacobian", lambda x: x[1:] - x[:-1] ** 2, _uniform(n), _chain)


def _chain(x: Any) -> Any:
    return x[1:] - x[:-1] ** 2


def rosenbrock(n: int) -> Case:
    """The chained Rosenbrock function."""

    def f(x: Any) -> Any:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    def casadi(x: Any) -> Any:
        return 100 * _ca().sumsqr(x[1:] - x[:-1] ** 2) + _ca().sumsqr(1 - x[:-1])

    return Case("hessian", f, _uniform(n), casadi)


def heat(n: int) -> Case:
    """The five-point Laplacian on a square of about n points."""
    side = round(n**0.5)

    def f(x: Any) -> Any:
        w = jnp.pad(x.reshape(side, side), 1)
        flow = w[:-2, 1:-1] + w[2:, 1:-1] + w[1:-1, :-2] + w[1:-1, 2:] - 4 * w[1:-1, 1:-1]
        return 0.25 * flow.reshape(-1)

    def casadi(x: Any) -> Any:
        ca = _ca()
        u = ca.reshape(x, side, side)
        row, column = ca.SX(1, side), ca.SX(side, 1)
        down, up = ca.vertcat(row, u[:-1, :]), ca.vertcat(u[1:, :], row)
        right, left = ca.horzcat(column, u[:, :-1]), ca.horzcat(u[:, 1:], column)
        return ca.vec(0.25 * (down + up + right + left - 4 * u))

    return Case("jacobian", f, _uniform(side * side), casadi)


def brusselator(n: int) -> Case:
    """The 2-D Brusselator on a periodic square of about n / 2 points."""
    side = round((n / 2) ** 0.5)

    def laplacian(u: Any, roll: Callable[[Any, int, int], Any]) -> Any:
        return roll(u, 1, 0) + roll(u, -1, 0) + roll(u, 1, 1) + roll(u, -1, 1) - 4 * u

    def f(x: Any) -> Any:
        u, v = x.reshape(2, side, side)
        du = 1 + u**2 * v - 4.4 * u + 10 * laplacian(u, jnp.roll)
        dv = 3.4 * u - u**2 * v + 10 * laplacian(v, jnp.roll)
        return jnp.concatenate([du.reshape(-1), dv.reshape(-1)])

    def casadi(x: Any) -> Any:
        ca = _ca()

        def roll(u: Any, by: int, axis: int) -> Any:
            by %= side
            if axis:
                return ca.horzcat(u[:, side - by :], u[:, : side - by])
            return ca.vertcat(u[side - by :, :], u[: side - by, :])

        u, v = (ca.reshape(part, side, side) for part in ca.vertsplit(x, side * side))
        du = 1 + u**2 * v - 4.4 * u + 10 * laplacian(u, roll)
        dv = 3.4 * u - u**2 * v + 10 * laplacian(v, roll)
        return ca.vertcat(ca.vec(du), ca.vec(dv))

    return Case("jacobian", f, _uniform(2 * side * side), casadi)


def bundle_adjustment(n: int) -> Case:
    """N observations by n/40 cameras of 11 parameters of n/4 points."""
    cameras, points, which, where, observed = observations(n)

    def f(x: Any) -> Any:
        split = cameras.size
        first, second = x[:split].reshape(cameras.shape), x[split:].reshape(points.shape)
        return residuals(first, second, which, where, observed).reshape(-1)

    def casadi(x: Any) -> Any:
        ca = _ca()
        # CasADi keeps columns together.
        camera = ca.reshape(x[: cameras.size], 11, len(cameras)).T
        point = ca.reshape(x[cameras.size :], 3, len(points)).T
        seen = _observed(ca, camera[which.tolist(), :], point[where.tolist(), :])
        return ca.vec((seen - observed).T)

    x = np.concatenate([cameras.reshape(-1), points.reshape(-1)])
    return Case("jacobian", f, x, casadi)


def observations(n: int) -> tuple[Array, Array, Any, Any, Array]:
    """Return cameras, points, who sees what, and where it is seen."""
    draw = np.random.default_rng(0)
    count = max(n // 40, 1)
    cameras = np.column_stack([
        0.1 * draw.normal(size=(count, 3)), draw.normal(size=(count, 3)),
        1000 + draw.normal(size=(count, 1)), 0.01 * draw.normal(size=(count, 2)),
        draw.normal(size=(count, 2)),
    ])  # fmt: skip
    points = draw.normal(size=(max(n // 4, 1), 3)) - [0, 0, 8]
    which, where = draw.integers(0, len(cameras), n), draw.integers(0, len(points), n)
    return cameras, points, which, where, draw.normal(size=(n, 2))


def _observed(ca: Any, camera: Any, point: Any) -> Any:
    """Return the positions in the images, one row for each observation."""
    angle = ca.sqrt(ca.sum2(camera[:, :3] ** 2))
    a, b, c = (camera[:, k] / angle for k in range(3))
    x, y, z = (point[:, k] for k in range(3))
    along, cosine, sine = a * x + b * y + c * z, ca.cos(angle), ca.sin(angle)
    turned = [
        p * cosine + q * sine + axis * along * (1 - cosine)
        for p, q, axis in (
            (x, b * z - c * y, a),
            (y, c * x - a * z, b),
            (z, a * y - b * x, c),
        )
    ]
    sx, sy, sz = (part + camera[:, 3 + k] for k, part in enumerate(turned))
    u, v = -sx / sz, -sy / sz
    square = u**2 + v**2
    scale = camera[:, 6] * (1 + camera[:, 7] * square + camera[:, 8] * square**2)
    return ca.horzcat(scale * u + camera[:, 9], scale * v + camera[:, 10])


def kepler(n: int) -> Case:
    """E − e sin E = M for many M at once, by Newton's method to the last digit: a while loop."""

    def f(x: Any) -> Any:
        def step(state: tuple[Any, Any]) -> tuple[Any, Any]:
            angle, _ = state
            change = (angle - 0.3 * jnp.sin(angle) - x) / (1 - 0.3 * jnp.cos(angle))
            return angle - change, jnp.max(jnp.abs(change))

        return jax.lax.while_loop(lambda state: state[1] > 1e-14, step, (x, jnp.inf))[0]

    return Case("jacobian", f, _uniform(n), None)


def _uniform(n: int) -> Array:
    return np.random.default_rng(1).uniform(0.1, 1.0, n)


def _ca() -> Any:
    import casadi

    return casadi


CASES: dict[str, Callable[[int], Case]] = {
    "chain": chain,
    "rosenbrock": rosenbrock,
    "heat": heat,
    "brusselator": brusselator,
    "bundle adjustment": bundle_adjustment,
    "kepler": kepler,
}
