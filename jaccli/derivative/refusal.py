"""Errors of JAX's differentiation in one sentence: the operation, its line, modes that work.

Boundary: reads errors and facts; traces operators to find one that works, runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import jax

from jaccli.derivative import structure_losses
from jaccli.derivative.constants import is_inexact
from jaccli.derivative.jaxprs import contains, dependent, inner_jaxprs
from jaccli.derivative.primitives import bind
from jaccli.derivative.structure_losses import StructureError, reason
from jaccli.derivative.trace_info import TraceInfo, of_moving

_KNOWN = (
    ("Reverse-mode differentiation does not work for lax.while_loop", "while"),
    ("for +: 'NoneType' and 'tuple'", "while"),
    ("can't apply forward-mode autodiff (jvp) to a custom_vjp", "custom_vjp_call"),
    ("custom_lin", "custom_vjp_call"),
)
"""Parts of JAX's messages, and the operation that each is about."""
_SENTENCES = {
    "while": "reverse mode does not go through a `while_loop`",
    "custom_vjp_call": "forward mode does not go through a function with a custom_vjp",
}


class NotDifferentiable(TypeError):
    """JAX has no way to differentiate a function as asked; the message is one sentence."""


def explained(error: Exception, facts: TraceInfo) -> str:
    """Return why an operator could not be traced, with the user's line where that is known."""
    text = str(error)
    for part, operation in _KNOWN:
        if part in text:
            line = _line(facts.jaxpr.jaxpr, operation)
            return _SENTENCES[operation] + (f" ({line})" if line else "")
    if isinstance(error, StructureError):
        return f"fails on {text}"
    line = _line_that_raises(facts.jaxpr.jaxpr, reason(error), set())
    return reason(error) + (f" ({line})" if line else "")


def _line_that_raises(jaxpr: Any, text: str, fine: set[str]) -> str:
    """Return the line of the operation whose own derivative JAX refuses in these words.

    `fine` are kinds of operations that were tried already.
    """
    moved = set(jaxpr.invars)
    for eqn in dependent(jaxpr, moved):
        if eqn.primitive.name == "stop_gradient":
            moved.difference_update(eqn.outvars)
            continue
        kind = f"{eqn.primitive} {eqn.params} {[v.aval for v in eqn.invars]}"
        if kind not in fine:
            fine.add(kind)
            if _raises(eqn, text):
                within = (_line_that_raises(j, text, fine) for j in inner_jaxprs(eqn.params))
                return next(filter(None, within), "") or structure_losses.line(eqn)
    return ""


def _raises(eqn: Any, text: str) -> bool:
    """Return whether a first or second derivative of one equation is refused in these words."""
    avals = [v.aval for v in eqn.invars]
    moving = [k for k, aval in enumerate(avals) if is_inexact(aval.dtype)]
    if not moving:
        return False

    by_moving = partial(of_moving, lambda *full: bind(eqn, full), moving)

    def pushed(args: Sequence[Any], *given: Any) -> Any:
        return jax.jvp(partial(by_moving, args), given, given)[1]

    def twice(*args: Any) -> Any:
        given = [args[k] for k in moving]
        return jax.jvp(partial(pushed, args), given, given)[1]

    def pulled(*args: Any) -> Any:
        out, pull = jax.vjp(partial(by_moving, args), *(args[k] for k in moving))
        return pull(out)

    for derivative in (twice, pulled):
        try:
            jax.eval_shape(derivative, *avals)
        except Exception as error:  # whatever JAX raises: its words are compared
            if reason(error) == text:
                return True
    return False


def _line(jaxpr: Any, operation: str) -> str:
    """Return the user's line of such an operation, or of what calls it; "" if none is known."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == operation:
            return structure_losses.line(eqn)
        for inner in inner_jaxprs(eqn.params):
            if contains(inner, operation):
                return _line(inner, operation) or structure_losses.line(eqn)
    return ""


def working(names: Iterable[str], traces: Callable[[str], object]) -> list[str]:
    """Return the operators among `names` that `traces` does not raise for."""
    operators = []
    for name in names:
        try:
            traces(name)
        except Exception:  # whatever JAX raises, this way is none
            continue
        operators.append(name)
    return operators


def advice(works: Iterable[str]) -> str:
    """Return a hint that names the modes that work."""
    modes = list(works)
    return f"Use --mode {' or '.join(modes)}." if modes else "No mode differentiates it."
