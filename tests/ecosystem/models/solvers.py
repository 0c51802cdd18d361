"""Roots, fixed points, minima and fits, differentiated implicitly."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optimistix as optx
from jax.scipy.optimize import minimize
from jax.scipy.sparse.linalg import cg

from tests.ecosystem.cases import Tree, model, normal, positive


@model(positive(2))
def newton_root(k: Tree) -> Tree:
    """The root of a quadratic by its coefficients."""
    solver = optx.Newton(1e-12, 1e-12)
    return optx.root_find(lambda c, k: k[0] * c**2 + c - k[1], solver, jnp.array(1.0), k).value


@model(positive(2))
def root_of_a_tree(k: Tree) -> Tree:
    """The root of a function of a tree.

    https://docs.kidger.site/optimistix/examples/root_find/
    """

    def fn(y: Tree, k: Tree) -> Tree:
        a, b = y
        return jnp.tanh(jnp.sum(b)) - k[0] * a, a**2 - jnp.sinh(b + k[1])

    solver = optx.Newton(rtol=1e-12, atol=1e-12)
    return optx.root_find(fn, solver, (jnp.array(0.0), jnp.zeros((2, 1))), k).value


@model(positive(3))
def implicit_euler_step(y0: Tree) -> Tree:
    """A step of the implicit Euler method as a fixed point.

    https://docs.kidger.site/optimistix/
    """
    solver = optx.Newton(rtol=1e-12, atol=1e-12)
    return optx.fixed_point(lambda y, y0: y0 + 0.1 * jnp.tanh(y), solver, y0, y0).value


@model(positive(5))
def curve_fit(data: Tree) -> Tree:
    """The parameters of a fit by its data.

    https://docs.kidger.site/optimistix/api/least_squares/
    """
    times = jnp.linspace(0.0, 2.0, 5)

    def residuals(parameters: Tree, data: Tree) -> Tree:
        return parameters[0] * jnp.exp(-parameters[1] * times) - data

    solver = optx.GaussNewton(rtol=1e-10, atol=1e-10)
    return optx.least_squares(residuals, solver, jnp.ones(2), data).value


@model(positive(2), step=1e-2)
def minimum(k: Tree) -> Tree:
    """The minimum of Rosenbrock's function by its coefficients.

    https://docs.kidger.site/optimistix/api/minimise/
    """

    def rosenbrock(y: Tree, k: Tree) -> Tree:
        return (k[0] - y[0]) ** 2 + k[1] * (y[1] - y[0] ** 2) ** 2 + 0.1 * y[1] ** 4

    solver = optx.BFGS(rtol=1e-12, atol=1e-12)
    return optx.minimise(rosenbrock, solver, jnp.zeros(2), k, max_steps=1000).value


@model(positive(5), differences_rtol=1e-4, smooth=lambda x: positive(5) * x)
def scipy_minimum(x: Tree) -> Tree:
    """BFGS of jax.scipy, whose loop is cut off from the derivative."""
    target = jax.lax.stop_gradient(x)
    found = minimize(lambda z: jnp.sum((z - target) ** 2), jnp.zeros(5), method="BFGS")
    return found.x * x


@model(positive(3))
def custom_root(k: Tree) -> Tree:
    """JAX's own implicit differentiation of a root.

    https://docs.jax.dev/en/latest/_autosummary/jax.lax.custom_root.html
    """

    def solve(f: Tree, guess: Tree) -> Tree:
        return jax.lax.fori_loop(0, 100, lambda _, y: y - 0.3 * f(y), guess)

    def tangent_solve(g: Tree, y: Tree) -> Tree:
        return jnp.linalg.solve(jax.jacobian(g)(y), y)

    return jax.lax.custom_root(
        lambda y: y + k * jnp.sinh(y) - 1, jnp.zeros(3), solve, tangent_solve
    )


@model(normal(3, 4))
def conjugate_gradients(a: Tree) -> Tree:
    """Conjugate gradients with a function for the matrix.

    https://docs.jax.dev/en/latest/_autosummary/jax.scipy.sparse.linalg.cg.html
    """
    return cg(lambda v: a @ (a.T @ v) + 2 * v, jnp.arange(3.0), tol=1e-14)[0]
