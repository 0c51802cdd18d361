"""Times the service: one small Jacobian over HTTP, many at once, and a whole call of the shell.

    .venv/bin/python scripts/bench_service.py [--rounds 7] [--seconds 3]

The 16 x 16 Jacobian of configs/forecast.yaml, asked for by a registered model's id with a bare
`.npy` body over keep-alive, is compared with the bare framework: a route that reads a body of that
size and answers with as many bytes, under the same server with the same settings.  A process of its
own makes the load, with sockets alone; service and echo take turns, and medians are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORECAST = ROOT / "configs" / "forecast.yaml"
BYTES = 1024 + 128
"""Of an answer: 16 x 16 in float32, and the header."""
CLIENTS = 64
P50_BAR, THROUGHPUT_BAR, CALL_BAR = 0.5, 0.5, 0.08


def npy() -> bytes:
    """Return 16 numbers in float32 as numpy would save them."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (16,), }"
    header = header.ljust(117) + b"\n"
    numbers = b"".join(bytes([0, 0, 128 + index, 62]) for index in range(16))
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + numbers


def request(path: str, body: bytes) -> bytes:
    """Return a request of HTTP."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-npy\r\n"
        f"Content-Type: application/x-npy\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(port: int, message: bytes, until: float, times: list[float]) -> None:
    """Ask again and again over one connection until the time is up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (start := time.perf_counter()) < until:
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"refused: {head.decode()}")
        lengths = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
        await reader.readexactly(int(lengths[0].split(b":")[1]))
        times.append(time.perf_counter() - start)
    writer.close()


def load(port: int, path: str, clients: int, seconds: float) -> None:
    """Print the requests per second of so many clients, and the median time of one, as JSON."""
    times: list[float] = []
    message = request(path, npy())

    async def all_clients() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client(port, message, until, times) for _ in range(clients)))

    asyncio.run(all_clients())
    print(json.dumps([len(times) / seconds, 1000 * statistics.median(times)]))


def echo() -> None:
    """Serve the bare framework on a free port, which is printed."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    answer = b"\0" * BYTES

    async def endpoint(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/x-npy")

    app = Starlette(routes=[Route("/echo", endpoint, methods=["POST"])])
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"serving at http://127.0.0.1:{listener.getsockname()[1]} with nothing", file=sys.stderr)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run([listener])


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[str]:
    """Run a server until the block ends; give the address that it says."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        if "serving at " not in line:
            sys.exit(f"no server: {line}{process.stderr.read()}")
        yield line.split("serving at ")[1].split(" with ")[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def register(url: str) -> str:
    """Register the forecast, wait until it is answered inline, and return the path to ask."""
    with urllib.request.urlopen(f"{url}/v1/models", FORECAST.read_bytes()) as answer:
        path = f"/v1/jacobian?model={json.load(answer)['id']}&input=x"
    headers = {"Accept": "application/x-npy", "Content-Type": "application/x-npy"}
    for _ in range(100):
        asked = urllib.request.Request(f"{url}{path}", npy(), headers)
        with urllib.request.urlopen(asked) as answer:
            assert len(answer.read()) == BYTES
        with urllib.request.urlopen(f"{url}/healthz") as answer:
            if json.load(answer)["programs"]:
                return path
        time.sleep(0.1)
    sys.exit("the request is not answered inline")


def measured(url: str, path: str, clients: int, seconds: float) -> tuple[float, float]:
    """Return requests per second and the median milliseconds of one, by a process of its own."""
    port = url.rpartition(":")[2]
    arguments = ["--load", port, path, str(clients), str(seconds)]
    out = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=True
    )
    rate, median = json.loads(out.stdout)
    return rate, median


def served(rounds: int, seconds: float) -> bool:
    """Compare the service with the echo; return whether both bars are met."""
    serve = [sys.executable, "-m", "jaccli", "serve", "--port", "0", "--workers", "1"]
    with running(serve) as service, running([sys.executable, __file__, "--echo"]) as bare:
        path = register(service)
        alone: dict[str, list[float]] = {service: [], bare: []}
        many: dict[str, list[float]] = {service: [], bare: []}
        for number in range(rounds):
            order = [(service, path), (bare, "/echo")]
            for url, what in order[:: 1 if number % 2 else -1]:
                alone[url].append(measured(url, what, 1, seconds)[1])
                many[url].append(measured(url, what, CLIENTS, seconds)[0])
    p50, p50_bare = (statistics.median(alone[url]) for url in (service, bare))
    ratio = statistics.median(a / b for a, b in zip(many[service], many[bare], strict=True))
    print(f"medians of {rounds} rounds of {seconds:g} s; 16 x 16 Jacobian, .npy body, keep-alive")
    print(f"1 client, median of a request: {p50:.2f} ms (bar {P50_BAR} ms); echo {p50_bare:.2f} ms")
    print(
        f"{CLIENTS} clients: {statistics.median(many[service]):.0f} requests/s; echo "
        f"{statistics.median(many[bare]):.0f}; ratio {ratio:.2f} (bar {THROUGHPUT_BAR})"
    )
    return p50 <= P50_BAR and ratio >= THROUGHPUT_BAR


def shell_call(rounds: int) -> bool:
    """Compare a whole call of the thin client with the script by hand; whether the bar is met."""
    from bench_start import run

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        socket = folder / "bench.sock"
        serve = [sys.executable, "-m", "jaccli", "serve", "--socket", str(socket), "--workers", "1"]
        # As the installed command starts: no folder of ours on the path to search first.
        jaccli = [sys.executable, "-m", "jaccli", "jacobian", str(FORECAST)]
        ours = [*jaccli, "-o", str(folder / "J.npy"), "--force"]
        theirs = [sys.executable, str(ROOT / "scripts/bench/handwritten.py"), str(FORECAST)]
        theirs.append(str(folder / "H.npy"))
        times: tuple[list[float], list[float]] = ([], [])
        with running(serve):
            os.environ["JACCLI_SERVER"] = f"unix:{socket}"
            for number in range(-1, rounds):
                for side, command in ((0, ours), (1, theirs))[:: 1 if number % 2 else -1]:
                    elapsed, _ = run(command, dict(os.environ))
                    if number >= 0:
                        times[side].append(elapsed)
            del os.environ["JACCLI_SERVER"]
    mine, other = (statistics.median(side) for side in times)
    print(
        f"whole shell call through the service: {mine:.0f} ms; script by hand {other:.0f} ms; "
        f"ratio {mine / other:.3f} (bar {CALL_BAR})"
    )
    return mine / other <= CALL_BAR


def main() -> int:
    """Measure, print, and return 1 if a bar is not met."""
    parser = argparse.ArgumentParser(description="Time the service.")
    parser.add_argument("--rounds", type=int, default=7, help="repetitions (default 7)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load (default 3)")
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.echo:
        echo()
        return 0
    if asked.load:
        port, path, clients, seconds = asked.load
        load(int(port), path, int(clients), float(seconds))
        return 0
    os.chdir(ROOT)
    met = [served(asked.rounds, asked.seconds), shell_call(max(3, asked.rounds))]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
