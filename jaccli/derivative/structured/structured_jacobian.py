"""The structured result: values and, for each dim of the derivative, where they stand in it.

A derivative of shape `(*out, *in)` is a sum of blocks.  A block has `values`, whose axes have
sizes 1 (constant) or full, and one static coordinate map per dim of the derivative; entries whose
coordinates include -1 are zero.  Dense, COO and scipy's sparse formats follow from that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.structured import index_maps, scattered
from jaccli.derivative.structured.index_maps import Link, Shape
from jaccli.derivative.structured.linear_map import (
    Array,
    Linear,
    Seed,
    Term,
    equal,
    spread,
    unlinked,
)
from jaccli.derivative.structured.scattered import Scattered, unraveled


@dataclass(frozen=True, eq=False)
class Places:
    """The static part of a block: the full sizes of its axes, and a coordinate map per dim.

    Equal if alike, as JAX requires of what `jit` returns beside arrays.
    """

    axes: Shape
    coordinates: tuple[Link, ...]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Places)
            and self.axes == other.axes
            and len(self.coordinates) == len(other.coordinates)
            and all(map(np.array_equal, self.coordinates, other.coordinates))
        )

    def __hash__(self) -> int:
        return hash((self.axes, tuple(c.shape for c in self.coordinates)))


@dataclass(frozen=True, eq=False)
class StructuredBlock:
    """`values[a…]` at the coordinates `places.coordinates[r][a…]`, r over the dims."""

    values: Array
    places: Places


@dataclass(frozen=True, eq=False)
class StructuredJacobian:
    """A derivative of shape `(*out, *in)`; the first `rank_out` dims are the outputs'.

    Of a Hessian, `(*out, *in1, *in2)`, the outputs and `in1` count as outputs: it is the Jacobian
    of a Jacobian, and its matrix for one scalar output is square.
    """

    blocks: tuple[StructuredBlock, ...]
    shape: Shape
    rank_out: int
    dtype: Any

    @property
    def stored(self) -> int:
        """How many numbers the blocks hold."""
        return sum(math.prod(block.values.shape) for block in self.blocks)

    def dense(self) -> Array:
        """Return the array of shape `(*out, *in)`."""
        if self.dtype == jax.dtypes.float0:
            return np.zeros(self.shape, self.dtype)
        blocks = [block for block in self.blocks if all(block.places.axes)]
        count = sum(math.prod(block.places.axes) for block in blocks)
        if scattered.is_faster(count, len(blocks), math.prod(self.shape)):
            return _added(blocks, self.shape)
        parts = [_placed(block, self.shape) for block in blocks]
        total = parts[0] if parts else jnp.zeros((), self.dtype)
        for part in parts[1:]:
            total = total + part
        return spread(total, self.shape)

    def coo(self) -> tuple[np.ndarray, np.ndarray, Array]:
        """Return rows, columns (numpy) and values (JAX); entries at one place are to be added.

        A row is the flat position in the outputs, a column that in the inputs.
        """
        where, values = self.located()
        return *divmod(where, max(math.prod(self.shape[self.rank_out :]), 1)), values

    def located(self) -> tuple[np.ndarray, Array]:
        """Return flat positions in `shape` (numpy) and values; those at one are to be added."""
        found = [located(block.places, self.shape) for block in self.blocks]
        where = [positions for positions, _ in found]
        return (
            np.concatenate(where) if where else np.zeros(0, np.int64),
            self.picked([kept for _, kept in found]),
        )

    def picked(self, kept: Sequence[Kept]) -> Array:
        """Return the values that stand somewhere, of one block after another."""
        vectors = [_picked(block, chosen) for block, chosen in zip(self.blocks, kept, strict=True)]
        if not vectors:
            return jnp.zeros(0, self.dtype)
        return vectors[0] if len(vectors) == 1 else jnp.concatenate(vectors)

    def to_scipy(self) -> Any:
        """Return a `scipy.sparse.coo_array` of shape (outputs, inputs), duplicates added."""
        from scipy import sparse

        row, column, values = self.coo()
        count = (math.prod(self.shape[: self.rank_out]), math.prod(self.shape[self.rank_out :]))
        matrix = sparse.coo_array((np.asarray(values), (row, column)), count)
        if len(self.blocks) > 1:
            matrix.sum_duplicates()
        return matrix


def _flatten(jacobian: StructuredJacobian) -> tuple[tuple[Array, ...], Any]:
    places = tuple(block.places for block in jacobian.blocks)
    values = tuple(block.values for block in jacobian.blocks)
    return values, (places, jacobian.shape, jacobian.rank_out, jacobian.dtype)


def _unflatten(static: Any, values: Sequence[Array]) -> StructuredJacobian:
    places, shape, rank_out, dtype = static
    blocks = tuple(map(StructuredBlock, values, places))
    return StructuredJacobian(blocks, shape, rank_out, dtype)


jax.tree_util.register_pytree_node(StructuredJacobian, _flatten, _unflatten)


def is_structured(x: Any) -> bool:
    """Return whether a node of a tree is a structured Jacobian."""
    return isinstance(x, StructuredJacobian)


def from_linear(value: Linear, seed: Seed, *, far_is_out: bool) -> StructuredJacobian:
    """Return the Jacobian of a linear map: near dims are the outputs', or the inputs'."""
    own = [term for term in value.terms if term.seed == seed]
    if seed.window is not None:  # in a window, linked dims have no static places
        own = [unlinked(term, range(len(seed.shape))) for term in own]
    blocks = tuple(_block(term, value.shape, far_is_out) for term in own)
    blocks += tuple(
        _scattered(part, value.shape, far_is_out) for part in value.scattered if part.seed == seed
    )
    shape = (*seed.sizes, *value.shape) if far_is_out else (*value.shape, *seed.sizes)
    rank_out = len(seed.shape) if far_is_out else len(value.shape)
    return StructuredJacobian(blocks, shape, rank_out, value.dtype)


def _block(term: Term, near: Shape, far_is_out: bool) -> StructuredBlock:
    """Return a term with coordinates for far dims too: its own axis where one is free."""
    order = term.seed.order
    axes = order(near, [term.seed.sizes[b] for b in term.free])
    rank, ones = len(axes), (1,) * len(term.free)
    near_maps = [index_maps.iota(n, term.near_axis(d), rank) for d, n in enumerate(near)]
    far_maps = [
        index_maps.iota(term.seed.sizes[b], term.far_axis(b), rank)
        if link is None
        else link.reshape(order(link.shape, ones))
        for b, link in enumerate(term.links)
    ]
    maps = [*far_maps, *near_maps] if far_is_out else [*near_maps, *far_maps]
    return StructuredBlock(term.val, Places(tuple(axes), tuple(maps)))


def _scattered(part: Scattered, near: Shape, far_is_out: bool) -> StructuredBlock:
    """Return entries with the coordinates of their positions."""
    near_maps = [np.asarray(index, np.int32) for index in unraveled(part.near, near)]
    far_maps = [np.asarray(index, np.int32) for index in unraveled(part.far, part.seed.shape)]
    maps = [*far_maps, *near_maps] if far_is_out else [*near_maps, *far_maps]
    return StructuredBlock(part.val, Places((part.count,), tuple(maps)))


Kept = tuple[slice, ...] | np.ndarray
"""Which values of a block, spread over its axes, stand somewhere: a box, or flat indices."""


def _picked(block: StructuredBlock, kept: Kept) -> Array:
    """Return the values that stand somewhere, `(count,)`."""
    if isinstance(kept, np.ndarray):
        return spread(block.values, block.places.axes).reshape(-1)[kept]
    return spread(block.values, block.places.axes)[kept].reshape(-1)


def located(places: Places, shape: Shape) -> tuple[np.ndarray, Kept]:
    """Return the flat position of every value of a block that has one, and which those are."""
    axes = places.axes
    flat = np.zeros((1,) * len(axes), np.int64)
    none = np.zeros((1,) * len(axes), np.bool_)
    for link, size in zip(places.coordinates, shape, strict=True):
        flat = flat * size + link
        if (link < 0).any():
            none = none | (link < 0)
    flat = np.broadcast_to(flat, axes)
    if not none.any():
        return flat.reshape(-1), (slice(None),) * len(axes)
    there = ~np.broadcast_to(none, axes)
    # A box costs less than a gather.
    spans = [np.flatnonzero(there.any(_others(a, len(axes)))) for a in range(len(axes))]
    box = tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans if span.size)
    if len(box) == len(axes) and there[box].all():
        return flat[box].reshape(-1), box
    kept = np.flatnonzero(there)
    return flat.reshape(-1)[kept], kept


def _others(axis: int, rank: int) -> tuple[int, ...]:
    return tuple(a for a in range(rank) if a != axis)


def _placed(block: StructuredBlock, shape: Shape) -> Array:
    """Return a block as an array that broadcasts to `shape`.

    Each axis becomes the first dim whose coordinate counts it; where the other dims do not have
    their coordinate, the array is 0.  First, because XLA computes values again for every index of
    later dims if they stand there; where they do and are few, they are added to zeros.
    """
    block = _led(block, shape)
    maps, axes = block.places.coordinates, block.places.axes
    owner: dict[int, int] = {}  # the dim of each axis
    for r, link in enumerate(maps):
        dims = index_maps.varies(link)
        if len(dims) == 1 and dims[0] not in owner and _counts(link, axes[dims[0]], shape[r]):
            owner[dims[0]] = r
    if any(size > 1 and a not in owner for a, size in enumerate(axes)):
        return _added([block], shape)
    counted = [r for r in range(len(shape)) if shape[r] > 1 and r not in owner.values()]
    late = bool(counted) and counted[0] < max(owner.values(), default=0)
    if late and scattered.PER_ENTRY * math.prod(axes) <= math.prod(shape):
        return _added([block], shape)
    order = sorted(owner, key=owner.__getitem__)
    owned = {r: a for a, r in owner.items()}

    def laid(array: Array) -> Array:
        rest = [a for a in range(len(axes)) if a not in owner]
        sizes = iter([array.shape[a] for a in order])
        return array.transpose([*order, *rest]).reshape(
            [next(sizes) if r in owned else 1 for r in range(len(shape))]
        )

    values = laid(block.values)
    hit: Any = None
    for r, link in enumerate(maps):
        if r in owned or shape[r] == 1:
            continue
        own = index_maps.iota(shape[r], r, len(shape))
        here = equal(laid(link), own)
        both = None if hit is None else np.broadcast_shapes(hit.shape, here.shape)
        hit = here if both is None else spread(hit, both) & spread(here, both)
    if hit is None:
        return values
    full = np.broadcast_shapes(values.shape, hit.shape)
    zero = np.zeros((), values.dtype)
    return lax.select(spread(hit, full), spread(values, full), spread(zero, full))


def _added(blocks: Sequence[StructuredBlock], shape: Shape) -> Array:
    """Return the dense array of blocks whose values are added at their positions."""
    found = [located(block.places, shape) for block in blocks]
    where = np.concatenate([positions for positions, _ in found])
    vectors = [_picked(block, kept) for block, (_, kept) in zip(blocks, found, strict=True)]
    values = vectors[0] if len(vectors) == 1 else jnp.concatenate(vectors)
    flat = jnp.zeros(math.prod(shape), values.dtype)
    alone = bool(np.unique(where).size == where.size)
    return flat.at[where].add(values, unique_indices=alone).reshape(shape)


def _counts(link: Link, axis: int, size: int) -> bool:
    """Return whether an axis and a dim are one: as long, and counted alike."""
    return axis == size and index_maps.is_iota(link, size)


def _led(block: StructuredBlock, shape: Shape) -> StructuredBlock:
    """Return the block with an axis turned so that a leading dim counts it, where one can."""
    maps, axes = block.places.coordinates, block.places.axes
    for r, link in enumerate(maps):
        dims = index_maps.varies(link)
        if len(dims) != 1 or _counts(link, axes[dims[0]], shape[r]):
            continue
        (a,) = dims
        counted = [q for q, other in enumerate(maps) if index_maps.varies(other) == (a,)]
        inverse = index_maps.inverse(link, shape[r]) if r == counted[0] else None
        alone = all(index_maps.varies(k) == (a,) for k in maps if a in index_maps.varies(k))
        if inverse is None or not alone:
            continue
        return _turned(block, a, inverse)
    return block


def _turned(block: StructuredBlock, a: int, inverse: Link) -> StructuredBlock:
    """Return the block with the axis a read at `inverse`; -1 gives 0."""
    maps, axes = block.places.coordinates, list(block.places.axes)
    rank, values = len(axes), block.values
    axes[a] = inverse.size
    column = inverse.reshape([-1 if d == a else 1 for d in range(rank)])
    if values.shape[a] > 1:
        values = values.take(np.maximum(inverse, 0), axis=a)
    if (inverse < 0).any():
        values = jnp.where(column >= 0, values, np.zeros((), values.dtype))
    turned = [
        np.where(column >= 0, link.take(np.maximum(inverse, 0), axis=a), -1)
        if link.shape[a] > 1
        else link
        for link in maps
    ]
    first = next(r for r, link in enumerate(maps) if index_maps.varies(link) == (a,))
    turned[first] = index_maps.iota(inverse.size, a, rank)
    return replace(block, values=values, places=Places(tuple(axes), tuple(turned)))


def composed(
    inner: StructuredJacobian, derivatives: Sequence[StructuredJacobian], wanted: Shape
) -> StructuredJacobian:
    """Return the derivative of `inner` by an input of shape `wanted`, given that of its values.

    An entry of a value's derivative stands where the value stood, and at its own input.
    """
    blocks: list[StructuredBlock] = []
    for block, derivative in zip(inner.blocks, derivatives, strict=True):
        blocks += [_composed(block, outer, derivative.rank_out) for outer in derivative.blocks]
    shape = (*inner.shape, *wanted)
    return StructuredJacobian(tuple(blocks), shape, len(inner.shape), inner.dtype)


def _composed(block: StructuredBlock, outer: StructuredBlock, rank: int) -> StructuredBlock:
    """Return `outer`, an entry of the derivative of `block.values`, at its place."""
    axes, stored = block.places.axes, block.values.shape
    constant = [a for a, n in enumerate(axes) if n > 1 and stored[a] == 1]
    new_axes = (*outer.places.axes, *(axes[a] for a in constant))
    depth = len(new_axes)
    before = len(outer.places.axes)

    def lifted(array: Any) -> Any:
        return array.reshape((*array.shape, *(1,) * len(constant)))

    where: list[Link] = [lifted(link) for link in outer.places.coordinates]
    index = where[:rank]
    for position, a in enumerate(constant):
        index[a] = index_maps.iota(axes[a], before + position, depth)

    def at(link: Link) -> Link:
        dims = index_maps.varies(link)
        if not dims:
            return link.reshape((1,) * depth)
        if len(dims) == 1 and index_maps.is_iota(link, axes[dims[0]]):
            own: Link = index[dims[0]]
            return own
        picked = link[tuple(index[d] if d in dims else 0 for d in range(link.ndim))]
        missing = np.zeros((1,) * depth, np.bool_)
        for d in dims:
            missing = missing | (index[d] < 0)
        read: Link = np.where(missing, np.int32(-1), picked)
        return read

    maps = [*(at(link) for link in block.places.coordinates), *where[rank:]]
    return StructuredBlock(lifted(outer.values), Places(new_axes, tuple(maps)))
