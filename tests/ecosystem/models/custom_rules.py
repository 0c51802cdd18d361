"""Derivative rules that users write."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from tests.ecosystem.cases import Tree, model, normal, positive


@jax.custom_jvp
def log1pexp(x: Tree) -> Tree:
    return jnp.log(1.0 + jnp.exp(x))


@log1pexp.defjvp
def _log1pexp_jvp(primals: Tree, tangents: Tree) -> Tree:
    (x,), (tangent,) = primals, tangents
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * tangent


@model(normal(4))
def stable_softplus(x: Tree) -> Tree:
    """A forward rule that is numerically stable.

    https://docs.jax.dev/en/latest/notebooks/Custom_derivative_rules_for_Python_code.html
    """
    return log1pexp(3 * x)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def clip_gradient(low: float, high: float, x: Tree) -> Tree:
    return x


clip_gradient.defvjp(
    lambda low, high, x: (x, None),
    lambda low, high, _, cotangent: (jnp.clip(cotangent, low, high),),
)


@model(normal(4), smooth=lambda x: jnp.sin(x) + 0 * x)
def clipped_gradient(x: Tree) -> Tree:
    """A reverse rule that clips, here without an effect; there is no forward mode.

    https://docs.jax.dev/en/latest/notebooks/Custom_derivative_rules_for_Python_code.html
    """
    return clip_gradient(-2.0, 2.0, jnp.sin(x))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def fixed_point(f: Tree, a: Tree, start: Tree) -> Tree:
    def unfinished(carry: Tree) -> Tree:
        before, now = carry
        return jnp.max(jnp.abs(before - now)) > 1e-12

    def improve(carry: Tree) -> Tree:
        _, now = carry
        return now, f(a, now)

    return jax.lax.while_loop(unfinished, improve, (start, f(a, start)))[1]


def _fixed_point_forward(f: Tree, a: Tree, start: Tree) -> Tree:
    solution = fixed_point(f, a, start)
    return solution, (a, solution)


def _fixed_point_reverse(f: Tree, residuals: Tree, cotangent: Tree) -> Tree:
    a, solution = residuals
    by_a = jax.vjp(lambda a: f(a, solution), a)[1]

    def adjoint(packed: Tree, u: Tree) -> Tree:
        a, solution, cotangent = packed
        return cotangent + jax.vjp(lambda x: f(a, x), solution)[1](u)[0]

    u = fixed_point(adjoint, (a, solution, cotangent), cotangent)
    return *by_a(u), jnp.zeros_like(solution)


fixed_point.defvjp(_fixed_point_forward, _fixed_point_reverse)


@model(positive(3))
def implicit_fixed_point(a: Tree) -> Tree:
    """A reverse rule by the implicit function theorem, around a loop of unknown length.

    https://docs.jax.dev/en/latest/notebooks/Custom_derivative_rules_for_Python_code.html
    """
    return fixed_point(lambda a, x: jnp.cos(a * x) / 2, a, jnp.zeros(3))


@model(normal(4), smooth=lambda x: (x + jnp.round(normal(4)) - normal(4)) * x)
def straight_through(x: Tree) -> Tree:
    """A rounding whose derivative is that of the identity.

    https://docs.jax.dev/en/latest/201/advanced-autodiff.html#straight-through-estimator-using-stop-gradient
    """
    rounded = x + jax.lax.stop_gradient(jnp.round(x) - x)
    return rounded * x


@jax.custom_gradient
def _squared(x: Tree) -> Tree:
    return x**2, lambda cotangent: cotangent * 2 * x


@model(positive(4))
def custom_gradient(x: Tree) -> Tree:
    """A reverse rule as a closure.

    https://docs.jax.dev/en/latest/_autosummary/jax.custom_gradient.html
    """
    return _squared(x).sum() * x
