"""Diagonals and traces of Hessians and of square Jacobians, without the entries beside them.

Along a direction s, a Hessian's quadratic form is the second derivative of `f(x + t s)` at t = 0.
A unit vector gives one entry of the diagonal.  A sum of unit vectors, no two of which have an entry
of the matrix between them, gives the sum of their entries, or in reverse each of them: such a set
has one color of a coloring of the pattern's graph at distance 1 (`sparse/` needs distance 2, since
it reads the entries beside the diagonal too).

    >>> import jax.numpy as jnp
    >>> x = jnp.array([1.0, 2.0])
    >>> hessian("fwd-fwd", "trace", None)(lambda x: x[0] ** 3 * x[1], x)(x)  # 6 x0 x1
    Array(12., dtype=float32, weak_type=True)

Boundary: pure JAX, as `operators`; which directions there are is said by `Directions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaccli.derivative.basis import BasisProduct, Function, Tree, shaped_as, unit

Builder = Callable[[Function, Tree], BasisProduct]
HESSIAN_MODES = ("fwd-fwd", "fwd-rev", "rev-rev")
JACOBIAN_MODES = ("fwd", "rev")
Pairs = Sequence[tuple[int, int]]
"""The blocks of a Jacobian, each the positions of an output and an input among the leaves."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Sums of unit vectors: `colors` `(n,)` says in which each of the n numbers of x is.

    No direction has numbers of two arrays: the array at position k has the next `counts[k]`.
    """

    colors: NDArray[np.int32]
    counts: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many directions there are."""
        return sum(self.counts)

    def seed(self, like: Tree, index: Any) -> Tree:
        """Return the direction as a tree shaped as `like`: ones where its color is."""
        return shaped_as(jnp.asarray(self.colors) == index, like)


def _directions(x: Tree, colors: Directions | None) -> tuple[Callable[[Any], Tree], list[slice]]:
    """Return what makes a direction of its number, and the numbers of each array of x."""
    counts = colors.counts if colors else [leaf.size for leaf in jax.tree.leaves(x)]
    seed = (lambda index: colors.seed(x, index)) if colors else (lambda index: unit(x, index))
    return seed, _stretches(counts)


def _stretches(counts: Sequence[int]) -> list[slice]:
    ends = np.cumsum([0, *counts]).tolist()
    return [slice(a, b) for a, b in pairwise(ends)]


def hessian(mode: str, part: str, colors: Directions | None) -> Builder:
    """Return the diagonal or the trace of the Hessian of each output: `tree(out)` of `tree(in)`.

    Leaves are `(*out, *in)`, or `(*out)`.  Modes with `rev`, and the diagonal by `colors`, are of
    one number.
    """
    if colors is not None and part == "diagonal":
        return lambda f, x: _read_from_products(f, x, colors)

    def build(f: Function, x: Tree) -> BasisProduct:
        seed, stretches = _directions(x, colors)
        out, leaves, structure = jax.eval_shape(f, x), *jax.tree.flatten(x)

        def along(x: Tree, index: Any) -> Tree:
            direction = seed(index)
            if mode == "fwd-fwd":
                return _second(f, x, direction)
            there = jax.tree.leaves(_product(f, x, direction, mode))
            total = jnp.stack([leaf.sum() for leaf in there]).sum()
            return jax.tree.map(lambda y: total.reshape(y.shape), out)

        def assembled(stacked: Tree) -> Tree:
            return jax.tree.map(of_output, stacked)

        def of_output(rows: Any) -> Tree:
            """Split `(n, *out)` by the leaves of x."""
            own = [rows[stretch] for stretch in stretches]
            if part == "trace":
                return jax.tree.unflatten(structure, [each.sum(axis=0) for each in own])
            shape = rows.shape[1:]
            columns = [each.reshape(each.shape[0], math.prod(shape)).T for each in own]
            pairs = zip(columns, leaves, strict=True)
            return jax.tree.unflatten(structure, [c.reshape(shape + x.shape) for c, x in pairs])

        slices = jax.vmap(along, in_axes=(None, 0))
        return BasisProduct(x, stretches[-1].stop, slices, assembled, columns=False)

    return build


def _read_from_products(f: Function, x: Tree, colors: Directions) -> BasisProduct:
    """Return the diagonal of the Hessian of one number by a product for each color."""
    seed, stretches = _directions(x, colors)
    out = jax.tree.structure(jax.eval_shape(f, x))

    def along(x: Tree, index: Any) -> Tree:
        return _product(f, x, seed(index), "fwd-rev")

    def assembled(stacked: Tree) -> Tree:
        rows, structure = jax.tree.flatten(stacked)
        own = [each[s].sum(axis=0) for each, s in zip(rows, stretches, strict=True)]
        return jax.tree.unflatten(out, [jax.tree.unflatten(structure, own)])

    slices = jax.vmap(along, in_axes=(None, 0))
    return BasisProduct(x, colors.count, slices, assembled, columns=False)


