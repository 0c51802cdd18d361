"""A worker process: performs one call after another that come over its socket.

JAX is imported and its compiler warm before the first.  What it compiles is kept, so that a call
that differs in numbers alone neither traces nor compiles.  It ends with the process that started
it, be it busy or idle.

Boundary: performs calls (`session`); limits on time and resident memory are its starter's (`pool`).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

from jaccli.service.limits import Limits
from jaccli.service.wire import versions

LENGTH = 8
"""Bytes that hold a message's length, in front of it."""
READY, REPLY, BAD, LARGE = b"+", b"R", b"B", b"L"
"""What a worker says first: that it is ready, and with what versions; a reply; that a call is none,
a reply too large."""
_NICE = 5
"""Workers give way to the process that answers small requests itself."""
_SET_PARENT_DEATH_SIGNAL = 1


class Settings(NamedTuple):
    """What a worker is told when it starts: sizes in bytes."""

    memory: int
    result: int
    reply: int
    programs: int
    programs_memory: int

    @classmethod
    def of(cls, limits: Limits) -> Settings:
        """Return what of the service's limits is a worker's own matter."""
        return cls(*(getattr(limits, name) for name in cls._fields))


def main(descriptor: int, parent: int, numbers: list[int]) -> None:
    """Perform the calls that come over the socket until it is closed."""
    _end_with(parent)
    settings = Settings(*numbers)
    from jaccli import startup

    startup.begin()
    perform = _prepared(settings)
    startup.imported()
    with socket.socket(fileno=descriptor) as connection:
        _send(connection, READY + versions().encode())
        while (message := _receive(connection)) is not None:
            _send(connection, _answer(message, perform, settings))
    os._exit(0)


def _answer(message: bytes, perform: Callable[[bytes], bytes | None], settings: Settings) -> bytes:
    reply = perform(message)
    if reply is None:
        return BAD
    return REPLY + reply if len(reply) <= settings.reply else LARGE


def _prepared(settings: Settings) -> Callable[[bytes], bytes | None]:
    """Import everything that a call needs, and compile something."""
    from jaccli import memory
    from jaccli.service.session import perform
    from jaccli.service.wire import BadMessage, Call
    from jaccli.tune import kept

    memory.limit(settings.memory, settings.result)
    kept.keep(settings.programs, settings.programs_memory)
    stream = (False, "utf-8", "strict")
    for command in ("jacobian", "check"):
        arguments = [command, "-e", "x**2", "--at", "x=1", "--format", "json", "--quiet"]
        perform(Call(arguments, "/", {}, stream, stream, {}))

    def answer(message: bytes) -> bytes | None:
        try:
            call = Call.decode(message)
        except BadMessage:
            return None
        return perform(call).encode()

    return answer


def _end_with(parent: int) -> None:
    """End when the parent does, leave to it the signals that all are sent, and write no core.

    Ctrl-C comes to all of a terminal, SIGTERM to all that systemd stops; the parent drains first.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _send(connection: socket.socket, message: bytes) -> None:
    try:
        connection.sendall(len(message).to_bytes(LENGTH, "big") + message)
    except OSError:  # nobody is there any more
        os._exit(0)


def _receive(connection: socket.socket) -> bytes | None:
    """Return the next message, None when the other end is closed."""
    head = _exactly(connection, LENGTH)
    return None if head is None else _exactly(connection, int.from_bytes(head, "big"))


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        try:
            got = connection.recv_into(view)
        except OSError:
            return None
        if not got:
            return None
        view = view[got:]
    return bytes(data)
