"""How much a request, and the service as a whole, may take: one table.

Each field is an option of `jaccli serve`; its help is beside it.  Boundary: data alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from jaccli.memory import total

KiB, MiB, GiB = 1 << 10, 1 << 20, 1 << 30


def _limit(default: Any, kind: str, text: str) -> Any:
    return field(default=default, metadata={"kind": kind, "help": text})


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    workers: int = _limit(max(1, min(4, os.cpu_count() or 1)), "count", "Worker processes.")
    queue: int = _limit(128, "count", "Requests that may wait for a worker; then 429.")
    time: float = _limit(60.0, "seconds", "Seconds that a request may compute.")
    memory: int = _limit(
        total() // 8, "size", "Memory budget of an HTTP request: inputs, temporaries, result."
    )
    worker_memory: int = _limit(
        total() // 4, "size", "Memory at which a worker is ended, beside that of its start."
    )
    idle_memory: int = _limit(
        GiB, "size", "Memory at which an idle worker is replaced, beside that of its start."
    )
    body: int = _limit(64 * MiB, "size", "Size of a request's body.")
    result: int = _limit(256 * MiB, "size", "Size of a result's arrays.")
    buffers: int = _limit(
        512 * MiB, "size", "Size of all bodies and answers that wait, 256 KiB of each aside."
    )
    models: int = _limit(64, "count", "Registered models that are kept.")
    models_memory: int = _limit(256 * MiB, "size", "Size of all registered models together.")
    programs: int = _limit(64, "count", "Compiled programs that a process keeps.")
    programs_memory: int = _limit(256 * MiB, "size", "Size of a process's programs together.")
    header_time: float = _limit(10.0, "seconds", "Seconds in which a request's header must come.")
    body_time: float = _limit(30.0, "seconds", "Seconds in which a request's body must come.")
    send_time: float = _limit(
        30.0, "seconds", "Seconds in which a client must read its answer, or 4 MiB of it."
    )
    idle_time: float = _limit(75.0, "seconds", "Seconds that a connection may be idle.")
    drain_time: float = _limit(30.0, "seconds", "Seconds that SIGTERM leaves running requests.")
    connections: int = _limit(1024, "count", "Connections at a time.")

    @property
    def reply(self) -> int:
        """Bytes of an answer at most: a number as text takes three times its bytes."""
        return min(4 * self.result + MiB, self.buffers)


class Described(NamedTuple):
    """One limit as an option: `kind` is count, size or seconds."""

    name: str
    default: Any
    kind: str
    help: str


def described() -> tuple[Described, ...]:
    """Return the table of limits."""
    return tuple(
        Described(f.name, f.default, f.metadata["kind"], f.metadata["help"]) for f in fields(Limits)
    )
