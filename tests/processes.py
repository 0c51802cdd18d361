"""Processes that tests start: they end with the block, whatever happens in it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a process, as `subprocess.Popen` does; kill it, or its own session, at the end."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                if options.get("start_new_session"):
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
