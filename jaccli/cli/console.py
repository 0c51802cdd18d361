"""What a person sees: outcomes on standard output, everything else on standard error."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from jaccli import terminal
from jaccli.context import Silent

if TYPE_CHECKING:
    from jaccli.commands.outcome import Outcome
    from jaccli.context import Progress, Reporter

_DIVIDED = " · "
"""What stands between the parts of a summary."""
_PATIENCE = 0.7
"""Seconds before a progress bar appears: short work shows none, and does not import rich."""


def err(text: str) -> None:
    """Print to standard error, which nobody may be reading: no result is lost for that."""
    with suppress(OSError, ValueError):
        print(terminal.shown(text), file=sys.stderr, flush=True)


def show(outcome: Outcome, reporter: Reporter) -> None:
    """Write an outcome's file, print it, and say what there is to say."""
    outcome.write()
    for note in outcome.notes:
        reporter.note(note)
    for warning in outcome.warnings:
        reporter.warn(warning)
    outcome.print(sys.stdout)
    if outcome.verdict:
        (reporter.tell if outcome.exit_code else reporter.note)(outcome.verdict)


def wrapped(text: str) -> str:
    """Return parts that a · divides, on as many lines as the terminal needs."""
    lines, room = [""], terminal.columns()
    for part in text.split(_DIVIDED):
        longer = f"{lines[-1]}{_DIVIDED}{part}" if lines[-1] else part
        if lines[-1] and len(longer) > room:
            lines.append(f"  {part}")
        else:
            lines[-1] = longer
    return "\n".join(lines)


class Terminal:
    """A reporter that prints to standard error, and shows progress where a person is watching.

    If `quiet`, it prints what was asked for alone; if `verbose`, also details.
    """

    def __init__(self, *, quiet: bool, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose

    def tell(self, text: str) -> None:
        """Print what was asked for."""
        err(text)

    def note(self, text: str) -> None:
        """Print a line or more about the work."""
        if not self.quiet:
            err(text if sys.stderr is None or not sys.stderr.isatty() else wrapped(text))

    def detail(self, text: str) -> None:
        """Print what `--verbose` asks for."""
        if self.verbose:
            err(text)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.note(f"warning: {text}")

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show a bar, if the work takes long."""
        if self.quiet or sys.stderr is None or not sys.stderr.isatty():
            yield Silent()
            return
        bar = Bar()
        try:
            yield bar
        finally:
            bar.close()


class Bar:
    """A progress bar on standard error that appears when the work takes long."""

    def __init__(self) -> None:
        self.what = ""
        self.total: int | None = None
        self.done = self.before = 0
        self.began = monotonic()
        self.lock = threading.Lock()
        self.closed = False
        self.bar: Any = None
        self.task: Any = None
        self.timer = threading.Timer(_PATIENCE, self._appear)
        self.timer.daemon = True
        self.timer.start()

    def begin(self, what: str) -> None:
        """Begin something that has no steps."""
        with self.lock:
            self.what, self.total, self.done, self.before = what, None, 0, 0
            self._update()

    def start(self, total: int, done: int = 0) -> None:
        """Begin with `total` steps, of which some were `done` before."""
        with self.lock:
            self.total, self.done, self.before, self.began = total, done, done, monotonic()
            self.what = ""
            self._update()

    def advance(self, steps: int) -> None:
        """Count `steps` more as done."""
        with self.lock:
            self.done += steps
            self._update()

    def close(self) -> None:
        """Take the bar off the screen."""
        self.timer.cancel()
        with self.lock:
            self.closed = True
            if self.bar is not None:
                self.bar.stop()

    def _appear(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        with self.lock:
            if self.closed:
                return
            counted = TextColumn("{task.fields[counted]}")
            times = (TimeElapsedColumn(), TimeRemainingColumn())
            columns = (TextColumn("{task.description}"), BarColumn(), counted, *times)
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("", total=None, counted="")
            self._update()
            self.bar.start()

    def _update(self) -> None:
        if self.bar is not None:
            counted = ""
            if self.total is not None:
                rate = rate_of(self.done - self.before, monotonic() - self.began)
                counted = f"{self.done}/{self.total} {rate}"
            self.bar.update(
                self.task,
                description=self.what,
                total=self.total,
                completed=self.done,
                counted=counted,
            )


def rate_of(steps: int, seconds: float) -> str:
    """Return how many steps there are in a second: of large work, rows of the batch or result."""
    rate = steps / seconds if seconds > 0 else 0.0
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
