"""The engine as a whole: closed forms, Hessians, fallbacks, trees, odd shapes, composition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaccli
from jaccli.derivative import structured
from tests.structured.agreement import (
    assert_close,
    assert_hessian_is_right,
    assert_structured_is_right,
    points,
)
from tests.thinned import thinned

W, b = points(4, 3, seed="W"), points(4, seed="b")


def rosenbrock(x: Any) -> Any:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("direction", ["fwd", "rev"])
def test_forecast_equals_its_closed_form(direction: str) -> None:
    x = points(3)
    slope = 1 - np.tanh(W @ x + b) ** 2
    found = structured.jacobian(lambda x: jnp.tanh(W @ x + b), x, direction)
    assert_close(found.dense(), slope[:, None] * W)
    by_weight = structured.jacobian(lambda W: jnp.tanh(W @ x + b), W, direction)
    assert by_weight.stored == W.size
    expected = np.einsum("i,ij,k->ijk", slope, np.eye(4), x)
    assert_close(by_weight.dense(), expected)


@pytest.mark.parametrize("outer", ["fwd", "rev"])
@pytest.mark.parametrize("inner", ["fwd", "rev"])
def test_forecast_hessian_equals_its_closed_form(outer: str, inner: str) -> None:
    x = points(3)
    y = np.tanh(W @ x + b)
    expected = np.einsum("i,ij,ik->ijk", -2 * y * (1 - y**2), W, W)
    found = structured.hessian(lambda x: jnp.tanh(W @ x + b), x, outer, inner)
    assert_close(found.dense(), expected)


def test_rosenbrock_hessian_of_a_million_is_three_diagonals() -> None:
    n = 10**6
    x = jnp.asarray(np.linspace(-1, 1, n))
    result = jax.jit(lambda x: structured.hessian(rosenbrock, x, "fwd", "rev"))(x)
    assert result.stored <= 3 * n
    found = result.to_scipy().tocsr()
    diagonal = np.zeros(n)
    diagonal[:-1] += 1200 * np.asarray(x[:-1]) ** 2 - 400 * np.asarray(x[1:]) + 2
    diagonal[1:] += 200
    assert_close(found.diagonal(), diagonal)
    assert_close(found.diagonal(1), -400 * np.asarray(x[:-1]))
    assert abs(found - found.T).max() == 0


def test_jacobian_by_a_large_weight_has_no_dense_intermediate() -> None:
    d = 2048
    x = jnp.asarray(points(d))
    result = structured.reverse(lambda W: jnp.tanh(W @ x), jnp.zeros((d, d)))
    matrix = result.to_scipy()
    assert matrix.shape == (d, d * d)
    assert matrix.nnz == d * d
    assert_close(matrix.tocsr()[[5]].toarray().reshape(d, d)[5], x)


FALLBACKS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "sort": (jnp.sort, (5,)),
    "median": (jnp.median, (5,)),
    "dynamic index": (lambda x: x[jnp.argmax(x)] * x, (5,)),
    "dynamic update": (lambda x: lax.dynamic_update_slice(x, x[:1] ** 2, (jnp.argmin(x),)), (5,)),
    "scan": (lambda x: lax.scan(lambda c, _: (jnp.sin(c) * c, c), x, None, length=3), (3,)),
    "scan over x": (lambda x: lax.scan(lambda c, a: (c * a.sum(), c + a), x[0], x), (4, 2)),
    "for": (lambda x: lax.fori_loop(0, 3, lambda i, c: jnp.sin(c) + c[0], x), (3,)),
    "cond": (lambda x: lax.cond(x[0] > 0, jnp.sin, jnp.cos, x), (3,)),
    "solve": (lambda x: jnp.linalg.solve(jnp.outer(x, x) + 3 * jnp.eye(3), x), (3,)),
    "inverse": (lambda x: jnp.linalg.inv(x + 3 * jnp.eye(3)), (3, 3)),
    "cholesky": (lambda x: jnp.linalg.cholesky(x @ x.T + jnp.eye(3)), (3, 2)),
    "fft": (lambda x: jnp.abs(jnp.fft.fft(x)) ** 2, (5,)),
    "cumprod": (jnp.cumprod, (4,)),
    "convolution by the kernel": (
        lambda k: lax.conv(jnp.ones((1, 2, 5)), k, (1,), "SAME"),
        (3, 2, 3),
    ),
    "checkpoint": (jax.checkpoint(lambda x: jnp.sin(W @ x)), (3,)),
    "softmax": (lambda x: jax.nn.softmax(x, -1), (2, 4)),
    "logsumexp": (jax.nn.logsumexp, (5,)),
    "integers in between": (lambda x: x * jnp.floor(x).astype(int), (4,)),
    "einsum": (lambda x: jnp.einsum("ij,kj,i->k", x, x, b), (4, 2)),
    "kron": (lambda x: jnp.kron(x, x), (3,)),
}


@pytest.mark.parametrize("name", thinned(FALLBACKS, 3))
def test_functions_without_full_structure_are_right(name: str) -> None:
    f, shape = FALLBACKS[name]
    tree = name in ("scan", "scan over x")
    assert_structured_is_right(f, points(*shape, seed=name), numeric=not tree)


@pytest.mark.parametrize(
    "name", thinned(["scan", "sort", "solve", "softmax", "cumprod", "kron", "einsum"], 3)
)
def test_hessians_of_all_combinations_are_right(name: str) -> None:
    f, shape = FALLBACKS[name]
    assert_hessian_is_right(f, points(*shape, seed=name))


def test_while_loop_goes_forward() -> None:
    def f(x: Any) -> Any:
        return lax.while_loop(lambda c: c[1].sum() < 9, lambda c: (c[0] * c[1], c[1] + 1), (x, x))[
            0
        ]

    x = np.abs(points(3))
    assert_close(structured.forward(f, x).dense(), jax.jacfwd(f)(x))


def test_custom_vjp_is_taken_in_reverse_and_custom_jvp_is_used() -> None:
    @jax.custom_vjp
    def twice(x: Any) -> Any:
        return 2 * x

    twice.defvjp(lambda x: (twice(x), x), lambda x, u: (u * jnp.cos(x),))

    @jax.custom_jvp
    def odd(x: Any) -> Any:
        return x**3

    odd.defjvp(lambda x, t: (odd(x[0]), 7.0 * t[0]))
    x = points(3)
    for direction in ("fwd", "rev"):
        assert_close(structured.jacobian(twice, x, direction).dense(), np.diag(np.cos(x)))
        assert_close(structured.jacobian(odd, x, direction).dense(), 7 * np.eye(3))
    assert_close(structured.hessian(twice, x, "fwd", "fwd").dense()[0, 0, 0], -np.sin(x[0]))


def test_trees_and_integer_outputs_and_several_arguments() -> None:
    def f(tree: Any) -> Any:
        return {"a": tree["p"] @ tree["q"], "b": [(tree["q"] ** 2).sum()]}

    x = {"p": points(2, 3), "q": points(3, 1)}
    assert_structured_is_right(f, x, numeric=False)
    assert_hessian_is_right(f, x)
    found = structured.forward(lambda x: (x > 0, x * 2), points(3))
    assert found[0].dense().dtype == jax.dtypes.float0
    two = jaccli.jacobian(lambda a, k, c: a * c[k], (0, 2), mode="structured")
    a, k, c = points(3), np.array([2, 0, 0]), points(4)
    assert_close(two(a, k, c), jax.jacrev(lambda a, c: a * c[k], (0, 1))(a, c))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (1, 1)])
def test_scalars_and_empty_arrays(shape: tuple[int, ...]) -> None:
    assert_structured_is_right(
        lambda x: (jnp.sin(x), x.sum() ** 2, jnp.zeros(2)), points(*shape), numeric=False
    )
    assert_hessian_is_right(lambda x: (x**3).sum(), points(*shape))


def test_structural_zeros_stay_zero_where_plain_modes_give_nan() -> None:
    f = lambda x: jnp.sqrt(x) * 2  # noqa: E731
    x = jnp.array([0.0, 1.0])
    assert np.isnan(jax.jacfwd(f)(x)).any()
    assert structured.forward(f, x).dense().tolist() == [[np.inf, 0.0], [0.0, 1.0]]


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="only floats are differentiated, not int64"):
        structured.forward(lambda x: x * 2.0, np.arange(3))


@pytest.mark.slow
@pytest.mark.parametrize("direction", thinned(["rev", "fwd"], 2))
def test_vmap_jit_and_derivatives_go_through_the_engine(direction: str) -> None:
    def f(x: Any) -> Any:
        return jnp.tanh(W @ x + b) * x.sum() + jnp.cumsum(jnp.append(x, x[0]))

    def engine(x: Any) -> Any:
        return structured.jacobian(f, x, direction).dense()

    X = points(5, 3)
    assert_close(jax.jit(jax.vmap(engine))(X), jax.vmap(jax.jacrev(f))(X))
    assert_close(jax.jacfwd(engine)(X[0]), jax.jacfwd(jax.jacrev(f))(X[0]))
    assert_close(
        jax.grad(lambda x: engine(x).sum())(X[0]), jax.grad(lambda x: jax.jacrev(f)(x).sum())(X[0])
    )
    third = structured.jacobian(
        lambda x: structured.hessian(f, x, "fwd", direction).dense(), X[0], "fwd"
    )
    assert_close(third.dense(), jax.jacfwd(jax.jacfwd(jax.jacrev(f)))(X[0]))


@pytest.mark.parametrize("derivative", ["jacobian", "hessian"])
def test_public_door_has_the_mode(derivative: str) -> None:
    ours, jaxs = getattr(jaccli, derivative), getattr(jax, derivative)
    f = lambda x, s: jnp.sin(x * s).sum()  # noqa: E731
    x = jnp.asarray(points(3))
    assert_close(jax.jit(ours(f, mode="structured"))(x, 2.0), jaxs(f)(x, 2.0))


def test_prints_are_passed_through(capfd: pytest.CaptureFixture[str]) -> None:
    """Equations without results: what is shown is shown, and the derivative is the same."""

    def shown(x: Any) -> Any:
        jax.debug.print("x[0] = {}", x[0])
        return jnp.sum(x**3)

    x = jnp.array([1.5, -2.0])
    np.testing.assert_array_equal(
        jaccli.hessian(shown, mode="structured")(x), [[9.0, 0.0], [0.0, -12.0]]
    )
    np.testing.assert_array_equal(jaccli.jacobian(shown, mode="structured")(x), [6.75, 12.0])
    jax.effects_barrier()
    assert "x[0] = 1.5" in capfd.readouterr().out
