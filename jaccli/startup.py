"""How the process starts and ends: what makes it faster, each measure with its reason and its gain,
and its signals.

Gains are of CPU time on a 2-core machine, medians of alternating runs, for the Jacobian of
configs/forecast.yaml as a whole process (920 ms without any of them).  Imports nothing heavy.
"""

from __future__ import annotations

import _thread
import contextlib
import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn


def begin() -> None:
    """Leave the garbage collector off while modules are imported: they make no garbage (-11%)."""
    gc.disable()


def imported() -> None:
    """Collect garbage again, but not among what the imports brought in.

    Once: what a resident process has left behind since then is garbage.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def import_numpy() -> None:
    """Import numpy with one OpenBLAS thread: starting a pool that nothing here uses costs 7%.

    The variable stays: XLA brings threads of its own, and those of scipy's OpenBLAS, which has
    JAX's linear algebra, wait for them in busy loops.  With one thread, the Jacobian of an inverse
    (24 x 24) takes 1 ms in place of 16, the eigenvalues of a 300 x 300 matrix 11 ms in place of
    1,000 (2 cores; a 1,500 x 1,500 inverse 116 ms in place of 413).
    """
    if "numpy" not in sys.modules:
        from jaccli import surroundings

        surroundings.require_addresses(surroundings.NUMPY, "numpy")
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        import numpy  # noqa: F401


def share_cores(processes: int) -> None:
    """Let XLA start as many threads as this process has cores, where they are several processes.

    Before JAX is imported.  Two processes on 2 cores that compile and run Hessians of 16 shapes
    take 19% less wall time with one thread each than with two; results are the same bits.
    """
    cores = os.cpu_count() or 1
    os.environ.setdefault("NPROC", str(max(1, cores // processes)))


# Signals.  Their handlers run in the main thread, between two steps of Python: not while it is
# within a library, and what they raise there must not come in the middle of an import, which leaves
# C++ extensions half made (nanobind aborts).  So a thread looks after them: the system writes each
# signal's number to a pipe at once.

_GRACE = 1.2
"""Seconds for the main thread to end by itself."""
_PAUSE = 0.02
"""Seconds until a signal that came during an import comes again."""

_raised: BaseException | None = None
"""What a signal has raised."""
_postponed = False
"""Whether a signal is to come again."""


def take_signals() -> None:
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
            signal.signal(number, _take)
    sys.unraisablehook = _unraisable
    _thread.start_new_thread(_watch, (read,))


def _take(number: int, frame: FrameType | None) -> None:
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
            _postponed, echoes = False, echoes + 1
            _thread.interrupt_main(
                signal.Signals(number)
            )  # as if it came again, which the pipe gets to know
    _end(number)


def _first_taken(numbers: bytes) -> int:
    """Return the first signal among those that is not somebody else's by now, 0 if none is."""
    ours = (number for number in numbers if signal.getsignal(number) is _take)
    return next(ours, 0)


def _end(number: int) -> NoReturn:
    """End the process here and now."""
    _remove_unfinished()
    with contextlib.suppress(Exception):
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.kill()
        if number == signal.SIGINT:
            os.write(2, b"jaccli: interrupted.\n")
    os._exit(128 + number)


def _remove_unfinished() -> None:
    publish = sys.modules.get("jaccli.files.publish")
    if publish is not None:
        with contextlib.suppress(OSError):
            publish.remove_unfinished()


def leave(code: int) -> NoReturn:
    """End the process without tearing down the interpreter and JAX's backend (-20%).

    Files are closed and published by then; only the standard streams are left to flush.
    """
    _remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)
