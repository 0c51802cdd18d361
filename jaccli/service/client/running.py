"""A service that runs: which process it is, what it says of itself, and how it is stopped.

The process is the one at the other end of the socket, as the kernel knows it: a file with a
process's id may be old, and then names somebody else's.  Standard library only.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import time

from jaccli.service import address
from jaccli.service.client import http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jaccli.service.address import ServiceAddress

HEALTH = "/healthz"
_PATIENCE = 5.0
"""Seconds that a service may take to say what it is."""
_START = 30.0
"""Seconds that a service may be about to start or end, before it is said to be neither."""
_LOOK = 0.02
_SLACK = 5.0
"""Seconds that ending takes beyond the time that running requests have."""
_LOCAL, _LOCAL_PEERPID = 0, 2
"""macOS: the level and the option of `getsockopt` that tell the peer's process."""


class Running:
    """A service that runs: `health` is what it says of itself.

    `pid` and `owner` are its process and that one's user, None over TCP.
    """

    __slots__ = ("health", "owner", "pid")

    def __init__(self, pid: int | None, owner: int | None, health: dict[str, Any]) -> None:
        self.pid, self.owner, self.health = pid, owner, health

    @property
    def versions(self) -> str:
        """What it is made of, as `messages.versions()` has it."""
        return str(self.health["handshake"])

    @property
    def is_on_demand(self) -> bool:
        """Whether a call has started it."""
        return self.health.get("on_demand") is True

    def terminate(self) -> None:
        """Have it end when what runs has ended.

        Raises:
            OSError: it is not this user's, or the system does not say which process it is.
        """
        if not self.pid or self.owner != os.geteuid():
            raise PermissionError(1, "it is not known to be a process of this user")
        os.kill(self.pid, signal.SIGTERM)


def find(where: ServiceAddress, token: dict[str, str]) -> Running:
    """Return the service at an address; `token` is the header with its token, if it has one.

    Raises:
        http.NotThere: nobody listens there.
        http.Broken: what listens there is no service of jaccli, or does not answer.
    """
    connection = http.connect(where)
    try:
        pid, owner = _peer(connection) if where.path else (None, None)
        found = http.exchange(connection, where, f"GET {HEALTH}", token, timeout=_PATIENCE)
    finally:
        connection.close()
    if found.status == 401:
        raise http.Broken("the service refuses the token; its token belongs in JACCLI_TOKEN")
    if found.status == 503:
        raise http.Broken("the service is ending")
    import json

    try:
        health = json.loads(found.body)
        if found.status != 200 or not str(health["handshake"]).startswith("jaccli/"):
            raise ValueError
    except (ValueError, TypeError, LookupError, RecursionError):
        raise http.Broken("what listens there is not a service of jaccli") from None
    return Running(pid, owner, health)


def settled(where: ServiceAddress, token: dict[str, str]) -> Running | None:
    """Return the service at a socket, None if there is none; wait while one starts or ends.

    Raises:
        http.Broken: what listens there is no service of jaccli, or does not answer.
    """
    deadline = time.monotonic() + _START
    while True:
        try:
            return find(where, token)
        except (http.NotThere, http.Broken) as error:
            if not is_locked(where.path):
                if isinstance(error, http.NotThere):
                    return None
                raise
            if time.monotonic() > deadline:
                raise http.Broken(str(error)) from error
        time.sleep(_LOOK)


def stop(where: ServiceAddress, running: Running) -> bool:
    """Have the service at a socket drain, and wait for its end; return whether it has ended.

    Raises:
        OSError: it is not this user's.
    """
    running.terminate()
    deadline = time.monotonic() + float(running.health.get("drain_time", 30.0)) + _SLACK
    while time.monotonic() < deadline:
        if not is_locked(where.path):
            return True
        time.sleep(_LOOK)
    return False


def retire(where: ServiceAddress, versions: str) -> bool:
    """Have a service drain that a call of these versions has started; return whether it does."""
    try:
        found = find(where, {})
        if found.is_on_demand and found.versions == versions:
            found.terminate()
            return True
    except (OSError, http.NotThere, http.Broken):
        pass
    return False


def is_locked(path: str) -> bool:
    """Return whether a service holds the lock beside a socket: it starts, runs, or ends."""
    if not os.path.exists(f"{path}.lock"):
        return False
    try:
        descriptor = address.lock(path)
    except OSError:  # nobody of this user
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _peer(connection: socket.socket) -> tuple[int | None, int | None]:
    """Return the process at the other end of a Unix socket and its user, None where not known."""
    try:
        if hasattr(socket, "SO_PEERCRED"):
            size = struct.calcsize("3i")
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            pid, owner, _ = struct.unpack("3i", found)
            return pid, owner
        if sys.platform == "darwin":
            (pid,) = struct.unpack("i", connection.getsockopt(_LOCAL, _LOCAL_PEERPID, 4))
            name = connection.getpeername()
            return pid, os.stat(name).st_uid
    except (OSError, struct.error):
        pass
    return None, None
