"""What calls and control flow are called in jaxprs, and how an equation is applied to arrays.

Boundary: knows no rule of any primitive.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def closed_parts(called: Any) -> tuple[Any, Sequence[Any]]:
    """Return the jaxpr and the constants of what a call holds, closed or not."""
    return getattr(called, "jaxpr", called), getattr(called, "consts", ())


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
