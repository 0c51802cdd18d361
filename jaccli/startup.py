"""How the process starts and ends: what makes it faster, each measure with its reason and its gain,
and its signals.

Gains are of CPU time on a 2-core machine, medians of alternating runs, for the Jacobian of
configs/forecast.yaml as a whole process (920 ms without any of them).  Imports nothing heavy.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


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
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        import numpy  # noqa: F401


def share_cores(processes: int) -> None:
    """Let XLA start as many threads as this process has cores, where they are several processes.

    Before JAX is imported.  Two processes on 2 cores that compile and run Hessians of 16 shapes
    take 19% less wall time with one thread each than with two; results are the same bits.
    """
    cores = os.cpu_count() or 1
    os.environ.setdefault("NPROC", str(max(1, cores // processes)))


_end: BaseException | None = None
"""What a signal has raised."""


def take_signals() -> None:
    """Have SIGINT and SIGTERM raise exceptions, so that half-written files are taken away."""
    signal.signal(signal.SIGTERM, lambda *_: _raise(SystemExit(128 + signal.SIGTERM)))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored: nohup
        signal.signal(signal.SIGINT, lambda *_: _raise(KeyboardInterrupt()))


def _raise(end: BaseException) -> NoReturn:
    global _end
    _end = end
    raise end


def check_signals() -> None:
    """Raise what a signal has raised, if the work goes on nevertheless.

    JAX has a callback of the garbage collector: what is raised while it runs, Python forgets.
    """
    if _end is not None:
        raise _end


def leave(code: int) -> NoReturn:
    """End the process without tearing down the interpreter and JAX's backend (-20%).

    Files are closed and published by then; only the standard streams are left to flush.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)
