"""Structured Jacobians of linear maps: sums of terms, and their algebra.

A linear map goes from one or more far arrays (the seeds: inputs in forward mode, outputs in
reverse mode) to one near array.  Its Jacobian J[near…, far…] is a sum of terms

    val[near…, unlinked far…] · Π_b [far_b == links[b][near…]]

with static links.  Dims of `val` have size 1 where it is constant.  No terms is zero.  Where a
link is -1, `val` is zero.  Far dims of size 1 are never linked.

Boundary: knows nothing of jaxprs or primitives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.structured import index_maps, scattered
from jaccli.derivative.structured.factored import Product, whole
from jaccli.derivative.structured.index_maps import Link, Shape
from jaccli.derivative.structured.scattered import Scattered

MAX_TERMS = 32
"""Terms of one map from one seed; more are added up densely, to keep compile time in bounds."""

PER_TERM = 2048
"""A term beside others costs as much time as so many numbers: in small arrays, all become one."""

SMALL = 64
"""Numbers up to which a product is multiplied at once: nothing is gained by its factors."""

PIECE = 8
"""A near array is a small piece of the far one if it is so many times smaller."""

Array = Any  # jax.Array, or numpy's for constants


@dataclass(frozen=True, eq=False)
class Window:
    """The box of far indices that a chunk takes: its `sizes`, and where it begins (JAX integers).

    Links always name places in the whole far array.  Free far dims are as long as the box.
    """

    sizes: Shape
    corner: Sequence[Array]


class Seed(NamedTuple):
    """A far array: its number, its shape, and whether values store far dims before near ones.

    With a `window`, its unit vectors are those of a box.  With `keep`, terms are kept apart even
    where one dense array would be faster: somebody wants to see them.
    """

    number: int
    shape: Shape
    far_first: bool
    window: Window | None = None
    keep: bool = True

    @property
    def sizes(self) -> Shape:
        """The sizes of free far dims."""
        return self.shape if self.window is None else self.window.sizes

    def read(self, array: Array, axis: int, b: int) -> Array:
        """Return, of an array along the whole far dim b, what the window shows."""
        if self.window is None or array.shape[axis] == 1:
            return array
        return lax.dynamic_slice_in_dim(array, self.window.corner[b], self.sizes[b], axis)

    def counter(self, shape: Shape, axis: int, b: int) -> Array:
        """Return the index in the far dim b, counted along an axis of an array of `shape`."""
        count = lax.broadcasted_iota(np.int32, shape, axis)
        return count if self.window is None else count + self.window.corner[b]

    def order(self, near: Sequence[Any], far: Sequence[Any]) -> tuple[Any, ...]:
        """Return near and far parts in the order in which values store them."""
        return (*far, *near) if self.far_first else (*near, *far)


@dataclass(frozen=True, eq=False)
class Term:
    """One term; `links` has one entry per far dim, None where it is unlinked (free).

    `made` says how `val` was made, and serves while `val` is that product's value.
    """

    seed: Seed
    val: Array
    links: tuple[Link | None, ...]
    made: Product | None = None

    @property
    def product(self) -> Product:
        """The product that `val` is, if only of 1 and itself."""
        return self.made if self.made and self.made.value is self.val else whole(self.val)

    @property
    def free(self) -> tuple[int, ...]:
        """The unlinked far dims."""
        return tuple(b for b, link in enumerate(self.links) if link is None)

    @property
    def rank(self) -> int:
        """How many near dims there are."""
        return int(self.val.ndim) - len(self.free)

    @property
    def near(self) -> Shape:
        """The sizes of `val` along the near dims, each full or 1."""
        return tuple(self.val.shape[self.near_axis(d)] for d in range(self.rank))

    @property
    def far(self) -> Shape:
        """The sizes of `val` along the free far dims, each full or 1."""
        return tuple(self.val.shape[self.far_axis(b)] for b in self.free)

    def near_axis(self, d: int) -> int:
        """Return the axis of `val` for the near dim d."""
        return d + len(self.free) if self.seed.far_first else d

    def far_axis(self, b: int) -> int:
        """Return the axis of `val` for the free far dim b."""
        position = self.free.index(b)
        return position if self.seed.far_first else position + self.rank

    def align(self, array: Array) -> Array:
        """Return an array with near dims so that it broadcasts against `val`."""
        if self.seed.far_first or np.ndim(array) == 0:
            return array
        return array.reshape(array.shape + (1,) * len(self.free))

    def scaled(self, by: Callable[[Array, Array], Array], factor: Array) -> Term:
        """Return the term with `by(val, factor)`, a product or quotient by a near-shaped factor."""
        return replace(self, val=by(self.val, self.align(factor)), made=None)

    def linked_along(self, dims: Iterable[int]) -> list[int]:
        """Return the far dims whose links depend on any of the near dims."""
        dims = set(dims)
        return [
            b for b, k in enumerate(self.links) if k is not None and dims & {*index_maps.varies(k)}
        ]

    def with_near(
        self,
        values: Callable[[Array], Array],
        on_link: Callable[[Link], Link],
    ) -> Term:
        """Apply a map of whole near arrays to the links, and `values` to `val`."""
        new = tuple(None if link is None else on_link(link) for link in self.links)
        return replace(self, val=values(self.val), links=new)

    def broadcast(self, near: Sequence[int]) -> Term:
        """Return the term with `val` of the given near sizes."""
        shape = self.seed.order(near, self.far)
        return self if shape == self.val.shape else replace(self, val=spread(self.val, shape))


@dataclass(frozen=True, eq=False)
class Linear:
    """A value of `shape` that depends linearly on the seeds: the sum of `terms` and `scattered`."""

    shape: Shape
    dtype: Any
    terms: tuple[Term, ...]
    scattered: tuple[Scattered, ...] = ()

    @property
    def is_zero(self) -> bool:
        """Whether nothing is known to be non-zero."""
        return not self.terms and not self.scattered

    @property
    def linked(self) -> Linear:
        """The value with the scattered entries as a dense term."""
        if not self.scattered:
            return self
        free = [
            Term(part.seed, part.dense(self.shape), (None,) * len(part.seed.shape))
            for part in self.scattered
        ]
        return Linear(self.shape, self.dtype, tuple(_summed([*self.terms, *free])))

    @property
    def seeds(self) -> tuple[Seed, ...]:
        """The seeds that the value depends on, in order."""
        both: tuple[Term | Scattered, ...] = (*self.terms, *self.scattered)
        return tuple(sorted({part.seed for part in both}))


def far_sizes(term: Term) -> Shape:
    """Return the full sizes of a term's free far dims."""
    return tuple(term.seed.sizes[b] for b in term.free)


