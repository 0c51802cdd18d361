"""Arrays that are known while tracing: constants, and results computed from constants alone.

Indices and masks decide where a derivative has entries: `x[(2 * i - 1) % n]` with `i =
jnp.arange(n)` reaches JAX as a dozen equations and a gather.  They are computed here in numpy, as
XLA would compute them, to the bit: integers and booleans, and of floating-point operations those
that IEEE 754 rounds correctly.

Boundary: numpy only; results of primitives that are not in the table are not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaccli.derivative import positions

Equation = Any  # JaxprEqn, whose variables are typed too loosely to be of use
Params = dict[str, Any]

LIMIT = 2**20
"""Elements of an array that is computed while tracing, at most."""


def known(value: Any) -> Any:
    """Return a concrete array of numbers as numpy's, anything else as it is."""
    if isinstance(value, jax.core.Tracer):
        return value
    if isinstance(value, np.ndarray | np.generic | int | float):
        return np.asarray(value)
    if isinstance(value, jax.Array) and value.is_fully_addressable:
        small = value.size <= LIMIT and value.dtype in (np.float32, np.float64)
        return np.asarray(value) if is_whole(value.dtype) or small else value
    return value


def is_known(value: Any) -> bool:
    """Return whether an operand is known while tracing."""
    return isinstance(value, np.ndarray | np.generic | int | float)


def is_whole(dtype: Any) -> bool:
    """Return whether a dtype is of integers or booleans."""
    return not _is_extended(dtype) and np.dtype(dtype).kind in "iub"


def is_inexact(dtype: Any) -> bool:
    """Return whether values of a dtype are differentiated: integers and random keys are not."""
    return not _is_extended(dtype) and bool(jax.numpy.issubdtype(dtype, np.inexact))


def _is_extended(dtype: Any) -> bool:
    return bool(jax.numpy.issubdtype(dtype, jax.dtypes.extended))


def constant(atom: Any) -> np.ndarray:
    """Return a literal of a jaxpr as an array of its dtype."""
    return np.asarray(atom.val, atom.aval.dtype)


def known_literal(atom: Any, otherwise: Any = None) -> Any:
    """Return the value of an operand written in a jaxpr, if numpy has it."""
    return constant(atom) if is_known(atom.val) else otherwise


def evaluate(eqn: Equation, operands: Sequence[Any], limit: int = LIMIT) -> list[Any] | None:
    """Return the equation's results if its operands are known and the table has it, else None.

    No result has more than `limit` elements.
    """
    compute = _TABLE.get(eqn.primitive.name)
    if compute is None or not all(map(is_known, operands)):
        return None
    avals = [v.aval for v in eqn.outvars]
    if any(math.prod(aval.shape) > limit or not _is_computed(aval.dtype) for aval in avals):
        return None
    arrays = [np.asarray(x, v.aval.dtype) for x, v in zip(operands, eqn.invars, strict=True)]
    if not all(_is_computed(array.dtype) for array in arrays):
        return None
    try:
        with np.errstate(all="ignore"):
            result = compute(eqn, *arrays)
    except (ArithmeticError, IndexError, TypeError, ValueError):  # XLA has a value for everything
        return None
    if result is None:
        return None
    results = result if isinstance(result, list) else [result]
    return [
        _shaped(np.asarray(y), aval.shape, aval.dtype)
        for y, aval in zip(results, avals, strict=True)
    ]


def _is_computed(dtype: Any) -> bool:
    return is_whole(dtype) or dtype in (np.float32, np.float64)


def _shaped(array: np.ndarray, shape: Any, dtype: Any) -> np.ndarray:
    array = array if array.dtype == dtype else array.astype(dtype)
    return array if array.shape == tuple(shape) else np.broadcast_to(array, shape)


