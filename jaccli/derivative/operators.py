"""Jacobians, Hessians and products of a function of one tree, by mode.

`JACOBIAN`, `HESSIAN` and `HVP` are the registries: a new mode is one new entry.  A builder takes
the function and an example of its primal (shapes alone) and returns `x ↦ derivative`; those of
`JACOBIAN_SWEEPS` and `HESSIAN_SWEEPS` return a `Sweep`, which can also go a chunk at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaccli.derivative.basis import Function, Sweep, Tree, forward, reverse

SweepBuilder = Callable[[Function, Tree], Sweep]
Builder = Callable[[Function, Tree], Callable[[Tree], Tree]]
Product = Callable[[Function, Tree, Tree], Tree]

JACOBIAN_SWEEPS: dict[str, SweepBuilder] = {
    "fwd": forward,
    "rev": reverse,
    "loop": partial(reverse, one_by_one=True),
}


def _nested(outer: str, inner: str) -> SweepBuilder:
    """Return the Hessian as the Jacobian of the Jacobian, each in its own mode."""

    def build(f: Function, x: Tree) -> Sweep:
        return JACOBIAN_SWEEPS[outer](JACOBIAN_SWEEPS[inner](f, x), x)

    return build


HESSIAN_SWEEPS: dict[str, SweepBuilder] = {
    f"{outer}-{inner}": _nested(outer, inner)
    for outer in ("fwd", "rev")
    for inner in ("fwd", "rev")
}


def _structured_jacobian(f: Function, x: Tree) -> Callable[[Tree], Tree]:
    """Return the Jacobian by the structured engine, from the side with fewer numbers."""
    from jaccli.derivative import structured  # when used: other modes start without it

    direction = structured.direction(f, x)
    return lambda x: structured.densified(structured.jacobian(f, x, direction))


def _structured_hessian(f: Function, x: Tree) -> Callable[[Tree], Tree]:
    """Return the Hessian by the structured engine: forward over the side with fewer numbers."""
    from jaccli.derivative import structured

    inner = structured.direction(f, x)
    return lambda x: structured.densified(structured.hessian(f, x, "fwd", inner))


JACOBIAN: dict[str, Builder] = {**JACOBIAN_SWEEPS, "structured": _structured_jacobian}
HESSIAN: dict[str, Builder] = {**HESSIAN_SWEEPS, "structured": _structured_hessian}


def _forward_over_reverse(f: Function, x: Tree, tangent: Tree) -> Tree:
    """H v as the derivative of the gradient along v."""
    return jax.jvp(jax.grad(f), (x,), (tangent,))[1]


def _reverse_over_reverse(f: Function, x: Tree, tangent: Tree) -> Tree:
    """H v as the pullback of v through the gradient: H is symmetric, so `vᵀ H = (H v)ᵀ`."""
    return jax.vjp(jax.grad(f), x)[1](tangent)[0]


HVP: dict[str, Product] = {
    "fwd-rev": _forward_over_reverse,
    "rev-rev": _reverse_over_reverse,
}


def jacobian(f: Function, x: Tree, mode: str) -> Tree:
    """Return the Jacobian of `f` at `x`: `tree(out)` of `tree(in)`, leaves `(*out, *in)`."""
    return JACOBIAN[mode](f, x)(x)


def hessian(f: Function, x: Tree, mode: str) -> Tree:
    """Return the Hessian: `tree(out)` of `tree(in)` of `tree(in)`, leaves `(*out, *in, *in)`."""
    return HESSIAN[mode](f, x)(x)


def jvp(f: Function, x: Tree, tangent: Tree) -> Tree:
    """Return the Jacobian times `tangent` (shaped as `x`): `tree(out)`."""
    return jax.jvp(f, (x,), (tangent,))[1]


def vjp(f: Function, x: Tree, cotangent: Tree) -> Tree:
    """Return `cotangent` (shaped as the outputs) times the Jacobian: `tree(in)`."""
    return jax.vjp(f, x)[1](cotangent)[0]


def hvp(f: Callable[[Tree], dict[str, Any]], x: Tree, tangent: Tree, mode: str) -> Tree:
    """Return, for each scalar output of `f`, its Hessian times `tangent`; no Hessian is formed."""

    def product(name: str) -> Tree:
        return HVP[mode](lambda x: jnp.reshape(f(x)[name], ()), x, tangent)

    return {name: product(name) for name in jax.eval_shape(f, x)}
