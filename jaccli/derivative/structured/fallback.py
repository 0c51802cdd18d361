"""What has no rule: one primitive applied to dense columns (or rows), all at once by `vmap`.

Boundary: knows of no particular primitive beyond which results of control flow depend on what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaccli.derivative.constants import is_inexact
from jaccli.derivative.jaxprs import chosen, depends
from jaccli.derivative.primitives import INLINED, bind, scan_of, while_of
from jaccli.derivative.structured.linear_map import (
    Linear,
    Seed,
    from_batch_of_seeds,
    with_batch_of_seeds,
    zeros,
)
from jaccli.derivative.structured.registry import Equation, Operand


def fallback(eqn: Equation, operands: Sequence[Operand]) -> list[Operand]:
    """Return the results of any linear primitive: `vmap` over the flattened seeds."""
    linear = [isinstance(x, Linear) and not x.is_zero for x in operands]
    seeds = sorted({s for x in operands if isinstance(x, Linear) for s in x.seeds})
    plain = [zeros(x) if isinstance(x, Linear) else x for x in operands]
    follows = dependent(eqn, [isinstance(x, Linear) for x in operands])
    if not seeds:
        results = bind(eqn, plain)
        return [
            Linear(tuple(y.shape), y.dtype, ()) if flag else y
            for y, flag in zip(results, follows, strict=True)
        ]
    moving = [
        with_batch_of_seeds(x, seeds) for x in operands if isinstance(x, Linear) and not x.is_zero
    ]

    def apply(*columns: Any) -> list[Any]:
        stream = iter(columns)
        return bind(
            eqn, [next(stream) if flag else x for x, flag in zip(plain, linear, strict=True)]
        )

    axis = _axis(seeds)
    results = _over_columns(apply, moving, axis)
    return [
        from_batch_of_seeds(y, seeds) if flag else lax.index_in_dim(y, 0, axis, keepdims=False)
        for y, flag in zip(results, follows, strict=True)
    ]


def densely(apply: Callable[..., list[Any]], operands: Sequence[Linear]) -> list[Linear]:
    """Return the results of a function of linear values, all dense, whatever the function is."""
    seeds = sorted({s for x in operands for s in x.seeds})
    columns = [with_batch_of_seeds(x, seeds) for x in operands]
    return [from_batch_of_seeds(y, seeds) for y in _over_columns(apply, columns, _axis(seeds))]


def _axis(seeds: Sequence[Seed]) -> int:
    return 0 if seeds[0].far_first else -1


def _over_columns(apply: Callable[..., list[Any]], moving: list[Any], axis: int) -> list[Any]:
    """Return `vmap` of a function; what JAX cannot batch is taken one column after another.

    One column alone is no batch, which XLA's loops would carry as a dim of size 1.
    """
    if moving[0].shape[axis] == 1:
        alone = apply(*(array.squeeze(axis) for array in moving))
        return [jnp.expand_dims(y, axis) for y in alone]
    try:
        return jax.vmap(apply, axis, axis)(*moving)
    except (TypeError, ValueError, NotImplementedError):
        columns = [jnp.moveaxis(array, axis, 0) for array in moving]
        results = lax.map(lambda each: apply(*each), columns)
        return [jnp.moveaxis(y, 0, axis) for y in results]


def dependent(eqn: Equation, linear: Sequence[bool]) -> list[bool]:
    """Return which results of an equation depend on its linear operands."""
    name, params = eqn.primitive.name, eqn.params
    if name == "scan":
        scan = scan_of(eqn)
        n = scan.consts
        return _fixpoint(scan.body.jaxpr, list(linear[:n]), linear[n:], scan.carry)
    if name == "while":
        loop = while_of(eqn)
        n, end = loop.ends, loop.ends + loop.consts
        start = linear[end:]
        return _fixpoint(loop.body.jaxpr, list(linear[n:end]), start, len(start))
    if name == "cond":
        branches = [reached(branch.jaxpr, linear[1:]) for branch in params["branches"]]
        return [any(flags) for flags in zip(*branches, strict=True)]
    return [is_inexact(v.aval.dtype) for v in eqn.outvars]


def _fixpoint(body: Any, consts: list[bool], rest: Sequence[bool], carry: int) -> list[bool]:
    """Return which results of a loop depend on its linear operands, its carry included."""
    state, xs = list(rest[:carry]), list(rest[carry:])
    while True:
        out = reached(body, [*consts, *state, *xs])
        grown = [a or b for a, b in zip(state, out[:carry], strict=True)]
        if grown == state:
            return [*state, *out[carry:]]
        state = grown


def reached(jaxpr: Any, linear: Sequence[bool]) -> list[bool]:
    """Return which results of a jaxpr depend on its linear arguments."""
    live = chosen(jaxpr.invars, linear)
    for eqn in jaxpr.eqns:
        flags = [depends(v, live) for v in eqn.invars]
        if any(flags):
            inner = eqn.params.get(INLINED.get(eqn.primitive.name, ""))
            called = getattr(inner, "jaxpr", inner)
            out = dependent(eqn, flags) if called is None else reached(called, flags)
            live |= chosen(eqn.outvars, out)
    return [depends(v, live) for v in jaxpr.outvars]
