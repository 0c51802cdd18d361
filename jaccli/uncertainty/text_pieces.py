"""Pieces of reports' texts: numbers to some digits, and text below a title."""

from __future__ import annotations

import math
from collections.abc import Callable

from jaccli.result.numerals import significant

Number = Callable[[float], str]
_INDENT = "  "


def rounded(digits: int | None) -> Number:
    """Return what writes numbers to so many significant digits; in full with None."""
    if digits is None:
        return lambda value: repr(float(value))
    return lambda value: significant(float(value) + 0.0, digits)  # no -0.0


def to_place(value: float, u: float, digits: int | None) -> str:
    """Return a value to the second digit of its uncertainty, to `digits` at least."""
    if digits is None:
        return repr(float(value))
    if value and u and math.isfinite(value) and math.isfinite(u):
        known = math.floor(math.log10(abs(value))) - math.floor(math.log10(u)) + 2
        digits = min(max(digits, known), 17)
    return significant(float(value) + 0.0, digits)


def block(title: str, text: str) -> str:
    """Return text below a title, indented."""
    return "\n".join([title, *(f"{_INDENT}{line}" for line in text.splitlines())])
