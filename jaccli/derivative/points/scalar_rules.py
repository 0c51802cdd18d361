"""What each primitive does to arrays of single numbers: one entry of `RULES` for each.

A rule takes what is left of the budget, the equation and its operands, and returns its results.

Boundary: applies JAX's primitives to scalars alone; what moves elements is numpy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import lax

from jaccli.derivative import constants, positions

Array = np.ndarray
Rule = Callable[..., list[Array]]


class NotScalar(Exception):
    """Raised where a function is not taken apart into numbers; its text is what stands against."""


@dataclass
class Budget:
    """How many operations on numbers may still be taken."""

    left: int

    def spend(self, count: int) -> None:
        """Take `count` operations off.

        Raises:
            NotScalar: there are not as many left.
        """
        self.left -= count
        if self.left < 0:
            raise NotScalar("too many operations")


def objects(values: Sequence[Any], shape: tuple[int, ...]) -> Array:
    """Return numbers and traced scalars as an array."""
    array = np.empty(len(values), object)
    for k, value in enumerate(values):  # at once, numpy would ask what JAX traces for its numbers
        array[k] = value
    return array.reshape(shape)


def scalars(array: Array) -> list[Any]:
    """Return the elements of an array, those that are numbers with the array's dtype."""
    return list(array.reshape(-1)) if array.size else []


def _each(budget: Budget, apply: Callable[..., Any], *operands: Array) -> Array:
    """Apply a function of scalars to the elements of arrays that broadcast."""
    spread = np.broadcast_arrays(*operands)
    budget.spend(spread[0].size)
    values = [apply(*group) for group in zip(*map(scalars, spread), strict=True)]
    return objects(values, spread[0].shape)


def _elementwise(budget: Budget, eqn: Any, *operands: Array) -> list[Array]:
    dtypes = [v.aval.dtype for v in eqn.invars]

    def apply(*group: Any) -> Any:
        numbers = [_number(x, dtype) for x, dtype in zip(group, dtypes, strict=True)]
        if any(map(_is_traced, numbers)):
            return eqn.primitive.bind(*numbers, **eqn.params)
        found = constants.evaluate(eqn, numbers)
        if found is not None:
            return found[0].reshape(-1)[0]
        return _now(lambda: eqn.primitive.bind(*numbers, **eqn.params))

    return [_each(budget, apply, *operands)]


def _converted(budget: Budget, eqn: Any, x: Array) -> list[Array]:
    dtype, given = eqn.params["new_dtype"], eqn.invars[0].aval.dtype

    def apply(value: Any) -> Any:
        number = _number(value, given)
        if _is_traced(number):
            return lax.convert_element_type(number, dtype)
        return _now(lambda: lax.convert_element_type(number, dtype))

    return [_each(budget, apply, x)]


def _is_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)


def _now(compute: Callable[[], Any]) -> Array:
    """Return what JAX computes from numbers, as a number and not as part of the program."""
    with jax.ensure_compile_time_eval():
        return np.asarray(compute())