def spread(array: Array, shape: Shape) -> Array:
    """Broadcast, leaving numpy arrays to numpy only where that costs nothing."""
    return jnp.broadcast_to(array, shape)


def identity(seed: Seed, dtype: Any) -> Linear:
    """Return the seed itself: every far dim linked to its near dim."""
    rank = len(seed.shape)
    maps = tuple(
        None if size == 1 else index_maps.iota(size, d, rank) for d, size in enumerate(seed.shape)
    )
    free = sum(link is None for link in maps)
    one = np.ones((1,) * (rank + free), dtype)
    return collect(seed.shape, dtype, [Term(seed, one, maps)])


def collect(shape: Shape, dtype: Any, parts: Iterable[Term | Scattered]) -> Linear:
    """Add terms up: those with matching links become one, too many become scattered or dense."""
    if math.prod(shape) == 0:
        return Linear(shape, dtype, ())
    parts = list(parts)
    kept, apart = _bounded(shape, _summed([part for part in parts if isinstance(part, Term)]))
    apart += [part for part in parts if isinstance(part, Scattered)]
    if not apart:
        return Linear(shape, dtype, tuple(kept))
    totals = []
    for seed in sorted({part.seed for part in apart}):
        joint = scattered.total([part for part in apart if part.seed == seed])
        if scattered.is_worth(joint.count, shape, seed):
            totals.append(joint)
        else:
            kept.append(Term(seed, joint.dense(shape), (None,) * len(seed.shape)))
    return Linear(shape, dtype, tuple(_summed(kept)), tuple(totals))


