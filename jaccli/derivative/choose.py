"""The mode that `auto` stands for, from sizes alone, with the reason in words.

Boundary: no JAX; sizes in, words out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """A mode and why it was chosen, in words for the user."""

    mode: str
    reason: str


def choose(derivative: str, inputs: int, outputs: int) -> Choice:
    """Return the mode for `inputs` numbers in and `outputs` numbers out (per batch row)."""
    return _RULES[derivative](inputs, outputs)


def _jacobian(inputs: int, outputs: int) -> Choice:
    """The fewer unit vectors, the less work; a jvp costs less than a vjp where they are equal."""
    sizes = f"{_count(inputs, 'input')}, {_count(outputs, 'output')}"
    if inputs <= outputs:
        return Choice("fwd", f"{sizes}: {_count(inputs, 'column')} by forward mode")
    return Choice("rev", f"{sizes}: {_count(outputs, 'row')} by reverse mode")


def _hessian(inputs: int, outputs: int) -> Choice:
    """The outer derivative has at least as many outputs as inputs, so it goes forward.

    The inner one goes forward up to twice as many inputs as outputs: tangents of a vjp cost more
    than the count says (five times in configs/forecast_hessian.yaml, with 32 inputs, 16 outputs).
    """
    inner = "fwd" if inputs <= (2 * outputs if outputs > 1 else 1) else "rev"
    sizes = f"{_count(inputs, 'input')}, {_count(outputs, 'output')}"
    return Choice(f"fwd-{inner}", f"{sizes}: forward over {_WORDS[inner]}")


def _hvp(inputs: int, outputs: int) -> Choice:
    return Choice("fwd-rev", "derivative of the gradient along the tangent, no Hessian formed")


def _only(reason: str) -> Choice:
    return Choice("auto", reason)


_WORDS = {"fwd": "forward", "rev": "reverse"}
_RULES = {
    "evaluate": lambda inputs, outputs: _only("no derivative"),
    "jvp": lambda inputs, outputs: Choice("fwd", "one tangent pushed forward"),
    "vjp": lambda inputs, outputs: Choice("rev", "one cotangent pulled back"),
    "gradient": _jacobian,
    "jacobian": _jacobian,
    "hessian": _hessian,
    "hvp": _hvp,
}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
