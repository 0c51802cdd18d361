"""What each primitive of a linear map does to sets: which results may depend on which operands.

Operands that are known while tracing (indices, masks, constant matrices) come as numpy arrays.

Boundary: one rule for each primitive; control flow is `detect.py`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jaccli.derivative.constants import is_inexact, is_known
from jaccli.derivative.positions import (
    corner,
    counted,
    flat_position,
    read_positions,
    repeated,
    write_positions,
)
from jaccli.derivative.sparse import index_sets as sets
from jaccli.derivative.sparse.detected_values import (
    UNKNOWN,
    Detection,
    Shape,
    Value,
    as_rows,
    is_rows,
    none,
    shape_of,
)
from jaccli.derivative.sparse.index_sets import Rows

# `rule(context, eqn, operands)` returns the rows of the result, or None where it does not
# apply; then each result may depend on everything.

RULES: dict[str, Callable[..., Any]] = {}
"""Filled here and by `window_rules.py`."""


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the rule of some primitives."""

    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(names, f))
        return f

    return register


def mixed(context: Detection, eqn: Any, operands: list[Value]) -> list[Value]:
    """Everything depends on everything, but for the leading axes of what works on the last ones."""
    depth = _LAST_AXES.get(eqn.primitive.name)
    rows = []
    for x, atom in zip(operands, eqn.invars, strict=True):
        if is_rows(x) and x.nnz:
            shape = shape_of(atom)
            lead = math.prod(shape[: len(shape) - depth]) if depth is not None else 1
            rows.append((x, math.prod(shape), lead))
    lead = max(count for _, _, count in rows)
    lead = lead if all(count == lead for _, _, count in rows) else 1
    union = sets.united(
        [sets.gathered(x, np.arange(size) // max(size // lead, 1), lead) for x, size, _ in rows]
    )
    results: list[Value] = []
    for var in eqn.outvars:
        size = math.prod(shape_of(var))
        if not is_inexact(var.aval.dtype):
            results.append(UNKNOWN)
            continue
        fits = lead > 1 and size % lead == 0
        source = union if fits or lead == 1 else sets.together(union)
        each = np.arange(size) // max(size // lead, 1) if fits else np.zeros(size, np.int64)
        results.append(sets.taken(source, each))
    return results


_LAST_AXES = {
    "triangular_solve": 2, "cholesky": 2, "lu": 2, "eigh": 2, "eig": 2, "svd": 2, "qr": 2,
    "geqrf": 2, "householder_product": 2, "tridiagonal_solve": 2, "schur": 2, "hessenberg": 2,
    "symmetric_product": 2,
}  # fmt: skip
"""How many of the last axes an operation works on, for each index of the others."""


def _read(eqn: Any, *indices: Any) -> Any:
    """Return where each result reads the first operand, of a primitive that moves elements."""
    return read_positions(eqn, *indices)


@rule("broadcast_in_dim", "reshape", "squeeze", "transpose", "rev", "slice", "tile")
def _move(context: Detection, eqn: Any, operands: list[Value]) -> Rows:
    return sets.taken(operands[0], _read(eqn))


@rule("pad")
def _pad(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    return sets.taken(operands[0], _read(eqn)) if not is_rows(operands[1]) else None


@rule("gather", "dynamic_slice")
def _gather(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    x, *indices = operands
    if all(map(is_known, indices)):
        return sets.taken(x, _read(eqn, *indices))
    return _anywhere(eqn, x)


def _anywhere(eqn: Any, x: Rows) -> Any:
    """Read at places that only the program knows: any along the axes that are indexed."""
    shape, sizes = shape_of(eqn.invars[0]), eqn.params["slice_sizes"]
    free = [d for d, (n, m) in enumerate(zip(shape, sizes, strict=True)) if n != m]
    if eqn.primitive.name == "dynamic_slice":
        axes = list(range(len(shape)))
    else:
        numbers = eqn.params["dimension_numbers"]
        batch = numbers.operand_batching_dims
        gone = (*numbers.collapsed_slice_dims, *batch)
        windows = [d for d in range(len(shape)) if d not in gone]
        rank = len(shape_of(eqn.outvars[0]))
        others = [axis for axis in range(rank) if axis not in numbers.offset_dims]
        axes = [-1] * len(shape)
        for d, axis in zip(windows, numbers.offset_dims, strict=True):
            axes[d] = axis
        for d, axis in zip(batch, numbers.start_indices_batching_dims, strict=True):
            axes[d] = others[axis]
        free += [d for d in numbers.collapsed_slice_dims if d not in free]
        free = [d for d in free if d not in batch]
    narrow = tuple(1 if d in free else n for d, n in enumerate(shape))
    union = sets.gathered(x, collapsed(shape, narrow), math.prod(narrow))
    out = shape_of(eqn.outvars[0])
    at: Any = np.zeros((1,) * len(out), np.int64)
    for d, n in enumerate(narrow):
        at = at * n
        if n > 1:
            at = at + np.arange(n).reshape([-1 if a == axes[d] else 1 for a in range(len(out))])
    return sets.taken(union, np.broadcast_to(at, out))


def collapsed(shape: Shape, narrow: Shape) -> Any:
    """Return for each element of `shape` its position in the array that has some dims of size 1."""
    return np.broadcast_to(counted(narrow), shape)


@rule("dynamic_update_slice")
def _update_slice(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    x, update, *starts = operands
    shape, window = shape_of(eqn.invars[0]), shape_of(eqn.invars[1])
    x, update = (
        as_rows(each, atom.aval, context.columns)
        for each, atom in zip((x, update), eqn.invars[:2], strict=True)
    )
    if all(map(is_known, starts)):
        first = corner(shape, window, starts)
        at = counted(shape)[tuple(slice(i, i + m) for i, m in zip(first, window, strict=True))]
        keep = np.ones(math.prod(shape), np.bool_)
        keep[at.reshape(-1)] = False
        return sets.united([sets.kept(x, keep), sets.gathered(update, at, math.prod(shape))])
    narrow = tuple(m if n == m else 1 for n, m in zip(shape, window, strict=True))
    union = sets.gathered(update, collapsed(window, narrow), math.prod(narrow))
    return sets.united([x, sets.taken(union, collapsed(shape, narrow))])


@rule("scatter-add", "scatter", "scatter-mul")
def _scatter(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    x, indices, updates = operands
    size = math.prod(shape_of(eqn.outvars[0]))
    x = as_rows(x, eqn.invars[0].aval, context.columns)
    updates = as_rows(updates, eqn.invars[2].aval, context.columns)
    to = write_positions(eqn, indices, shape_of(eqn.invars[2])) if is_known(indices) else None
    if to is None:
        return sets.united([x, _scattered_anywhere(eqn, updates)])
    if eqn.primitive.name == "scatter":
        keep = np.ones(size, np.bool_)
        keep[to[to >= 0]] = False
        x = sets.kept(x, keep)
    return sets.united([x, sets.gathered(updates, to, size)])


def _scattered_anywhere(eqn: Any, updates: Rows) -> Rows:
    """Written at places that only the program knows: any along the axes that are indexed."""
    shape, window = shape_of(eqn.invars[0]), shape_of(eqn.invars[2])
    numbers = eqn.params["dimension_numbers"]
    batch = numbers.operand_batching_dims
    gone = (*numbers.inserted_window_dims, *batch)
    left = [d for d in range(len(shape)) if d not in gone]
    others = [axis for axis in range(len(window)) if axis not in numbers.update_window_dims]
    axes = dict(zip(left, numbers.update_window_dims, strict=True))
    axes = {d: axis for d, axis in axes.items() if window[axis] == shape[d]}
    for d, axis in zip(batch, numbers.scatter_indices_batching_dims, strict=True):
        axes[d] = others[axis]
    narrow = tuple(n if d in axes else 1 for d, n in enumerate(shape))
    at: Any = np.zeros((1,) * len(window), np.int64)
    for d, n in enumerate(narrow):
        at = at * n
        if d in axes:
            at = at + np.arange(n).reshape([-1 if a == axes[d] else 1 for a in range(len(window))])
    union = sets.gathered(updates, np.broadcast_to(at, window), math.prod(narrow))
    return sets.taken(union, collapsed(shape, narrow))


@rule(
    "add", "add_any", "sub", "neg", "convert_element_type", "reduce_precision", "real", "imag",
    "conj", "copy", "name", "complex", "optimization_barrier", "sharding_constraint",
    "mul", "div", "max", "min",
)  # fmt: skip
def _elementwise(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    if len(eqn.outvars) > 1:  # a barrier: each operand by itself
        return [
            x if is_rows(x) else none(context, v)
            for x, v in zip(operands, eqn.outvars, strict=True)
        ]
    shape = shape_of(eqn.outvars[0])
    parts = []
    for x, atom in zip(operands, eqn.invars, strict=True):
        if is_rows(x):
            parts.append(sets.taken(x, repeated(shape_of(atom), shape)))
    union = sets.united(parts)
    if eqn.primitive.name == "mul":
        for x in operands:
            if is_known(x) and np.size(x) > 1 and not np.all(x):
                union = sets.kept(union, np.broadcast_to(np.asarray(x) != 0, shape))
    return union


@rule("select_n")
def _select(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    which, *cases = operands
    shape = shape_of(eqn.outvars[0])
    parts = []
    for k, case in enumerate(cases):
        if is_rows(case):
            case = sets.taken(case, repeated(shape_of(eqn.invars[k + 1]), shape))
            if is_known(which):
                case = sets.kept(case, np.broadcast_to(np.asarray(which) == k, shape))
            parts.append(case)
    return sets.united(parts)


@rule("concatenate", "stack")
def _join(context: Detection, eqn: Any, operands: list[Value]) -> Rows:
    shapes, out = [shape_of(v) for v in eqn.invars], shape_of(eqn.outvars[0])
    whole = sets.stacked(
        [as_rows(x, v.aval, context.columns) for x, v in zip(operands, eqn.invars, strict=True)]
    )
    starts = np.cumsum([0, *map(math.prod, shapes)])[:-1]
    at = [counted(shape) + start for shape, start in zip(shapes, starts, strict=True)]
    axis = eqn.params["dimension" if eqn.primitive.name == "concatenate" else "axis"]
    joined = (np.concatenate if eqn.primitive.name == "concatenate" else np.stack)(at, axis)
    assert joined.shape == out
    return sets.taken(whole, joined)


@rule("split", "unstack")
def _parts(context: Detection, eqn: Any, operands: list[Value]) -> list[Rows]:
    at, axis = counted(shape_of(eqn.invars[0])), eqn.params["axis"]
    if eqn.primitive.name == "unstack":
        return [
            sets.taken(operands[0], np.asarray(at.take(k, axis))) for k in range(len(eqn.outvars))
        ]
    pieces = np.split(at, np.cumsum(eqn.params["sizes"])[:-1], axis)
    return [sets.taken(operands[0], piece) for piece in pieces]


@rule("reduce_sum", "reduce_max", "reduce_min")
def _reduce(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    shape, axes = shape_of(eqn.invars[0]), eqn.params["axes"]
    narrow = tuple(1 if d in axes else n for d, n in enumerate(shape))
    return sets.gathered(operands[0], collapsed(shape, narrow), math.prod(narrow))


@rule("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
def _running(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    shape, axis = shape_of(eqn.invars[0]), eqn.params["axis"]
    n = shape[axis]
    if n * math.prod(shape) > context.most:
        return _along(context, eqn, operands[0], shape, axis)
    near, far = np.nonzero(np.tri(n, dtype=np.bool_))
    if eqn.params["reverse"]:
        near, far = far, near
    at = np.moveaxis(counted(shape), axis, -1).reshape(-1, n)
    return sets.combined(
        operands[0], at[:, near].reshape(-1), at[:, far].reshape(-1), math.prod(shape)
    )


@rule("triangular_solve")
def _solve(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    """Of the right-hand sides, each column (or row) by itself."""
    a, b = operands
    if is_rows(a):
        return None
    shape = shape_of(eqn.invars[1])
    return _along(context, eqn, b, shape, len(shape) - (2 if eqn.params["left_side"] else 1))


@rule("sort")
def _sort(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    shape, axis = shape_of(eqn.invars[0]), eqn.params["dimension"]
    return [
        _along(context, eqn, x, shape, axis) if is_rows(x) else none(context, v)
        for x, v in zip(operands, eqn.outvars, strict=True)
    ]


@rule("fft")
def _fft(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    shape, out = shape_of(eqn.invars[0]), shape_of(eqn.outvars[0])
    depth = len(eqn.params["fft_lengths"])
    lead = shape[: len(shape) - depth]
    count, size = math.prod(lead), math.prod(shape)
    union = sets.gathered(operands[0], np.arange(size) // max(size // max(count, 1), 1), count)
    total = math.prod(out)
    return sets.taken(union, np.arange(total) // max(total // max(count, 1), 1))


def _along(context: Detection, eqn: Any, x: Rows, shape: Shape, axis: int) -> Rows:
    """Each result may depend on all along an axis."""
    narrow = tuple(1 if d == axis else n for d, n in enumerate(shape))
    to = collapsed(shape, narrow)
    return sets.taken(sets.gathered(x, to, math.prod(narrow)), to)


@rule("dot_general")
def _dot(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    a, b = operands
    if is_rows(a) and is_rows(b):  # a solver's own steps are not linear
        return sets.united([_dot(context, eqn, pair) for pair in ([a, UNKNOWN], [UNKNOWN, b])])
    (ca, cb), (ba, bb) = eqn.params["dimension_numbers"]
    shapes = [shape_of(v) for v in eqn.invars]
    la: list[Any] = [("a", d) for d in range(len(shapes[0]))]
    lb: list[Any] = [("b", d) for d in range(len(shapes[1]))]
    for d, e in [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]:
        lb[e] = la[d]
    batch, gone = [la[d] for d in ba], [la[d] for d in ca]
    out = [*batch, *(k for k in (*la, *lb) if k not in (*batch, *gone))]
    sizes = dict(zip((*la, *lb), (*shapes[0], *shapes[1]), strict=True))
    x, lx, c, lc = (a, la, b, lb) if is_rows(a) else (b, lb, a, la)
    total = math.prod(sizes[k] for k in out)
    own = [k for k in lx if k not in lc]  # axes that only the linear operand has
    if is_known(c) and not np.all(c):
        index = dict(zip(lc, np.nonzero(np.asarray(c)), strict=True))
        count = math.prod(sizes[k] for k in own)
        if next(iter(index.values())).size * count <= context.most:
            grid = np.meshgrid(*(np.arange(sizes[k]) for k in own), indexing="ij")
            full = {k: v[:, None] for k, v in index.items()}
            full.update({k: g.reshape(1, -1) for k, g in zip(own, grid, strict=True)})
            flat = (flat_position(full, labels, sizes) for labels in (out, lx))
            targets, sources = np.broadcast_arrays(*flat)
            return sets.combined(x, targets.reshape(-1), sources.reshape(-1), total)
    left = [k for k in lx if k not in gone]
    narrow = tuple(1 if k in gone else sizes[k] for k in lx)
    union = sets.gathered(x, collapsed(tuple(sizes[k] for k in lx), narrow), math.prod(narrow))
    axes = {k: np.arange(sizes[k]).reshape([-1 if q == k else 1 for q in out]) for k in out}
    at: Any = np.broadcast_to(flat_position(axes, left, sizes), [sizes[k] for k in out])
    return sets.taken(union, at)
