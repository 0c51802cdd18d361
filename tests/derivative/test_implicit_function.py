"""Roots of equations, and their derivatives, against closed forms and mpmath."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaccli.derivative.implicit import DenseSystem, Root, find_root, implicit_function, system_of

pytest.importorskip("optimistix")


@pytest.fixture(autouse=True)
def _double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def found(residual: Any, start: Any, theta: Any = None) -> Root:
    """Return the root of a small system from a start."""
    begin = jnp.asarray(start, float)
    sizes = jnp.where(begin != 0, jnp.abs(begin), 1)
    find = jax.jit(partial(find_root, residual, DenseSystem(), begin, sizes))
    return Root(*map(np.asarray, find({} if theta is None else theta)))


def solution(residual: Any, start: Any, shapes: Any) -> Any:
    begin = jnp.asarray(start, float)
    system = system_of(residual, begin, shapes)
    find = partial(find_root, residual, system, begin, jnp.ones_like(begin))
    return implicit_function(residual, system, find)


def test_derivatives_of_every_order_of_a_quadratic_root() -> None:
    """C = (sqrt(1 + 4 k f) - 1)/(2 k) at k = 2, f = 3: derivatives by mpmath."""

    def residual(u: Any, theta: Any) -> Any:
        return theta[0] * u**2 + u - theta[1]

    theta = jnp.array([2.0, 3.0])
    root = solution(residual, [1.0], theta)
    scalar = lambda theta: root(theta)[0]  # noqa: E731

    def all_orders(theta: Any) -> Any:
        gradient = jax.grad(scalar)(theta)
        hessian = jax.jacfwd(jax.grad(scalar))(theta)
        return gradient, hessian, jax.jacrev(jax.jacrev(scalar))(theta)

    gradient, hessian, reverse = jax.jit(all_orders)(theta)

    def exact(k: Any, f: Any) -> Any:
        return (mpmath.sqrt(1 + 4 * k * f) - 1) / (2 * k)

    with mpmath.workdps(60):
        point = (mpmath.mpf(2), mpmath.mpf(3))
        first = [float(mpmath.diff(exact, point, order)) for order in ((1, 0), (0, 1))]
        second = [[(2, 0), (1, 1)], [(1, 1), (0, 2)]]
        second = [[float(mpmath.diff(exact, point, order)) for order in row] for row in second]
    np.testing.assert_allclose(gradient, first, rtol=2e-15)
    np.testing.assert_allclose(hessian, second, rtol=2e-14)
    np.testing.assert_allclose(reverse, second, rtol=2e-14)


@pytest.mark.slow
def test_each_row_of_a_batch_has_its_own_solution() -> None:
    """Lambert's W: w exp(w) = x, dw/dx = w/(x (1 + w))."""
    x = jnp.array([0.1, 1.0, 7.0, 300.0])
    root = solution(lambda u, x: u * jnp.exp(u) - x, [1.0], x[0])
    scalar = lambda x: root(x)[0]  # noqa: E731
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(scalar)))(x)
    exact = [float(mpmath.lambertw(each).real) for each in map(float, x)]
    np.testing.assert_allclose(value, exact, rtol=4e-16)
    np.testing.assert_allclose(slope, exact / (np.asarray(x) * (1 + np.array(exact))), rtol=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("residual", "start", "root"),
    [
        pytest.param(lambda u, _: jnp.arctan(u), [10.0], [0.0], id="Newton alone diverges"),
        pytest.param(lambda u, _: jnp.log(u) + 3, [5.0], [np.exp(-3)], id="NaN on the way"),
        pytest.param(
            lambda u, _: jnp.exp(20 * u) - 2e9, [0.0], [np.log(2e9) / 20], id="a long first step"
        ),
        pytest.param(
            lambda u, _: jnp.exp(40 * u) - 2e12, [0.1], [np.log(2e12) / 40], id="a longer one"
        ),
        pytest.param(
            lambda u, _: jnp.exp(700 * u) - 1e300, [0.0], [np.log(1e300) / 700], id="steep"
        ),
        pytest.param(
            lambda u, _: jnp.exp(300 * u) - 1e120, [0.1], [np.log(1e120) / 300], id="steep nearby"
        ),
        pytest.param(
            lambda u, _: jnp.array([jnp.exp(20 * u[0]) - 2e9 + 0 * u[1], u[0] + u[1] - 1]),
            [0.0, 0.0],
            [np.log(2e9) / 20, 1 - np.log(2e9) / 20],
            id="a long first step of two",
        ),
        pytest.param(lambda u, _: u**2 - 1e-30, [1.0], [1e-15], id="of another size"),
        pytest.param(
            lambda u, _: jnp.array(
                [1e4 * u[0] * u[1] - 1, jnp.exp(-u[0]) + jnp.exp(-u[1]) - 1.0001]
            ),
            [0.0, 1.0],
            [1.0981593296997054e-05, 9.106146739867453],
            id="Powell, badly scaled",
        ),
    ],
)
def test_a_root_is_right_to_the_last_digits(residual: Any, start: Any, root: Any) -> None:
    there = found(residual, start)
    assert there.is_root
    assert there.is_regular
    # Powell's second equation is rounded by 1e-16, and changes by 1e-4 of u[1].
    rtol = 3e-15 if len(root) == 1 else 1e-12
    np.testing.assert_allclose(there.u, root, rtol=rtol, atol=1e-300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("residual", "start"),
    [
        pytest.param(lambda u, _: u**2 - 2 * u + 1, [3.0], id="double, cancelling"),
        pytest.param(lambda u, _: u**3 - 3 * u**2 + 3 * u - 1, [3.0], id="triple"),
        pytest.param(lambda u, _: u**2 + 1, [3.0], id="none"),
        pytest.param(lambda u, _: jnp.exp(-u), [3.0], id="at infinity"),
        pytest.param(lambda u, _: jnp.stack([u[0] + u[1] - 1] * 2), [3.0, 4.0], id="dependent"),
    ],
)
def test_a_singular_root_is_none(residual: Any, start: Any) -> None:
    assert not found(residual, start).is_regular


