"""Rules of gathers, scatters and dynamic slices whose indices are known while tracing.

Boundary: with indices that are values of the program there is no structure; the fallback takes
over.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative.structured import links
from jaccli.derivative.structured.links import Shape
from jaccli.derivative.structured.registry import (
    Equation,
    NoStructure,
    Operand,
    out_shape,
    result,
    rule,
)
from jaccli.derivative.structured.rules.shapes import cut, padded
from jaccli.derivative.structured.terms import Linear, Term

MAX_REPEATS = 8
"""A scatter-add that adds at most so many updates to a cell is one term for each of them."""


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
    return term.with_near(lambda _: new, lambda link: links.moved(link, shape, positions))


def _sources(eqn: Equation, shape: Shape, indices: np.ndarray) -> np.ndarray:
    """Return the flat position that each result of a gather reads, -1 where it fills with 0."""
    params = dict(eqn.params)
    params["fill_value"] = -1
    with jax.ensure_compile_time_eval():
        at = jnp.arange(math.prod(shape), dtype=np.int32).reshape(shape)
        return np.asarray(eqn.primitive.bind(at, indices, **params))


@rule("gather")
def gather(eqn: Equation, x: Operand, indices: Operand) -> Linear:
    """y[i] = x[p[i]]: values and links read at p."""
    if not isinstance(x, Linear) or not isinstance(indices, np.ndarray):
        raise NoStructure
    positions = _sources(eqn, x.shape, indices)
    return result(eqn, [moved(term, x.shape, positions) for term in x.terms])


@rule("scatter-add")
def scatter_add(eqn: Equation, x: Operand, indices: Operand, updates: Operand) -> Linear:
    """Y = x, then y[p[k]] += u[k]: the r-th update of every cell makes one term.

    Where cells have many updates, their values are added up at (p[k], idx[k]), near and far.
    """
    if not isinstance(indices, np.ndarray):
        raise NoStructure
    terms = list(x.terms) if isinstance(x, Linear) else []
    if isinstance(updates, Linear):
        shape = updates.shape
        targets = _targets(eqn, indices, shape)
        rounds = _rounds(targets, out_shape(eqn))
        if rounds is None or _better_dense(updates, len(rounds), out_shape(eqn)):
            terms += [_added(term, shape, targets, out_shape(eqn)) for term in updates.terms]
        else:
            terms += [
                moved(term, shape, positions) for positions in rounds for term in updates.terms
            ]
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
    numbers, operand = eqn.params["dimension_numbers"], out_shape(eqn)
    aside = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    windows = iter(shape[d] for d in numbers.update_window_dims)
    sizes = tuple(1 if d in aside else next(windows) for d in range(len(operand)))
    same = lax.GatherDimensionNumbers(
        offset_dims=numbers.update_window_dims,
        collapsed_slice_dims=numbers.inserted_window_dims,
        start_index_map=numbers.scatter_dims_to_operand_dims,
        operand_batching_dims=numbers.operand_batching_dims,
        start_indices_batching_dims=numbers.scatter_indices_batching_dims,
    )
    mode = eqn.params["mode"]
    if mode == lax.GatherScatterMode.ONE_HOT:
        raise NoStructure
    fill = lax.GatherScatterMode.FILL_OR_DROP
    with jax.ensure_compile_time_eval():
        at = jnp.arange(math.prod(operand), dtype=np.int32).reshape(operand)
        mode = mode if mode == lax.GatherScatterMode.CLIP else fill
        return np.asarray(lax.gather(at, indices, same, sizes, mode=mode, fill_value=-1))


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
    return tuple(
        min(max(int(i), 0), n - m) for i, n, m in zip(starts, operand, window, strict=True)
    )


@rule("dynamic_slice")
def dynamic_slice(eqn: Equation, x: Operand, *starts: Operand) -> Linear:
    """y[i] = x[start + i]: a slice."""
    if not isinstance(x, Linear):
        raise NoStructure
    window = out_shape(eqn)
    corner = _starts(x.shape, window, starts)
    limits = tuple(i + m for i, m in zip(corner, window, strict=True))
    step = (1,) * len(window)
    return result(eqn, [cut(term, x.shape, corner, limits, step) for term in x.terms])


@rule("dynamic_update_slice")
def dynamic_update_slice(eqn: Equation, x: Operand, update: Operand, *starts: Operand) -> Linear:
    """Y = x with x[start + i] = u[i]: x with a hole of 0, and u padded to its place."""
    shape = out_shape(eqn)
    window = tuple(eqn.invars[1].aval.shape)
    corner = _starts(shape, window, starts)
    padding = [(i, n - i - m, 0) for i, n, m in zip(corner, shape, window, strict=True)]
    terms = [_holed(t, shape, corner, window) for t in x.terms] if isinstance(x, Linear) else []
    if isinstance(update, Linear):
        terms += [padded(term, update.shape, padding) for term in update.terms]
    return result(eqn, terms)


def _holed(term: Term, shape: Shape, corner: Shape, window: Shape) -> Term:
    """Return the term with zeros in a near window."""
    keep = np.ones(shape, np.bool_)
    keep[tuple(slice(i, i + m) for i, m in zip(corner, window, strict=True))] = False
    zero = np.zeros((), term.val.dtype)
    return replace(term, val=jnp.where(term.align(keep), term.val, zero))
