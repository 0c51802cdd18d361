"""When a service ends by itself: after idle time, or when its socket is gone.

Boundary: knows requests by their number alone.  Runs in one event loop.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

IDLE_END = 600.0
"""Idle seconds after which a service ends that a call has started."""
_LOOK = 10.0
"""Polling interval, in seconds, for the socket's file."""


@dataclass
class Use:
    """A request; one that is refused keeps no service alive that is of no use to its client."""

    is_refused: bool = False


@dataclass
class Lifetime:
    """The requests of a service, and its end.

    `idle_end` is how many seconds without a request end it, None for none.  `on_demand` says that
    a call has started it; it ends then, too, when the file of its socket has been removed or
    replaced, as at a logout, and serves command lines of its own `environment` alone
    (`environment.described`).
    """

    idle_end: float | None = None
    on_demand: bool = False
    environment: str = ""
    since: float = field(default_factory=time.time)
    requests: int = 0
    running: int = 0
    _last: float = field(default_factory=time.monotonic)

    @contextmanager
    def serving(self) -> Iterator[Use]:
        """Count a request, from its arrival to the end of its answer, unless it was refused."""
        use = Use()
        self.running += 1
        try:
            yield use
        finally:
            self.running -= 1
            if not use.is_refused:
                self.requests += 1
                self._last = time.monotonic()

    @property
    def idle(self) -> float:
        """The seconds since the last request, 0 while one runs."""
        return 0.0 if self.running else time.monotonic() - self._last

    def described(self) -> dict[str, Any]:
        """Return what is said of it: `since` in seconds of the epoch, the others as above."""
        names = ("since", "on_demand", "idle", "idle_end", "requests")
        return {name: getattr(self, name) for name in names}

    async def end(self, is_reachable: Callable[[], bool]) -> None:
        """Return when the service shall end; never, where nothing but a signal ends it."""
        while True:
            left = _LOOK if self.idle_end is None else self.idle_end - self.idle
            if left <= 0 or (self.on_demand and not is_reachable()):
                return
            await asyncio.sleep(min(max(left, 0.01), _LOOK))


def is_at(path: str, inode: int) -> bool:
    """Return whether a file is there and is the same one still."""
    try:
        return os.stat(path).st_ino == inode
    except OSError:
        return False
