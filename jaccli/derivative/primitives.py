"""What calls and control flow are called in jaxprs, and how an equation is applied to arrays.

Boundary: knows no rule of any primitive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.source_info_util import current_name_stack, user_context

Equation = Any  # JaxprEqn, whose variables are typed too loosely to be of use

CALLS = {
    "jit": "jaxpr",
    "closed_call": "call_jaxpr",
}
"""Calls that stand for what they call, and the parameter that holds it."""

INLINED = {
    **CALLS,
    "remat2": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Calls that stand for what they call once the function has been differentiated."""


@dataclass(frozen=True)
class ScanParts:
    """What a `scan` equation holds: operands are `consts` constants, `carry` carried, then rows.

    Results are those carried, then rows.  `body` is closed.
    """

    body: Any
    consts: int
    carry: int
    length: int
    reverse: bool
    unroll: Any

    @property
    def how(self) -> dict[str, Any]:
        """What `lax.scan` is told beside what it runs."""
        return {"length": self.length, "reverse": self.reverse, "unroll": self.unroll}


def scan_of(eqn: Equation) -> ScanParts:
    """Return the parts of a `scan`."""
    params = eqn.params
    if "ft_in" in params:  # JAX 0.11.1 and newer: trees in place of counts
        consts, carry, _ = (len(list(part.vals)) for part in params["ft_in"].unpack())
    else:
        consts, carry = params["num_consts"], params["num_carry"]
    return ScanParts(
        params["jaxpr"], consts, carry, params["length"], params["reverse"], params["unroll"]
    )


@dataclass(frozen=True)
class WhileParts:
    """What a `while` equation holds: operands are the condition's constants, the body's, the carry.

    There are `ends` and `consts` of those constants; `condition` and `body` are closed.
    """

    condition: Any
    body: Any
    ends: int
    consts: int


def while_of(eqn: Equation) -> WhileParts:
    """Return the parts of a `while`."""
    params = eqn.params
    return WhileParts(
        params["cond_jaxpr"], params["body_jaxpr"], params["cond_nconsts"], params["body_nconsts"]
    )


def bind(eqn: Equation, operands: Sequence[Any]) -> list[Any]:
    """Apply the equation's primitive to arrays; what is traced keeps the user's line."""
    params = eqn.primitive.get_bind_params(eqn.params)
    if eqn.primitive.name.startswith("custom_"):
        # A user's rule gets them, and may index them by what is traced: numpy could not do that.
        operands = [jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in operands]
    source = eqn.source_info
    names = current_name_stack() + source.name_stack
    with user_context(source.traceback, name_stack=names), eqn.ctx.manager:
        results = eqn.primitive.bind(*operands, **params)
    return list(results) if eqn.primitive.multiple_results else [results]
