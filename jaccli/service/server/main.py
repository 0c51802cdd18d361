"""The service's process: its sockets, its signals, its run.

SIGTERM or Ctrl-C drains: nobody new comes in, and what runs may end in its time.  A second one
ends at once.

Boundary: what is served is `app`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import os
import resource
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

import uvicorn

from jaccli.errors import UsageError
from jaccli.service import address
from jaccli.service.client.start import LOCK
from jaccli.service.server import page
from jaccli.service.server.app import Service
from jaccli.service.server.http_protocol import limited
from jaccli.service.server.lifetime import Lifetime, is_at
from jaccli.service.server.limits import Limits
from jaccli.service.server.middleware import Application, Gate

_BACKLOG = 1024
_MMAP_THRESHOLD = -3
_MAPPED = 1 << 17
"""Bytes from which on an object has pages of its own; glibc's own value, which it would raise."""
_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "::1"))
_KILLED = 128
_OTHER_FILES = 256
"""Open files beside the connections that are allowed: libraries, workers, who is told to go."""


class Served(Protocol):
    """An application that is served; `shown` is with what, `kill` ends its processes at once."""

    shown: str

    def application(self) -> Application: ...

    def kill(self) -> None: ...


def run(
    where: address.ServiceAddress,
    limits: Limits,
    token: str | None,
    lifetime: Lifetime,
    make: Callable[[Limits, Gate], Served] = Service,
) -> int:
    """Serve at an address until a signal ends it, or its lifetime does; return the exit code.

    Raises:
        UsageError: a service is there already, or the address cannot be had.
    """
    allow_files(limits.connections + _OTHER_FILES)
    give_memory_back()
    pages = frozenset(page.PARTS)
    gate = Gate(limits, _hosts(where), token, page.PATH, pages, lifetime=lifetime)
    with _listening(where, at_once=not lifetime.on_demand) as listener:
        service = make(limits, gate)
        config = uvicorn.Config(
            service.application(),
            loop="uvloop" if _has_uvloop() else "asyncio",
            http=limited(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=limits.connections,
            timeout_keep_alive=round(limits.idle_time),
            timeout_graceful_shutdown=max(1, round(limits.drain_time)),
        )
        inode = os.stat(where.path).st_ino if where.path else 0
        server = _Server(config, service, gate, lambda: is_at(where.path, inode))
        server.shown = f"{_shown(where, listener)} with {service.shown}"
        server.run([listener])
        return 0


def allow_files(count: int) -> None:
    """Let this process have so many files open, as far as the system does: often 1024 at first.

    Beyond that, connections would be closed without a word, and no worker could be replaced.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def give_memory_back() -> None:
    """Have pieces of bodies and answers be the system's again once they are gone.

    glibc would soon keep them: 380 MB, after two large answers had been sent.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _MAPPED)


class _Server(uvicorn.Server):
    """uvicorn's server with this service's signals."""

    def __init__(
        self, config: uvicorn.Config, served: Served, gate: Gate, is_reachable: Callable[[], bool]
    ) -> None:
        super().__init__(config)
        self.served, self.gate, self._is_reachable = served, gate, is_reachable
        self.shown = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where the service is, once it is there."""
        await super().startup(sockets)
        print(f"jaccli: serving at {self.shown}.", file=sys.stderr, flush=True)
        self._lifetime = asyncio.ensure_future(self._end_by_itself())

    async def _end_by_itself(self) -> None:
        await self.gate.lifetime.end(self._is_reachable)
        self._drain()

    def _drain(self) -> None:
        self.should_exit = True
        self.gate.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, end at the second."""
        if self.should_exit:
            self.served.kill()
            os._exit(_KILLED + sig)
        self._drain()


@contextlib.contextmanager
def _listening(where: address.ServiceAddress, *, at_once: bool) -> Iterator[socket.socket]:
    """Have a socket at an address; with `at_once`, clients may connect and wait from now on."""
    if where.path:
        with _unix(where.path) as listener:
            if at_once:
                listener.listen(_BACKLOG)
            yield listener
    else:
        with _tcp(where.host, where.port) as listener:
            yield listener


def _tcp(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(name)
        listener.listen(_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"--host {host} --port {port}: {reason}.") from error
    return listener


@contextlib.contextmanager
def _unix(path: str) -> Iterator[socket.socket]:
    """Listen at a socket file that nobody else listens at; take it away at the end."""
    address.check_length(path)
    folder = os.path.dirname(path)
    if folder == address.default_folder():
        address.check_folder(folder, make=True)
    with _alone(path):
        _remove_stale(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(path)
        except OSError as error:
            raise _unusable(path, error) from error
        finally:
            os.umask(before)
        made = os.stat(path).st_ino
        try:
            yield listener
        finally:
            listener.close()
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == made:
                    os.unlink(path)


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Hold the lock beside a socket: of two services that start at once, one comes first."""
    lock = _inherited(path)
    try:
        lock = address.lock(path) if lock is None else lock
    except OSError as error:
        raise _unusable(path, error) from error
    if lock is None:
        raise _running(path)
    try:
        yield
    finally:
        os.close(lock)


def _inherited(path: str) -> int | None:
    """Return the lock beside a socket if the client that started this process has handed it on."""
    text = os.environ.pop(LOCK, "")
    if not text.isdigit():
        return None
    lock = int(text)
    try:
        os.set_inheritable(lock, False)
        same = os.path.samestat(os.fstat(lock), os.lstat(f"{path}.lock"))
    except (OSError, OverflowError):
        return None
    return lock if same else None


def _remove_stale(path: str) -> None:
    """Remove the socket that a service has left which was killed.

    Raises:
        UsageError: somebody listens there, or it is something else, or somebody else's.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        hint = "Choose another name."
        raise UsageError(f"--socket: {path}: this is there, and is no socket.", hint=hint)
    if found.st_uid != os.geteuid():
        raise UsageError(f"--socket: {path}: this belongs to someone else.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as error:
            raise _unusable(path, error) from error
    raise _running(path)


def _running(path: str) -> UsageError:
    return UsageError(f"--socket: {path}: a service is already running there.")


def _unusable(path: str, error: OSError) -> UsageError:
    reason = (error.strerror or str(error)).lower()
    return UsageError(f"--socket: {path}: {reason}.")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hosts(where: address.ServiceAddress) -> frozenset[str] | None:
    """Return the names that a request may give the service; None for any."""
    if where.path:
        return None
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(where.host).is_unspecified:
            return None  # all the machine's names; there is a token
    names = {where.host.lower()}
    return frozenset(names | _LOOPBACK_NAMES if is_loopback(where.host) else names)


def _shown(where: address.ServiceAddress, listener: socket.socket) -> str:
    if where.path:
        return str(where)
    return str(address.ServiceAddress(host=where.host, port=listener.getsockname()[1]))


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401
    except ImportError:
        return False
    return True
