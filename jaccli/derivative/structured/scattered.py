"""Entries that no link describes: a vector of values, with a near and a far position for each.

A hub in a network, a dense row beside a diagonal, a band cut out by a mask: their links depend on
rows in no regular way, or hold mostly zeros as arrays.  Entries at one place are to be added.
Rules of linear primitives act on values and positions; positions are numpy's.

Boundary: knows terms, since it takes over from them; no jaxprs but for the equations of its rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from jaccli import memory
from jaccli.derivative.positions import counted

if TYPE_CHECKING:
    from jaccli.derivative.structured.linear_map import Seed, Term

Array = Any
Shape = tuple[int, ...]
Positions = NDArray[np.int64]
SPARSE = 4
"""Entries are scattered where the dense array has so many times more numbers, at least."""
LARGE = 2**12
"""Numbers of a dense array that is worth to be avoided."""
PER_ENTRY = 128
"""Numbers of a dense array that are compared, for one term, in the time to add one entry."""
MANY = 2**18
"""Entries that an operation makes of others, at most: their positions are held while tracing."""


class TooMany(Exception):
    """An operation would make more entries than that."""


@dataclass(frozen=True, eq=False)
class Scattered:
    """Values `val` (K,) at the flat positions `near` and `far` (K,) of a near and a far array."""

    seed: Seed
    val: Array
    near: Positions
    far: Positions

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(self.near.size)

    def dense(self, near: Shape) -> Array:
        """Return the whole array, near and far dims in the seed's order."""
        n, m = math.prod(near), math.prod(self.seed.shape)
        place = self.far * n + self.near if self.seed.far_first else self.near * m + self.far
        flat = jnp.zeros(n * m, self.val.dtype).at[place].add(self.val)
        return flat.reshape(self.seed.order(near, self.seed.shape))

    def scaled(self, by: Callable[[Array, Array], Array], factor: Array, shape: Shape) -> Scattered:
        """Return the entries with `by(val, factor)`, the factor of near shape (dims may be 1)."""
        if math.prod(np.shape(factor)) == 1:
            return replace(self, val=by(self.val, jnp.reshape(factor, ())))
        at = squeezed(self.near, shape, np.shape(factor))
        return replace(self, val=by(self.val, jnp.reshape(factor, -1)[at]))

    def kept(self, keep: NDArray[np.bool_]) -> Scattered:
        """Return the entries that are to be kept."""
        if keep.all():
            return self
        chosen = np.flatnonzero(keep)
        return Scattered(self.seed, self.val[chosen], self.near[chosen], self.far[chosen])

    def read(self, positions: Positions, size: int) -> Scattered:
        """Return what an array reads at flat positions of this one, -1 where it reads nothing."""
        memory.check_growth()
        entry, place = joined(self.near, positions.reshape(-1), size)
        same = entry.size == self.count and np.array_equal(entry, np.arange(entry.size))
        val = self.val if same else self.val[entry]
        return Scattered(self.seed, val, place, self.far[entry])

    def written(self, targets: Positions) -> Scattered:
        """Return the entries moved to other near positions, -1 drops; they may meet."""
        to = targets.reshape(-1)[self.near]
        return replace(self, near=to).kept(to >= 0)


def unraveled(flat: Positions, shape: Sequence[int]) -> tuple[Any, ...]:
    """Return the index along each dim of flat positions; of a scalar, none."""
    return np.unravel_index(flat, tuple(shape)) if len(shape) else ()


def squeezed(near: Positions, shape: Shape, narrow: Shape) -> Positions:
    """Return flat positions of `shape` in an array with some dims of size 1."""
    at = np.zeros_like(near)
    for index, n in zip(unraveled(near, shape), narrow, strict=True):
        at = at * n + (index if n > 1 else 0)
    return at


def joined(near: Positions, positions: Positions, size: int) -> tuple[Positions, Positions]:
    """Return, for each pair of an entry and a place that reads it, their numbers."""
    order = np.argsort(near, kind="stable")
    counts = np.bincount(near, minlength=size)
    starts = np.cumsum(counts) - counts
    safe = np.maximum(positions, 0)
    lengths = np.where(positions >= 0, counts[safe], 0)
    ends = np.cumsum(lengths)
    if ends.size and ends[-1] > MANY:
        raise TooMany
    within = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - lengths, lengths)
    return order[np.repeat(starts[safe], lengths) + within], np.repeat(
        np.arange(positions.size), lengths
    )


