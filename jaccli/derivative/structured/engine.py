"""Structured Jacobians and Hessians of functions: differentiate first, then interpret.

Forward mode interprets the jaxpr of `t ↦ jvp(f, x, t)`, reverse mode that of `u ↦ vjp(f, x)(u)`;
both are linear, so that only linear primitives need rules.  Everything traces: under `jit`, under
`vmap`, and the engine under itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

import jaccli.derivative.structured.rules  # noqa: F401  (registers the rules)
from jaccli.derivative.structured.interpret import interpret
from jaccli.derivative.structured.result import (
    StructuredJacobian,
    composed,
    from_linear,
    is_structured,
)
from jaccli.derivative.structured.terms import Linear, Seed, identity

Tree = Any
Function = Callable[[Tree], Tree]
Flat = Callable[..., list[Any]]


def forward(f: Function, x: Tree) -> Tree:
    """Return the Jacobian at x in forward mode: `tree(out)` of `tree(in)`, structured leaves.

    Functions with a custom reverse rule alone have no forward mode: they are taken in reverse.

    >>> j = forward(lambda x: x**2, jnp.array([1.0, 2.0, 3.0]))
    >>> j.stored, j.coo()[2].tolist()
    (3, [2.0, 4.0, 6.0])
    """
    flat, leaves, outs, rebuild = _flattened(f, x)
    real = [jnp.issubdtype(y.dtype, jnp.inexact) for y in outs]

    def push(*tangents: Any) -> list[Any]:
        pushed = jax.jvp(flat, leaves, tangents)[1]
        return [t for t, flag in zip(pushed, real, strict=True) if flag]

    jaxpr = jax.make_jaxpr(push)(*leaves)
    if _contains(jaxpr.jaxpr, "custom_lin"):
        return reverse(f, x)
    seeds = [Seed(k, tuple(leaf.shape), False) for k, leaf in enumerate(leaves)]
    args = [identity(seed, leaf.dtype) for seed, leaf in zip(seeds, leaves, strict=True)]
    values = iter(interpret(jaxpr.jaxpr, jaxpr.consts, args))
    rows = []
    for y, flag in zip(outs, real, strict=True):
        value = _linear(next(values)) if flag else Linear(y.shape, jax.dtypes.float0, ())
        rows.append([from_linear(value, seed, far_is_out=False) for seed in seeds])
    return rebuild(rows)


def reverse(f: Function, x: Tree) -> Tree:
    """Return the Jacobian at x in reverse mode: `tree(out)` of `tree(in)`, structured leaves.

    >>> j = reverse(lambda x: x.sum(), jnp.array([1.0, 2.0, 3.0]))
    >>> j.stored, j.dense().tolist()
    (1, [1.0, 1.0, 1.0])
    """
    flat, leaves, outs, rebuild = _flattened(f, x)
    real = [k for k, y in enumerate(outs) if jnp.issubdtype(y.dtype, jnp.inexact)]

    def pull(*cotangents: Any) -> Sequence[Any]:
        full = [np.zeros(y.shape, jax.dtypes.float0) for y in outs]
        for k, u in zip(real, cotangents, strict=True):
            full[k] = u
        return jax.vjp(flat, *leaves)[1](full)  # type: ignore[no-any-return]

    jaxpr = jax.make_jaxpr(pull)(*(outs[k] for k in real))
    seeds = [Seed(k, tuple(outs[k].shape), True) for k in real]
    args = [identity(seed, outs[seed.number].dtype) for seed in seeds]
    values = [_linear(value) for value in interpret(jaxpr.jaxpr, jaxpr.consts, args)]
    rows = []
    for k, y in enumerate(outs):
        seed = Seed(k, tuple(y.shape), True)
        dtype = {} if k in real else {"dtype": jax.dtypes.float0}
        rows.append(
            [
                from_linear(
                    Linear(v.shape, dtype.get("dtype", v.dtype), v.terms), seed, far_is_out=True
                )
                for v in values
            ]
        )
    return rebuild(rows)


DIRECTIONS: dict[str, Callable[[Function, Tree], Tree]] = {"fwd": forward, "rev": reverse}


def direction(f: Function, x: Tree) -> str:
    """Return the direction with fewer far numbers, by shapes alone: forward if they are equal."""
    outs = jax.tree.leaves(jax.eval_shape(f, x))
    count = sum(leaf.size for leaf in jax.tree.leaves(x))
    return "fwd" if count <= sum(y.size for y in outs) else "rev"


def jacobian(f: Function, x: Tree, direction: str) -> Tree:
    """Return the structured Jacobian, `fwd` or `rev`."""
    return DIRECTIONS[direction](f, x)


def hessian(f: Function, x: Tree, outer: str, inner: str) -> Tree:
    """Return the structured Hessian: `tree(out)` of `tree(in)` of `tree(in)`.

    The engine applied to itself: the values of the inner Jacobian are a function of x, and their
    derivatives stand where the values stood.

    >>> h = hessian(lambda x: (x**3).sum(), jnp.array([1.0, 2.0]), "fwd", "rev")
    >>> h.stored, h.dense().tolist()
    (2, [[6.0, 0.0], [0.0, 12.0]])
    """
    first = partial(DIRECTIONS[inner], f)
    layout = jax.eval_shape(first, x)
    seconds = DIRECTIONS[outer](first, x)
    flat, structure = jax.tree.flatten(layout, is_leaf=is_structured)
    parts = structure.flatten_up_to(seconds)  # type: ignore[attr-defined]

    def combined(jacobian: StructuredJacobian, part: StructuredJacobian) -> Tree:
        # `part` has, in place of each block's values, their derivative: tree(in).
        columns = [jax.tree.leaves(block.values, is_leaf=is_structured) for block in part.blocks]
        leaves, ins = jax.tree.flatten(x)
        pieces = [
            composed(jacobian, [column[k] for column in columns], tuple(leaf.shape))
            for k, leaf in enumerate(leaves)
        ]
        return jax.tree.unflatten(ins, pieces)

    return jax.tree.unflatten(structure, list(map(combined, flat, parts)))


def densified(tree: Tree) -> Tree:
    """Return the tree with dense arrays in place of structured Jacobians."""
    return jax.tree.map(lambda leaf: leaf.dense(), tree, is_leaf=is_structured)


def _flattened(
    f: Function, x: Tree
) -> tuple[Flat, tuple[Any, ...], list[Any], Callable[..., Tree]]:
    """Return f on flat lists, the arrays of x, the shapes of f(x), and what rebuilds the trees."""
    arrays, inside = jax.tree.flatten(x)
    leaves = tuple(jnp.asarray(leaf) for leaf in arrays)
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise TypeError(f"only floats are differentiated, not {leaf.dtype}")
    outs, outside = jax.tree.flatten(jax.eval_shape(f, jax.tree.unflatten(inside, leaves)))

    def flat(*arrays: Any) -> list[Any]:
        result: list[Any] = jax.tree.leaves(f(jax.tree.unflatten(inside, arrays)))
        return [jnp.asarray(y) for y in result]

    def rebuild(rows: Sequence[Sequence[Any]]) -> Tree:
        return jax.tree.unflatten(outside, [jax.tree.unflatten(inside, row) for row in rows])

    return flat, leaves, outs, rebuild


def _linear(value: Any) -> Linear:
    """Return a result as a linear one; a constant can only be 0."""
    return value if isinstance(value, Linear) else Linear(tuple(np.shape(value)), value.dtype, ())


def _contains(jaxpr: Any, primitive: str) -> bool:
    """Return whether a jaxpr has an equation of this primitive at any depth."""
    return any(
        eqn.primitive.name == primitive
        or any(_contains(inner, primitive) for inner in jaxprs_in_params(eqn.params))
        for eqn in jaxpr.eqns
    )
