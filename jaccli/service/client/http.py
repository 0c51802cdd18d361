"""One HTTP request to a service, over a Unix socket or TCP.

HTTP/1.0 by hand: `http.client` takes 10 ms to import, as long as the whole client.  A connection
for each request: the answer ends where the connection does.  Standard library only.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from jaccli.service.address import ServiceAddress

_CONNECT = 5.0
"""Seconds that connecting may take."""
_HEAD = 64 * 1024
"""Bytes of an answer's head at most."""
_PIECE = 1 << 18


class NotThere(Exception):
    """Nobody listens at the address."""


class Broken(Exception):
    """The connection failed, or the answer is not one."""


class HTTPAnswer:
    """An answer: `headers` by their names in lower case."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def post(
    address: ServiceAddress, path: str, headers: dict[str, str], body: bytes, *, timeout: float
) -> HTTPAnswer:
    """Send a request and return its answer, which must not take longer than `timeout` seconds.

    Raises:
        NotThere: nobody listens at the address.
        Broken: the connection failed, or took too long.
    """
    connection = connect(address)
    try:
        return exchange(connection, address, f"POST {path}", headers, body, timeout=timeout)
    finally:
        connection.close()


def exchange(
    connection: socket.socket,
    address: ServiceAddress,
    target: str,
    headers: dict[str, str],
    body: bytes = b"",
    *,
    timeout: float,
) -> HTTPAnswer:
    """Send the only request of a connection, its method and path as `target`; return the answer.

    Raises:
        Broken: the connection failed, or took longer than `timeout` seconds.
    """
    host = "localhost" if address.path else str(address).removeprefix("http://")
    lines = [f"{target} HTTP/1.0", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    try:
        deadline = time.monotonic() + timeout
        connection.settimeout(timeout)
        with suppress(BrokenPipeError, ConnectionResetError):  # the answer says why
            connection.sendall(head + body)
        return _answer(_received(connection, deadline))
    except TimeoutError as error:
        raise Broken(f"no answer within {timeout:g} seconds") from error
    except OSError as error:
        raise Broken((error.strerror or str(error)).lower()) from error


def connect(address: ServiceAddress) -> socket.socket:
    """Return a connection to a service.

    Raises:
        NotThere: nobody listens at the address.
    """
    try:
        if not address.path:
            return socket.create_connection((address.host, address.port), _CONNECT)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_CONNECT)
            connection.connect(address.path)
        except BaseException:
            connection.close()
            raise
        return connection
    except OSError as error:
        raise NotThere((error.strerror or str(error)).lower()) from error


def _received(connection: socket.socket, deadline: float) -> bytes:
    """Return all that comes until the connection ends, which must be before the deadline."""
    pieces: list[bytes] = []
    resets = 0
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(_PIECE)
        except ConnectionResetError:
            # The other end has closed without reading all; what it has said may still be here.
            resets += 1
            if resets > 1:
                return b"".join(pieces)
            continue
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
    raise TimeoutError


def _answer(data: bytes) -> HTTPAnswer:
    """Return what was received as an answer."""
    head, end, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    protocol = len(words) > 1 and words[0].startswith("HTTP/1.") and words[1].isdigit()
    if not end or not protocol or len(head) > _HEAD:
        raise Broken("this is not an answer of HTTP" if data else "the connection was closed")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) != len(body):
        raise Broken("the answer was cut short")
    return HTTPAnswer(int(words[1]), headers, body)