def _elementwise(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda eqn, *x: f(*x)


def _whole(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f for integers alone: of floats, its result would depend on the order of sums."""
    return lambda eqn, *x: f(eqn, *x) if all(is_whole(a.dtype) for a in x) else None


def _divide(eqn: Equation, a: np.ndarray, b: np.ndarray) -> Any:
    if not is_whole(a.dtype):
        return a / b
    if not b.all():
        return None
    return _remainder_free(a, b)


def _remainder_free(a: np.ndarray, b: np.ndarray) -> Any:
    """Return a / b cut towards 0, as XLA divides integers."""
    return (a - np.fmod(a, b)) // b


def _remainder(eqn: Equation, a: np.ndarray, b: np.ndarray) -> Any:
    return np.fmod(a, b) if not is_whole(b.dtype) or b.all() else None


def _integer_pow(eqn: Equation, x: np.ndarray) -> Any:
    y = eqn.params["y"]
    if is_whole(x.dtype):
        return x**y if y >= 0 else None
    return x * x if y == 2 else None


def _convert(eqn: Equation, x: np.ndarray) -> Any:
    dtype = eqn.params["new_dtype"]
    if not _is_computed(dtype):
        return None
    if x.dtype.kind == "f" and is_whole(dtype) and np.dtype(dtype).kind != "b":
        info = np.iinfo(dtype)
        low, high = float(info.min), float(info.max) + 1  # XLA saturates beyond, numpy wraps
        if x.size and not (np.isfinite(x).all() and x.min() >= low and x.max() < high):
            return None
    return x.astype(dtype)


def _select(eqn: Equation, which: np.ndarray, *cases: np.ndarray) -> np.ndarray:
    if len(cases) == 2:
        return np.where(which.astype(np.bool_), cases[1], cases[0])
    which, *cases = np.broadcast_arrays(which.astype(np.intp), *cases)  # type: ignore[assignment]
    chosen: np.ndarray = np.take_along_axis(np.stack(cases), which[None], 0)[0]
    return chosen


def _iota(eqn: Equation) -> np.ndarray:
    params = eqn.params
    shape = [1] * len(params["shape"])
    shape[params["dimension"]] = -1
    return np.arange(params["shape"][params["dimension"]]).reshape(shape)


def _moved(eqn: Equation, x: np.ndarray, *indices: np.ndarray) -> Any:
    """Return the elements where the primitive reads them."""
    name = eqn.primitive.name
    if name == "broadcast_in_dim":  # as a view: what it repeats stays small
        shape = [1] * len(eqn.params["shape"])
        for d, axis in enumerate(eqn.params["broadcast_dimensions"]):
            shape[axis] = x.shape[d]
        return np.broadcast_to(x.reshape(shape), eqn.params["shape"])
    if name == "pad":
        return positions.padded(x, eqn.params["padding_config"], indices[0])
    at = positions.read_positions(eqn, *indices)
    if at is None:
        return None
    taken = x.reshape(-1)[at] if x.size else np.zeros(at.shape, x.dtype)
    if (at < 0).any():
        fill = eqn.params.get("fill_value")
        if fill is None:
            return None
        taken = np.where(at >= 0, taken, np.asarray(fill, x.dtype))
    return taken


def _scatter(eqn: Equation, x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> Any:
    name = eqn.primitive.name
    if name != "scatter" and not is_whole(x.dtype):
        return None
    to = positions.write_positions(eqn, indices, updates.shape)
    if to is None:
        return None
    kept = to.ravel() >= 0
    place, values = to.ravel()[kept], updates.ravel()[kept]
    if name == "scatter" and np.unique(place).size != place.size:
        return None  # which one is last is not defined
    out = x.flatten()
    _UPDATES[name](out, place, values)
    return out.reshape(x.shape)


def _set(out: np.ndarray, place: np.ndarray, values: np.ndarray) -> None:
    out[place] = values


_UPDATES: dict[str, Callable[..., None]] = {
    "scatter": _set,
    "scatter-add": np.add.at,
    "scatter-max": np.maximum.at,
    "scatter-min": np.minimum.at,
    "scatter-mul": np.multiply.at,
}


def _update_slice(eqn: Equation, x: np.ndarray, update: np.ndarray, *starts: np.ndarray) -> Any:
    first = positions.corner(x.shape, update.shape, starts)
    out = x.copy()
    out[tuple(slice(i, i + m) for i, m in zip(first, update.shape, strict=True))] = update
    return out


def _reduce(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda eqn, x: f(x, axis=tuple(eqn.params["axes"])) if x.size else None


def _reduce_sum(eqn: Equation, x: np.ndarray) -> Any:
    return np.sum(x, axis=tuple(eqn.params["axes"]), dtype=x.dtype)


def _extreme(f: Callable[..., Any]) -> Callable[..., Any]:
    def compute(eqn: Equation, x: np.ndarray) -> Any:
        if not x.size or (x.dtype.kind == "f" and np.isnan(x).any()):
            return None
        return f(x, axis=eqn.params["axes"][0])

    return compute


def _running(f: Callable[..., Any]) -> Callable[..., Any]:
    def compute(eqn: Equation, x: np.ndarray) -> Any:
        axis, back = eqn.params["axis"], eqn.params["reverse"]
        x = np.flip(x, axis) if back else x
        total = f(x, axis=axis, dtype=x.dtype)
        return np.flip(total, axis) if back else total

    return compute


def _sort(eqn: Equation, *arrays: np.ndarray) -> Any:
    if any(x.dtype.kind == "f" and np.isnan(x).any() for x in arrays):
        return None
    axis, keys = eqn.params["dimension"], arrays[: eqn.params["num_keys"]]
    order = np.lexsort(keys[::-1], axis=axis)  # stable; the last of its keys comes first
    return [np.take_along_axis(x, order, axis) for x in arrays]


def _split(eqn: Equation, x: np.ndarray) -> Any:
    return list(np.split(x, np.cumsum(eqn.params["sizes"])[:-1], eqn.params["axis"]))


def _product(eqn: Equation, a: np.ndarray, b: np.ndarray) -> Any:
    (ca, cb), (ba, bb) = eqn.params["dimension_numbers"]
    la = list(range(a.ndim))
    lb = list(range(a.ndim, a.ndim + b.ndim))
    for d, e in [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]:
        lb[e] = la[d]
    rest = [k for k in (*la, *lb) if k not in {*(la[d] for d in (*ca, *ba))}]
    a, b = (x.astype(eqn.outvars[0].aval.dtype) for x in (a, b))
    return np.einsum(a, la, b, lb, [*(la[d] for d in ba), *rest])


def _shift(f: Callable[..., Any]) -> Callable[..., Any]:
    def compute(eqn: Equation, x: np.ndarray, by: np.ndarray) -> Any:
        width = 8 * x.dtype.itemsize
        return f(x, by) if ((by >= 0) & (by < width)).all() else None

    return compute


def _shift_logically(x: np.ndarray, by: np.ndarray) -> Any:
    unsigned = x.view(f"u{x.dtype.itemsize}")
    return np.right_shift(unsigned, by.astype(unsigned.dtype)).view(x.dtype)


_TABLE: dict[str, Callable[..., Any]] = {
    "add": _elementwise(np.add),
    "add_any": _elementwise(np.add),
    "sub": _elementwise(np.subtract),
    "mul": _elementwise(np.multiply),
    "div": _divide,
    "rem": _remainder,
    "neg": _elementwise(np.negative),
    "abs": _elementwise(np.abs),
    "sign": _elementwise(np.sign),
    "square": _elementwise(np.square),
    "integer_pow": _integer_pow,
    "pow": _whole(lambda eqn, x, y: x**y if (y >= 0).all() else None),
    "sqrt": _elementwise(np.sqrt),
    "floor": _elementwise(np.floor),
    "ceil": _elementwise(np.ceil),
    "round": lambda eqn, x: (
        np.round(x) if int(eqn.params["rounding_method"]) == 1 else None  # to even
    ),
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
    "xor": _elementwise(np.bitwise_xor),
    "not": _elementwise(np.bitwise_not),
    "shift_left": _shift(np.left_shift),
    "shift_right_arithmetic": _shift(np.right_shift),
    "shift_right_logical": _shift(_shift_logically),
    "population_count": lambda eqn, x: np.bitwise_count(x.view(f"u{x.dtype.itemsize}")),
    "is_finite": _elementwise(np.isfinite),
    "clamp": _elementwise(lambda low, x, high: np.minimum(np.maximum(x, low), high)),
    "copy": _elementwise(np.array),
    "stop_gradient": _elementwise(np.array),
    "convert_element_type": _convert,
    "select_n": _select,
    "iota": _iota,
    "broadcast_in_dim": _moved,
    "slice": _moved,
    "reshape": _moved,
    "squeeze": _moved,
    "transpose": _moved,
    "rev": _moved,
    "pad": _moved,
    "tile": _moved,
    "gather": _moved,
    "dynamic_slice": _moved,
    "dynamic_update_slice": _update_slice,
    "scatter": _scatter,
    "scatter-add": _scatter,
    "scatter-max": _scatter,
    "scatter-min": _scatter,
    "scatter-mul": _scatter,
    "split": _split,
    "stack": lambda eqn, *x: np.stack(x, eqn.params["axis"]),
    "concatenate": lambda eqn, *x: np.concatenate(x, eqn.params["dimension"]),
    "sort": _sort,
    "reduce_sum": _whole(_reduce_sum),
    "reduce_max": _reduce(np.max),
    "reduce_min": _reduce(np.min),
    "reduce_and": _whole(_reduce(np.bitwise_and.reduce)),
    "reduce_or": _whole(_reduce(np.bitwise_or.reduce)),
    "argmax": _extreme(np.argmax),
    "argmin": _extreme(np.argmin),
    "cumsum": _whole(_running(np.cumsum)),
    "cumprod": _whole(_running(np.cumprod)),
    "cummax": _running(lambda x, axis, dtype: np.maximum.accumulate(x, axis)),
    "cummin": _running(lambda x, axis, dtype: np.minimum.accumulate(x, axis)),
    "dot_general": _whole(_product),
}
"""Each primitive in numpy: `compute(eqn, *operands)`, None where it would not be XLA's value."""
