"""Where structure is lost, or an operation fails: what it was, and the line that it comes from.

The engine notes them while it traces.  `recorded` collects them in a list; without it, a failure is
a Python warning, and dense operations are not reported.

Boundary: reads equations; decides nothing.
"""

from __future__ import annotations

import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class StructureWarning(UserWarning):
    """An operation, or a whole function, was differentiated without its structure."""


class StructureError(Exception):
    """The structured engine failed on an operation, which the message names with its line."""


@dataclass(frozen=True)
class Loss:
    """An operation that made its operands dense; `failure` has the reason if it was an error."""

    operation: str
    line: str
    failure: str = ""
    advice: str = ""

    @property
    def place(self) -> str:
        """The operation and its line, in words."""
        return _placed(self.operation, self.line)

    @property
    def warning(self) -> str:
        """The warning about a failure."""
        return f"the structured engine failed on {self.place}: {self.failure}; it is taken densely"


_RECORD: ContextVar[list[Loss] | None] = ContextVar("losses", default=None)


@contextmanager
def recorded() -> Iterator[list[Loss]]:
    """Collect the losses of what is traced within, each once."""
    losses: list[Loss] = []
    token = _RECORD.set(losses)
    try:
        yield losses
    finally:
        _RECORD.reset(token)


_ADVICE = {
    "while": "a loop of fixed length (`fori_loop`, `scan`) keeps structure",
    "scan": "rows that do not mix, or `vmap` in place of the loop, keep structure",
    "cond": "`jnp.where` of both branches keeps structure",
    "sort": "an order that is known before (numpy) keeps structure",
    "gather": "indices that do not depend on the inputs keep structure",
    "dynamic_slice": "a start that does not depend on the inputs keeps structure",
    "dynamic_update_slice": "a start that does not depend on the inputs keeps structure",
    "scatter": "indices that do not depend on the inputs keep structure",
    "scatter-add": "indices that do not depend on the inputs keep structure",
}
"""What to write instead, by primitive."""


def note(eqn: Any, *, advice: str = "") -> None:
    """Note that an equation made its operands dense."""
    record = _RECORD.get()
    if record is None:
        return
    advice = advice or _ADVICE.get(eqn.primitive.name, "")
    loss = Loss(name(eqn), line(eqn), advice=advice)
    if loss not in record:
        record.append(loss)


def failed(eqn: Any, error: Exception) -> None:
    """Note that the engine failed on an equation, which is differentiated plainly instead."""
    loss = Loss(name(eqn), line(eqn), failure=reason(error))
    record = _RECORD.get()
    if record is not None:
        if loss not in record:
            record.append(loss)
        return
    warnings.warn(loss.warning, StructureWarning, stacklevel=2)


def reason(error: BaseException) -> str:
    """Return the first line of an error's text, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__


def place(eqn: Any) -> str:
    """Return the operation of an equation and its line, in words."""
    return _placed(name(eqn), line(eqn))


def _placed(operation: str, line: str) -> str:
    return f"`{operation}`" + (f" ({line})" if line else "")


def name(eqn: Any) -> str:
    """Return the name of the function that an equation stands for, or of its primitive."""
    named = eqn.params.get("name")
    return f"{named}" if isinstance(named, str) and named else str(eqn.primitive.name)


_PACKAGE = str(Path(__file__).resolve().parent.parent)
_LIBRARIES = tuple({sysconfig.get_path(key) for key in ("stdlib", "purelib", "platlib")})


def line(eqn: Any) -> str:
    """Return the user's `file:line` that an equation comes from, "" if JAX does not know it."""
    return next((f"{Path(file).name}:{number}" for file, number in user_frames(eqn)), "")


def user_frames(eqn: Any) -> Iterator[tuple[str, int]]:
    """Yield files and lines of the user's calls that an equation comes from, innermost first."""
    traceback = getattr(eqn.source_info, "traceback", None)
    for frame in getattr(traceback, "frames", ()):
        file = frame.file_name
        if not file.startswith((*_LIBRARIES, _PACKAGE, "<")):
            yield file, frame.line_num
