"""The same for convolutions and windows: results read a few neighbours of the signal."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaccli.derivative.constants import is_inexact, is_known
from jaccli.derivative.positions import (
    convolution_links,
    convolution_positions,
    counted,
    window_positions,
)
from jaccli.derivative.sparse import index_sets as sets
from jaccli.derivative.sparse.detected_values import (
    UNKNOWN,
    Detection,
    Shape,
    Value,
    is_rows,
    none,
    shape_of,
)
from jaccli.derivative.sparse.index_sets import Rows
from jaccli.derivative.sparse.set_rules import collapsed, rule


@rule("conv_general_dilated")
def _convolve(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    """Number by number; channels are united where that would be many."""
    x, kernel = operands
    params = eqn.params
    shapes = [shape_of(v) for v in (*eqn.invars, *eqn.outvars)]
    count = math.prod(shapes[2]) * math.prod(shapes[1])
    count //= shapes[1][params["dimension_numbers"].rhs_spec[0]]
    if is_rows(x) and is_rows(kernel):
        return None
    if count <= min(context.most, _MANY):
        links = np.concatenate(list(map(np.stack, convolution_links(params, *shapes))), axis=1)
        if is_known(kernel):
            links = links[:, np.asarray(kernel).reshape(-1)[links[2]] != 0]
        one, sources = (x, links[1]) if is_rows(x) else (kernel, links[2])
        return sets.combined(one, links[0], sources, math.prod(shapes[2]))
    plain = params["feature_group_count"] == 1 and params["batch_group_count"] == 1
    return _by_place(context, eqn, x, kernel) if is_rows(x) and plain else None


_MANY = 2**22
"""Links of a convolution that are held one by one."""


def _by_place(context: Detection, eqn: Any, x: Rows, kernel: Value) -> Any:
    params = eqn.params
    numbers = params["dimension_numbers"]
    shape, out = shape_of(eqn.invars[0]), shape_of(eqn.outvars[0])
    # Signal as (n, c, *space): channels are united, then places are read tap by tap.
    first = counted(shape).transpose(numbers.lhs_spec)
    n, _, *space = first.shape
    to = np.broadcast_to(counted((n, *space))[:, None], first.shape)
    targets = np.empty(math.prod(shape), np.int64)
    targets[first.reshape(-1)] = to.reshape(-1)
    size = n * math.prod(space)
    union = sets.gathered(x, targets, size)
    weights = np.asarray(kernel).transpose(numbers.rhs_spec) if is_known(kernel) else None
    window = [shape_of(eqn.invars[1])[d] for d in numbers.rhs_spec[2:]]
    counts = [out[d] for d in numbers.out_spec[2:]]
    reads = convolution_positions(params, window, (n, *space), (n, *counts))
    reads = [
        at
        for tap, at in zip(np.ndindex(*window), reads, strict=True)
        if weights is None or weights[(slice(None), slice(None), *tap)].any()
    ]
    if not reads:
        return none(context, eqn.outvars[0])
    by_place = sets.united(sets.taken(union, at) for at in reads)
    spread = np.empty(math.prod(out), np.int64)
    last = counted(out).transpose(numbers.out_spec)
    rows = counted((n, *counts))[:, None]
    spread[last.reshape(-1)] = np.broadcast_to(rows, last.shape).reshape(-1)
    return sets.taken(by_place, spread)


@rule("reduce_window_sum")
def _window(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    return _windowed(eqn, operands[0], shape_of(eqn.invars[0]), shape_of(eqn.outvars[0]))


@rule("reduce_window", "reduce")
def _by_function(context: Detection, eqn: Any, operands: list[Value]) -> list[Value]:
    """Reductions by a function of the user's, of several arrays: each result sees all of them."""
    count = len(eqn.outvars)
    arrays = [x for x in operands[:count] if is_rows(x)]
    shape, out = shape_of(eqn.invars[0]), shape_of(eqn.outvars[0])
    if eqn.primitive.name == "reduce_window":
        parts = [_windowed(eqn, x, shape, out) for x in arrays]
    else:
        axes = eqn.params["dimensions"]
        narrow = tuple(1 if d in axes else n for d, n in enumerate(shape))
        to = collapsed(shape, narrow)
        parts = [sets.gathered(x, to, math.prod(narrow)) for x in arrays]
    size = math.prod(out)
    parts += [sets.taken(x, np.zeros(size, np.int64)) for x in operands[count:] if is_rows(x)]
    union = sets.united(parts)
    return [union if is_inexact(v.aval.dtype) else UNKNOWN for v in eqn.outvars]


@rule("select_and_gather_add")
def _window_chosen(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    """The element whose key is the largest of its window: any of them."""
    tangents, keys = operands
    if not is_rows(tangents) or is_rows(keys):
        return None
    return _windowed(eqn, tangents, shape_of(eqn.invars[0]), shape_of(eqn.outvars[0]))


@rule("select_and_scatter_add")
def _window_spread(context: Detection, eqn: Any, operands: list[Value]) -> Any:
    """The transpose of that: from each place of a window to any element in it."""
    source, keys = operands
    if not is_rows(source) or is_rows(keys):
        return None
    shape, out = shape_of(eqn.invars[0]), shape_of(eqn.outvars[0])
    reads = window_positions(eqn.params, out, shape)
    near = np.concatenate([at.reshape(-1) for at in reads])
    far = np.tile(np.arange(math.prod(shape)), len(reads))
    inside = near >= 0
    return sets.combined(source, near[inside], far[inside], math.prod(out))


def _windowed(eqn: Any, x: Rows, shape: Shape, out: Shape) -> Rows:
    return sets.united([sets.taken(x, at) for at in window_positions(eqn.params, shape, out)])