def total(parts: Sequence[Scattered]) -> Scattered:
    """Return the sum of entries of one seed; many at one place are added up."""
    memory.check_growth()
    seed = parts[0].seed
    near = np.concatenate([part.near for part in parts])
    far = np.concatenate([part.far for part in parts])
    val = _concatenated([part.val for part in parts])
    place, which = np.unique(near * math.prod(seed.shape) + far, return_inverse=True)
    if 2 * place.size <= near.size:
        val = jnp.zeros(place.size, val.dtype).at[which].add(val)
        near, far = np.divmod(place, math.prod(seed.shape))
    return Scattered(seed, val, near, far)


def _concatenated(vectors: Sequence[Array]) -> Array:
    """Return vectors one after another; many short ones as a sum, which XLA compiles much faster.

    (40 of 361 numbers on a CPU: 0.3 in place of 1.5 s.)
    """
    length = sum(vector.size for vector in vectors)
    if len(vectors) == 1:
        return vectors[0]
    if len(vectors) <= 8 or len(vectors) * length > MANY:
        return jnp.concatenate(vectors)
    start, padded = 0, []
    for vector in vectors:
        padding = [(start, length - start - vector.size, 0)]
        padded.append(lax.pad(vector, np.zeros((), vector.dtype), padding))
        start += vector.size
    return sum(padded[1:], padded[0])


def entries(term: Term, shape: Shape) -> int:
    """Return how many entries a term has, those left out that its links say are zero."""
    from jaccli.derivative.structured.linear_map import far_sizes

    valid = np.ones((1,) * len(shape), np.bool_)
    for link in term.links:
        if link is not None and (link < 0).any():
            valid = valid & (link >= 0)
    share = np.count_nonzero(valid) * math.prod(shape) // max(valid.size, 1)
    return int(share * math.prod(far_sizes(term)))


def of_term(term: Term, shape: Shape) -> Scattered:
    """Return a term of a near array of `shape` as scattered entries."""
    memory.check_growth()
    seed = term.seed
    free = [seed.shape[b] for b in term.free]
    rank = len(shape)
    axes = seed.order(list(range(rank)), [("far", b) for b in term.free])
    whole = seed.order(shape, free)

    def laid(array: Any, label: Any) -> Any:
        """Return an array of near dims, or along one free far dim, as `val` has its axes."""
        if label == "near":
            return array.reshape(seed.order(array.shape, (1,) * len(free)))
        return array.reshape([-1 if axis == label else 1 for axis in axes])

    far: Any = np.zeros((1,) * len(whole), np.int64)
    valid: Any = np.ones((1,) * len(whole), np.bool_)
    for b, (n, link) in enumerate(zip(seed.shape, term.links, strict=True)):
        at = laid(np.arange(n), ("far", b)) if link is None else laid(link, "near")
        if link is None and n == 1:
            at = np.zeros((1,) * len(whole), np.int64)
        far = far * n + at
        if link is not None and (link < 0).any():
            valid = valid & (at >= 0)
    near = np.broadcast_to(laid(counted(shape), "near"), whole).reshape(-1)
    far = np.broadcast_to(far, whole).reshape(-1)
    val = jnp.broadcast_to(term.val, whole).reshape(-1)
    found = Scattered(seed, val, near, far)
    return found.kept(np.broadcast_to(valid, whole).reshape(-1))


def is_worth(count: int, near: Shape, seed: Seed) -> bool:
    """Return whether so many entries are better scattered than in the dense array."""
    whole = math.prod(near) * math.prod(seed.shape)
    return seed.window is None and whole >= LARGE and SPARSE * count <= whole


def is_faster(count: int, parts: int, size: int) -> bool:
    """Return whether `count` entries of several parts are best added to an array of `size` zeros.

    Each part that is placed instead takes a comparison for every number of the array, and XLA
    computes its values again beside each.
    """
    return parts > 1 and PER_ENTRY * count <= parts * size