def _summed(terms: Iterable[Term]) -> list[Term]:
    """Return the terms with those joined whose links match."""
    kept: list[Term] = []
    for term in terms:
        for position, other in enumerate(kept):
            joined = _joined(other, term)
            if joined is not None:
                kept[position] = joined
                break
        else:
            kept.append(term)
    return kept


def _joined(a: Term, b: Term) -> Term | None:
    """Return a + b as one term, if their links allow it."""
    if a.seed != b.seed or not (_covers(a, b) or _covers(b, a)):
        return None
    maps: list[Link | None] = []
    for one, two in zip(a.links, b.links, strict=True):
        joint = None if one is None or two is None else index_maps.merged(one, two)
        if joint is None and one is not None and two is not None:
            return None
        maps.append(joint)
    a, b = unlinked(a, b.free), unlinked(b, a.free)
    made = a.product.plus(b.product)
    return Term(a.seed, a.val + b.val if made is None else made.value, tuple(maps), made)


def _covers(a: Term, b: Term) -> bool:
    """Return whether a + b is best stored with the free dims of a: as one block, no larger.

    Not with a dense a: a diagonal beside it is cheaper to multiply apart.
    """
    if a.free == b.free:
        return True
    if not {*a.free} > {*b.free} or len(a.free) == len(a.links):
        return False
    hidden = [k.shape for f in a.free if (k := b.links[f]) is not None]
    near = np.broadcast_shapes(a.near, b.near, *hidden)
    joint = math.prod(near) * math.prod(a.seed.sizes[f] for f in a.free)
    return bool(joint <= math.prod(a.val.shape) + math.prod(b.val.shape))


def _bounded(shape: Shape, terms: list[Term]) -> tuple[list[Term], list[Scattered]]:
    """Change the terms of a seed where they are many, or hold more than a dense array.

    They become scattered entries if there are few of those, and dense otherwise.
    """
    apart: list[Scattered] = []
    for seed in sorted({term.seed for term in terms}):
        own = [term for term in terms if term.seed == seed]
        stored = sum(math.prod(term.val.shape) for term in own)
        near, far = math.prod(shape), math.prod(seed.sizes)
        # A small piece that became dense would make dense what it is later joined to.
        kept = seed.keep or (PIECE * near < far and far > SMALL)
        stored += 0 if kept else PER_TERM * len(own)
        several, whole = len(own) > (2 if kept else 1), near * far
        if len(own) > MAX_TERMS or (several and stored > whole):
            terms = [term for term in terms if term.seed != seed]
            count = sum(scattered.entries(term, shape) for term in own)
            if scattered.is_worth(count, shape, seed):
                apart += [scattered.of_term(term, shape) for term in own]
            else:
                terms.append(_dense_sum(own, shape))
    return terms, apart


def _dense_sum(terms: Sequence[Term], shape: Shape) -> Term:
    """Return the sum of terms of one seed with all far dims free."""
    seed = terms[0].seed
    free: list[Term] = []
    linked = [term for term in terms if len(term.free) < len(term.links)]
    if len(linked) > 1 and seed.window is None:
        count = sum(scattered.entries(term, shape) for term in linked)
        if scattered.is_faster(count, len(linked), math.prod(shape) * math.prod(seed.shape)):
            joint = scattered.total([scattered.of_term(term, shape) for term in linked])
            free = [Term(seed, joint.dense(shape), (None,) * len(seed.shape))]
            terms = [term for term in terms if len(term.free) == len(term.links)]
    return total([*free, *(unlinked(term, range(len(seed.shape))) for term in terms)])