def test_what_is_no_root_is_nan_with_its_derivative() -> None:
    """Of a linear system too, whose derivative does not depend on where the iteration ended."""
    failed = Root(jnp.ones(1), jnp.array(True), jnp.array(False))
    root = implicit_function(lambda u, theta: u - theta, DenseSystem(), lambda _: failed)
    u, slope = jax.jvp(root, (jnp.array(1.0),), (jnp.array(1.0),))
    assert np.isnan([u, slope]).all()


def tridiagonal(n: int) -> Any:
    """Return the residual of u'' + λ exp(u) = 0, u = 0 at 0 and 1, on n points."""

    def residual(u: Any, lam: Any) -> Any:
        w = jnp.pad(u, 1)
        return (w[:-2] - 2 * u + w[2:]) * (n + 1) ** 2 + lam * jnp.exp(u)

    return residual


@pytest.mark.slow
def test_a_sparse_system_gives_what_its_matrix_says() -> None:
    """du/dλ = -J⁻¹ exp(u), and for a weighted sum wᵀu the adjoint -(J⁻ᵀ w)ᵀ exp(u), in numpy."""
    n = 300
    residual = tridiagonal(n)
    shape = jax.ShapeDtypeStruct((), jnp.float64)
    system = system_of(residual, jax.ShapeDtypeStruct((n,), jnp.float64), shape)
    assert "sparse" in system.words
    start = jnp.zeros(n)
    root = implicit_function(
        residual, system, partial(find_root, residual, system, start, jnp.ones(n))
    )
    weights = np.random.default_rng(1).normal(size=n)

    def computed(lam: Any) -> Any:
        u, slope = jax.jvp(root, (lam,), (jnp.ones(()),))
        adjoint = jax.grad(lambda lam: weights @ root(lam))(lam)
        return u, slope, adjoint

    u, slope, adjoint = map(np.asarray, jax.jit(computed)(jnp.array(2.0)))
    matrix = np.diag(np.full(n - 1, 1.0), 1) + np.diag(np.full(n - 1, 1.0), -1) - 2 * np.eye(n)
    laplacian = matrix * (n + 1) ** 2
    np.testing.assert_allclose(laplacian @ u + 2 * np.exp(u), 0, atol=1e-9)
    expected = -np.linalg.solve(laplacian + np.diag(2 * np.exp(u)), np.exp(u))
    np.testing.assert_allclose(slope, expected, rtol=1e-10)
    assert adjoint == pytest.approx(weights @ expected, rel=1e-9)
    t = mpmath.findroot(lambda t: t - mpmath.sqrt(4) * mpmath.cosh(t / 4), 2.3)
    exact = [-2 * mpmath.log(mpmath.cosh((x - 0.5) * t / 2) / mpmath.cosh(t / 4))
             for x in np.arange(1, n + 1) / (n + 1)]  # fmt: skip
    np.testing.assert_allclose(u, np.array(exact, float), atol=2 / n**2)
