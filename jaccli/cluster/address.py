"""Where a cluster is: the address of a scheduler, or `local:N` for workers on this machine.

Boundary: text alone; connects to nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaccli.errors import UsageError

_SCHEDULER = re.compile(r"(tcp|tls|ucx|ucxx|ws|wss)://(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]+):(\d{1,5})")
_LOCAL = re.compile(r"local:(\d{1,4})")
_MOST = 256
"""Workers that are started on one machine at most."""


class SchedulerAddress(NamedTuple):
    """A scheduler's address, or how many workers to start here."""

    text: str
    workers: int = 0

    @property
    def is_local(self) -> bool:
        """Whether the workers are started on this machine, and ended with the work."""
        return self.workers > 0


def parse(text: str) -> SchedulerAddress:
    """Return what `--cluster` names.

    Raises:
        UsageError: it is neither an address nor a number of workers.
    """
    local = _LOCAL.fullmatch(text)
    if local and 1 <= int(local[1]) <= _MOST:
        return SchedulerAddress(text, int(local[1]))
    scheduler = _SCHEDULER.fullmatch(text)
    if scheduler and 0 < int(scheduler[3]) < 2**16:
        return SchedulerAddress(text)
    raise UsageError(
        f"--cluster: {text!r} is not the address of a scheduler.",
        hint=f"Expected tcp://HOST:PORT, tls://HOST:PORT, or local:N for N workers here "
        f"(1 to {_MOST}).",
    )
