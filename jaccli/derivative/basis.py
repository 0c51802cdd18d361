"""Unit vectors pushed forward or pulled back through a function, and what they assemble to.

A function here takes one tree of arrays (the primal, n numbers in all) and returns a tree of
arrays (m numbers in all).  A `Sweep` pushes any subset of the n or m unit vectors through it, so
that a caller may take all of them at once or a chunk at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Tree = Any
Function = Callable[[Tree], Tree]


def size(tree: Tree) -> int:
    """Return how many numbers the arrays of a tree hold together."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def unit(like: Tree, index: jax.Array) -> Tree:
    """Return the tree of zeros shaped as `like` with a one at the flat position `index`."""
    leaves, structure = jax.tree.flatten(like)
    units, offset = [], 0
    for leaf in leaves:
        count = math.prod(leaf.shape)
        hit = jnp.arange(count, dtype=index.dtype) == index - offset
        units.append(hit.astype(leaf.dtype).reshape(leaf.shape))
        offset += count
    return jax.tree.unflatten(structure, units)


@dataclass(frozen=True)
class Sweep:
    """A derivative as `count` unit vectors, each of which gives one slice of it.

    `slices(x, indices)` returns the slices for the flat positions `indices` (k,), stacked along a
    new first axis; `assemble` turns all `count` of them, in order, into `tree(out)` of `tree(in)`
    with leaves of shape `(*out, *in)`.  `columns` says that the slices are columns, so that their
    first axis becomes the last.
    """

    count: int
    slices: Callable[[Tree, jax.Array], Tree]
    assemble: Callable[[Tree], Tree]
    columns: bool

    def __call__(self, x: Tree) -> Tree:
        """Return the whole derivative at `x`."""
        return self.assemble(self.slices(x, jnp.arange(self.count)))


def forward(f: Function, x: Tree) -> Sweep:
    """Return the Jacobian as n columns: one jvp for each unit tangent.  `x` gives shapes alone."""
    out = jax.eval_shape(f, x)

    def column(x: Tree, index: jax.Array) -> Tree:
        return jax.jvp(f, (x,), (unit(x, index),))[1]

    def assemble(stacked: Tree) -> Tree:
        return jax.tree.map(lambda leaf, y: _columns(leaf, x, y.shape), stacked, out)

    return Sweep(size(x), jax.vmap(column, in_axes=(None, 0)), assemble, columns=True)


def reverse(f: Function, x: Tree, *, one_by_one: bool = False) -> Sweep:
    """Return the Jacobian as m rows: one vjp for each unit cotangent.

    With `one_by_one` the rows are a sequential loop in place of a batch.
    """
    out = jax.eval_shape(f, x)

    def rows(x: Tree, indices: jax.Array) -> Tree:
        pull = jax.vjp(f, x)[1]

        def row(index: jax.Array) -> Tree:
            return pull(unit(out, index))[0]

        return jax.lax.map(row, indices) if one_by_one else jax.vmap(row)(indices)

    def assemble(stacked: Tree) -> Tree:
        leaves, structure = jax.tree.flatten(out)
        ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves]).tolist()
        blocks = [
            jax.tree.map(
                lambda rows, s=start, e=end, y=leaf: rows[s:e].reshape(y.shape + rows.shape[1:]),
                stacked,
            )
            for start, end, leaf in zip([0, *ends], ends, leaves, strict=False)
        ]
        return jax.tree.unflatten(structure, blocks)

    return Sweep(size(out), rows, assemble, columns=False)


def _columns(stacked: Any, x: Tree, out_shape: tuple[int, ...]) -> Tree:
    """Split columns `(n, *out)` by the leaves of `x`, each to `(*out, *in)`."""
    leaves, structure = jax.tree.flatten(x)
    blocks, start = [], 0
    by_out = stacked.reshape(stacked.shape[0], math.prod(out_shape)).T  # (prod(out), n)
    for leaf in leaves:
        end = start + math.prod(leaf.shape)
        blocks.append(by_out[:, start:end].reshape(out_shape + leaf.shape))
        start = end
    return jax.tree.unflatten(structure, blocks)
