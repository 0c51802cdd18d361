"""One loop over points for many results: XLA's reduction of several arrays, made to reduce nothing.

XLA's CPU compiler makes a loop of its own for each array that it writes, and computes again in each
what they have in common.  A reduction of several arrays by a function is one loop, whatever the
function is.  Here each array has a second axis of two equal numbers; the function looks at the last
of them and not at what it has so far, so that the compiler drops the first.

That a reduction may be asked for such a function is not XLA's promise: `works` tries it, once in a
process, on a program whose numbers are known.

Boundary: knows scalars and arrays of points alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_TWICE = 2


def over_points(
    f: Callable[..., Sequence[Any]],
    inputs: Sequence[jax.Array],
    dtypes: Sequence[Any],
    points: int,
) -> list[jax.Array]:
    """Return the results `(points,)` of a function of scalars, of the `dtypes`, for every point.

    `inputs` are of shape `(points,)`, or `()` if they are the same for all.  `f` is made of
    operations on scalars, and uses no other arrays.  All floats are of one dtype.
    """
    # A reduction has as many results as operands, of the same dtypes: each operand takes the place
    # of a result of its dtype, or has a place of its own, where nothing is computed.
    slots: list[tuple[int | None, int | None, Any]] = []
    free = list(range(len(inputs)))
    for k, dtype in enumerate(dtypes):
        own = next((i for i in free if inputs[i].dtype == dtype), None)
        if own is not None:
            free.remove(own)
        slots.append((own, k, dtype))
    slots += [(i, None, inputs[i].dtype) for i in free]
    while len(slots) < _TWICE:  # with one operand it is a usual reduction, of which XLA knows more
        slots.append((None, None, slots[0][2]))
    shape = (points, _TWICE)

    def operand(own: int | None, dtype: Any) -> Any:
        if own is None:
            return jnp.zeros(shape, dtype)
        x = inputs[own]
        return lax.broadcast_in_dim(x, shape, (0,) if x.ndim else ())

    def last(_: Any, values: Sequence[Any]) -> tuple[Any, ...]:
        args: list[Any] = [None] * len(inputs)
        for (own, _result, _dtype), value in zip(slots, values, strict=True):
            if own is not None:
                args[own] = value
        results = f(*args)
        return tuple(
            results[k] if k is not None else value
            for (_own, k, _dtype), value in zip(slots, values, strict=True)
        )

    operands = tuple(operand(own, dtype) for own, _, dtype in slots)
    starts = tuple(np.zeros((), dtype) for *_, dtype in slots)
    found = lax.reduce(operands, starts, last, (1,))
    if len(found) > len(dtypes):  # XLA's front end fails on results that nobody uses
        found = lax.optimization_barrier(tuple(found))
    return [y for y, (_, k, _dtype) in zip(found, slots, strict=True) if k is not None]


@cache
def works() -> bool:
    """Return whether XLA computes such a loop as it is meant, by a sum that is exact.

    The numbers differ from point to point, and neither order nor start of the reduction is to be
    seen in the results.
    """
    count = 1000

    def f(x: Any, y: Any, n: Any) -> list[Any]:
        return [x + y, x - 2 * y, n + 1, x * y]

    def loop(x: Any, y: Any, n: Any) -> list[Any]:
        dtypes = [np.dtype(np.float32)] * 2 + [np.dtype(np.int32), np.dtype(np.float32)]
        return over_points(f, [x, y, n], dtypes, count)

    x = np.arange(count, dtype=np.float32)
    y, n = x[::-1] + 3, np.arange(count, dtype=np.int32)
    try:
        with jax.ensure_compile_time_eval():
            found = jax.jit(loop)(x, y, n)
    except Exception:  # whatever it says, the usual way is open
        return False
    return all(
        np.array_equal(np.asarray(a), b)
        for a, b in zip(found, [x + y, x - 2 * y, n + 1, x * y], strict=True)
    )
