"""A service in processes of its own, and what asks it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
SQUARE = b"model: {expression: x**2}\ninputs: {x: [1.0, 2.0, 3.0]}\n"


class Said(NamedTuple):
    """An answer over HTTP."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What an error says; there is nothing else in it."""
        error = self.json["error"]
        assert self.json == {"error": {"status": self.status, "message": error["message"]}}
        text: str = error["message"]
        return text


class Server:
    """A running service: at `port`, or at the socket `path`."""

    def __init__(self, process: subprocess.Popen[str], port: int, path: str) -> None:
        self.process, self.port, self.path = process, port, path

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        if self.path:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout)
            try:
                connection.connect(self.path)
            except OSError:
                connection.close()
                raise
            return connection
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, path: str, body: bytes | None = None, method: str = "", **headers: str) -> Said:
        """Send a request over a connection of its own; `_` in a header's name is a hyphen."""
        connection = http.client.HTTPConnection("localhost", self.port)
        connection.sock = self.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(connection):
            connection.request(method or ("GET" if body is None else "POST"), path, body, named)
            found = connection.getresponse()
            return Said(found.status, found.read(), {k.lower(): v for k, v in found.getheaders()})

    def workers(self) -> list[int]:
        """Return the ids of the worker processes that are ready."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            health = self.ask("/healthz").json["workers"]
            pids = children(self.process.pid)
            if health["idle"] + health["busy"] == len(pids) and health["idle"]:
                return pids
            time.sleep(0.05)
        raise AssertionError("the workers do not become ready")


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started and that run."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(name))
    return found


def started(arguments: list[str], home: Path) -> subprocess.Popen[str]:
    """Start a service, which may refuse to run."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    for name in ("JACCLI_SERVER", "TF_CPP_MIN_LOG_LEVEL"):  # the tests' own, see conftest.py
        environment.pop(name, None)
    return subprocess.Popen(
        [sys.executable, "-m", "jaccli", "serve", *arguments],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@contextmanager
def serving(arguments: list[str], home: Path) -> Iterator[Server]:
    """Run a service until the block ends."""
    process = started(arguments, home)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert "serving at " in line, line + process.stderr.read()
        where = line.split("serving at ")[1].split(" with ")[0]
        path = where.removeprefix("unix:") if where.startswith("unix:") else ""
        yield Server(process, 0 if path else int(where.rpartition(":")[2]), path)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