def total(terms: Sequence[Term]) -> Term:
    """Return the sum of terms of one seed without links."""
    result = terms[0]
    for term in terms[1:]:
        result = replace(result, val=result.val + term.val)
    return result


def unlinked(term: Term, dims: Iterable[int]) -> Term:
    """Make far dims b free: val'[near…, far_b] = val[near…] · [far_b == links[b][near…]]."""
    chosen = [b for b in dims if term.links[b] is not None]
    if not chosen:
        return term
    maps = tuple(None if b in chosen else link for b, link in enumerate(term.links))
    free = [b for b, link in enumerate(maps) if link is None]
    val = term.val.reshape(
        term.seed.order(
            term.near, [1 if b in chosen else term.far[term.free.index(b)] for b in free]
        )
    )
    hit: Any = True
    for b in chosen:
        link = term.links[b]
        assert link is not None
        near_side = link.reshape(term.seed.order(link.shape, (1,) * len(free)))
        far = [term.seed.sizes[b] if c == b else 1 for c in free]
        both = np.broadcast_shapes(near_side.shape, term.seed.order((1,) * term.rank, far))
        axis = free.index(b) + (0 if term.seed.far_first else term.rank)
        hit = hit & lax.eq(in_program(near_side, both), term.seed.counter(both, axis, b))
    shape = np.broadcast_shapes(val.shape, hit.shape)
    zero = np.zeros((), val.dtype)
    return Term(
        term.seed, lax.select(spread(hit, shape), spread(val, shape), spread(zero, shape)), maps
    )


def equal(a: np.ndarray, b: np.ndarray) -> Array:
    """Compare static index maps in the compiled program, where the comparison is never stored."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    return lax.eq(in_program(a, shape), in_program(b, shape))


def in_program(link: Link, shape: Shape) -> Array:
    """Return a link broadcast to `shape`: a counter where it is one, else a constant."""
    dims = index_maps.varies(link)
    if len(dims) == 1:
        (d,) = dims
        flat = link.ravel()
        step = int(flat[1]) - int(flat[0])
        if step and np.all(np.diff(flat) == step):
            counter = lax.broadcasted_iota(np.int32, shape, d)
            counter = counter if step == 1 else counter * np.int32(step)
            return counter if flat[0] == 0 else counter + np.int32(flat[0])
    return spread(link, shape)


def dense(value: Linear, seed: Seed) -> Array:
    """Return the whole array, near and far dims in the seed's order."""
    shape = seed.order(value.shape, seed.sizes)
    own = [term for term in value.linked.terms if term.seed == seed]
    if not own:
        return jnp.zeros(shape, value.dtype)
    return spread(_dense_sum(own, value.shape).val, shape)


def zeros(value: Linear) -> Array:
    """Return the value at seeds of zero."""
    return jnp.zeros(value.shape, value.dtype)


def with_batch_of_seeds(value: Linear, seeds: Sequence[Seed]) -> Array:
    """Return the dense value with the far dims of all `seeds` flattened to one axis."""
    far_first = seeds[0].far_first
    parts = []
    for seed in seeds:
        count = (math.prod(seed.sizes),)
        parts.append(dense(value, seed).reshape(seed.order(value.shape, count)))
    axis = 0 if far_first else len(value.shape)
    return parts[0] if len(parts) == 1 else jax.lax.concatenate(parts, axis)


def from_batch_of_seeds(array: Array, seeds: Sequence[Seed]) -> Linear:
    """Return the value whose dense form, far dims flattened to one axis, is `array`."""
    far_first = seeds[0].far_first
    axis = 0 if far_first else array.ndim - 1
    near = array.shape[1:] if far_first else array.shape[:-1]
    terms, start = [], 0
    for seed in seeds:
        count = math.prod(seed.sizes)
        part = (
            array if len(seeds) == 1 else lax.slice_in_dim(array, start, start + count, axis=axis)
        )
        val = part.reshape(seed.order(near, seed.sizes))
        terms.append(Term(seed, val, (None,) * len(seed.shape)))
        start += count
    return collect(tuple(near), array.dtype, terms)
