"""Which operator a mode stands for, from sizes and structure alone, with the reason in words.

One rule serves one-shot calls: it runs nothing and compiles one candidate.

Boundary: no JAX; facts in, words out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaccli.derivative.facts import Facts


@dataclass(frozen=True)
class Choice:
    """A mode, the operator that computes it, and why it was chosen, in words for the user.

    `mode` is the user's word (`structured`), `operator` the entry of the registry of operators
    (`structured-fwd`).
    """

    mode: str
    operator: str
    reason: str


def choose(derivative: str, facts: Facts, mode: str = "auto") -> Choice:
    """Return what `mode` stands for: `auto` and `structured` are decided, others are as asked."""
    if derivative in _RULES and mode in ("auto", "structured"):
        return _RULES[derivative](facts, mode == "structured")
    if mode == "auto":
        return _PRODUCTS[derivative]
    return Choice(mode, mode, "as asked")


def family(operator: str) -> str:
    """Return the mode that an operator belongs to, in the user's words."""
    return "structured" if operator.startswith("structured-") else operator


def _jacobian(facts: Facts, structured: bool) -> Choice:
    """Take the side with fewer unit vectors; one row or column has no structure to keep."""
    side, barred = _side(facts, facts.inputs <= facts.outputs)
    count = facts.inputs if side == "fwd" else facts.outputs
    what = _count(count, "column" if side == "fwd" else "row")
    if count <= 1 and not structured:
        return Choice(side, side, f"{_sizes(facts)}: {what} by {_WORDS[side]} mode{barred}")
    reason = f"{_sizes(facts)}: {_WORDS[side]}, zeros left out{barred}"
    return Choice("structured", f"structured-{side}", reason)


def _hessian(facts: Facts, structured: bool) -> Choice:
    """The outer derivative has at least as many outputs as inputs, so it goes forward."""
    side, barred = _side(facts, facts.inputs <= facts.outputs)
    way = f"fwd-{side}"
    words = f"forward over {_WORDS[side]}"
    if facts.inputs <= 1 and not structured:
        return Choice(way, way, f"{_sizes(facts)}: {words}{barred}")
    reason = f"{_sizes(facts)}: {words}, zeros left out{barred}"
    return Choice("structured", f"structured-{way}", reason)


def _side(facts: Facts, forward: bool) -> tuple[str, str]:
    """Return `fwd` or `rev`, and what bars the other where that decides."""
    if facts.no_reverse and not facts.no_forward:
        return "fwd", "" if forward else " (its loop has no reverse mode)"
    if facts.no_forward and not facts.no_reverse:
        return "rev", " (its custom rule has no forward mode)" if forward else ""
    return ("fwd" if forward else "rev"), ""


_WORDS = {"fwd": "forward", "rev": "reverse"}
_RULES = {"gradient": _jacobian, "jacobian": _jacobian, "hessian": _hessian}
_PRODUCTS = {
    "evaluate": Choice("auto", "auto", "no derivative"),
    "jvp": Choice("fwd", "fwd", "one tangent pushed forward"),
    "vjp": Choice("rev", "rev", "one cotangent pulled back"),
    "hvp": Choice(
        "fwd-rev",
        "fwd-rev",
        "derivative of the gradient along the tangent, no Hessian formed",
    ),
}


def _sizes(facts: Facts) -> str:
    return f"{_count(facts.inputs, 'input')}, {_count(facts.outputs, 'output')}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
