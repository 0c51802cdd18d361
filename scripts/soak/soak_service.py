"""Soaks the service: 64 clients, mixed sizes, a tenth malformed, a worker killed every 5 seconds.

    .venv/bin/python scripts/soak/soak_service.py [--seconds 60] [--clients 64] [--hostile 2]

Meanwhile two processes do what `hostile.py` has.  Every well-formed request must be answered as
numpy says, or with 429 or 503; every malformed one with a 4xx; and no hostile one with a 500, or
not at all.  The memory of the service's own process may grow by what its limits say.  Without
hostile clients, that of all processes at the end must be within a tenth of that in the middle.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PAGE = os.sysconf("SC_PAGE_SIZE")
KILL_EVERY, LOOK_EVERY = 5.0, 0.5
MALFORMED = 0.1
MAY = 1.1
BUFFERS, OTHER = 256, 192
"""MiB that bodies and answers may take, and that the service may grow by besides."""
SIZES = (1, 3, 8, 16, 16, 16, 40, 120)
NPY = {"Accept": "application/x-npy"}
BAD: tuple[tuple[str, dict[str, str], bytes], ...] = (
    ("/v1/jacobian", {}, b"model: {expression: x +}\ninputs: {x: 1.0}"),
    ("/v1/jacobian", {}, b"[" * 10_000),
    ("/v1/hessian", {}, b"model: {expression: x}\ninputs: {x: {file: /etc/passwd.npy}}"),
    ("/v1/jacobian", {}, b"model: {expression: x*2}\ninputs: {x: {ones: [1000000]}}"),
    ("/v1/jacobian", {"Content-Type": "image/png"}, b"\x89PNG"),
    ("/v1/jacobian?mod=fwd", {}, b"model: {expression: x}\ninputs: {x: 1.0}"),
    ("/v1/jacobian?model=0&input=x", {}, b"\x93NUMPY"),
    ("/v1/models", {}, b"\xff\xfe"),
    ("/nothing", {}, b""),
)


def forecast(size: int) -> tuple[bytes, Any, Any]:
    """Return a forecast of that size as a spec, its weight and its bias."""
    spec = (
        "model: forecast\nwrt: x\ninputs:\n"
        f"  weight: {{random: normal, shape: [{size}, {size}], seed: 1}}\n"
        f"  bias: {{random: normal, shape: [{size}], seed: 2}}\n"
        f"  x: {{random: normal, shape: [{size}], seed: 3}}\n"
    )
    weight = np.random.default_rng(1).normal(size=(size, size))
    return spec.encode(), weight, np.random.default_rng(2).normal(size=size)


MODELS = {size: forecast(size) for size in set(SIZES)}


async def asked(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Send a request over a connection of its own; return the status and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = {"Host": "localhost", "Connection": "close", "Content-Length": len(body), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    try:
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        found = await reader.read()
    finally:
        writer.close()
    head_, _, content = found.partition(b"\r\n\r\n")
    return int(head_.split(b" ", 2)[1]), content


class Soak:
    """What the clients share: whom they ask, until when, and what came of it."""

    def __init__(self, pid: int, port: int, seconds: float) -> None:
        self.pid, self.port = pid, port
        self.start = time.monotonic()
        self.end = self.start + seconds
        self.statuses: Counter[str] = Counter()
        self.attacks: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.memory: list[tuple[float, int]] = []
        self.own: list[int] = []
        self.times: dict[str, list[float]] = {"by id": [], "by spec": []}
        self.killed = 0
        self.ids: dict[int, str] = {}

    async def client(self, seed: int) -> None:
        """Ask one thing after another."""
        draw = random.Random(seed)
        while time.monotonic() < self.end:
            if draw.random() < MALFORMED:
                path, headers, body = draw.choice(BAD)
                status, content = await asked(self.port, path, body, headers)
                self.statuses[f"malformed {status}"] += 1
                if not (400 <= status < 500 or status == 503):
                    self.wrong.append(f"malformed: {status} {content[:200]!r}")
                continue
            await self.well_formed(draw)

    async def well_formed(self, draw: random.Random) -> None:
        """Ask for a Jacobian, by id or by spec, and compare it with the closed form."""
        size = draw.choice(SIZES)
        spec, weight, bias = MODELS[size]
        x = np.array([draw.gauss(0, 1) for _ in range(size)])
        kind = "by id" if draw.random() < 0.7 else "by spec"
        if kind == "by id":
            stream = io.BytesIO()
            np.save(stream, x)
            path, body = f"/v1/jacobian?model={self.ids[size]}&input=x", stream.getvalue()
            headers = NPY | {"Content-Type": "application/x-npy"}
        else:
            given = f"  x: {x.tolist()}\n".encode()
            path, body, headers = "/v1/jacobian", spec.rpartition(b"  x:")[0] + given, NPY
        start = time.perf_counter()
        status, content = await asked(self.port, path, body, headers)
        self.times[kind].append(time.perf_counter() - start)
        self.statuses[str(status)] += 1
        if status in (429, 503):
            await asyncio.sleep(draw.random() / 10)
        elif status != 200:
            self.wrong.append(f"{status} {content[:200]!r}")
        else:
            expected = (1 - np.tanh(weight @ x + bias) ** 2)[:, None] * weight
            if not np.allclose(np.load(io.BytesIO(content)), expected, rtol=1e-9, atol=1e-12):
                self.wrong.append(f"the Jacobian of size {size} is wrong")

    async def register(self) -> None:
        """Register the models."""
        for size, (spec, _, _) in MODELS.items():
            status, content = await asked(self.port, "/v1/models", spec, {})
            if status != 201:
                sys.exit(f"not registered: {status} {content.decode()}")
            self.ids[size] = json.loads(content)["id"]

    async def killer(self) -> None:
        """Kill a worker every few seconds."""
        while time.monotonic() < self.end - KILL_EVERY / 2:
            await asyncio.sleep(KILL_EVERY)
            if workers := children(self.pid):
                os.kill(random.choice(workers), signal.SIGKILL)
                self.killed += 1

    async def watcher(self) -> None:
        """Note the memory of all processes."""
        while time.monotonic() < self.end:
            pids = (self.pid, *children(self.pid))
            self.memory.append((time.monotonic(), sum(map(resident, pids))))
            self.own.append(resident(self.pid))
            await asyncio.sleep(LOOK_EVERY)

    def grown(self) -> float:
        """Return the memory of the last tenth of the time over that of the middle one."""

        def median(first: float, last: float) -> float:
            span = self.end - self.start
            chosen = [size for at, size in self.memory if first <= (at - self.start) / span <= last]
            return statistics.median(chosen)

        return median(0.85, 1.0) / median(0.425, 0.575)


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


async def hostile(made: Soak, seed: int) -> None:
    """Attack in a process of its own, and note how that was answered."""
    arguments = [str(ROOT / "scripts/soak/hostile.py"), str(made.port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        str(made.end - time.monotonic()),
        str(seed),
        stdout=subprocess.PIPE,
    )
    said, _ = await process.communicate()
    for name, count in json.loads(said).items():
        made.attacks[name] += count
        if name.endswith((" 500", "no answer")):
            made.wrong.append(name)


async def soak(pid: int, port: int, clients: int, attackers: int, seconds: float) -> Soak:
    """Let all loose."""
    made = Soak(pid, port, seconds)
    await made.register()
    await asyncio.gather(
        made.killer(),
        made.watcher(),
        *(made.client(seed) for seed in range(clients)),
        *(hostile(made, seed) for seed in range(attackers)),
    )
    return made


def main() -> int:
    """Soak, print what came of it, and return 1 if it was not right."""
    parser = argparse.ArgumentParser(description="Soak the service.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
    parser.add_argument("--clients", type=int, default=64, help="how many (default 64)")
    parser.add_argument("--hostile", type=int, default=2, help="attackers (default 2)")
    asked_ = parser.parse_args()
    command = [sys.executable, "-m", "jaccli", "serve", "--port", "0", "--workers", "2"]
    command += ["--buffers", f"{BUFFERS}MiB", "--send-time", "5"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        port = int(line.split(" with ")[0].rpartition(":")[2])
        made = asyncio.run(soak(process.pid, port, asked_.clients, asked_.hostile, asked_.seconds))
    finally:
        process.terminate()
        code = process.wait()
    print(
        f"{asked_.clients} clients and {asked_.hostile} attackers, {asked_.seconds:g} s, "
        f"{made.killed} workers killed"
    )
    for table in (made.statuses, made.attacks):
        for status, count in sorted(table.items()):
            print(f"  {status:44} {count:7}")
    print(f"  {'seconds of an honest answer':44} {'median':>7} {'99 %':>7} {'worst':>7}")
    for kind, times in made.times.items():
        cuts = statistics.median(times), sorted(times)[int(0.99 * len(times))], max(times)
        print(f"  {kind:44} " + " ".join(f"{cut:7.3f}" for cut in cuts))
    grown, own = made.grown(), (max(made.own) - made.own[0]) >> 20
    print(
        f"memory: {made.memory[-1][1] >> 20} MiB at the end, {grown:.2f} of the middle (bar {MAY}, "
        f"without attackers); the service itself +{own} MiB at most (bar {BUFFERS + OTHER})"
    )
    for wrong in made.wrong[:5]:
        print(f"wrong: {wrong}")
    print(f"wrong answers: {len(made.wrong)}; the service ended with {code}")
    bounded = own <= BUFFERS + OTHER and (asked_.hostile > 0 or grown <= MAY)
    return 0 if not made.wrong and bounded and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
