"""Reductions, shapes and order statistics of balls; numpy's functions where possible."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from flint import arb

from jaccli.certify.balls import array, floor, is_ball, less, on_balls, real
from jaccli.certify.elementwise import ELEMENTWISE

_E = ELEMENTWISE


def _numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of numpy's that takes objects as well."""

    def of_arrays(*arguments: Any, **keywords: Any) -> Any:
        out = function(*map(_plain, arguments), **{k: _plain(v) for k, v in keywords.items()})
        return type(out)(map(_filled_in, out)) if isinstance(out, list | tuple) else _filled_in(out)

    return of_arrays


def _filled_in(out: Any) -> Any:
    """Return an array whose entries are balls: numpy fills in integers, as the zeros of `tril`."""
    if isinstance(out, np.ndarray) and out.dtype == object:
        return on_balls(lambda value: value)(out)
    return out


def _plain(value: Any) -> Any:
    return array(value) if isinstance(value, arb) else value


def _along(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """Return a function of a list of balls as a reduction."""

    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = array(x)
        axes = (
            tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        )
        axes = tuple(a % x.ndim for a in axes)
        kept = [a for a in range(x.ndim) if a not in axes]
        rows = np.transpose(x, (*kept, *axes)).reshape(*(x.shape[a] for a in kept), -1)
        out = np.empty(rows.shape[:-1], object)
        for index in np.ndindex(out.shape):
            out[index] = function([_ball(each) for each in rows[index]])
        return np.expand_dims(out, axes) if keepdims else out

    return reduce


def _ball(value: Any) -> Any:
    return real(value)


def _compared(a: tuple[Any, int], b: tuple[Any, int]) -> int:
    return int(less(b[0], a[0])) - int(less(a[0], b[0]))


_order: Callable[[Any], Any] = functools.cmp_to_key(_compared)


def _ranked(row: list[Any]) -> list[tuple[Any, int]]:
    """Return the numbers with their places, the smallest first, equal ones by their places."""
    return sorted(((value, place) for place, value in enumerate(row)), key=_order)


def _quantile_of(q: Any) -> Callable[[list[Any]], Any]:
    def of_row(row: list[Any]) -> Any:
        ordered = [value for value, _ in _ranked(row)]
        place = real(q) * (len(ordered) - 1)
        low = int(floor(place).unique_fmpz())
        part = place - low
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + part * (ordered[high] - ordered[low])

    return of_row


def _quantile(x: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if np.ndim(q):
        parts = [_quantile(x, each, axis, keepdims) for each in array(q)]
        return np.stack(parts)
    q = q[()] if isinstance(q, np.ndarray) else q
    return _along(_quantile_of(q))(x, axis, keepdims)


def _percentile(x: Any, q: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _quantile(x, _E["divide"](q, arb(100)), axis, keepdims)


def _var(x: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
    def of_row(row: list[Any]) -> Any:
        mean = sum(row, arb(0)) / len(row)
        return sum(((value - mean) ** 2 for value in row), arb(0)) / (len(row) - ddof)

    return _along(of_row)(x, axis, keepdims)


def _std(x: Any, **settings: Any) -> Any:
    return _E["sqrt"](_var(x, **settings))


def _largest(row: list[Any]) -> Any:
    return functools.reduce(lambda a, b: b if less(a, b) else a, row)


def _smallest(row: list[Any]) -> Any:
    return functools.reduce(lambda a, b: b if less(b, a) else a, row)


def _logsumexp(x: Any, axis: Any = None, b: Any = None, keepdims: bool = False) -> Any:
    terms = _E["exp"](x)
    terms = terms if b is None else _E["multiply"](b, terms)
    return _E["log"](np.sum(terms, axis=axis, keepdims=keepdims))


def _softmax(x: Any, axis: Any = -1) -> Any:
    terms = _E["exp"](x)
    return terms / np.sum(terms, axis=axis, keepdims=True)


def _place(ranks: Callable[[list[Any]], int]) -> Callable[..., Any]:
    reduce = _along(ranks)
    return lambda x, axis=None, keepdims=False: reduce(x, axis, keepdims).astype(np.int64)


def _sort(x: Any, axis: int = -1) -> Any:
    return _per_row(x, axis, lambda row: [value for value, _ in _ranked(row)])


def _argsort(x: Any, axis: int = -1) -> Any:
    return _per_row(x, axis, lambda row: [place for _, place in _ranked(row)]).astype(np.int64)


def _per_row(x: Any, axis: int, function: Callable[[list[Any]], list[Any]]) -> Any:
    last = np.moveaxis(array(x), axis, -1)
    out = np.empty(last.shape, object)
    for index in np.ndindex(last.shape[:-1]):
        out[index] = function([_ball(each) for each in last[index]])
    return np.moveaxis(out, -1, axis)


def _cov(x: Any) -> Any:
    rows = np.atleast_2d(array(x))
    centered = rows - np.sum(rows, axis=1, keepdims=True) / rows.shape[1]
    out = centered @ centered.T / (rows.shape[1] - 1)
    return out[0, 0] if np.ndim(x) < 2 else out


def _corrcoef(x: Any) -> Any:
    out = array(_cov(x))
    if not out.ndim:
        return out / out
    roots = _E["sqrt"](np.diagonal(out))
    return out / np.outer(roots, roots)


def _average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    if weights is None:
        return np.mean(x, axis=axis)
    weights = array(weights)
    if weights.ndim == 1 and axis is not None and x.ndim > 1:
        shape = [1] * x.ndim
        shape[axis] = -1
        weights = np.broadcast_to(weights.reshape(shape), x.shape)
    return np.sum(x * weights, axis=axis) / np.sum(weights, axis=axis)


def _interp(x: Any, xp: Any, fp: Any) -> Any:
    grid, values = [real(each) for each in array(xp)], [real(each) for each in array(fp)]

    def at(x: Any) -> Any:
        if less(x, grid[0]):
            return values[0]
        for (a, fa), (b, fb) in zip(
            zip(grid, values, strict=True), zip(grid[1:], values[1:], strict=True), strict=False
        ):
            if less(x, b):
                return fa + (x - a) / (b - a) * (fb - fa)
        return values[-1]

    return on_balls(at)(x)


def _where(condition: Any, x: Any, y: Any) -> Any:
    out = np.where(np.asarray(condition, bool), array(x), array(y))
    return out


def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(array(y), axis, -1)
    steps = (
        arb(dx) if x is None else np.diff(np.moveaxis(array(x), axis if np.ndim(x) > 1 else -1, -1))
    )
    return np.sum(steps * (y[..., 1:] + y[..., :-1]), axis=-1) / 2


def _take(x: Any, indices: Any, axis: int | None = None) -> Any:
    return np.take(array(x), np.asarray(indices), axis=axis)


def _nonzero(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    truth = array(x) if not is_ball(x) else on_balls(lambda v: not v.is_zero())(x).astype(bool)
    return np.count_nonzero(truth, axis=axis, keepdims=keepdims)


def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    a, b = real(start), real(stop)
    parts = max(1, num - 1 if endpoint else num)
    return array(np.array([a + (b - a) * k / parts for k in range(num)] or [], dtype=object))


def _logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True) -> Any:
    return _E["exp"](_linspace(start, stop, num, endpoint) * arb.const_log10())


def _arange(start: Any, stop: Any = None, step: Any = 1) -> Any:
    first, last = (0, start) if stop is None else (start, stop)
    count = max(0, math.ceil((last - first) / step))
    return array(np.array([arb(first) + arb(step) * k for k in range(count)], dtype=object))


def _filled(value: int) -> Callable[..., Any]:
    def out(*shape: Any) -> Any:
        size = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return np.full(size, arb(value), object)

    return out


def _objects(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a creation function of numpy's, whose entries are balls."""
    return lambda *arguments, **keywords: (
        function(*arguments, **keywords).astype(int).astype(object)
    )


def _running(better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    """Return a running reduction to the better number, of all in reading order without an axis."""

    def of_row(row: list[Any]) -> list[Any]:
        return list(itertools.accumulate(row, lambda a, b: b if better(b, a) else a))

    def run(x: Any, axis: int | None = None) -> Any:
        return _per_row(np.ravel(array(x)) if axis is None else x, axis or 0, of_row)

    return run


def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    out = array(real(default) if np.ndim(default) == 0 else default)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        out = _where(condition, choice, out)
    return _filled_in(out)


def _piecewise(x: Any, condlist: Any, funclist: Any) -> Any:
    values = list(funclist)
    last = values.pop() if len(values) > len(condlist) else arb(0)
    out = np.broadcast_to(array(last), np.shape(x))
    for condition, value in zip(condlist, values, strict=True):
        out = _where(condition, value, out)
    return _filled_in(out)


def _gradient(f: Any, spacing: Any = 1.0, axis: int | None = None) -> Any:
    """Differences of second order between neighbors, of first order at both ends."""
    f = array(f)
    if axis is None:
        slopes = tuple(_gradient(f, spacing, each) for each in range(f.ndim))
        return slopes[0] if f.ndim == 1 else slopes
    f = np.moveaxis(f, axis, 0)
    places = array(spacing)
    if not places.ndim:
        places = np.array([real(places[()]) * k for k in range(len(f))], object)
    steps = np.diff(places).reshape(-1, *(1,) * (f.ndim - 1))
    rises = np.diff(f, axis=0) / steps
    before, after = steps[:-1], steps[1:]
    inner = (after * rises[:-1] + before * rises[1:]) / (before + after)
    return np.moveaxis(np.concatenate([rises[:1], inner, rises[-1:]]), 0, axis)


def _segment_sum(x: Any, segment_ids: Any, num_segments: int | None = None) -> Any:
    x, ids = array(x), np.asarray(segment_ids)
    count = num_segments if num_segments is not None else int(ids.max(initial=-1)) + 1
    out = np.full((count, *x.shape[1:]), arb(0), object)
    for place, each in zip(ids, x, strict=True):
        if 0 <= place < count:
            out[place] = out[place] + each
    return out


def _take_along(x: Any, indices: Any, axis: int = -1) -> Any:
    return np.take_along_axis(array(x), np.asarray(indices), axis)


def _top(x: Any, k: int) -> tuple[Any, Any]:
    def of_row(row: list[Any]) -> list[tuple[Any, int]]:
        pairs = [(value, place) for place, value in enumerate(row)]
        return sorted(pairs, key=_order, reverse=True)[:k]  # of equal ones the first comes first

    x = array(x)
    out = np.empty((*x.shape[:-1], k, 2), object)
    for index in np.ndindex(x.shape[:-1]):
        for rank, pair in enumerate(of_row([_ball(each) for each in x[index]])):
            out[(*index, rank)] = pair
    return out[..., 0], out[..., 1].astype(np.int64)


def _searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    grid = [_ball(each) for each in array(a)]

    def place(value: Any) -> int:
        if side == "left":
            return sum(less(each, value) for each in grid)
        return sum(not less(value, each) for each in grid)

    return on_balls(place)(v).astype(np.int64)


_SHAPES = """
    sum prod mean cumsum cumprod diff reshape ravel transpose swapaxes moveaxis squeeze expand_dims
    broadcast_to concatenate stack hstack vstack column_stack append split tile roll flip fliplr
    flipud rot90 diag diagonal pad meshgrid convolve correlate polyval vander trace outer inner
    dot matmul tensordot einsum kron cross any all shape size ndim triu tril repeat
"""
ARRAYS: dict[str, Callable[..., Any]] = {
    **{name: _numpy(getattr(np, name)) for name in _SHAPES.split()},
    "where": _where, "vdot": lambda a, b: np.dot(np.ravel(a), np.ravel(b)),
    "vecdot": lambda a, b: np.sum(array(a) * array(b), axis=-1),
    "median": lambda x, axis=None, keepdims=False: _quantile(x, arb(0.5), axis, keepdims),
    "quantile": _quantile, "percentile": _percentile, "var": _var, "std": _std,
    "max": _along(_largest), "min": _along(_smallest),
    "nanmax": _along(_largest), "nanmin": _along(_smallest),
    "ptp": _along(lambda row: _largest(row) - _smallest(row)),
    "nansum": _numpy(np.sum), "nanmean": _numpy(np.mean), "nanprod": _numpy(np.prod),
    "nanvar": _var, "nanstd": _std,
    "cumlogsumexp": lambda x, axis=None: _E["log"](np.cumsum(_E["exp"](array(x)), axis)),
    "cummax": _running(lambda a, b: less(b, a)), "cummin": _running(less),
    "select": _select, "piecewise": _piecewise, "gradient": _gradient,
    "segment_sum": _segment_sum, "take_along_axis": _take_along, "top_k": _top,
    "searchsorted": _searchsorted,
    "argmax": _place(lambda row: max(range(len(row)), key=lambda i: _order((row[i], 0)))),
    "argmin": _place(lambda row: min(range(len(row)), key=lambda i: _order((row[i], 0)))),
    "count_nonzero": _nonzero, "logsumexp": _logsumexp, "trapezoid": _trapezoid,
    "cov": _cov, "corrcoef": _corrcoef, "average": _average, "sort": _sort, "argsort": _argsort,
    "take": _take, "interp": _interp, "softmax": _softmax,
    "log_softmax": lambda x, axis=-1: _E["log"](_softmax(x, axis)),
    "array": array, "zeros": _filled(0), "ones": _filled(1),
    "full": lambda shape, value: np.full(shape, real(value), object),
    "zeros_like": lambda x: np.full(np.shape(x), arb(0), object),
    "ones_like": lambda x: np.full(np.shape(x), arb(1), object),
    "full_like": lambda x, value: np.full(np.shape(x), real(value), object),
    "eye": _objects(np.eye), "identity": _objects(np.identity), "tri": _objects(np.tri),
    "linspace": _linspace, "logspace": _logspace, "arange": _arange,
    "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_xor": np.logical_xor, "logical_not": np.logical_not,
}  # fmt: skip
"""The functions of arrays by name."""
