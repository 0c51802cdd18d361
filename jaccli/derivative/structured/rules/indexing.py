"""Rules of gathers, scatters and dynamic slices whose indices are known while tracing.

Boundary: with indices that are values of the program there is no structure; the fallback takes
over.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaccli.derivative.positions import corner, read_positions, write_positions
from jaccli.derivative.structured import index_maps, scattered
from jaccli.derivative.structured.index_maps import Shape
from jaccli.derivative.structured.linear_map import Linear, Term
from jaccli.derivative.structured.registry import (
    Equation,
    NoStructure,
    Operand,
    out_shape,
    result,
    rule,
)
from jaccli.derivative.structured.rules.data_movement import cut, placed
from jaccli.derivative.structured.rules.elementwise import masked
from jaccli.derivative.structured.scattered import Scattered

MAX_REPEATS = 8
"""A scatter-add that adds at most so many updates to a cell is one term for each of them."""


FEW = 32
"""Entries are scattered rather than dense terms where the dense array has so many times more."""
SPARSE = 1 << 20
"""Entries of the dense array from which on many terms are worth while."""


def moved(term: Term, shape: Shape, positions: np.ndarray) -> Term:
    """Return the term read at flat near `positions` of `shape`; -1 reads 0."""
    val = term.broadcast(shape).val
    lead = len(term.free) if term.seed.far_first else 0
    flat = val.reshape((*val.shape[:lead], -1, *val.shape[lead + len(shape) :]))
    new = flat.take(np.maximum(positions, 0).ravel(), axis=lead)
    new = new.reshape(term.seed.order(positions.shape, term.far))
    if (positions < 0).any():
        new = jnp.where(term.align(positions >= 0), new, np.zeros((), new.dtype))
    return term.with_near(lambda _: new, lambda link: index_maps.moved(link, shape, positions))


@rule("gather")
def gather(eqn: Equation, x: Operand, indices: Operand) -> Linear:
    """y[i] = x[p[i]]: values and links read at p."""
    if not isinstance(x, Linear) or not isinstance(indices, np.ndarray):
        raise NoStructure
    positions = read_positions(eqn, indices)
    if positions is None:
        raise NoStructure
    return result(eqn, [moved(term, x.shape, positions) for term in x.terms])


@rule("scatter-add")
def scatter_add(eqn: Equation, x: Operand, indices: Operand, updates: Operand) -> Linear:
    """Y = x, then y[p[k]] += u[k]: the r-th update of every cell makes one term.

    Where cells have many updates, their values are added up at (p[k], idx[k]), near and far.
    """
    if not isinstance(indices, np.ndarray):
        raise NoStructure
    terms: list[Term | Scattered] = list(x.terms) if isinstance(x, Linear) else []
    if isinstance(updates, Linear):
        shape = updates.shape
        targets = _targets(eqn, indices, shape)
        rounds = _rounds(targets, out_shape(eqn))
        entries = _scattered(updates, targets, rounds, out_shape(eqn))
        if entries is not None:
            terms += entries
        elif rounds is None or _better_dense(updates, len(rounds), out_shape(eqn)):
            terms += [_added(term, shape, targets, out_shape(eqn)) for term in updates.terms]
        else:
            terms += [
                moved(term, shape, positions) for positions in rounds for term in updates.terms
            ]
    return result(eqn, terms)


def _scattered(
    updates: Linear, targets: np.ndarray, rounds: list[np.ndarray] | None, out: Shape
) -> list[Scattered] | None:
    """Return the updates as scattered entries, if there are too many for terms but few in all.

    Where terms would cost more than a dense array, entries cost less than either.
    """
    counts = [scattered.entries(term, updates.shape) for term in updates.terms]
    if rounds is not None and len(rounds) * len(updates.terms) <= MAX_REPEATS:
        whole = math.prod(out) * sum(math.prod(seed.sizes) for seed in updates.seeds)
        dense = _better_dense(updates, len(rounds), out)
        if not dense or FEW * sum(counts) > whole:
            return None
    if not all(scattered.is_worth(sum(counts), out, seed) for seed in updates.seeds):
        return None
    return [scattered.of_term(term, updates.shape).written(targets) for term in updates.terms]


@rule("scatter")
def scatter(eqn: Equation, x: Operand, indices: Operand, updates: Operand) -> Linear:
    """Y = x, then y[p[k]] = u[k]: x with holes of 0, and u moved to its places."""
    if not isinstance(indices, np.ndarray):
        raise NoStructure
    shape, out = tuple(eqn.invars[2].aval.shape), out_shape(eqn)
    targets = _targets(eqn, indices, shape)
    rounds = _rounds(targets, out)
    if rounds is None or len(rounds) > 1:
        raise NoStructure("updates of one place more than once")
    terms: list[Term | Scattered] = []
    if isinstance(x, Linear):
        keep = np.ones(math.prod(out), np.bool_)
        keep[targets[targets >= 0]] = False
        terms += [part for term in x.terms for part in masked(term, keep.reshape(out))]
    if isinstance(updates, Linear):
        terms += [moved(term, shape, at) for at in rounds for term in updates.terms]
    return result(eqn, terms)


def _better_dense(updates: Linear, rounds: int, out: Shape) -> bool:
    """Return whether so many terms cost more than one dense array."""
    far = sum(math.prod(seed.sizes) for seed in updates.seeds)
    small = math.prod(out) * far < SPARSE
    return small and rounds * len(updates.terms) > 1 and not any(s.keep for s in updates.seeds)


def _added(term: Term, shape: Shape, targets: np.ndarray, out: Shape) -> Term:
    """Return the dense sum of updates: y[p[k], idx[k], far…] += val[k, far…], idx by its links."""
    seed = term.seed
    linked = [b for b, link in enumerate(term.links) if link is not None]
    if not linked or seed.window is not None:  # then the fallback does as well
        raise NoStructure
    near = targets.ravel()
    kept, far = near >= 0, np.zeros_like(near)
    for b in linked:
        link = np.broadcast_to(np.asarray(term.links[b]), shape).ravel()
        far, kept = far * seed.shape[b] + link, kept & (link >= 0)
    sizes = [seed.shape[b] for b in linked]
    # Near and linked far dims in the seed's order, so that nothing is transposed without free ones.
    place = far * math.prod(out) + near if seed.far_first else near * math.prod(sizes) + far
    lead = seed.order(list(out), sizes)
    val = term.broadcast(shape).val
    free = list(range(len(term.free)))
    if seed.far_first:
        val = val.transpose([*(len(free) + d for d in range(len(shape))), *free])
    val = val.reshape((-1, *term.far))
    if not kept.all():
        place, val = place[kept], val[np.flatnonzero(kept)]
    total = jnp.zeros((math.prod(lead), *term.far), val.dtype).at[place].add(val)
    total = total.reshape((*lead, *term.far))
    first = seed.order(list(range(len(out))), [("far", b) for b in linked])
    where = {label: axis for axis, label in enumerate((*first, *(("far", b) for b in term.free)))}
    order = seed.order(list(range(len(out))), [("far", b) for b in range(len(seed.shape))])
    return Term(seed, total.transpose([where[k] for k in order]), (None,) * len(seed.shape))


def _targets(eqn: Equation, indices: np.ndarray, shape: Shape) -> np.ndarray:
    """Return the flat position that each update is added to, -1 where it is dropped."""
    targets = write_positions(eqn, indices, shape)
    if targets is None:
        raise NoStructure
    return targets


def _rounds(targets: np.ndarray, shape: Shape) -> list[np.ndarray] | None:
    """Return for every cell its first update, then its second and so on (-1: none).

    None if there are too many for one term each.
    """
    flat = targets.ravel()
    order = np.argsort(flat, kind="stable")
    order = order[flat[order] >= 0]
    cells = flat[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    counts = np.diff(np.append(starts, cells.size))
    turn = np.arange(cells.size) - np.repeat(starts, counts)
    if counts.size and counts.max() > MAX_REPEATS:
        return None
    rounds = []
    for r in range(int(counts.max()) if counts.size else 0):
        positions = np.full(math.prod(shape), -1, np.int32)
        positions[cells[turn == r]] = order[turn == r]
        rounds.append(positions.reshape(shape))
    return rounds


def _starts(operand: Shape, window: Shape, starts: tuple[Any, ...]) -> Shape:
    """Return the corner of a dynamic slice, clamped as JAX does, if it is known."""
    if not all(isinstance(i, np.ndarray | np.generic | int) for i in starts):
        raise NoStructure
    return corner(operand, window, starts)


@rule("dynamic_slice")
def dynamic_slice(eqn: Equation, x: Operand, *starts: Operand) -> Linear:
    """y[i] = x[start + i]: a slice."""
    if not isinstance(x, Linear):
        raise NoStructure
    window = out_shape(eqn)
    first = _starts(x.shape, window, starts)
    limits = tuple(i + m for i, m in zip(first, window, strict=True))
    step = (1,) * len(window)
    return result(eqn, [cut(term, x.shape, first, limits, step) for term in x.terms])


@rule("dynamic_update_slice")
def dynamic_update_slice(eqn: Equation, x: Operand, update: Operand, *starts: Operand) -> Linear:
    """Y = x with x[start + i] = u[i]: x with a hole of 0, and u padded to its place."""
    shape = out_shape(eqn)
    window = tuple(eqn.invars[1].aval.shape)
    first = _starts(shape, window, starts)
    padding = [(i, n - i - m, 0) for i, n, m in zip(first, shape, window, strict=True)]
    terms: list[Term | Scattered] = []
    if isinstance(x, Linear):
        terms += [part for t in x.terms for part in _holed(t, shape, first, window)]
    if isinstance(update, Linear):
        terms += [placed(term, update.shape, padding) for term in update.terms]
    return result(eqn, terms)


def _holed(term: Term, shape: Shape, first: Shape, window: Shape) -> list[Term]:
    """Return the term with zeros in a near window."""
    keep = np.ones(shape, np.bool_)
    keep[tuple(slice(i, i + m) for i, m in zip(first, window, strict=True))] = False
    return masked(term, keep)