def jacobian(mode: str, part: str, colors: Directions | None, pairs: Pairs) -> Builder:
    """Return the diagonal or the trace of square blocks of the Jacobian: `tree(out)` of `tree(in)`.

    Leaves are `(*in)`, or scalars; of blocks that are not in `pairs` there is no leaf but None.
    With `fwd`, `colors` may sum up unit vectors of x.
    """

    def build(f: Function, x: Tree) -> BasisProduct:
        out = jax.eval_shape(f, x)
        (ys, outs), (xs, ins) = jax.tree.flatten(out), jax.tree.flatten(x)
        forward = mode == "fwd"
        seed, stretches = _directions(x if forward else out, colors if forward else None)
        sources, targets = (xs, ys) if forward else (ys, xs)
        # Of each target, the sources that it is paired with: (source, target) by position.
        ordered = [(i, o) if forward else (o, i) for o, i in pairs]
        starts = np.array([s.start for s in stretches])

        def along(x: Tree, index: Any) -> list[Any]:
            direction = seed(index)
            if forward:
                pushed = jax.tree.leaves(jax.jvp(f, (x,), (direction,))[1])
            else:
                pushed = jax.tree.leaves(jax.vjp(f, x)[1](direction)[0])
            found = []
            for position, target in enumerate(targets):
                flat = pushed[position].reshape(-1)
                if colors is None or not forward:
                    source = jnp.searchsorted(jnp.asarray(starts), index, side="right") - 1
                    local = index - jnp.asarray(starts)[source]
                    found.append(jnp.take(flat, local, mode="clip"))
                    continue
                leaves = jax.tree.leaves(direction)
                masks = [
                    leaves[s].reshape(-1) != 0
                    for s, t in ordered
                    if t == position and sources[s].size == target.size
                ]
                mask = sum(masks[1:], masks[0]) if masks else jnp.zeros(flat.shape, bool)
                there = jnp.where(mask, flat, jnp.zeros((), flat.dtype))
                found.append(there if part == "diagonal" else there.sum())
            return found

        def assembled(stacked: list[Any]) -> Tree:
            blocks = {}
            for (source, target), (o, i) in zip(ordered, pairs, strict=True):
                own = stacked[target][stretches[source]]
                if part == "trace" or (colors is not None and forward):
                    own = own.sum(axis=0)
                blocks[o, i] = own if part == "trace" else own.reshape(xs[i].shape)
            return jax.tree.unflatten(
                outs,
                [
                    jax.tree.unflatten(ins, [blocks.get((o, i)) for i in range(len(xs))])
                    for o in range(len(ys))
                ],
            )

        count = sum(s.stop - s.start for s in stretches)
        slices = jax.vmap(along, in_axes=(None, 0))
        return BasisProduct(x, count, slices, assembled, columns=False)

    return build


def _second(f: Function, x: Tree, direction: Tree) -> Tree:
    """The second derivative of f along a direction, forward over forward: no gradient is formed."""

    def first(x: Tree) -> Tree:
        return jax.jvp(f, (x,), (direction,))[1]

    return jax.jvp(first, (x,), (direction,))[1]


def _product(f: Function, x: Tree, direction: Tree, mode: str) -> Tree:
    """The Hessian of one number times a direction of ones and zeros; 0 where that is 0."""

    def number(x: Tree) -> Any:
        (leaf,) = jax.tree.leaves(f(x))
        return leaf.reshape(())

    if mode == "rev-rev":  # a Hessian is symmetric
        product = jax.vjp(jax.grad(number), x)[1](direction)[0]
    else:
        product = jax.jvp(jax.grad(number), (x,), (direction,))[1]
    return jax.tree.map(
        lambda h, s: jnp.where(s != 0, h, jnp.zeros((), h.dtype)), product, direction
    )


def directions(
    rows: NDArray[np.int64], columns: NDArray[np.int64], sizes: Sequence[int]
) -> Directions:
    """Return directions of which each entry of the diagonal can be read.

    `rows` and `columns` are the places of the entries of a square matrix, whose numbers are those
    of arrays of these `sizes`: greedy, those of most neighbors first.

    >>> directions(np.array([0, 1]), np.array([1, 2]), [3]).colors.tolist()
    [1, 0, 1]
    """
    from scipy import sparse

    n = sum(sizes)
    ends = np.cumsum(sizes)
    owner = np.searchsorted(ends, np.arange(n), side="right")
    near = (rows != columns) & (owner[rows] == owner[columns])
    ones = np.ones(int(near.sum()), np.bool_)
    matrix = sparse.csr_matrix((ones, (rows[near], columns[near])), (n, n))
    matrix = (matrix + matrix.T).tocsr()
    colors = np.zeros(n, np.int32)
    bits = dict(_colored(matrix))
    for vertex, color in bits.items():
        colors[vertex] = color
    counts, first = [], 0
    for position, length in enumerate(sizes):
        own = owner == position
        count = int(colors[own].max(initial=-1)) + 1 if length else 0
        colors[own] += first
        counts.append(count)
        first += count
    return Directions(colors, tuple(counts))


def _colored(matrix: Any) -> Iterator[tuple[int, int]]:
    """Yield the vertices that have neighbors with their colors, those of most neighbors first."""
    degrees = np.diff(matrix.indptr)
    order = np.argsort(-degrees, kind="stable")
    starts, entries = matrix.indptr.tolist(), matrix.indices.tolist()
    given: dict[int, int] = {}
    for vertex in order[: int((degrees > 0).sum())].tolist():
        taken = 0
        for other in entries[starts[vertex] : starts[vertex + 1]]:
            if other in given:
                taken |= 1 << given[other]
        given[vertex] = (~taken & (taken + 1)).bit_length() - 1
        yield vertex, given[vertex]
