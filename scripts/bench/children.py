"""`jaccli` as a child process: how long it takes, and the memory that it has at most."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple


class Ran(NamedTuple):
    """A process from start to end: its seconds, peak resident memory in MiB, standard error."""

    seconds: float
    peak: float
    said: str


def run(arguments: Sequence[object]) -> Ran:
    """Run `jaccli` with arguments; end this process where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "jaccli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - start
    if status:
        sys.exit(said)
    unit = 1 if sys.platform == "darwin" else 1 << 10  # macOS counts bytes, Linux KiB
    return Ran(took, usage.ru_maxrss * unit / 2**20, said)
