"""Names: which ones an expression may use, and which ones inputs and expressions may have.

Imports neither JAX nor numpy.
"""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Collection

from jaccli.errors import Place, Problem, expected, suggest
from jaccli.expression.function_table import CONSTANTS, FREE, FUNCTIONS, SPELLINGS
from jaccli.expression.length_limits import short
from jaccli.expression.syntax import Expression

_LISTED = 8
"""Maximum number of known names in a hint."""


def check_names(
    expression: Expression, known: Collection[str], *, hints: bool = True
) -> list[Problem]:
    """Return a problem for every name of the expression that is neither known nor a constant.

    `known` are the inputs and the expressions before this one.  Hints are expensive, so
    that very many problems should have none.
    """
    return [
        expression.problem(
            use,
            f"no input or expression named {short(use.id)!r}",
            _hint(use.id, known) if hints else "",
        )
        for use in expression.uses
        if use.id not in known and use.id not in CONSTANTS
    ]


def _hint(name: str, known: Collection[str]) -> str:
    """Return a suggestion for an unknown name."""
    close = suggest(name, [*known, *CONSTANTS] if len(name) > 2 else known)
    return close or _unknown(name, known)


def _unknown(name: str, known: Collection[str]) -> str:
    """Return the hint for a name that is close to no other."""
    name = short(name)
    function = FUNCTIONS.get(SPELLINGS.get(name, name))
    if function is not None:
        return f"As a function it is called: {function.signature}."
    if not known:
        return f"Give it a value: under inputs, or --at {name}=VALUE."
    # It may be a set: sorted, the message is the same every time.
    names = expected(map(short, sorted(known)), _LISTED).removesuffix(".")
    return f"{names}; or give it a value under inputs, or with --at {name}=VALUE."


def check_name(name: str, *, path: str = "", place: Place | None = None) -> list[Problem]:
    """Return the problems of a name for an input or an expression; empty if it is valid."""
    message = ""
    hint = "A name has letters, digits and underscores, and begins with a letter."
    if name in FUNCTIONS and name not in FREE:
        message = f"{name!r} is a function of the expression language"
        hint = f"Choose another name: {FUNCTIONS[name].signature} could not be called."
    elif keyword.iskeyword(name):
        message = f"{name!r} is a word of the expression language"
        hint = "Choose another name."
    elif not name.isidentifier() or name.startswith("__"):
        message = f"{name!r} is not a name"
    elif unicodedata.normalize("NFKC", name) != name:
        message = f"{name!r} is written with look-alike letters"
        hint = f"Write {unicodedata.normalize('NFKC', name)}."
    return [Problem(message, path, place, hint)] if message else []
