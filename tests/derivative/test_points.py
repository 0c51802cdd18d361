"""Small functions of many points, as one loop: against closed forms, and what is left to `vmap`."""

# ruff: noqa: E501

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pipeline import solve

from jaccli import backend
from jaccli.derivative import points
from jaccli.derivative.points import fused_loop, one_loop

N = points.FEWEST
_rng = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def doubles() -> None:
    backend.configure(x64=True)


def in_one_loop(row: Any, axes: Any, *args: Any) -> bool:
    """Return whether the rows are computed by one reduction of several arrays."""
    jaxpr: Any = jax.make_jaxpr(points.mapped(row, axes))(*args).jaxpr
    return any(e.primitive.name == "reduce" and len(e.outvars) > 1 for e in jaxpr.eqns)


def test_the_compiler_computes_such_a_loop_as_it_is_meant() -> None:
    assert fused_loop.works()


def test_jacobian_of_a_rotated_and_projected_point() -> None:
    """Pixel of (x, y, z) turned by an angle about the z axis, by angle and point."""
    p = _rng.uniform(0.5, 2, (N, 4))
    found = solve(
        {"u": "[(cos(p[0])*p[1] - sin(p[0])*p[2])/p[3], (sin(p[0])*p[1] + cos(p[0])*p[2])/p[3]]"},
        {"p": p},
        "jacobian",
        batch={"p": 0},
    )
    a, x, y, z = p.T
    c, s = np.cos(a), np.sin(a)
    u, v = (c * x - s * y) / z, (s * x + c * y) / z
    expected = np.stack([[-v, c / z, -s / z, -u / z], [u, s / z, c / z, -v / z]]).transpose(2, 0, 1)
    (values,) = found.values()
    np.testing.assert_allclose(values, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("chunk", [None, 7_000])
def test_hessian_with_shared_inputs_and_another_batch_axis(chunk: int | None) -> None:
    """Of Σ w x³ + (w x) y: by x it is diag(6 w x); w is shared, the points are the last axis."""
    x, w = _rng.normal(size=(3, N)), np.array([2.0, -1.0, 0.5])
    found = solve(
        {"f": "sum(w*x**3) + y*sum(w*x)"},
        {"x": x, "w": w, "y": _rng.normal(size=N)},
        "hessian",
        wrt=["x"],
        batch={"x": -1, "y": 0},
        **({} if chunk is None else {"chunk": chunk}),
    )
    expected = np.zeros((N, 3, 3))
    expected[:, np.arange(3), np.arange(3)] = 6 * w * x.T
    (values,) = found.values()
    np.testing.assert_allclose(values, expected, rtol=1e-13, atol=0)


def test_kinks_infinities_and_nan_are_those_of_arrays() -> None:
    """d|x| = sign x, d√x = 1/(2√x): infinite at 0, NaN below; d max(x, 0) = ½ at the kink."""
    x = _rng.normal(size=(N, 2))
    x[0], x[1], x[2] = 0, np.inf, np.nan

    def row(x: Any) -> Any:
        return jax.jacfwd(
            lambda x: jnp.stack([jnp.abs(x[0]), jnp.sqrt(x[0]), jnp.maximum(x[1], 0.0)])
        )(x)

    assert in_one_loop(row, (0,), x)
    values = np.asarray(jax.jit(points.mapped(row, (0,)))(x))
    with np.errstate(all="ignore"):
        slope = np.where(np.isnan(x[:, 0]), np.nan, 0.5 / np.sqrt(x[:, 0]))
    np.testing.assert_array_equal(values[3:, 0, 0], np.sign(x[3:, 0]))
    np.testing.assert_allclose(values[:, 1, 0], slope, rtol=1e-15)
    assert values[0, 2, 1] == 0.5


OPERATIONS: dict[str, tuple[Any, Any]] = {
    "product": (lambda x: jnp.array([[1.0, 2], [3, 4]]) @ x[:2], lambda x: x[:, :2] @ [[1, 3], [2, 4]]),
    "gather": (lambda x: x[jnp.array([2, 0])] * x[0], lambda x: x[:, [2, 0]] * x[:, :1]),
    "scatter": (lambda x: x.at[1].add(x[0]), lambda x: x + np.outer(x[:, 0], [0, 1, 0])),
    "branches": (lambda x: jax.lax.cond(x[0] > 0, lambda x: 2 * x, lambda x: -x, x),
                 lambda x: np.where(x[:, :1] > 0, 2 * x, -x)),
    "loop": (lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y * y + i, x),
             lambda x: ((x**2) ** 2 + 1) ** 2 + 2),
    "rows of a loop": (lambda x: jax.lax.scan(lambda c, y: (c + y, c * y), 1.0, x, reverse=True)[1],
                       lambda x: x * np.stack([1 + x[:, 1] + x[:, 2], 1 + x[:, 2], 1 + 0 * x[:, 0]], 1)),
    "sums": (lambda x: jnp.cumsum(x[::-1]) + jnp.max(x), lambda x: x[:, ::-1].cumsum(1) + x.max(1)[:, None]),
    "integers": (lambda x: (x > 0).astype(jnp.int32) + 1, lambda x: (x > 0) + 1),
    "the same for all": (lambda x: (x * 2, jnp.arange(3.0)), lambda x: (2 * x, np.tile(np.arange(3.0), (N, 1)))),
    "moved": (lambda x: jnp.pad(jnp.roll(x, 1), (1, 0)).reshape(2, 2).T,
              lambda x: np.stack([0 * x[:, 0], x[:, 0], x[:, 2], x[:, 1]], 1).reshape(N, 2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_numbers_are_those_on_arrays(name: str) -> None:
    f, expected = OPERATIONS[name]
    x = _rng.normal(size=(N, 3))
    assert in_one_loop(f, (0,), x)
    found = jax.jit(points.mapped(f, (0,)))(x)
    for y, z in zip(jax.tree.leaves(found), jax.tree.leaves(expected(x)), strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-13, atol=1e-14)


LEFT: dict[str, Any] = {
    "a factorization": lambda x: jnp.linalg.cholesky(jnp.eye(3) + jnp.outer(x, x)),
    "a loop of unknown length": lambda x: jax.lax.while_loop(lambda y: y.sum() > 1, lambda y: y / 2, x),
    "an index of the point": lambda x: x[x[0].astype(int)] * x,
    "a sorted array": jnp.sort,
    "one number": lambda x: jnp.sin(x).sum(),
    "floats of two dtypes": lambda x: (x * 2).astype(jnp.float32),
    "many numbers": lambda x: jnp.outer(jnp.outer(x, x), jnp.outer(x, x).reshape(-1)[:5]) * jnp.ones((4, 1, 1)),
    "many operations": lambda x: jax.lax.fori_loop(0, 5000, lambda i, y: y * 0.5, x),
}  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_what_is_no_operation_on_numbers_is_left_to_vmap(name: str) -> None:
    x = _rng.uniform(0.1, 0.9, (N, 3))
    f = LEFT[name]
    assert not in_one_loop(f, (0,), x)
    shape = jax.eval_shape(f, x[0]).shape
    assert jax.eval_shape(points.mapped(f, (0,)), x).shape == (N, *shape)


def test_many_points_take_less_memory_than_a_loop_for_each_array() -> None:
    """Temporaries are the results once more, and nothing else of that size."""
    x = jnp.asarray(_rng.normal(size=(10 * N, 3)))
    row = jax.jacrev(lambda x: jnp.sin(x[0] * x[1]) * jnp.cos(x))
    program = jax.jit(points.mapped(row, (0,))).lower(x).compile()
    assert program.memory_analysis().temp_size_in_bytes < 1.2 * 9 * 8 * len(x)


def test_without_such_a_loop_it_is_vmap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_loop, "works", lambda: False)
    assert not in_one_loop(lambda x: x * 2, (0,), np.ones((N, 2)))
