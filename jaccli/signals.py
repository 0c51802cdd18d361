"""SIGINT, SIGTERM and SIGHUP: the process ends, whatever it is doing.

Python's handlers run in the main thread, between two of its steps: not while that is within a
library, and what they raise must not come in the middle of an import, which leaves C++ extensions
half made (nanobind aborts).  So a thread looks after signals: the system writes each one's number
to a pipe at once.  Imports nothing heavy.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys

from jaccli import startup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

_GRACE = 1.2
"""Seconds for the main thread to end by itself."""
_PAUSE = 0.02
"""Seconds until a signal that came during an import comes again."""

_raised: BaseException | None = None
"""What a signal has raised."""
_postponed = False
"""Whether a signal is to come again."""


def take() -> None:
    """Have SIGINT, SIGTERM and SIGHUP end the process, with 128 and their number, within 2 s.

    They raise exceptions, so that half-written files are taken away.  If that takes too long, or
    if the signal comes a second time, the process ends at once: files that wait for their names are
    removed, and processes that it has started are killed.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup and shells' `&` have it
            signal.signal(number, _handle)
    sys.unraisablehook = _unraisable
    _thread.start_new_thread(_watch, (read,))


def _handle(number: int, frame: FrameType | None) -> None:
    global _raised, _postponed
    _postponed = _is_importing(frame)
    if not _postponed:
        _raised = KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
        raise _raised


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _unraisable(ignored: Any) -> None:
    """Have a signal come again that Python forgets: raised in a finalizer, or in JAX's callback of
    the garbage collector.
    """
    global _postponed
    if ignored.exc_value is not None and ignored.exc_value is _raised:
        _postponed = True
    else:
        sys.__unraisablehook__(ignored)


def _watch(pipe: int) -> None:
    """Wait for a signal that is this module's to take; see that the process ends."""
    global _postponed
    while True:
        number = _first_taken(os.read(pipe, 64))
        if number:
            break
    import select
    import time

    deadline, echoes = time.monotonic() + _GRACE, 0
    while time.monotonic() < deadline:
        if select.select([pipe], [], [], _PAUSE)[0]:
            again = os.read(pipe, 64)
            echoes -= len(again)
            if echoes < 0 and _first_taken(again):
                break
        if _postponed:
            _postponed, echoes = False, echoes + 1  # the pipe gets to know of this one too
            _thread.interrupt_main(signal.Signals(number))
    _end(number)


def _first_taken(numbers: bytes) -> int:
    """Return the first signal among those that is not somebody else's by now, 0 if none is."""
    ours = (number for number in numbers if signal.getsignal(number) is _handle)
    return next(ours, 0)


def _end(number: int) -> NoReturn:
    """End the process here and now."""
    startup.remove_unfinished()
    with contextlib.suppress(Exception):
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.kill()
        if number == signal.SIGINT:
            os.write(2, b"jaccli: interrupted.\n")
    os._exit(128 + number)
