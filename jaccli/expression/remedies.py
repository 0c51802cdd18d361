"""What to write in place of mathematics that is written another way.

Patterns of texts that Python's parser refuses, for the sentence below the error alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaccli.expression.function_table import FUNCTIONS, SPELLINGS

_NAME = r"[A-Za-z_]\w*"
_WHERE = "Write A if CONDITION else B, or where(CONDITION, A, B)."


class _Remedy(NamedTuple):
    """A text that matches `pattern` at the error is answered by `advice`, filled with groups."""

    pattern: re.Pattern[str]
    advice: str


_SYNTAX = (
    _Remedy(re.compile(r"\s*if\b.*:"), _WHERE),
    _Remedy(
        re.compile(rf"\s*({_NAME})\s*\([\w\s,]*\)\s*=(?!=)\s*(.*\S)"),
        "Name the output alone: {1} = {2}.",
    ),
    _Remedy(re.compile(rf"\s*({_NAME})\s*=(?!=)\s*(.*\S)"), "Write expressions: {{{1}: {2}}}."),
    _Remedy(re.compile(r"\s*d\s*/\s*d\w+\s*(.*\S)"), "Give the function alone: {1}."),
    _Remedy(re.compile(r"[^|]*\|([^|]+)\|"), "Write abs({1})."),
    _Remedy(re.compile(r".*\*\s+\*"), "Write powers without a blank: x**2."),
)
_CALL = re.compile(rf"({_NAME})\s+({_NAME}|[\d.]+)")
_PRODUCT = re.compile(r"(?:[\d.]+|[)\]]|[A-Za-z_]\w*)[^\S\n]+[\w(]")
"""A value and another, with nothing but blanks between them."""


def remedy(text: str, start: int) -> str:
    """Return what to write in place of a text with a syntax error at `start`; it may be nothing."""
    for one in _SYNTAX:
        found = one.pattern.match(text)
        if found:
            return one.advice.format(found[0], *found.groups())
    found = _CALL.match(text, start)
    if found and (found[1] in FUNCTIONS or found[1] in SPELLINGS):
        return f"Write {found[1]}({found[2]})."
    return "Write products with '*': 2*x." if _PRODUCT.match(text, start) else ""
