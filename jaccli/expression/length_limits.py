"""Limits on the text of an expression, checked before Python's parser sees it.

The parser recurses in C, so the text it gets is short, its brackets match and nest little, and
its strings are plain.  Works on characters only; knows nothing of the language's meaning.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LENGTH = 20_000
MAX_PROBLEMS = 20
"""Maximum number of problems that are reported for one expression."""
MAX_NESTING = 100
"""Brackets within brackets, operations within operations."""

_DIGITS = 400
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(
    r"""
      (?P<comment>  \# [^\n]* )
    | (?P<triple>   '{3} | "{3} )
    | (?P<string>   (?P<prefix>\w*) (?: '[^'\n]*' | "[^"\n]*" ) )
    | (?P<unclosed> ['"] )
    | (?P<number>   (?<!\w) (?:\d | \.\d) [\w.]* )
    | (?P<signs>    (?: [-+~] \s* ){20,} )
    | (?P<open>     [(\[{] )
    | (?P<close>    [)\]}] )
    | (?P<name>     \w+ )
    | (?P<odd>      [\\$?`;] | !(?!=) | [^\s\x20-\x7e\w] | [\x0b\x0c\x1c-\x1f\x85] )
    """,
    re.VERBOSE,
)
_GLUED = re.compile(r"(0[xX][\da-fA-F_]+?|[\d_.]+(?:[eE]\d+)?)(and|else|for|if|in|is|not|or)")
"""A number that runs into a word: Python reads `1if` as two, with a warning."""


READ_AS = str.maketrans("−–·⋅×∙÷∕", "--****//")
"""Signs that are read as the operators that they look like, each one character for another."""
SYMBOLS = {"π": "pi"}
"""Letters that are read as the constants that they stand for."""
_WRITTEN = {
    "²": "Write **2.",
    "³": "Write **3.",
    "√": "Write sqrt(...).",
    "∛": "Write cbrt(...).",
    "∞": "Write inf.",
    "≤": "Write <=.",
    "≥": "Write >=.",
    "≠": "Write !=.",
    "∑": "Write sum(...).",
    "∏": "Write prod(...).",
    "!": "Write factorial(n) for n!.",
    "?": "Write A if CONDITION else B.",
    ";": "Every expression has an -e, or a name under model.expressions, of its own.",
    "\\": "Write solve(A, b) for A\\b.",
}
"""What to write in place of a sign."""
_RAISED = re.compile("[²³¹⁰⁴-⁹]")


class Fault(NamedTuple):
    """An error in `text[start:end]`."""

    message: str
    start: int
    end: int
    hint: str = ""


def short(source: str, limit: int = 60) -> str:
    """Return a piece of the text on one line, for a message: at most `limit` characters."""
    source = " ".join(source.split())
    return source if len(source) <= limit else f"{source[: limit - 1]}…"


def lexical_faults(text: str) -> list[Fault]:
    """Return the lexical errors of `text`; an empty list means that parsing it is safe."""
    if len(text) > MAX_LENGTH:
        return [
            Fault(
                f"the expression has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed",
                MAX_LENGTH,
                MAX_LENGTH + 1,
                "Name its parts under model.expressions, or use sum and matrix products.",
            )
        ]
    if all(line.strip()[:1] in ("", "#") for line in text.split("\n")):
        return [Fault("the expression is empty", 0, max(1, len(text)))]
    faults: list[Fault] = []
    opened: list[tuple[str, int]] = []
    for token in _TOKEN.finditer(text):
        kind, start = str(token.lastgroup), token.start()
        if kind == "open":
            opened.append((token[0], start))
            if len(opened) == MAX_NESTING + 1:
                message = f"the brackets nest deeper than {MAX_NESTING}"
                return [Fault(message, start, start + 1)]
        elif kind == "close":
            fault = _close(opened, token[0], start)
            if fault:
                return [*faults, fault]
        else:
            faults.extend(_token(kind, token))
    faults.extend(Fault(f"{bracket!r} is never closed", at, at + 1) for bracket, at in opened[-1:])
    return faults[:MAX_PROBLEMS]


def _close(opened: list[tuple[str, int]], bracket: str, start: int) -> Fault | None:
    """Close the innermost bracket."""
    if not opened:
        return Fault(f"{bracket!r} closes nothing", start, start + 1)
    opening, at = opened.pop()
    if _CLOSING[opening] != bracket:
        return Fault(f"{bracket!r} does not close {opening!r}", at, start + 1)
    return None


def _follows_name(token: re.Match[str]) -> bool:
    """Whether a token stands right behind a name or a bracket."""
    return bool(re.search(r"[\w)\]]\Z", token.string[: token.start()]))


def _token(kind: str, token: re.Match[str]) -> list[Fault]:
    """Return what is wrong with one token that is not a bracket."""
    start, end = token.span()
    if kind == "string" and token["prefix"]:
        message = f"strings have no prefix here, found {short(token[0])}"
        return [Fault(message, start, end, "Write a plain string: 'ij,j->i'.")]
    if kind == "triple":
        return [Fault("strings have single quotes here, found three", start, end)]
    if kind == "unclosed":
        hint = "Write transpose(x) for x'." if token[0] == "'" and _follows_name(token) else ""
        return [Fault("the string is never closed", start, end, hint)]
    if kind == "signs":
        return [Fault("too many signs in a row", start, end)]
    if kind == "odd":
        message = f"{token[0]!r} is not part of the expression language"
        return [Fault(message, start, end, _WRITTEN.get(token[0], ""))]
    raised = _RAISED.search(token[0]) if kind in ("name", "number") else None
    if raised:
        message = f"{raised[0]!r} is not part of the expression language"
        hint = _WRITTEN.get(raised[0], "Write ** for powers.")
        return [Fault(message, start + raised.start(), start + raised.end(), hint)]
    if kind == "number":
        if len(token[0]) > _DIGITS:
            message = f"the number has {len(token[0]):,} characters; at most {_DIGITS} are allowed"
            return [Fault(message, start, end)]
        glued = _GLUED.match(token[0])
        if glued:
            message = f"a space is missing in {short(token[0])!r}"
            return [Fault(message, start, end, f"Write '{short(glued[1])} {glued[2]}'.")]
    return []
