"""Structured Jacobians and Hessians of functions: differentiate first, then interpret.

Forward mode interprets the jaxpr of `t ↦ jvp(f, x, t)`, reverse mode that of `u ↦ vjp(f, x)(u)`;
both are linear, so that only linear primitives need rules.  Everything traces: under `jit`, under
`vmap`, and the engine under itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

import jaccli.derivative.structured.rules  # noqa: F401  (registers the rules)
from jaccli.derivative.chunking import Shape
from jaccli.derivative.constants import LIMIT, is_inexact
from jaccli.derivative.jaxprs import contains
from jaccli.derivative.structure_losses import StructureError
from jaccli.derivative.structured.fallback import densely
from jaccli.derivative.structured.interpret import interpret
from jaccli.derivative.structured.linear_map import Linear, Seed, Window, identity
from jaccli.derivative.structured.linearity import is_linear
from jaccli.derivative.structured.structured_jacobian import (
    StructuredJacobian,
    composed,
    from_linear,
    is_structured,
)
from jaccli.derivative.trace_info import UNFINISHED
from jaccli.derivative.traced_function import TracedFunction, traced

Tree = Any
Function = Callable[[Tree], Tree]


def forward(f: Function, x: Tree, *, keep: bool = True) -> Tree:
    """Return the Jacobian at x in forward mode: `tree(out)` of `tree(in)`, structured leaves.

    Without `keep`, small arrays become dense where that is faster, as when the result will be.
    Functions with a custom reverse rule alone have no forward mode: they are taken in reverse.

    >>> j = forward(lambda x: x**2, jnp.array([1.0, 2.0, 3.0]))
    >>> j.stored, j.coo()[2].tolist()
    (3, [2.0, 4.0, 6.0])
    """
    flat = _flattened(f, x)
    seeds = [Seed(k, tuple(leaf.shape), False, keep=keep) for k, leaf in enumerate(flat.leaves)]
    rows = _pushed(flat, seeds)
    return reverse(f, x, keep=keep) if rows is None else flat.blocks(rows)


def columns(f: Function, x: Tree, leaf: int, window: Window) -> Tree:
    """Return the columns of a window on one array of x: `tree(out)`, leaves `(*out, *window)`.

    Raises:
        TypeError: the function has a custom reverse rule alone.
    """
    flat = _flattened(f, x)
    rows = _pushed(flat, [Seed(leaf, tuple(flat.leaves[leaf].shape), False, window, keep=False)])
    if rows is None:
        raise TypeError("a function with a custom_vjp has no forward mode")
    return jax.tree.unflatten(flat.outside, [block for (block,) in rows])


def reverse(f: Function, x: Tree, *, keep: bool = True) -> Tree:
    """Return the Jacobian at x in reverse mode: `tree(out)` of `tree(in)`, structured leaves.

    >>> j = reverse(lambda x: x.sum(), jnp.array([1.0, 2.0, 3.0]))
    >>> j.stored, j.dense().tolist()
    (1, [1.0, 1.0, 1.0])
    """
    flat = _flattened(f, x)
    seeds = [Seed(k, tuple(y.shape), True, keep=keep) for k, y in enumerate(flat.outs)]
    return flat.blocks(_pulled(flat, seeds))


def rows(f: Function, x: Tree, leaf: int, window: Window) -> Tree:
    """Return the rows of a window on one output: `tree(in)`, leaves `(*window, *in)`."""
    flat = _flattened(f, x)
    (row,) = _pulled(flat, [Seed(leaf, tuple(flat.outs[leaf].shape), True, window, keep=False)])
    return jax.tree.unflatten(flat.inside, row)


Rows = list[list[StructuredJacobian]]
"""Blocks by output, then input."""


def _pushed(flat: _Flattened, seeds: Sequence[Seed]) -> Rows | None:
    """Return the blocks of every output by the seeds, None if there is no forward mode."""
    real = [is_inexact(y.dtype) for y in flat.outs]

    def push(leaves: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        pushed = jax.jvp(flat.f, leaves, tangents)[1]
        return [t for t, flag in zip(pushed, real, strict=True) if flag]

    # The numbers of x are arguments: structure must not depend on them.
    jaxpr = jax.make_jaxpr(push)(flat.leaves, flat.leaves)
    if contains(jaxpr.jaxpr, UNFINISHED):
        return None
    tangents = [Linear(tuple(leaf.shape), leaf.dtype, ()) for leaf in flat.leaves]
    for seed in seeds:
        tangents[seed.number] = identity(seed, flat.leaves[seed.number].dtype)
    args = [*flat.leaves, *tangents]
    values = iter(interpret(jaxpr.jaxpr, jaxpr.consts, args, limit=_limit(flat)))
    pushed = [
        _linear(next(values)) if flag else Linear(y.shape, jax.dtypes.float0, ())
        for y, flag in zip(flat.outs, real, strict=True)
    ]
    return [[from_linear(value, seed, far_is_out=False) for seed in seeds] for value in pushed]


def _pulled(flat: _Flattened, seeds: Sequence[Seed]) -> Rows:
    """Return the blocks of the seeds, which are outputs, by every input."""
    real = [k for k, y in enumerate(flat.outs) if is_inexact(y.dtype)]

    def pull(leaves: Sequence[Any], cotangents: Sequence[Any]) -> Sequence[Any]:
        full = [np.zeros(y.shape, jax.dtypes.float0) for y in flat.outs]
        for k, u in zip(real, cotangents, strict=True):
            full[k] = u
        return jax.vjp(flat.f, *leaves)[1](full)  # type: ignore[no-any-return]

    jaxpr = jax.make_jaxpr(pull)(flat.leaves, [flat.outs[k] for k in real])
    cotangents = {k: Linear(tuple(flat.outs[k].shape), flat.outs[k].dtype, ()) for k in real}
    for seed in seeds:
        if seed.number in cotangents:
            cotangents[seed.number] = identity(seed, flat.outs[seed.number].dtype)
    moving = [False] * len(flat.leaves) + [True] * len(real)
    if flat.ruled and any(s.number in cotangents for s in seeds) and not is_linear(jaxpr, moving):
        apply = partial(jaxpr_as_fun(jaxpr), *flat.leaves)
        pulled: Sequence[Any] = densely(apply, list(cotangents.values()))
    else:
        args = [*flat.leaves, *cotangents.values()]
        pulled = interpret(jaxpr.jaxpr, jaxpr.consts, args, limit=_limit(flat))

    def block(value: Linear, seed: Seed) -> StructuredJacobian:
        dtype = value.dtype if seed.number in real else jax.dtypes.float0
        return from_linear(replace(value, dtype=dtype), seed, far_is_out=True)

    return [[block(_linear(value), seed) for value in pulled] for seed in seeds]


DIRECTIONS: dict[str, Callable[..., Tree]] = {"fwd": forward, "rev": reverse}


def direction(f: Function, x: Tree) -> str:
    """Return the direction with fewer far numbers, by shapes alone: forward if they are equal."""
    outs = jax.tree.leaves(jax.eval_shape(f, x))
    count = sum(leaf.size for leaf in jax.tree.leaves(x))
    return "fwd" if count <= sum(y.size for y in outs) else "rev"


def jacobian(f: Function, x: Tree, direction: str, *, keep: bool = True) -> Tree:
    """Return the structured Jacobian, `fwd` or `rev`."""
    return DIRECTIONS[direction](f, x, keep=keep)


def hessian(f: Function, x: Tree, outer: str, inner: str, *, keep: bool = True) -> Tree:
    """Return the structured Hessian: `tree(out)` of `tree(in)` of `tree(in)`.

    The engine applied to itself: the values of the inner Jacobian are a function of x, and their
    derivatives stand where the values stood.

    >>> h = hessian(lambda x: (x**3).sum(), jnp.array([1.0, 2.0]), "fwd", "rev")
    >>> h.stored, h.dense().tolist()
    (2, [[6.0, 0.0], [0.0, 12.0]])
    """
    first = _first(partial(DIRECTIONS[inner], f, keep=keep), x)
    leaves, ins = jax.tree.flatten(x)
    shapes = [tuple(leaf.shape) for leaf in leaves]
    return _second(
        first, DIRECTIONS[outer](first, x, keep=keep), shapes, partial(jax.tree.unflatten, ins)
    )


def hessian_columns(f: Function, inner: str, x: Tree, leaf: int, window: Window) -> Tree:
    """Return the columns of a window of the Hessian, outer forward: `tree(out)` of `tree(in)`."""
    first = _first(partial(DIRECTIONS[inner], f, keep=False), x)
    seconds = columns(first, x, leaf, window)
    return _second(first, seconds, [window.sizes], lambda pieces: pieces[0])


def _first(jacobian: Callable[[Tree], Tree], x: Tree) -> TracedFunction:
    """Return the inner derivative, traced; the engine differentiates what it has interpreted.

    Raises:
        StructureError: a custom rule in it holds values of a trace that has ended.
    """
    first = traced(jacobian, x)
    if first.leaks:
        raise StructureError("a custom rule that uses values of the function around it")
    return first


def _second(
    first: TracedFunction,
    seconds: Tree,
    shapes: Sequence[Shape],
    rebuild: Callable[[list[StructuredJacobian]], Tree],
) -> Tree:
    """Return the derivative of the structured Jacobian `first` by arrays of the given shapes.

    `seconds` has, in place of each block's values, their derivatives.
    """
    flat, structure = jax.tree.flatten(first.out, is_leaf=is_structured)
    parts = structure.flatten_up_to(seconds)  # type: ignore[attr-defined]

    def combined(jacobian: StructuredJacobian, part: StructuredJacobian) -> Tree:
        by_input = [jax.tree.leaves(block.values, is_leaf=is_structured) for block in part.blocks]
        return rebuild(
            [
                composed(jacobian, [column[k] for column in by_input], shape)
                for k, shape in enumerate(shapes)
            ]
        )

    return jax.tree.unflatten(structure, list(map(combined, flat, parts)))


def densified(tree: Tree) -> Tree:
    """Return the tree with dense arrays in place of structured Jacobians."""
    return jax.tree.map(lambda leaf: leaf.dense(), tree, is_leaf=is_structured)


@dataclass(frozen=True)
class _Flattened:
    """A function on flat lists of arrays: `f`, the arrays of x, the shapes of f(x), the trees.

    `ruled` says that there are backward rules of the user's in it.
    """

    f: Callable[..., list[Any]]
    leaves: tuple[Any, ...]
    outs: list[Any]
    inside: Any
    outside: Any
    ruled: bool

    def blocks(self, rows: Rows) -> Tree:
        """Return `tree(out)` of `tree(in)`."""
        return jax.tree.unflatten(
            self.outside, [jax.tree.unflatten(self.inside, row) for row in rows]
        )


def _flattened(f: Function, x: Tree) -> _Flattened:
    """Return f on flat lists; refuse what is not differentiated."""
    arrays, inside = jax.tree.flatten(x)
    leaves = tuple(jnp.asarray(leaf) for leaf in arrays)
    for leaf in leaves:
        if not is_inexact(leaf.dtype):
            raise TypeError(f"only floats are differentiated, not {leaf.dtype}")
    jaxpr, out = jax.make_jaxpr(f, return_shape=True)(jax.tree.unflatten(inside, leaves))
    outs, outside = jax.tree.flatten(out)

    def flat(*arrays: Any) -> list[Any]:
        result: list[Any] = jax.tree.leaves(f(jax.tree.unflatten(inside, arrays)))
        return [jnp.asarray(y) for y in result]

    ruled = contains(jaxpr.jaxpr, "custom_vjp_call")
    return _Flattened(flat, leaves, outs, inside, outside, ruled)


def _limit(flat: _Flattened) -> int:
    """Return how many elements an array may have that is known while tracing."""
    arrays = (*flat.leaves, *flat.outs)
    return max(LIMIT, 64 * sum(int(math.prod(array.shape)) for array in arrays))


def _linear(value: Any) -> Linear:
    """Return a result as a linear one; a constant can only be 0."""
    return value if isinstance(value, Linear) else Linear(tuple(np.shape(value)), value.dtype, ())
