"""Unit vectors pushed forward or pulled back through a function, and what they assemble to.

A function here takes one tree of arrays (the primal, n numbers in all) and returns a tree of
arrays (m numbers in all).  A `BasisProduct` pushes any subset of the n or m unit vectors through
it, so that a caller may take all of them at once, or in chunks: the `kernels` of what is `Chunked`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.derivative.chunking import Chunk, Shape, chunk_shape, index_of

Tree = Any
Function = Callable[[Tree], Tree]


def size(tree: Tree) -> int:
    """Return how many numbers the arrays of a tree hold together."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def shaped_as(vector: jax.Array, like: Tree) -> Tree:
    """Return the numbers of a vector in the arrays and the dtypes of a tree."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = jnp.split(vector, ends)
    shaped = [
        part.astype(leaf.dtype).reshape(leaf.shape)
        for part, leaf in zip(parts, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, shaped)


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
class ChunkKernel:
    """Computes the chunks of one axis: the steps of the array `axis`, `chunk` at a time.

    `compute(x, index)` returns the arrays of the chunk that begins at `index` (a number for each
    dim of `axis`); they go to the arrays `targets` of the whole, whose first dims are those of the
    axis, or their last ones.
    """

    axis: Shape
    chunk: Shape
    compute: Callable[[Tree, Any], Tree]
    targets: Sequence[int]
    axis_last: bool = False

    def write(self, arrays: Sequence[np.ndarray], chunk: Chunk, values: Tree) -> None:
        """Write what `compute` returned for a chunk to its place in the whole."""
        start = index_of(self.axis, chunk.offset)
        box = tuple(slice(i, i + n) for i, n in zip(start, self.chunk, strict=True))
        index: tuple[Any, ...] = (..., *box) if self.axis_last else box
        for target, leaf in zip(self.targets, jax.tree.leaves(values), strict=True):
            arrays[target][index] = leaf


class Chunked(Protocol):
    """A derivative that can be computed in chunks, into numpy arrays."""

    def kernels(self, size: int) -> Sequence[ChunkKernel]:
        """Return kernels that compute `size` unit vectors at a time, one for each axis."""
        ...

    def empty(self) -> list[np.ndarray]:
        """Return the arrays that the chunks fill."""
        ...

    def assemble(self, arrays: list[np.ndarray]) -> Tree:
        """Return the derivative, `tree(out)` of `tree(in)`, from the filled arrays."""
        ...


@dataclass(frozen=True)
class BasisProduct:
    """A derivative as `count` unit vectors, each of which gives one slice of it.

    `slices(x, indices)` returns the slices for the flat positions `indices` (k,), stacked along a
    new first axis; `assembled` turns all `count` of them, in order, into `tree(out)` of `tree(in)`
    with leaves of shape `(*out, *in)`.  `columns` says that the slices are columns, so that their
    first axis becomes the last.  `x` gives shapes alone.
    """

    x: Tree
    count: int
    slices: Callable[[Tree, jax.Array], Tree]
    assembled: Callable[[Tree], Tree]
    columns: bool

    def __call__(self, x: Tree) -> Tree:
        """Return the whole derivative at `x`."""
        return self.assembled(self.slices(x, jnp.arange(self.count)))

    def kernels(self, size: int) -> list[ChunkKernel]:
        """Return the one kernel of all unit vectors."""
        chunk = chunk_shape((self.count,), size)

        def compute(x: Tree, index: jax.Array) -> Tree:
            return self.slices(x, index[0] + jnp.arange(chunk[0], dtype=index.dtype))

        targets = range(len(jax.tree.leaves(self._slice())))
        return [ChunkKernel((self.count,), chunk, compute, targets)]

    def empty(self) -> list[np.ndarray]:
        """Return arrays for the stacked slices.

        Columns are kept as columns in memory, so that assembling them copies nothing.
        """
        return [
            np.moveaxis(np.empty((*leaf.shape[1:], self.count), leaf.dtype), -1, 0)
            if self.columns
            else np.empty((self.count, *leaf.shape[1:]), leaf.dtype)
            for leaf in jax.tree.leaves(self._slice())
        ]

    def assemble(self, arrays: list[np.ndarray]) -> Tree:
        """Return the derivative from the stacked slices."""
        return self.assembled(jax.tree.unflatten(jax.tree.structure(self._slice()), arrays))

    def _slice(self) -> Tree:
        """Return the shapes of one slice, with its first axis."""
        return jax.eval_shape(self.slices, self.x, jax.ShapeDtypeStruct((1,), np.int32))


def forward(f: Function, x: Tree) -> BasisProduct:
    """Return the Jacobian as n columns: one jvp for each unit tangent.  `x` gives shapes alone."""
    out = jax.eval_shape(f, x)

    def column(x: Tree, index: jax.Array) -> Tree:
        return jax.jvp(f, (x,), (unit(x, index),))[1]

    def assemble(stacked: Tree) -> Tree:
        return jax.tree.map(lambda leaf, y: _columns(leaf, x, y.shape), stacked, out)

    def columns(x: Tree, indices: jax.Array) -> Tree:
        return _each(partial(column, x), indices)

    return BasisProduct(x, size(x), columns, assemble, columns=True)


def reverse(f: Function, x: Tree, *, one_by_one: bool = False) -> BasisProduct:
    """Return the Jacobian as m rows: one vjp for each unit cotangent.

    With `one_by_one` the rows are a sequential loop in place of a batch.
    """
    out = jax.eval_shape(f, x)

    def rows(x: Tree, indices: jax.Array) -> Tree:
        pull = jax.vjp(f, x)[1]

        def row(index: jax.Array) -> Tree:
            return pull(unit(out, index))[0]

        return jax.lax.map(row, indices) if one_by_one else _each(row, indices)

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

    return BasisProduct(x, size(out), rows, assemble, columns=False)


def _each(slice_of: Callable[[jax.Array], Tree], indices: jax.Array) -> Tree:
    """Return the slices for all indices at once; a single one is no batch.

    XLA keeps a batch dim of size 1 in the arrays of loops and copies them: the gradient of a
    scanned LSTM took twice the time.
    """
    if indices.shape == (1,):
        return jax.tree.map(lambda leaf: leaf[None], slice_of(indices[0]))
    return jax.vmap(slice_of)(indices)


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
