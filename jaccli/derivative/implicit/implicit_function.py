"""The root u(θ) of F(u, θ) = 0 as a differentiable function, by the implicit function theorem.

∂F/∂u · u̇ = −∂F/∂θ · θ̇ is one linear solve, whatever the iteration was.  The rule calls the
function itself for u, and its solve is differentiable by matrix and right-hand side, so that
derivatives of any order follow, forward and in reverse.

Boundary: knows nothing of how the root is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.implicit.linear_systems import Array, LinearSystem, Residual
from jaccli.derivative.implicit.root_finding import Root

Finder = Callable[[Any], Root]


def implicit_function(
    residual: Residual, system: LinearSystem, find: Finder
) -> Callable[[Any], Array]:
    """Return u(θ), `(n,)`, for which `residual(u, θ)` is zero, as `find(θ)` finds it.

    θ is a tree of arrays; those of integers have no derivative.  Where there is no root, or the
    Jacobian is singular at it, u and all of its derivatives are NaN.
    """

    @jax.custom_jvp
    def solution(theta: Any) -> Array:
        root = find(theta)
        return jnp.where(root.is_root & root.is_regular, root.u, jnp.nan)

    @solution.defjvp
    def rule(primals: Any, tangents: Any) -> tuple[Array, Array]:
        (theta,), (moves,) = primals, tangents
        u = solution(theta)
        leaves, structure = jax.tree.flatten(theta)
        given = jax.tree.leaves(moves, is_leaf=lambda leaf: leaf is None)
        moving = [k for k, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]

        def of_moving(*numbers: Array) -> Array:
            full = list(leaves)
            for k, number in zip(moving, numbers, strict=True):
                full[k] = number
            return residual(u, jax.tree.unflatten(structure, full))

        if not moving:
            return u, jnp.zeros_like(u)
        points, directions = [leaves[k] for k in moving], [given[k] for k in moving]
        drift = jax.jvp(of_moving, points, directions)[1]
        valid = jnp.where(lax.stop_gradient(jnp.isfinite(u).all()), 1, np.nan).astype(u.dtype)
        return u, -valid * solved(u, theta, drift)

    def solved(u: Array, theta: Any, b: Array) -> Array:
        """Return (∂F/∂u)⁻¹ b."""
        fixed_u, fixed = lax.stop_gradient((u, theta))
        factors = system.factors(system.entries(lambda v: residual(v, fixed), fixed_u))
        return lax.custom_linear_solve(
            lambda v: jax.jvp(lambda at: residual(at, theta), (u,), (v,))[1],
            b,
            solve=lambda _, side: system.solve(factors, side),
            transpose_solve=lambda _, side: system.solve(factors, side, transposed=True),
        )

    return solution
