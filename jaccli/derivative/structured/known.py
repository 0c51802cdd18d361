"""Integers known while tracing: indices and masks that a program computes from constants alone.

They make links possible: `x[np.array([2, 0])]` reaches the interpreter as `lt`, `add`, `select_n`
and `broadcast_in_dim` of a constant, then a `gather`.

Boundary: numpy only; what is not in the table is simply not known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaccli.derivative.structured.registry import Equation

Params = dict[str, Any]


def known(value: Any) -> Any:
    """Return a concrete integer or boolean array as numpy's, anything else as it is."""
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        return np.asarray(value) if is_whole(value.dtype) and value.is_fully_addressable else value
    return value


def is_whole(dtype: Any) -> bool:
    """Return whether a dtype is of integers or booleans."""
    return bool(np.issubdtype(dtype, np.integer)) or dtype == np.bool_


def evaluate(eqn: Equation, operands: Sequence[Any]) -> np.ndarray | None:
    """Return the equation's result if it is of known integers, else None."""
    compute = _TABLE.get(eqn.primitive.name)
    if compute is None:
        return None
    aval = eqn.outvars[0].aval
    if not is_whole(aval.dtype):
        return None
    if not all(isinstance(x, np.ndarray | np.generic | int) for x in operands):
        return None
    with np.errstate(all="ignore"):
        arrays = [np.asarray(x, v.aval.dtype) for x, v in zip(operands, eqn.invars, strict=True)]
        return np.broadcast_to(compute(eqn.params, *arrays), aval.shape).astype(aval.dtype)


def _elementwise(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda params, *x: f(*x)


def _broadcast(params: Params, x: np.ndarray) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for d, axis in enumerate(params["broadcast_dimensions"]):
        shape[axis] = x.shape[d]
    return np.broadcast_to(x.reshape(shape), params["shape"])


def _reshape(params: Params, x: np.ndarray) -> np.ndarray:
    first = params["dimensions"]  # `lax.reshape` may permute before
    return (x if first is None else x.transpose(first)).reshape(params["new_sizes"])


def _iota(params: Params) -> np.ndarray:
    shape = [1] * len(params["shape"])
    shape[params["dimension"]] = -1
    return np.arange(params["shape"][params["dimension"]]).reshape(shape)


def _slice(params: Params, x: np.ndarray) -> np.ndarray:
    strides = params["strides"] or (1,) * x.ndim
    starts, limits = params["start_indices"], params["limit_indices"]
    return x[tuple(map(slice, starts, limits, strides))]


def _select(params: Params, which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    which, *cases = np.broadcast_arrays(which.astype(np.intp), *cases)  # type: ignore[assignment]
    chosen: np.ndarray = np.take_along_axis(np.stack(cases), which[None], 0)[0]
    return chosen


_TABLE: dict[str, Callable[..., Any]] = {
    "add": _elementwise(np.add),
    "sub": _elementwise(np.subtract),
    "mul": _elementwise(np.multiply),
    "neg": _elementwise(np.negative),
    "max": _elementwise(np.maximum),
    "min": _elementwise(np.minimum),
    "lt": _elementwise(np.less),
    "le": _elementwise(np.less_equal),
    "gt": _elementwise(np.greater),
    "ge": _elementwise(np.greater_equal),
    "eq": _elementwise(np.equal),
    "ne": _elementwise(np.not_equal),
    "and": _elementwise(np.bitwise_and),
    "or": _elementwise(np.bitwise_or),
    "not": _elementwise(np.bitwise_not),
    "sign": _elementwise(np.sign),
    "clamp": _elementwise(lambda low, x, high: np.clip(x, low, high)),
    "copy": _elementwise(np.array),
    "stop_gradient": _elementwise(np.array),
    "convert_element_type": _elementwise(np.array),
    "select_n": _select,
    "iota": _iota,
    "broadcast_in_dim": _broadcast,
    "slice": _slice,
    "reshape": _reshape,
    "squeeze": lambda params, x: x.squeeze(tuple(params["dimensions"])),
    "transpose": lambda params, x: x.transpose(params["permutation"]),
    "rev": lambda params, x: np.flip(x, params["dimensions"]),
    "stack": lambda params, *x: np.stack(x, params["axis"]),
    "concatenate": lambda params, *x: np.concatenate(x, params["dimension"]),
}
