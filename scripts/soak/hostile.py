"""Clients that mean harm: requests that cost a service more than they cost who sends them.

    .venv/bin/python scripts/soak/hostile.py PORT SECONDS SEED

attacks one thing after another, and prints how often each was answered how, as JSON.

Each attack is a function of what connects; it returns the status that it was answered with, 0 if
the connection ended without an answer.  `stall_service.py` measures what each does to the others,
`soak_service.py` mixes them with honest clients.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from string import ascii_lowercase

Connect = Callable[[], socket.socket]
Attack = Callable[[Connect], int]

MB = 1_000_000
PATIENCE = 60.0
LARGE = b'{"model": {"expression": "x*ones((5000, 5000))"}, "inputs": {"x": 3}}'
"""A spec whose value has 200 MB."""
UNREAD = "answers: 4 of 200 MB, unread"
MULTIPART = "Content-Type: multipart/form-data; boundary=B\r\n"
NPY = "Accept: application/x-npy\r\n"


def head(path: str, more: str = "", length: int | None = None, method: str = "POST") -> bytes:
    """Return the header of a request that ends the connection."""
    count = "" if length is None else f"Content-Length: {length}\r\n"
    lines = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}{count}\r\n"
    return lines.encode()


def post(path: str, body: bytes, more: str = "") -> bytes:
    """Return a whole request."""
    return head(path, more, len(body)) + body


def sent(connect: Connect, data: bytes) -> int:
    """Send bytes, read all that comes, and return the status of the answer."""
    with connect() as connection:
        connection.settimeout(PATIENCE)
        with suppress(BrokenPipeError, ConnectionResetError):  # the answer says why
            connection.sendall(data)
        return status(connection)


def status(connection: socket.socket) -> int:
    """Read an answer to its end; return its status."""
    first = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            first = first or part
    return int(first.split(b" ", 2)[1]) if first.startswith(b"HTTP/") else 0


def unread(connect: Connect, count: int, seconds: float, body: bytes = LARGE) -> int:
    """Ask for large answers over several connections, and read none; return how many have ended."""
    request = post("/v1/evaluate", body, NPY)
    connections = []
    for _ in range(count):
        connection = connect()
        connection.settimeout(PATIENCE)
        connection.sendall(request)
        connections.append(connection)
    time.sleep(seconds)
    ended = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            while connection.recv(1 << 20):
                pass
            ended += 1
        except BlockingIOError:
            pass
        except OSError:
            ended += 1
        connection.close()
    return ended


def _names(count: int) -> list[str]:
    return ["".join(letters) for letters in product(ascii_lowercase, repeat=3)][:count]


def _simple(data: Callable[[], bytes]) -> Attack:
    return lambda connect: sent(connect, data())


def _short_lines() -> bytes:
    names = [*_names(9_000), "aaa"]
    return head("/", "".join(f"{name}:\r\n" for name in names), method="GET")


def _chunked(rest: bytes) -> bytes:
    return head("/v1/jacobian", "Transfer-Encoding: chunked\r\n") + rest


def _near_boundaries() -> bytes:
    boundary = "a" * 69 + "b"
    return post(
        "/v1/jacobian",
        b"\r\n--" + b"a" * (60 * MB),
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n",
    )


def _part(content: bytes) -> bytes:
    first = b'--B\r\nContent-Disposition: form-data; name="spec"\r\n\r\nmodel: {expression: x}\r\n'
    second = b'--B\r\nContent-Disposition: form-data; name="x.npy"\r\n\r\n'
    return first + second + content + b"\r\n--B--\r\n"


ATTACKS: dict[str, Attack] = {
    "header: short lines": _simple(_short_lines),
    "header: 64,000 lines at once": _simple(lambda: head("/", "a:\r\n" * 64_000, method="GET")),
    "header: Accept of commas": _simple(
        lambda: post("/v1/jacobian", b"{}", f"Accept: {',' * 60_000}\r\n")
    ),
    "header: a long query": _simple(lambda: post("/v1/jacobian?" + "wrt=a&" * 10_000, b"{}")),
    "header: requests at once": _simple(
        lambda: b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 8_000 + head("/healthz", method="GET")
    ),
    "trailer: one of 100 MB": _simple(
        lambda: _chunked(b"2\r\n{}\r\n0\r\na: " + b"b" * (100 * MB) + b"\r\n\r\n")
    ),
    "trailer: 5,000,000 lines": _simple(
        lambda: _chunked(b"2\r\n{}\r\n0\r\n" + b"a:\r\n" * (5 * MB) + b"\r\n")
    ),
    "chunks of a byte": _simple(lambda: _chunked(b"1\r\n \r\n" * (4 * MB) + b"0\r\n\r\n")),
    "chunks: long extensions": _simple(
        lambda: _chunked((b"1;" + b"a" * MB + b"\r\n \r\n") * 60 + b"0\r\n\r\n")
    ),
    "multipart: one head": _simple(
        lambda: post(
            "/v1/jacobian",
            b"--B\r\nContent-Disposition: form-data" + b';a=""' * (6 * MB) + b"X\r\n--B--\r\n",
            MULTIPART,
        )
    ),
    "multipart: heads without end": _simple(
        lambda: post("/v1/jacobian", b"--B\r\n" + b"a: b\r\n" * (10 * MB) + b"--B--", MULTIPART)
    ),
    "multipart: almost boundaries": _simple(_near_boundaries),
    "body: 60 MB of spaces": _simple(lambda: post("/v1/jacobian", b" " * (60 * MB))),
    "body: 60 MB of a part": _simple(
        lambda: post("/v1/jacobian", _part(bytes(60 * MB)), MULTIPART)
    ),
    "body: 60 MB to register": _simple(
        lambda: post("/v1/models", _part(bytes(60 * MB)), MULTIPART)
    ),
    "spec: 100,000 unknown keys": _simple(
        lambda: post(
            "/v1/jacobian",
            b'{"model": {"expression": "x"}, "inputs": {"x": 1}'
            + b"".join(b', "unknown%d": 1' % i for i in range(100_000))
            + b"}",
        )
    ),
    "upgrade": _simple(
        lambda: post(
            "/v1/jacobian",
            b"model: {expression: x**2}\ninputs: {x: 3.0}\n",
            "Upgrade: h2c\r\n",
        ).replace(b"Connection: close", b"Connection: Upgrade, close")
    ),
    "answer: 200 MB": _simple(lambda: post("/v1/evaluate", LARGE, NPY)),
    UNREAD: lambda connect: unread(connect, 4, 8.0),
}


def main() -> None:
    """Attack a port of this machine for some time."""
    port, seconds, seed = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    draw, end = random.Random(seed), time.monotonic() + seconds
    found: Counter[str] = Counter()
    while time.monotonic() < end:
        name = draw.choice(list(ATTACKS))
        try:
            said = ATTACKS[name](lambda: socket.create_connection(("127.0.0.1", port), PATIENCE))
            found[f"{name}: {f'{said} ended' if name == UNREAD else said or 'ended'}"] += 1
        except TimeoutError:
            found[f"{name}: no answer"] += 1
        except OSError:
            found[f"{name}: ended"] += 1
    print(json.dumps(found))


if __name__ == "__main__":
    main()