def _pairwise(of_jax: Callable[..., Any], of_numpy: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation on two numbers that IEEE 754 rounds, which numpy does where it can."""

    def combine(a: Any, b: Any) -> Any:
        return of_jax(a, b) if _is_traced(a) or _is_traced(b) else of_numpy(a, b)

    return combine


_ADD = _pairwise(lax.add, np.add)
_MULTIPLY = _pairwise(lax.mul, np.multiply)
_MAX, _MIN = _pairwise(lax.max, np.maximum), _pairwise(lax.min, np.minimum)
_AND = _pairwise(lax.bitwise_and, np.bitwise_and)
_OR = _pairwise(lax.bitwise_or, np.bitwise_or)


def _number(x: Any, dtype: Any) -> Any:
    """Return a scalar that a primitive takes."""
    return x if _is_traced(x) else np.asarray(x, dtype)


def _select(budget: Budget, eqn: Any, which: Array, *cases: Array) -> list[Array]:
    return [chosen(budget, which, list(cases), eqn.outvars[0].aval.dtype)]


def chosen(budget: Budget, which: Array, cases: list[Array], dtype: Any) -> Array:
    """Return the elements of the cases that `which` (booleans or int32) says."""

    def pick(index: Any, *values: Any) -> Any:
        if not _is_traced(index):
            return values[min(max(int(index), 0), len(values) - 1)]
        if all(value is values[0] for value in values):
            return values[0]
        return lax.select_n(index, *(_number(value, dtype) for value in values))

    return _each(budget, pick, which, *cases)


def _moved(budget: Budget, eqn: Any, x: Array, *indices: Array) -> list[Array]:
    """Read the elements where the primitive does."""
    filler: Any = None
    if eqn.primitive.name == "pad":
        filler = scalars(indices[0])[0]
        at = positions.read_positions(eqn)
    else:
        if any(index.dtype == object for index in indices):
            raise NotScalar(f"{eqn.primitive.name} at places that points have for themselves")
        at = positions.read_positions(eqn, *indices)
    outside = at is None or (eqn.primitive.name != "pad" and (at < 0).any())
    if at is None or outside:
        raise NotScalar(eqn.primitive.name)
    values = scalars(x)
    taken = [values[i] if i >= 0 else filler for i in at.reshape(-1)]
    return [objects(taken, at.shape)]


def _scattered(add: bool) -> Rule:
    """Return the rule of a scatter to places that are known."""

    def rule(budget: Budget, eqn: Any, x: Array, indices: Array, updates: Array) -> list[Array]:
        if indices.dtype == object:
            raise NotScalar(f"{eqn.primitive.name} at places that points have for themselves")
        to = positions.write_positions(eqn, indices, updates.shape)
        if to is None:
            raise NotScalar(eqn.primitive.name)
        values, dtype = scalars(x), eqn.outvars[0].aval.dtype
        places = to.reshape(-1)
        written = places[places >= 0]
        if not add and np.unique(written).size != written.size:
            raise NotScalar("which of several updates is last is not defined")
        budget.spend(int(written.size))
        for place, update in zip(places, scalars(updates), strict=True):
            if place >= 0:
                old = values[place]
                new = _ADD(_number(old, dtype), _number(update, dtype)) if add else update
                values[place] = new
        return [objects(values, x.shape)]

    return rule


def _update_slice(budget: Budget, eqn: Any, x: Array, update: Array, *starts: Array) -> list[Array]:
    if any(start.dtype == object for start in starts):
        raise NotScalar("dynamic_update_slice at places that points have for themselves")
    first = positions.corner(x.shape, update.shape, starts)
    out = objects(scalars(x), x.shape)
    where = tuple(slice(i, i + m) for i, m in zip(first, update.shape, strict=True))
    out[where] = objects(scalars(update), update.shape)
    return [out]


def _concatenated(budget: Budget, eqn: Any, *parts: Array) -> list[Array]:
    same = [objects(scalars(x), x.shape) for x in parts]
    return [np.concatenate(same, eqn.params["dimension"])]


def _stacked(budget: Budget, eqn: Any, *parts: Array) -> list[Array]:
    same = [objects(scalars(x), x.shape) for x in parts]
    return [np.stack(same, eqn.params["axis"])]


def _split(budget: Budget, eqn: Any, x: Array) -> list[Array]:
    return list(np.split(x, np.cumsum(eqn.params["sizes"])[:-1], eqn.params["axis"]))


def _combined(
    budget: Budget, combine: Callable[[Any, Any], Any], values: Sequence[Any], dtype: Any
) -> Any:
    """Combine numbers from the left."""
    budget.spend(len(values) - 1)
    total = values[0]
    for value in values[1:]:
        total = combine(_number(total, dtype), _number(value, dtype))
    return total


def _reduced(combine: Callable[[Any, Any], Any], start: Any = None) -> Rule:
    """Return the rule of a reduction; `start` is the result of no numbers, if there is one."""

    def rule(budget: Budget, eqn: Any, x: Array) -> list[Array]:
        axes, dtype = tuple(eqn.params["axes"]), eqn.invars[0].aval.dtype
        kept = tuple(d for d in range(x.ndim) if d not in axes)
        shape = tuple(x.shape[d] for d in kept)
        length = math.prod(x.shape[d] for d in axes)
        if not length and start is None:
            raise NotScalar("the largest of no numbers")
        rows = x.transpose(*kept, *axes).reshape(math.prod(shape), length)
        values = [
            _combined(budget, combine, scalars(row), dtype) if length else np.asarray(start, dtype)
            for row in rows
        ]
        return [objects(values, shape)]

    return rule


def _running(combine: Callable[[Any, Any], Any]) -> Rule:
    """Return the rule of a cumulative operation."""

    def rule(budget: Budget, eqn: Any, x: Array) -> list[Array]:
        axis, dtype = eqn.params["axis"], eqn.invars[0].aval.dtype
        budget.spend(x.size)
        rows = np.moveaxis(objects(scalars(x), x.shape), axis, 0)
        rows = rows[::-1] if eqn.params["reverse"] else rows
        done: list[Array] = []
        for k in range(len(rows)):
            row = rows[k, ...]  # with the dots an array, of one number too
            if done:
                pairs = zip(scalars(done[-1]), scalars(row), strict=True)
                row = objects(
                    [combine(_number(a, dtype), _number(b, dtype)) for a, b in pairs], row.shape
                )
            done.append(row)
        if not done:
            return [x]
        ordered = done[::-1] if eqn.params["reverse"] else done
        return [np.moveaxis(np.stack(ordered), 0, axis)]

    return rule


def _product(budget: Budget, eqn: Any, a: Array, b: Array) -> list[Array]:
    (ca, cb), (ba, bb) = eqn.params["dimension_numbers"]
    out = eqn.outvars[0].aval

    def matrices(x: Array, summed: Sequence[int], batch: Sequence[int], dtype: Any) -> Any:
        free = [d for d in range(x.ndim) if d not in (*summed, *batch)]
        sizes = [math.prod(x.shape[d] for d in dims) for dims in (batch, free, summed)]
        values = objects([_number(v, dtype) for v in scalars(x)], x.shape)
        if dtype != out.dtype:
            raise NotScalar("a product of two dtypes")
        return values.transpose(*batch, *free, *summed).reshape(sizes)

    left = matrices(a, ca, ba, eqn.invars[0].aval.dtype)
    right = matrices(b, cb, bb, eqn.invars[1].aval.dtype)
    length = left.shape[2]
    budget.spend(2 * left.shape[0] * left.shape[1] * right.shape[1] * length)
    values: list[Any] = []
    for rows, columns in zip(left, right, strict=True):
        for row in rows:
            for column in columns:
                terms = [_MULTIPLY(x, y) for x, y in zip(row, column, strict=True)]
                values.append(
                    _combined(budget, _ADD, terms, out.dtype) if terms else np.zeros((), out.dtype)
                )
    return [objects(values, out.shape)]


def _as_it_is(budget: Budget, eqn: Any, *operands: Array) -> list[Array]:
    return list(operands)


_ELEMENTWISE = (
    "add", "add_any", "sub", "mul", "div", "rem", "neg", "abs", "sign", "square", "integer_pow",
    "pow", "sqrt", "rsqrt", "cbrt", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan",
    "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "logistic",
    "erf", "erfc", "erf_inv", "floor", "ceil", "round", "max", "min", "clamp", "is_finite",
    "nextafter", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor", "not",
)  # fmt: skip
RULES: dict[str, Rule] = {
    **dict.fromkeys(_ELEMENTWISE, _elementwise),
    **dict.fromkeys(
        ("broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "rev", "pad", "tile",
         "gather", "dynamic_slice"),
        _moved,
    ),
    "convert_element_type": _converted,
    "select_n": _select,
    "dynamic_update_slice": _update_slice,
    "scatter": _scattered(add=False),
    "scatter-add": _scattered(add=True),
    "concatenate": _concatenated,
    "split": _split,
    "stack": _stacked,
    "reduce_sum": _reduced(_ADD, 0),
    "reduce_prod": _reduced(_MULTIPLY, 1),
    "reduce_max": _reduced(_MAX),
    "reduce_min": _reduced(_MIN),
    "reduce_and": _reduced(_AND),
    "reduce_or": _reduced(_OR),
    "cumsum": _running(_ADD),
    "cumprod": _running(_MULTIPLY),
    "cummax": _running(_MAX),
    "cummin": _running(_MIN),
    "dot_general": _product,
    "copy": _as_it_is,
    "copy_p": _as_it_is,
    "stop_gradient": _as_it_is,
    "optimization_barrier": _as_it_is,
    "name": _as_it_is,
}  # fmt: skip
"""The rule of each primitive: `rule(budget, eqn, *operands)`."""
