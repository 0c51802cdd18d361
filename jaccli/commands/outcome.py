"""What a command has come to: what there is to print, to write and to say, and the exit code.

A command yields an outcome for each thing that it was asked for, as soon as it is there.  An edge
shows it: the command line prints it and writes its file, the service sends it.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from jaccli import terminal
from jaccli.errors import UsageError
from jaccli.storage.files import publishing

Data = dict[str, Any]
"""Plain data, as JSON has it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What there is to show of one thing that was asked for.

    Args:
        form: what is printed, a name of `--format`.
        target: the file that it is written to.
        force: whether that may replace one that is there.
        notes: what people read about it, before it is printed.
        warnings: what may be wrong.
        verdict: what people read after it.
        exit_code: that of the command, if no other outcome has a greater one.
    """

    form: str = "none"
    target: Path | None = None
    force: bool = False
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    verdict: str = ""
    exit_code: int = 0

    def write(self) -> None:
        """Write the file, if there is to be one: before anything is said.

        Raises:
            ComputationError, UsageError: it cannot be written, or has appeared meanwhile.
        """

    def print(self, out: TextIO) -> None:
        """Print to standard output."""

    def content(self, form: str) -> bytes:
        """Return what a file of this format holds: `json`, `csv`, and of results `npy`, `npz`."""
        raise UsageError(f"no {form} can be made of this.")

    def as_data(self) -> Data:
        """Return what a page in a browser shows of it."""
        return {
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "verdict": self.verdict,
            "passed": self.exit_code == 0,
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class PlainText(Outcome):
    """A text, whatever the format."""

    text: Callable[[], str]

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text())}</pre>"

    def print(self, out: TextIO) -> None:
        """Print the text."""
        put(self.text(), out)


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(PlainText):
    """A finding that is text for people and JSON for programs; `data` makes the latter."""

    data: Callable[[], Data]

    @property
    def passed(self) -> bool:
        """Whether what was expected holds."""
        return self.exit_code == 0

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the report to a file, as `-o` does.

        Raises:
            UsageError: the file is there and `force` is not given.
        """
        replace(self, target=Path(path), force=force).write()

    def write(self) -> None:
        """Write the report as JSON."""
        if self.target is not None:
            with publishing(self.target, force=self.force) as stream:
                stream.write(f"{json.dumps(self.data(), indent=2)}\n".encode())

    def print(self, out: TextIO) -> None:
        """Print the report as text or as one line of JSON."""
        if self.form == "json":
            put(json_line(self.data(), out.encoding or "utf-8"), out)
        elif self.form != "none":
            super().print(out)

    def content(self, form: str) -> bytes:
        """Return the report as JSON."""
        assert form == "json", form
        return f"{json_line(self.data())}\n".encode()

    def as_data(self) -> Data:
        """Return what a page in a browser shows of it."""
        return {**super().as_data(), "text": self.text()}


def put(text: str, out: TextIO) -> None:
    """Print text of which a terminal takes nothing for a command."""
    print(terminal.shown(text), file=out, flush=True)


def json_line(data: Data | list[Data], encoding: str = "utf-8") -> str:
    """Return plain data as one line of JSON; a file's name may be no text, or not to be shown."""
    line = json.dumps(data, ensure_ascii=False)
    with suppress(UnicodeEncodeError):
        line.encode(encoding)
        if line == terminal.shown(line):
            return line
    return json.dumps(data)


def is_utf8(out: TextIO) -> bool:
    """Return whether all characters can be printed there."""
    return (out.encoding or "").lower().replace("-", "").startswith("utf")
