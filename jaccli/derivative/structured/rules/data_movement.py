"""Rules of primitives that move elements about: they act on values and links alike."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaccli.derivative import positions as positions_of
from jaccli.derivative.structured import index_maps, scattered
from jaccli.derivative.structured.index_maps import Link, Shape
from jaccli.derivative.structured.linear_map import Array, Linear, Term, collect, far_sizes, spread
from jaccli.derivative.structured.registry import (
    Equation,
    NoStructure,
    Operand,
    out_shape,
    result,
    rule,
    term_rule,
)
from jaccli.derivative.structured.scattered import SPARSE, Scattered


@term_rule("broadcast_in_dim")
def broadcast(eqn: Equation, term: Term, shape: Shape, *sizes: Any) -> Term:
    """y[i, j] = x[j]: dims of size 1 where y repeats x, in values and links."""
    target = len(out_shape(eqn))

    def placed(near: Shape) -> Shape:
        new = [1] * target
        for d, axis in enumerate(eqn.params["broadcast_dimensions"]):
            new[axis] = near[d]
        return tuple(new)

    return term.with_near(
        lambda val: val.reshape(term.seed.order(placed(term.near), term.far)),
        lambda link: link.reshape(placed(link.shape)),
    )


@term_rule("reshape", "squeeze")
def reshape(eqn: Equation, term: Term, shape: Shape) -> Term:
    """y.ravel() = x.ravel(): runs of dims are regrouped; a run that is constant stays of ones."""
    target = out_shape(eqn)
    permutes = eqn.primitive.name == "reshape"  # `lax.reshape` may, first
    first = eqn.params["dimensions"] if permutes else None
    if first is not None:
        term, shape = transposed(term, first), tuple(shape[d] for d in first)

    def on_val(val: Array) -> Array:
        wide, after = index_maps.regrouped(term.near, shape, target)
        return term.broadcast(wide).val.reshape(term.seed.order(after, term.far))

    def on_link(link: Link) -> Link:
        wide, after = index_maps.regrouped(link.shape, shape, target)
        return index_maps.narrow(np.broadcast_to(link, wide).reshape(after))

    return term.with_near(on_val, on_link)


@term_rule("transpose")
def transpose(eqn: Equation, term: Term, shape: Shape) -> Term:
    """y[i, j] = x[j, i]: near dims permuted, in values and links."""
    return transposed(term, eqn.params["permutation"])


def transposed(term: Term, permutation: Shape) -> Term:
    """Return the term with its near dims permuted."""
    near = [term.near_axis(d) for d in permutation]
    far = [term.far_axis(b) for b in term.free]
    return term.with_near(
        lambda val: val.transpose(term.seed.order(near, far)),
        lambda link: link.transpose(permutation),
    )


@term_rule("rev")
def reverse(eqn: Equation, term: Term, shape: Shape) -> Term:
    """y[i] = x[n − 1 − i]: values and links flipped."""
    dims = eqn.params["dimensions"]
    axes = [term.near_axis(d) for d in dims if term.near[d] > 1]
    return term.with_near(
        lambda val: lax.rev(val, axes) if axes else val, lambda link: np.flip(link, dims)
    )


def cut(term: Term, shape: Shape, starts: Shape, limits: Shape, strides: Shape) -> Term:
    """Return the near slice of a term; dims in which it is constant stay of size 1."""
    pieces = tuple(map(slice, starts, limits, strides))

    def on_val(val: Array) -> Array:
        start, limit, step = [0] * val.ndim, list(val.shape), [1] * val.ndim
        for d, piece in enumerate(pieces):
            if term.near[d] > 1:
                a = term.near_axis(d)
                start[a], limit[a], step[a] = piece.start, piece.stop, piece.step
        return lax.slice(val, start, limit, step)

    def on_link(link: Link) -> Link:
        return link[
            tuple(p if n > 1 else slice(None) for p, n in zip(pieces, link.shape, strict=True))
        ]

    return term.with_near(on_val, on_link)


@term_rule("slice")
def take_slice(eqn: Equation, term: Term, shape: Shape) -> Term:
    """y[i] = x[start + step·i]: values and links sliced."""
    strides = eqn.params["strides"] or (1,) * len(shape)
    return cut(term, shape, eqn.params["start_indices"], eqn.params["limit_indices"], strides)


@rule("split")
def split(eqn: Equation, x: Linear) -> list[Linear]:
    """[y_0, y_1, …] = x: each part is a slice."""
    axis, start, parts = eqn.params["axis"], 0, []
    for size, var in zip(eqn.params["sizes"], eqn.outvars, strict=True):
        starts, limits = [0] * len(x.shape), list(x.shape)
        starts[axis], limits[axis] = start, start + size
        step = (1,) * len(x.shape)
        terms = [cut(term, x.shape, tuple(starts), tuple(limits), step) for term in x.terms]
        parts.append(collect(tuple(var.aval.shape), var.aval.dtype, terms))
        start += size
    return parts


def padded(term: Term, shape: Shape, padding: list[tuple[int, int, int]]) -> Term:
    """Return the term with near zeros around and between; links there are -1."""
    touched = [any(p) for p in padding]
    full = [n if t else m for n, m, t in zip(shape, term.near, touched, strict=True)]
    configuration = term.seed.order(padding, [(0, 0, 0)] * len(term.free))
    zero = np.zeros((), term.val.dtype)
    return term.with_near(
        lambda val: lax.pad(term.broadcast(full).val, zero, configuration),
        lambda link: index_maps.padded(link, shape, padding),
    )


def placed(term: Term, shape: Shape, padding: list[tuple[int, int, int]]) -> Term | Scattered:
    """Return the term with near zeros around and between: as entries, if it would be mostly zeros.

    A full row beside a diagonal would become a full matrix.
    """
    wide = tuple(
        low + n + max(n - 1, 0) * gap + high
        for n, (low, high, gap) in zip(shape, padding, strict=True)
    )
    count = scattered.entries(term, shape)
    stored = math.prod(wide) * math.prod(far_sizes(term))
    if term.free and SPARSE * count <= stored and scattered.is_worth(count, wide, term.seed):
        positions = positions_of.padded(positions_of.counted(shape), padding, -1)
        return scattered.of_term(term, shape).read(positions, math.prod(shape))
    return padded(term, shape, padding)


@rule("pad")
def pad(eqn: Equation, x: Operand, filler: Operand) -> Linear:
    """y[low + i] = x[i], else 0: values padded with 0, links with -1."""
    if isinstance(filler, Linear) and filler.terms:
        raise NoStructure
    assert isinstance(x, Linear)
    padding = [(int(a), int(b), int(c)) for a, b, c in eqn.params["padding_config"]]
    return result(eqn, [placed(term, x.shape, padding) for term in x.terms])


@term_rule("tile")
def tile(eqn: Equation, term: Term, shape: Shape) -> Term:
    """y[i + k·n] = x[i]: values and links repeated; a dim of size 1 stays so."""

    def repeats(near: Shape) -> list[int]:
        return [r if n > 1 else 1 for r, n in zip(eqn.params["reps"], near, strict=True)]

    ones = [1] * len(term.free)
    return term.with_near(
        lambda val: jnp.tile(val, term.seed.order(repeats(term.near), ones)),
        lambda link: np.tile(link, repeats(link.shape)),
    )


@rule("concatenate")
def concatenate(eqn: Equation, *parts: Operand) -> Linear:
    """Y = [x_0, x_1, …]: terms alike in every part are concatenated, the others padded."""
    return _joined(eqn, parts, [tuple(v.aval.shape) for v in eqn.invars], eqn.params["dimension"])


@rule("stack")
def stack(eqn: Equation, *parts: Operand) -> Linear:
    """y[k] = x_k: each part gets a dim of size 1, then they are concatenated."""
    axis = eqn.params["axis"]

    def lifted(part: Operand) -> Operand:
        if not isinstance(part, Linear):
            return part
        shape = (*part.shape[:axis], 1, *part.shape[axis:])
        return Linear(shape, part.dtype, tuple(_lifted(term, axis) for term in part.terms))

    whole = out_shape(eqn)
    shapes = [(*whole[:axis], 1, *whole[axis + 1 :])] * len(parts)
    return _joined(eqn, tuple(map(lifted, parts)), shapes, axis)


@rule("unstack")
def unstack(eqn: Equation, x: Linear) -> list[Linear]:
    """[y_0, y_1, …] = x: slices along a dim, which then goes."""
    axis, results = eqn.params["axis"], []
    for k, var in enumerate(eqn.outvars):
        starts, limits = [0] * len(x.shape), list(x.shape)
        starts[axis], limits[axis] = k, k + 1
        pieces = [
            cut(term, x.shape, tuple(starts), tuple(limits), (1,) * len(x.shape))
            for term in x.terms
        ]
        terms = [
            piece.with_near(
                lambda val, p=piece: val.squeeze(p.near_axis(axis)),  # type: ignore[misc]
                lambda link: link.squeeze(axis),
            )
            for piece in pieces
        ]
        results.append(collect(tuple(var.aval.shape), var.aval.dtype, terms))
    return results


def _lifted(term: Term, axis: int) -> Term:
    """Return the term with a near dim of size 1 put in."""
    near = (*term.near[:axis], 1, *term.near[axis:])
    return term.with_near(
        lambda val: val.reshape(term.seed.order(near, term.far)),
        lambda link: np.expand_dims(link, axis),
    )


def _joined(eqn: Equation, parts: tuple[Operand, ...], shapes: list[Shape], axis: int) -> Linear:
    """Return the concatenation of parts of the given shapes; constant ones are 0."""
    joined = _side_by_side(parts, axis)
    if joined is not None:
        return result(eqn, joined)
    terms: list[Term | Scattered] = []
    start, total = 0, out_shape(eqn)[axis]
    for part, shape in zip(parts, shapes, strict=True):
        if isinstance(part, Linear):
            padding = [(0, 0, 0)] * len(shape)
            padding[axis] = (start, total - start - shape[axis], 0)
            terms += [placed(term, shape, padding) for term in part.terms]
        start += shape[axis]
    return result(eqn, terms)


def _side_by_side(parts: tuple[Operand, ...], axis: int) -> list[Term] | None:
    """Return the one term that parts of one alike term each make, None if they do not."""
    if not all(isinstance(part, Linear) and len(part.terms) == 1 for part in parts):
        return None
    terms = [part.terms[0] for part in parts]
    first = terms[0]
    if any(t.seed != first.seed or t.free != first.free for t in terms):
        return None
    sizes = [part.shape[axis] for part in parts]
    near = [max(t.near[d] for t in terms) for d in range(first.rank)]
    far = tuple(max(n) for n in zip(*(t.far for t in terms), strict=True))
    vals = []
    for term, size in zip(terms, sizes, strict=True):
        near[axis] = size
        vals.append(spread(term.val, term.seed.order(near, far)))
    maps: list[Link | None] = []
    for b, link in enumerate(first.links):
        if link is None:
            maps.append(None)
            continue
        every = [k for t in terms if (k := t.links[b]) is not None]
        wide = [max(k.shape[d] for k in every) for d in range(first.rank)]
        pieces = []
        for k, size in zip(every, sizes, strict=True):
            wide[axis] = size
            pieces.append(np.broadcast_to(k, wide))
        maps.append(index_maps.narrow(np.concatenate(pieces, axis)))
    val = lax.concatenate(vals, first.near_axis(axis))
    return [replace(first, val=val, links=tuple(maps))]
