"""JAX's loops and branches unrolled, so that the operations inside can be watched.

A branch becomes a `where` between the results of all branches, a loop a sequence of its bodies; the
rest of a long loop runs as it is.  Operations of branches that are not taken, and of loops that
have ended, are marked as not active.

Boundary: knows how JAX writes control flow; nothing of kinks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from jax.extend.core import jaxpr_as_fun

from jaccli.derivative.primitives import bind, scan_of, while_of

_STEPS = 1_000
"""Maximum number of equations of all unrolled turns of a loop."""
_TURNS = 40
"""Maximum number of watched turns of a loop of unknown length."""

Run = Callable[[Any, Sequence[Any], Any], list[Any]]
"""Runs a closed jaxpr on arrays, while what it computes counts (`active`)."""


def scan(eqn: Any, arrays: Sequence[Any], active: Any, run: Run) -> list[Any] | None:
    """Return the results of a `scan`, or None if it is too long."""
    parts = scan_of(eqn)
    length, body, consts, carry = parts.length, parts.body, parts.consts, parts.carry
    if not length or length * len(body.jaxpr.eqns) > _STEPS:
        return None
    state = list(arrays[consts : consts + carry])
    rows: list[list[Any]] = [[] for _ in range(length)]
    for turn in range(length)[:: -1 if parts.reverse else 1]:
        given = [x[turn] for x in arrays[consts + carry :]]
        results = run(body, [*arrays[:consts], *state, *given], active)
        state, rows[turn] = results[:carry], results[carry:]
    return [*state, *(jnp.stack(each) for each in zip(*rows, strict=True))]


def loop(eqn: Any, arrays: Sequence[Any], active: Any, run: Run) -> list[Any] | None:
    """Return the results of a `while`, with its first turns watched; None under vmap."""
    parts = while_of(eqn)
    condition, body, begin = parts.condition, parts.body, parts.ends + parts.consts
    ends, consts = list(arrays[: parts.ends]), list(arrays[parts.ends : begin])
    state = list(arrays[begin:])
    if any(jnp.ndim(v.aval) for v in condition.jaxpr.outvars):  # under vmap
        return None
    for _ in range(min(_TURNS, _STEPS // max(1, len(body.jaxpr.eqns)))):
        goes_on = jaxpr_as_fun(condition)(*ends, *state)[0]
        after = run(body, [*consts, *state], active & goes_on)
        state = [jnp.where(goes_on, new, old) for new, old in zip(after, state, strict=True)]
    return bind(eqn, [*ends, *consts, *state])


def branches(eqn: Any, arrays: Sequence[Any], active: Any, run: Run) -> list[list[Any]]:
    """Return the results of every branch of a `cond`."""
    index, *operands = arrays
    return [
        run(branch, operands, active & (index == number))
        for number, branch in enumerate(eqn.params["branches"])
    ]


def inner(eqn: Any) -> list[Any]:
    """Return the closed jaxprs of a loop or of branches; none of anything else."""
    match eqn.primitive.name:
        case "scan":
            return [eqn.params["jaxpr"]]
        case "while":
            return [eqn.params["body_jaxpr"]]
        case "cond":
            return list(eqn.params["branches"])
        case _:
            return []
