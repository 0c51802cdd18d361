"""Rules of primitives that sum over near dims: products with constants, sums, running sums."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.structured import index_maps, scattered, scattered_rules
from jaccli.derivative.structured.factored import Labels, arranged, product, squeezed, summed
from jaccli.derivative.structured.index_maps import Link, Shape
from jaccli.derivative.structured.linear_map import Array, Linear, Term, far_sizes, unlinked
from jaccli.derivative.structured.registry import (
    Equation,
    NoStructure,
    Operand,
    result,
    rule,
    term_rule,
)
from jaccli.derivative.structured.rules.data_movement import cut
from jaccli.derivative.structured.scattered import SPARSE, Scattered

MAX_TAPS = 4
"""A sum of at most so many slices is kept as one term for each."""


@rule("dot_general", with_known=True)
def dot(eqn: Equation, a: Operand, b: Operand) -> Linear:
    """y[i, j] = Σ_k a[i, k] b[k, j]: Σ_k a[i, k] [far == k] needs no sum, it is a[i, far]."""
    if isinstance(a, Linear) and isinstance(b, Linear):
        raise NoStructure
    params = eqn.params
    (ca, cb), (ba, bb) = params["dimension_numbers"]
    rank_a, rank_b = (len(v.aval.shape) for v in eqn.invars)
    la: Labels = [("a", d) for d in range(rank_a)]
    lb: Labels = [("b", d) for d in range(rank_b)]
    for d, e in [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]:
        lb[e] = la[d]
    batch, gone = [la[d] for d in ba], [la[d] for d in ca]
    rest = [label for side in (la, lb) for label in side if label not in (*batch, *gone)]
    out = [*batch, *rest]
    x, lx, c, lc = (a, la, b, lb) if isinstance(a, Linear) else (b, lb, a, la)
    assert isinstance(x, Linear)
    how = {key: params[key] for key in ("precision", "preferred_element_type")}
    terms = [t for term in x.terms for t in contract(term, x.shape, lx, c, lc, out, how)]
    dtype = eqn.outvars[0].aval.dtype
    return result(eqn, [replace(t, val=t.val.astype(dtype)) for t in terms])


@rule("reduce_sum")
def add_up(eqn: Equation, x: Linear) -> Linear:
    """Y = Σ_k x[k]: Σ_k val[k] [far == k] = val[far]."""
    labels: Labels = list(range(len(x.shape)))
    out = [d for d in labels if d not in eqn.params["axes"]]
    return result(
        eqn, [t for term in x.terms for t in contract(term, x.shape, labels, None, [], out, {})]
    )


def contract(
    term: Term, shape: Shape, lx: Labels, c: Array | None, lc: Labels, out: Labels, how: Any
) -> list[Term | Scattered]:
    """Return Σ term·c over the near labels that are not in `out` (c None: a sum alone).

    A link that only summed dims determine is released: its far dim takes their place and nothing
    is summed.  A link that summed and other dims determine together gives one term for each slice
    if they are few, and otherwise is made dense.
    """
    gone = [d for d, label in enumerate(lx) if label not in out and shape[d] > 1]
    released, blocked = _sort_links(term, gone)
    if (blocked or released) and term.seed.window is None:
        entries = _scattered(term, shape, lx, c, lc, out, released=not blocked)
        if entries is not None:
            return [entries]
    if blocked:
        tied = [d for d in gone if term.linked_along([d])]
        if math.prod(shape[d] for d in tied) <= MAX_TAPS:
            return [
                piece
                for tap in _taps(term, shape, lx, c, lc, tied)
                for piece in contract(*tap, out, how)
            ]
        return contract(unlinked(term, blocked), shape, lx, c, lc, out, how)
    far = {b: ("far", b) for b in range(len(term.links))}
    val, lv = term.val, list(term.seed.order(lx, [far[b] for b in term.free]))
    for b, inverse in released:
        link = term.links[b]
        assert link is not None
        dims = index_maps.varies(link)
        val, lv = _renamed(val, lv, [lx[d] for d in dims], far[b], link.shape, inverse, True)
        val = term.seed.read(val, lv.index(far[b]), b)
        if c is not None:
            sizes = [shape[d] for d in dims]
            c, lc = _renamed(c, lc, [lx[d] for d in dims], far[b], sizes, inverse, False)
            c = term.seed.read(c, lc.index(far[b]), b) if far[b] in lc else c
    maps = _remaining(term, [b for b, _ in released], lx, out)
    target = term.seed.order(out, [far[b] for b, link in enumerate(maps) if link is None])
    if c is not None:
        made = product(val, lv, c, lc, target, **how)
        return [Term(term.seed, made.value, maps, made)]
    repeats = math.prod(shape[d] for d in gone if term.near[d] == 1 and not term.linked_along([d]))
    val, lv = summed(*squeezed(val, lv), set(target))
    val = val if repeats == 1 else val * np.asarray(repeats, val.dtype)
    return [Term(term.seed, arranged(val, lv, target), maps)]


def _scattered(
    term: Term,
    shape: Shape,
    lx: Labels,
    c: Array | None,
    lc: Labels,
    out: Labels,
    *,
    released: bool,
) -> Scattered | None:
    """Return the sum as scattered entries, if there are few: of a band, a window, a sparse c."""
    sizes = dict(zip(lx, shape, strict=True))
    if c is not None:
        sizes.update(zip(lc, np.shape(c), strict=True))
    near = tuple(sizes[k] for k in out)
    count = scattered.entries(term, shape)
    if released:  # then what is summed is multiplied by all of c, or is one row
        if not isinstance(c, np.ndarray) or SPARSE * np.count_nonzero(c) > c.size:
            return None
        alone = math.prod(n for k, n in sizes.items() if k not in lc)
        far = math.prod(far_sizes(term))
        count = max(np.count_nonzero(c) * alone * far, count)
    elif c is not None:
        own = math.prod(sizes[k] for k in lc if k not in lx)
        count *= own
    tied = [d for d, k in enumerate(lx) if k not in out and term.linked_along([d])]
    if not released and math.prod(shape[d] for d in tied) <= MAX_TAPS:
        return None
    if not scattered.is_worth(count, near, term.seed):
        return None
    return scattered_rules.contracted(scattered.of_term(term, shape), lx, c, lc, out, sizes)


def _sort_links(term: Term, gone: list[int]) -> tuple[list[tuple[int, Link]], list[int]]:
    """Return the links that can be released, with their inverses, and those in the way."""
    released, blocked = [], []
    for b in term.linked_along(gone):
        link = term.links[b]
        assert link is not None
        dims = index_maps.varies(link)
        alone = set(dims) <= set(gone) and term.linked_along(dims) == [b]
        inverse = index_maps.inverse(link, term.seed.shape[b]) if alone else None
        if inverse is None:
            blocked.append(b)
        else:
            released.append((b, inverse))
    return released, blocked


def _taps(
    term: Term, shape: Shape, lx: Labels, c: Array | None, lc: Labels, dims: Sequence[int]
) -> list[tuple[Term, Shape, Labels, Array | None, Labels]]:
    """Return the slices of a term (and c) for every index of some near dims."""
    taps = []
    for index in itertools.product(*(range(shape[d]) for d in dims)):
        at = dict(zip(dims, index, strict=True))
        starts = tuple(at.get(d, 0) for d in range(len(shape)))
        limits = tuple(at[d] + 1 if d in at else n for d, n in enumerate(shape))
        part = c
        for d, i in at.items():
            if part is not None and lx[d] in lc:
                part = lax.slice_in_dim(part, i, i + 1, axis=lc.index(lx[d]))
        piece = cut(term, shape, starts, limits, (1,) * len(shape))
        taps.append((piece, tuple(np.subtract(limits, starts).tolist()), lx, part, lc))
    return taps


def _renamed(
    array: Array,
    labels: Labels,
    old: Labels,
    new: Any,
    sizes: Sequence[int],
    inverse: Link,
    masked: bool,
) -> tuple[Array, Labels]:
    """Return the array with the axes `old` replaced by one axis `new`, in the order of `inverse`.

    With `masked`, what no index leads to is 0.
    """
    sizes = [n for n in sizes if n > 1]
    axes = [labels.index(label) for label in old if label in labels]
    if all(array.shape[a] == 1 for a in axes) and (inverse >= 0).all():
        array = array.squeeze(tuple(axes[1:]))
        return array, [new if k == old[0] else k for k in labels if k not in old[1:]]
    if len(axes) == 1 and index_maps.is_iota(inverse, sizes[0]):
        return array, [new if label == old[0] else label for label in labels]
    rest = [a for a in range(array.ndim) if a not in axes]
    lead = [array.shape[a] for a in rest]
    array = jnp.broadcast_to(array.transpose([*rest, *axes]), (*lead, *sizes))
    array = array.reshape((*lead, math.prod(sizes)))
    array = array.take(np.maximum(inverse, 0), axis=len(lead))
    if masked and (inverse < 0).any():
        array = jnp.where(inverse >= 0, array, np.zeros((), array.dtype))
    return array, [*(labels[a] for a in rest), new]


def _remaining(term: Term, released: list[int], lx: Labels, out: Labels) -> tuple[Link | None, ...]:
    """Return the links after a contraction, with the dims of `out`."""
    maps: list[Link | None] = []
    for b, link in enumerate(term.links):
        if link is None or b in released:
            maps.append(None)
        else:
            kept = [d for label in out if label in lx for d in [lx.index(label)]]
            sizes = iter([link.shape[d] for d in kept])
            order = [*kept, *(d for d in range(link.ndim) if d not in kept)]
            shape = [next(sizes) if label in lx else 1 for label in out]
            maps.append(link.transpose(order).reshape(shape))
    return tuple(maps)


@term_rule("cumsum")
def running_sum(eqn: Equation, term: Term, shape: Shape) -> Term:
    """y[i] = Σ_{k ≤ i} x[k]: Σ_{k ≤ i} val[k] [far == k] = val[far] · [far ≤ i]."""
    d, backward = eqn.params["axis"], eqn.params["reverse"]
    linked = term.linked_along([d])
    if len(linked) == 1:
        (b,) = linked
        link = term.links[b]
        assert link is not None
        if index_maps.varies(link) == (d,) and index_maps.is_iota(link, term.seed.shape[b]):
            return _triangular(term, d, b, backward)
    full = [n if e == d else m for e, (n, m) in enumerate(zip(shape, term.near, strict=True))]
    term = unlinked(term, linked).broadcast(
        [max(n, m) for n, m in zip(full, unlinked(term, linked).near, strict=True)]
    )
    return replace(term, val=lax.cumsum(term.val, term.near_axis(d), reverse=backward))


def _triangular(term: Term, d: int, b: int, backward: bool) -> Term:
    """Return the running sum along d where it is the far dim b."""
    n = term.seed.shape[b]
    labels = list(term.seed.order([*range(term.rank)], [("far", f) for f in term.free]))
    labels[term.near_axis(d)] = ("far", b)
    val = term.seed.read(term.val, term.near_axis(d), b)
    maps = tuple(None if f == b else link for f, link in enumerate(term.links))
    free = [f for f, link in enumerate(maps) if link is None]
    target = term.seed.order([*range(term.rank)], [("far", f) for f in free])
    i, k = target.index(d), target.index(("far", b))
    shape = tuple({i: n, k: term.seed.sizes[b]}.get(a, 1) for a in range(len(target)))
    near, far = lax.broadcasted_iota(np.int32, shape, i), term.seed.counter(shape, k, b)
    reached = far >= near if backward else far <= near
    val = jnp.where(reached, arranged(val, labels, target), np.zeros((), val.dtype))
    return Term(term.seed, val, maps)
