"""Jacobians, Hessians and products of a function of one tree, by operator.

`JACOBIAN`, `HESSIAN`, `JVP`, `VJP` and `HVP` are the registries: a new operator is one new entry.
`operator(f, x)` returns the derivative, `tree(out)` of `tree(in)` with leaves `(*out, *in)` (a
Hessian: of `tree(in)` again, `(*out, *in1, *in2)`).  `CHUNKED` has what can also be taken in
chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaccli.derivative.basis import (
    BasisProduct,
    Chunked,
    Function,
    Tree,
    forward,
    reverse,
    shaped_as,
    size,
    unit,
)

BasisProductBuilder = Callable[[Function, Tree], BasisProduct]
ChunkedBuilder = Callable[[Function, Tree], Chunked]
Operator = Callable[..., Tree]
"""`operator(f, x)`, or `operator(f, x, tangent)`."""

JACOBIAN_SWEEPS: dict[str, BasisProductBuilder] = {
    "fwd": forward,
    "rev": reverse,
    "loop": partial(reverse, one_by_one=True),
}


def _nested(outer: str, inner: str) -> BasisProductBuilder:
    """Return the Hessian as the Jacobian of the Jacobian, each in its own mode."""

    def build(f: Function, x: Tree) -> BasisProduct:
        return JACOBIAN_SWEEPS[outer](JACOBIAN_SWEEPS[inner](f, x), x)

    return build


_DIRECTIONS = ("fwd", "rev")
HESSIAN_SWEEPS: dict[str, BasisProductBuilder] = {
    f"{o}-{i}": _nested(o, i) for o in _DIRECTIONS for i in _DIRECTIONS
}


def _swept(build: BasisProductBuilder) -> Operator:
    """Return the operator that takes all unit vectors of a sweep at once."""
    return lambda f, x: build(f, x)(x)


def _structured_jacobian(direction: str) -> Operator:
    """Return the Jacobian by the structured engine, made dense."""

    def operator(f: Function, x: Tree) -> Tree:
        from jaccli.derivative import structured  # its rules are imported by calls that use them

        return structured.densified(structured.jacobian(f, x, direction, keep=False))

    return operator


def _structured_hessian(outer: str, inner: str) -> Operator:
    """Return the Hessian by the structured engine, applied to itself, made dense."""

    def operator(f: Function, x: Tree) -> Tree:
        from jaccli.derivative import structured

        return structured.densified(structured.hessian(f, x, outer, inner, keep=False))

    return operator


def _tiled_jacobian(direction: str) -> ChunkedBuilder:
    """Return what takes the structured Jacobian in chunks."""

    def build(f: Function, x: Tree) -> Chunked:
        from jaccli.derivative.structured import chunked

        return chunked.jacobian(f, x, direction)

    return build


def _tiled_hessian(inner: str) -> ChunkedBuilder:
    """Return what takes the structured Hessian in chunks, outer forward."""

    def build(f: Function, x: Tree) -> Chunked:
        from jaccli.derivative.structured import chunked

        return chunked.hessian(f, x, inner)

    return build


def _sparse(derivative: str) -> Operator:
    """Return the derivative by its non-zeros, made dense."""

    def operator(f: Function, x: Tree) -> Tree:
        from jaccli.derivative import sparse

        return sparse.prepare(derivative, lambda x, _: f(x), x).dense(f, x)

    return operator


JACOBIAN: dict[str, Operator] = {
    **{name: _swept(build) for name, build in JACOBIAN_SWEEPS.items()},
    **{f"structured-{way}": _structured_jacobian(way) for way in _DIRECTIONS},
    "sparse": _sparse("jacobian"),
}
HESSIAN: dict[str, Operator] = {
    **{name: _swept(build) for name, build in HESSIAN_SWEEPS.items()},
    **{f"structured-{o}-{i}": _structured_hessian(o, i) for o in _DIRECTIONS for i in _DIRECTIONS},
    "sparse": _sparse("hessian"),
}


def _forward_over_reverse(f: Function, x: Tree, tangent: Tree) -> Tree:
    """H v as the derivative of the gradient along v."""
    return jax.jvp(jax.grad(f), (x,), (tangent,))[1]


def _reverse_over_reverse(f: Function, x: Tree, tangent: Tree) -> Tree:
    """H v as the pullback of v through the gradient: H is symmetric, so `vᵀ H = (H v)ᵀ`."""
    return jax.vjp(jax.grad(f), x)[1](tangent)[0]


def _forward_over_forward(f: Function, x: Tree, tangent: Tree) -> Tree:
    """H v as the gradient of the derivative along v, one unit tangent for each of its numbers."""
    along = partial(_jvp_forward, f, tangent=tangent)
    gradient: Tree = forward(along, x)(x)
    return gradient


def _each(product: Operator) -> Operator:
    """Return the product for every scalar output of a function: the tree of its outputs."""

    def operator(f: Function, x: Tree, tangent: Tree) -> Tree:
        leaves, structure = jax.tree.flatten(jax.eval_shape(f, x))

        def one(position: int) -> Tree:
            return product(lambda x: jnp.reshape(jax.tree.leaves(f(x))[position], ()), x, tangent)

        return jax.tree.unflatten(structure, [one(position) for position in range(len(leaves))])

    return operator


HVP: dict[str, Operator] = {
    "fwd-rev": _each(_forward_over_reverse),
    "rev-rev": _each(_reverse_over_reverse),
    "fwd-fwd": _each(_forward_over_forward),
}


def _jvp_forward(f: Function, x: Tree, tangent: Tree) -> Tree:
    """J v, pushed forward."""
    return jax.jvp(f, (x,), (tangent,))[1]


def _jvp_twice_reverse(f: Function, x: Tree, tangent: Tree) -> Tree:
    """J v by two reverse passes: `u ↦ uᵀ J` is linear, and its own pullback of v is J v."""
    out = jax.eval_shape(f, x)
    zeros = jax.tree.map(lambda y: jnp.zeros(y.shape, y.dtype), out)
    pull = jax.vjp(f, x)[1]
    return jax.vjp(lambda u: pull(u)[0], zeros)[1](tangent)[0]


def _jvp_reverse(f: Function, x: Tree, tangent: Tree) -> Tree:
    """J v row by row, one vjp for each number of the outputs."""
    out = jax.eval_shape(f, x)
    pull = jax.vjp(f, x)[1]

    def number(index: Any) -> Any:
        (row,) = pull(unit(out, index))
        pairs = zip(jax.tree.leaves(row), jax.tree.leaves(tangent), strict=True)
        return sum(jnp.vdot(r, v) for r, v in pairs)

    return shaped_as(jax.vmap(number)(jnp.arange(size(out))), out)


def _vjp_reverse(f: Function, x: Tree, cotangent: Tree) -> Tree:
    """Uᵀ J, pulled back."""
    return jax.vjp(f, x)[1](cotangent)[0]


def _vjp_forward(f: Function, x: Tree, cotangent: Tree) -> Tree:
    """Uᵀ J as the gradient of `uᵀ f`, one unit tangent for each of its numbers."""

    def weighed(x: Tree) -> Any:
        pairs = zip(jax.tree.leaves(cotangent), jax.tree.leaves(f(x)), strict=True)
        return sum(jnp.sum(u * y) for u, y in pairs)

    gradient: Tree = forward(weighed, x)(x)
    return gradient


JVP: dict[str, Operator] = {
    "fwd": _jvp_forward,
    "rev-rev": _jvp_twice_reverse,
    "rev": _jvp_reverse,
}
VJP: dict[str, Operator] = {"rev": _vjp_reverse, "fwd": _vjp_forward}
REGISTRIES: dict[str, dict[str, Operator]] = {
    "gradient": JACOBIAN,
    "jacobian": JACOBIAN,
    "hessian": HESSIAN,
    "jvp": JVP,
    "vjp": VJP,
    "hvp": HVP,
}
"""The operators of every derivative: of a product, `operator(f, x, vector)`."""


_JACOBIAN_CHUNKS: dict[str, ChunkedBuilder] = {
    **JACOBIAN_SWEEPS,
    **{f"structured-{way}": _tiled_jacobian(way) for way in _DIRECTIONS},
}
CHUNKED: dict[str, dict[str, ChunkedBuilder]] = {
    "gradient": _JACOBIAN_CHUNKS,
    "jacobian": _JACOBIAN_CHUNKS,
    "hessian": {
        **HESSIAN_SWEEPS,
        **{f"structured-fwd-{inner}": _tiled_hessian(inner) for inner in _DIRECTIONS},
    },
}
"""What can be taken in chunks; the structured Hessian only with the outer derivative forward."""
