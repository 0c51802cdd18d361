"""What makes a call start and end faster: each measure with its reason and its gain.

Gains are of CPU time on a 2-core machine, medians of alternating runs, for the Jacobian of
configs/forecast.yaml as a whole process (920 ms without any of them).  Imports nothing heavy.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def begin() -> None:
    """Leave the garbage collector off while modules are imported: they make no garbage (-11%)."""
    gc.disable()


def imported() -> None:
    """Collect garbage again, but not among what the imports brought in."""
    gc.freeze()
    gc.enable()


def import_numpy() -> None:
    """Import numpy with one OpenBLAS thread: starting a pool that nothing here uses costs 7%.

    Libraries that load a BLAS of their own later (scipy's, for JAX's linear algebra) are not
    concerned: the variable is gone again by then.
    """
    if "numpy" in sys.modules or "OPENBLAS_NUM_THREADS" in os.environ:
        return
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        import numpy  # noqa: F401
    finally:
        del os.environ["OPENBLAS_NUM_THREADS"]


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
