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
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from jaccli.context import Context
from jaccli.errors import format_bytes
from jaccli.service.messages import versions
from jaccli.service.server.http_error import too_large
from jaccli.service.server.limits import Limits

if TYPE_CHECKING:
    from jaccli.service.server.translate import Response

LENGTH = 8
"""Bytes that hold the length of what a message consists of, in front of each: of a call, a job, its
body, and the body of its input; of a reply, a head and a body."""
READY = b"+"
"""What a worker says first, in a head, and then its versions."""
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
        _send(connection, READY + versions().encode(), b"")
        while (message := _receive(connection)) is not None:
            found = perform(*message)
            del message
            _send(connection, found.head(), found.body)
            del found  # an idle worker keeps its programs alone
    os._exit(0)


def _prepared(settings: Settings) -> Callable[[bytes, bytes, bytes], Response]:
    """Import everything that a call needs, and compile something."""
    from jaccli.service.messages import Call
    from jaccli.service.server.session import perform
    from jaccli.service.server.translate import RequestJob, Response, answer
    from jaccli.tune.program_cache import ProgramCache

    shared = Context(
        most_memory=settings.memory,
        most_result=settings.result,
        programs=ProgramCache(settings.programs, settings.programs_memory),
    )
    stream = (False, "utf-8", "strict")
    for command in ("jacobian", "check"):
        arguments = [command, "-e", "x**2", "--at", "x=1", "--format", "json", "--quiet"]
        perform(Call(arguments, "/", {}, stream, stream, {}), shared)

    def answered(job: bytes, body: bytes, bare: bytes) -> Response:
        performed = partial(perform, shared=shared)
        found = answer(RequestJob.decode(job), body, bare, shared, performed)
        if len(found.body) <= settings.reply:
            return found
        allowed = format_bytes(settings.reply)
        return Response.refused(too_large(f"the answer has more than the {allowed} allowed."))

    return answered


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


def _send(connection: socket.socket, *message: bytes) -> None:
    try:
        for part in message:
            connection.sendall(len(part).to_bytes(LENGTH, "big"))
            connection.sendall(part)
    except OSError:  # nobody is there any more
        os._exit(0)


def _receive(connection: socket.socket) -> tuple[bytes, bytes, bytes] | None:
    """Return the next message, None when the other end is closed."""
    found = []
    for _ in range(3):
        length = _exactly(connection, LENGTH)
        part = None if length is None else _exactly(connection, int.from_bytes(length, "big"))
        if part is None:
            return None
        found.append(part)
    job, body, bare = found
    return job, body, bare


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
