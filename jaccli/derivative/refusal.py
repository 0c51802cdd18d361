"""What JAX refuses to differentiate, in one sentence: the operation, its line, what works.

Boundary: reads errors and facts; traces operators to find one that works, runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jaccli.derivative import losses
from jaccli.derivative.facts import Facts, contains, inner_jaxprs
from jaccli.derivative.losses import StructureError, reason

_KNOWN = (
    ("Reverse-mode differentiation does not work for lax.while_loop", "while"),
    ("for +: 'NoneType' and 'tuple'", "while"),
    ("can't apply forward-mode autodiff (jvp) to a custom_vjp", "custom_vjp_call"),
    ("custom_lin", "custom_vjp_call"),
)
"""Parts of JAX's texts, and the operation that bars the way."""
_SENTENCES = {
    "while": "reverse mode does not go through a `while_loop`",
    "custom_vjp_call": "forward mode does not go through a function with a custom_vjp",
}


class Refused(TypeError):
    """JAX has no way to differentiate a function as asked; the message is one sentence."""


def explained(error: Exception, facts: Facts) -> str:
    """Return why an operator could not be traced, with the user's line where that is known."""
    text = str(error)
    for part, operation in _KNOWN:
        if part in text:
            line = _line(facts.jaxpr.jaxpr, operation)
            return _SENTENCES[operation] + (f" ({line})" if line else "")
    if isinstance(error, StructureError):
        return f"the structured engine fails on {text}"
    return f"{reason(error)}" if text.strip() else type(error).__name__


def _line(jaxpr: Any, operation: str) -> str:
    """Return the user's line of such an operation, or of what calls it; "" if none is known."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == operation:
            return losses.line(eqn)
        for inner in inner_jaxprs(eqn.params):
            if contains(inner, operation):
                return _line(inner, operation) or losses.line(eqn)
    return ""


def working(names: Iterable[str], traces: Callable[[str], object]) -> list[str]:
    """Return the operators among `names` that `traces` does not raise for."""
    found = []
    for name in names:
        try:
            traces(name)
        except Exception:  # whatever JAX raises, this way is none
            continue
        found.append(name)
    return found


def advice(works: Iterable[str]) -> str:
    """Return which modes work, in words."""
    modes = list(works)
    return f"Use --mode {' or '.join(modes)}." if modes else "No mode differentiates it."
