"""What JAX cannot trace in a user's function: the line, what it asks for, what to write instead.

JAX calls a function once, with tracers: arrays of a known shape without numbers.  Code that needs
the numbers raises one of its errors, and here is said in one sentence which code that is.

Boundary: reads errors and the lines of source files; imports neither JAX nor the user's code.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from jaccli import errors

_LIBRARY = re.compile(
    "|".join(
        (
            "^<",
            "/(?:site|dist)-packages/",
            *(f"^{re.escape(str(Path(file).parent))}/" for file in (os.__file__, errors.__file__)),
        )
    )
)
"""The files that are not the user's: installed packages, Python's own and this program's."""
LEAKED = (
    "uses a traced array that an earlier call kept (in a global, an attribute, a list or a cache), "
    "which ended with that call; return it from the function instead"
)
"""What is said of a tracer that has outlived its trace."""
_QUOTED = 80
"""Characters of a source line that are quoted at most."""


class UserLine(NamedTuple):
    """A line of the user's own code; `text` is empty where the source is not at hand."""

    file: str
    number: int
    text: str

    @property
    def place(self) -> str:
        """`model.py:5`."""
        return f"{Path(self.file).name}:{self.number}"


def is_users(file: str) -> bool:
    """Whether a source file is the user's own: of no library, and not this program's."""
    return not _LIBRARY.search(file)


def user_line(error: BaseException) -> UserLine | None:
    """Return the user's line that an error was raised in, or called what raised it."""
    found = None
    for frame in traceback.extract_tb(error.__traceback__):
        if is_users(frame.filename):
            found = UserLine(frame.filename, frame.lineno or 0, (frame.line or "").strip())
    return found


def explanation(error: BaseException) -> str | None:
    """Return what a line does that cannot be traced, in one sentence; None for other errors."""
    at = user_line(error)
    reason = _reason(error, at.text if at else "")
    if reason is None:
        return None
    if at is None:
        return f"the function {reason}"
    if not at.text:
        return f"{at.place}: the line {reason}"
    return f"{at.place}: `{errors.shortened(at.text, _QUOTED)}` {reason}"


def add_explanation(error: BaseException) -> None:
    """Add the explanation of an error to its notes, once."""
    note = explanation(error)
    if note is not None and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


def _reason(error: BaseException, line: str) -> str | None:
    """Return what the line asks for and what to write instead."""
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("jax")}
    for kind, reason in _BY_KIND:
        if kind in kinds:
            return reason(line)
    if error.__cause__ is not None and type(error.__cause__).__module__.startswith("jax"):
        return (
            "puts a traced value into a numpy array, which needs its number; "
            "write `y = y.at[i].set(value)` with an array `y` of `jax.numpy`"
        )
    text = str(error)
    return next((reason for part, reason in _BY_TEXT if part.search(text)), None)


def _truth(line: str) -> str:
    """Return the reason of a line that needs the truth of a traced array."""
    what = "asks whether a traced array is true, and its numbers are not known yet; write "
    words = bool(re.search(r"\b(?:and|or|not)\b", line))
    if re.match(r"while\b", line):
        return what + "`jax.lax.while_loop`, or a loop of a fixed number of steps"
    if re.match(r"assert\b", line):
        return what + "the check outside of the function, or with `jax.experimental.checkify`"
    if found := re.search(r"(?<![\w.])(max|min)\(", line):
        return what + f"`jnp.{found[1]}imum`"
    if re.search(r"(?<![\w.])sorted\(", line):
        return what + "`jnp.sort`"
    if words and not re.search(r"\bif\b", line):
        return what + "`jnp.logical_and`, `jnp.logical_or`, `jnp.logical_not`"
    more = ", with `jnp.logical_and` and the like for `and`, `or`, `not`" if words else ""
    return what + f"`jnp.where` or `jax.lax.cond`{more}"


def _to_numpy(line: str) -> str:
    """Return the reason of a line that makes a numpy array of a traced one."""
    what = "hands a traced array to numpy, which needs its numbers; write "
    if found := re.search(r"(?<![\w.])(?:np|numpy)\.([a-z_]\w*(?:\.\w+)*)\(", line):
        return what + f"`jnp.{found[1]}`"
    if found := re.search(r"(?<![\w.])(?:sp|scipy)(?:\.\w+)+", line):
        return what + "the function of `jax.scipy`"
    return what + "the function of `jax.numpy`, and `jnp.asarray(a)[i]` for a numpy array `a`"


def _integer(line: str) -> str:
    """Return the reason of a line that needs a traced number as an integer."""
    what = "needs the value of a traced number as an integer, and it is not known yet; write "
    if re.search(r"(?<![\w.])range\(", line):
        return what + "`jax.lax.fori_loop`, or a number that does not depend on the inputs"
    return what + "`jnp.asarray(list)[i]` for an index, or a number that does not depend on inputs"


def _concrete(line: str) -> str:
    """Return the reason of a line that needs a traced array's numbers."""
    what = "needs the numbers of a traced array, and they are not known yet; "
    if found := re.search(r"(?<![\w.])math\.(\w+)\(", line):
        return what + f"write `jnp.{_OF_MATH.get(found[1], found[1])}`"
    if found := re.search(r"(?<![\w.])(float|int|complex|bool)\(", line):
        kind = {"float": "leave out `float`", "complex": "leave out `complex`",
                "int": "write `x.astype(int)`", "bool": "write `x != 0`"}  # fmt: skip
        return what + f"{kind[found[1]]}: an array does instead of the number"
    if found := re.search(r"\.(item|tolist)\(\)", line):
        return what + f"leave out `.{found[1]}()`: an array does instead"
    if re.search(r"\b(?:nonzero|flatnonzero|argwhere|unique\w*|where|setdiff1d)\(", line):
        return what + "how many entries there will be has to be said: give `size=`"
    return what + "sizes, axes and bounds must not depend on the inputs: write a number or a shape"


_OF_MATH = {
    "acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2", "acosh": "arccosh",
    "asinh": "arcsinh", "atanh": "arctanh", "pow": "power", "fabs": "abs", "fsum": "sum",
}  # fmt: skip
"""The functions of `math` that have another name in `jax.numpy`."""

_BY_KIND: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("TracerBoolConversionError", _truth),
    ("TracerArrayConversionError", _to_numpy),
    ("TracerIntegerConversionError", _integer),
    (
        "NonConcreteBooleanIndexError",
        lambda line: (
            "picks entries by a traced condition, so that their number is not known; "
            "write `jnp.where(condition, x, 0)`, which keeps them all"
        ),
    ),
    ("UnexpectedTracerError", lambda line: LEAKED),
    ("ConcretizationTypeError", _concrete),
)
"""What each kind of JAX's errors means, subclasses first."""

_BY_TEXT = (
    (
        re.compile(r"JAX arrays are immutable|Tracer' object does not support item assignment"),
        "assigns to entries of an array, and JAX's cannot change; write `x = x.at[i].set(value)`",
    ),
    (
        re.compile(r"^Shapes must be 1D sequences of concrete values.*Tracer"),
        "makes a shape of a traced number, and it is not known yet; "
        "a shape must not depend on the inputs",
    ),
    (
        re.compile(r"unhashable type: '\w*Tracer'"),
        "uses a traced array as a key, and it has no value yet; use its name or its position",
    ),
    (
        re.compile(r"unsupported format string passed to \w*Tracer"),
        "prints the number of a traced array, and it is not known yet; write `jax.debug.print`",
    ),
)
"""What JAX raises as Python's own errors, by a part of the text."""
