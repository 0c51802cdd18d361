"""How the process starts and ends: what makes it faster, each measure with its reason and its gain.

Gains are of CPU time on a 2-core machine, medians of alternating runs, for the Jacobian of
configs/forecast.yaml as a whole process (920 ms without any of them).  Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import gc
import os
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


def remove_unfinished() -> None:
    """Remove the files that this process has begun to write, if it has come so far."""
    publish = sys.modules.get("jaccli.storage.atomic")
    if publish is not None:
        with contextlib.suppress(OSError):
            publish.remove_unfinished()


def leave(code: int) -> NoReturn:
    """End the process without tearing down the interpreter and JAX's backend (-20%).

    Files are closed and published by then; only the standard streams are left to flush.
    """
    remove_unfinished()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(code)
