"""What the person's terminal is like, as far as the environment tells.

A session of the service has the environment of its client, in its context; that of this process is
never changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from jaccli import context

SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")
"""The environment's variables that hold a size; the last one is Typer's."""
VARIABLES = (
    "COLUMNS", "LINES", "TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE",
    "TTY_INTERACTIVE",
)  # fmt: skip
"""The environment's variables that say how to print."""
_DIGITS = 4
"""Digits of a size at most: a line of help is filled to its end."""
_WIDTH = 80
"""Columns where nobody says how many there are."""


def environment() -> Mapping[str, str]:
    """Return the environment of the terminal."""
    lent = context.current().environment
    return os.environ if lent is None else lent


def sound(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without sizes that no terminal has."""
    return {
        name: text
        for name, text in environment.items()
        if name not in SIZES or size(text) is not None
    }


def columns() -> int:
    """Return how many columns there are: by COLUMNS, else of the terminal on a standard stream."""
    found = size(environment().get("COLUMNS", ""))
    if found is not None:
        return found
    return _columns_here() if context.current().environment is None else _WIDTH


def room() -> int | None:
    """Return the columns that a table has on the terminal; None where output goes elsewhere."""
    return columns() if context.current().is_terminal else None


def size(text: str) -> int | None:
    """Return the size that a variable gives; None where it gives none that a terminal has."""
    sound = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) or None if sound else None


def described() -> dict[str, str]:
    """Return what the environment says, the columns always among it."""
    said = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return said | {"COLUMNS": str(columns())}


def _columns_here() -> int:
    for stream in range(3):
        try:
            return os.get_terminal_size(stream).columns or _WIDTH
        except OSError:
            continue
    return _WIDTH


_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "?")
"""Characters by which a terminal is told what to do, but for the tab and the end of a line."""


def shown(text: str) -> str:
    """Return a text that a terminal only shows: names and labels in files may be any characters.

    Every character stays one, so that carets below them point at what they did.
    """
    return text.translate(_CONTROLS)
