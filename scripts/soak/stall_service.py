"""Measures what hostile clients do to the others: the longest wait of a request that costs nothing.

    .venv/bin/python scripts/soak/stall_service.py [--only WORD]

While each attack of `hostile.py` runs, /healthz is asked again and again over another connection.
Its worst time, the least of several runs, is that for which the event loop was held; the process's
memory is looked at too.  At least one attack has to be answered with 200: it is none.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hostile import ATTACKS, head
from soak_service import resident

ROOT = Path(__file__).resolve().parents[2]
BAR = 50.0
"""Milliseconds."""
TIMES, LONG = 3, 10.0
"""How often an attack is repeated, unless it takes so many seconds: the machine stalls, too."""
GET = head("/healthz", method="GET").replace(b"Connection: close\r\n", b"")


class Probe(threading.Thread):
    """Asks until it is stopped; keeps the longest time of an answer, and the largest memory."""

    def __init__(self, path: str, pid: int) -> None:
        super().__init__(daemon=True)
        self.path, self.pid = path, pid
        self.stopped = threading.Event()
        self.worst, self.most, self.count = 0.0, 0, 0
        self.start()
        while not self.count:
            time.sleep(0.001)

    def run(self) -> None:
        """Ask."""
        with connected(self.path) as connection:
            while not self.stopped.wait(0.001):
                start = time.perf_counter()
                connection.sendall(GET)
                if not connection.recv(1 << 16).startswith(b"HTTP/1.1 200"):
                    sys.exit("/healthz is not answered")
                self.worst = max(self.worst, time.perf_counter() - start)
                self.most = max(self.most, resident(self.pid))
                self.count += 1

    def stop(self) -> None:
        """Ask no more, a moment later."""
        time.sleep(0.1)
        self.stopped.set()
        self.join()


def connected(path: str) -> socket.socket:
    """Return a connection to a Unix socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def nothing(_: object) -> int:
    """Show what the machine adds."""
    time.sleep(2.0)
    return 0


class Stall(NamedTuple):
    """What an attack did: how it was answered, its seconds, others' milliseconds, and memory."""

    name: str
    status: int
    seconds: float
    worst: float
    grown: int

    @property
    def holds(self) -> bool:
        """Whether nobody waited for long."""
        return self.worst <= BAR


def stalls(names: Sequence[str], times: int = TIMES) -> Iterator[Stall]:
    """Attack a service of its own, each attack several times: the least worst time counts.

    Where that is too long there are more turns: other work on the machine is slow, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        command = [sys.executable, "-m", "jaccli", "serve", "--socket", path, "--workers", "2"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stderr is not None
        process.stderr.readline()
        try:
            while not all_ready(path):
                time.sleep(0.1)
            for name in names:
                worst, grown = [], 0
                for turn in range(3 * times):
                    before = resident(process.pid)
                    probe = Probe(path, process.pid)
                    start = time.perf_counter()
                    try:
                        status = {"nothing": nothing, **ATTACKS}[name](lambda: connected(path))
                    except TimeoutError:
                        status = -1
                    took = time.perf_counter() - start
                    probe.stop()
                    worst.append(1000 * probe.worst)
                    grown = max(grown, (probe.most - before) >> 20)
                    if min(worst) <= BAR and (took > LONG or turn + 1 >= times):
                        break
                yield Stall(name, status, took, min(worst), grown)
        finally:
            process.kill()
            process.wait()


def main() -> int:
    """Attack, print the table, and return 1 if somebody waited too long."""
    parser = argparse.ArgumentParser(description="Measure stalls of the service.")
    parser.add_argument("--only", default="", help="attacks whose names have this in them")
    word = parser.parse_args().only
    print(f"{'attack':32} {'status':>6} {'seconds':>8} {'worst ms':>9} {'memory +MiB':>12}")
    found = []
    for one in stalls(["nothing", *(name for name in ATTACKS if word in name)]):
        found.append(one)
        print(
            f"{one.name:32} {one.status:6} {one.seconds:8.2f} {one.worst:9.1f} {one.grown:12}",
            flush=True,
        )
    print(f"worst {max(one.worst for one in found):.0f} ms (bar {BAR:.0f} ms)")
    return 0 if all(one.holds for one in found) else 1


def all_ready(path: str) -> bool:
    """Whether both workers are."""
    with connected(path) as connection:
        connection.sendall(GET)
        return b'"idle":2' in connection.recv(1 << 16).replace(b" ", b"")


if __name__ == "__main__":
    sys.exit(main())
