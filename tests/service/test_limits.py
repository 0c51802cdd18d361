"""What hangs, dies, floods or trickles costs itself, and nobody else."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from jaccli.service import server
from jaccli.service.messages import Call, Reply
from jaccli.service.server import pool
from jaccli.service.server.buffers import parts
from jaccli.service.server.http_error import Refusal
from jaccli.service.server.limits import Limits
from jaccli.service.server.pool import Pool
from jaccli.service.server.translate import CALL, RequestJob
from tests.service.servers import PATIENCE, SQUARE, Said, Server, children, serving, started


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


class Asked(threading.Thread):
    """A request on its way."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.said: Said | None = None
        self.start()

    def run(self) -> None:
        with suppress(OSError, http.client.HTTPException):  # of a service that ends
            self.said = self.server.ask("/v1/jacobian", SQUARE)

    def answer(self) -> Said:
        self.join(PATIENCE)
        assert self.said is not None, "no answer"
        return self.said


def stopped(server: Server) -> list[int]:
    """Have all workers stop where they are; return their numbers."""
    found = server.workers()
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    return found


def busy(server: Server) -> int:
    found: int = server.ask("/healthz").json["workers"]["busy"]
    return found


@pytest.mark.slow
def test_of_a_worker_that_dies_the_request_is_answered_and_the_worker_replaced(
    server: Server,
) -> None:
    pids = stopped(server)
    asked = Asked(server)
    until(lambda: busy(server) == 1)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    said = asked.answer()
    assert (said.status, said.headers["retry-after"]) == (503, "1")
    assert said.message == "the process that computed this has ended. Ask again."
    # The other one died idle: it may be found out by the next request alone.
    until(lambda: server.ask("/v1/jacobian", SQUARE).status == 200)
    assert not set(server.workers()) & set(pids)


def test_requests_wait_up_to_a_number_and_then_are_told_to_come_back(server: Server) -> None:
    pids = stopped(server)
    asked = [Asked(server) for _ in range(5)]  # two run, three wait
    until(lambda: server.ask("/healthz").json["waiting"] == 3)
    said = server.ask("/v1/jacobian", SQUARE)
    assert (said.status, said.headers["retry-after"]) == (429, "1")
    assert said.message == "3 requests are waiting already. Ask again later."
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert [request.answer().status for request in asked] == [200] * 5


@pytest.mark.parametrize("reset", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_who_leaves_the_queue_leaves_it(server: Server, reset: bool) -> None:
    """Who closes a TCP connection may be one who only sends no more: that is waited for."""
    stopped(server)
    asked = [Asked(server) for _ in range(2)]
    until(lambda: busy(server) == 2)
    waiting = server.connect()
    waiting.sendall(post("/v1/jacobian", SQUARE))
    until(lambda: server.ask("/healthz").json["waiting"] == 1)
    if reset:
        waiting.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    waiting.close()
    until(lambda: server.ask("/healthz").json["waiting"] == 0)
    for pid in children(server.process.pid):
        os.kill(pid, signal.SIGCONT)
    assert [request.answer().status for request in asked] == [200] * 2


def post(path: str, body: bytes, **headers: str) -> bytes:
    head = {"Host": "localhost", "Content_Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def sent(server: Server, data: bytes) -> tuple[int, bytes]:
    """Send bytes and no more; return the status and all that comes before the connection ends."""
    with server.connect() as connection:
        connection.sendall(data)
        found = b""
        while part := connection.recv(65536):
            found += part
    return int(found.split(b" ")[1] if found else 0), found


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"", 408, "the header did not come in time."),
        (b"POST /v1/jacobian HTTP/1.1\r\nHost: loc", 408, "the header did not come in time."),
        (post("/v1/jacobian", SQUARE)[:-5], 408, "the body did not come in time."),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 100_000, 431, "the header is too long."),
        (b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 20_000, 431, "the header has more than 128 lines."),
        (
            post("/v1/jacobian", b"", Content_Length=str(1 << 30)),
            413,
            "the body has more than the 1.0 MiB allowed.",
        ),
        (
            b"POST /v1/jacobian HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"10000\r\n" + b" " * 65536 + b"\r\n"
            + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 16,
            413,
            "the body has more than the 1.0 MiB allowed.",
        ),
        (
            post("/v1/jacobian", b"", Content_Length="-1"),
            400,
            "Invalid HTTP request received.",
        ),
        (
            post("/v1/jacobian", SQUARE).replace(b"\r\n\r\n", b"\r\nHost: b\r\n\r\n", 1),
            400,
            "the header host is given twice.",
        ),
    ],
    ids=[
        "silent", "half header", "half body", "long header", "many lines", "1 GiB", "chunks", "-1",
        "two hosts",
    ],
)  # fmt: skip
def test_what_trickles_or_floods_is_ended_with_a_reason(
    server: Server, data: bytes, status: int, message: str
) -> None:
    found, text = sent(server, data)
    assert found == status
    assert message.encode() in text
    assert server.ask("/v1/jacobian", SQUARE).status == 200


def test_who_leaves_in_the_middle_is_forgotten(server: Server) -> None:
    for cut in (10, -5, None):
        connection = server.connect()
        connection.sendall(post("/v1/jacobian", SQUARE)[:cut])
        connection.close()
    assert server.ask("/v1/jacobian", SQUARE).status == 200


def test_one_connection_takes_many_requests_even_at_once(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(post("/v1/jacobian", SQUARE) * 3)
        found = b""
        while found.count(b'"derivative": "jacobian"') < 3:
            part = connection.recv(65536)
            assert part
            found += part
    assert found.count(b"HTTP/1.1 200 OK") == 3


STREAM = (False, "utf-8", "strict")


def message(power: int) -> tuple[bytes, bytes, bytes]:
    arguments = ["jacobian", "-e", f"x**{power}", "--at", "x=2", "--quiet", "--format", "json"]
    return RequestJob(CALL).encode(), Call(arguments, "/", {}, STREAM, STREAM, {}).encode(), b""


def in_pool(limits: Limits, work: Any) -> Any:
    async def all_of_it() -> Any:
        pool = Pool(limits)
        pool.start()
        try:
            return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(all_of_it())


@pytest.mark.slow
def test_a_call_that_takes_too_long_or_too_much_costs_its_worker_alone() -> None:
    async def work(pool: Pool) -> list[int]:
        statuses = []
        await pool.call(message(2), 0)
        for stopped, memory in ((True, 1 << 40), (False, 1)):
            (worker,) = pool.idle
            pool.limits = Limits(workers=1, time=0.3 if stopped else 60, worker_memory=memory)
            if stopped:
                os.kill(worker.process.pid, signal.SIGSTOP)
            worker.base = 0
            with pytest.raises(Refusal) as refused:
                await pool.call(message(3), 0)
            statuses.append((refused.value.status, refused.value.message))
            pool.limits = Limits(workers=1)
            _, body, _ = await pool.call(message(4), 0)
            reply = Reply.decode(b"".join(parts(body)))
            assert json.loads(reply.events[0][1])["blocks"]["f.x"]["values"] == 32.0
            assert worker.process.poll() is not None
        return statuses

    assert in_pool(Limits(workers=1), work) == [
        (422, "this takes longer than the 0.3 s allowed."),
        (413, "this takes more than the 1 B of memory allowed."),
    ]


@pytest.mark.slow
def test_an_upgrade_under_a_service_leaves_it_without_workers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What waits for one is answered all the same."""
    monkeypatch.setattr(pool, "_VERSIONS", b"jaccli/0.0.1")

    async def work(made: Pool) -> None:
        while not made.failures:
            await asyncio.sleep(0.05)
        made.limits = Limits(workers=1, time=0.2)
        with pytest.raises(Refusal) as refused:
            await made.call(message(2), 0)
        assert refused.value.status == 503
        assert refused.value.message == "no process has become free within 0.2 s. Ask again later."
        assert not made.waiting

    in_pool(Limits(workers=1), work)
    changed = "what is installed has changed; start the service again"
    assert f"jaccli: a worker cannot be started: {changed}.\n" in capfd.readouterr().err


@pytest.mark.slow
def test_calls_alike_go_to_the_worker_that_has_their_program() -> None:
    async def work(pool: Pool) -> None:
        while len(pool.idle) < 2:
            await asyncio.sleep(0.05)
        await asyncio.gather(pool.call(message(2), 2), pool.call(message(3), 3))
        homes = {kind: next(w for w in pool.idle if kind in w.kinds) for kind in (2, 3)}
        assert homes[2] is not homes[3]
        for kind in (2, 3, 3, 2):
            await pool.call(message(kind), kind)
            assert pool.idle[-1] is homes[kind]
        assert [len(worker.kinds) for worker in pool.idle] == [1, 1]

    in_pool(Limits(workers=2), work)


def socket_of(tmp_path: Path) -> str:
    return str(tmp_path / "s.sock")


def test_a_signal_drains_and_the_socket_is_taken_over_and_taken_away(tmp_path: Path) -> None:
    path = socket_of(tmp_path)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)  # nobody listens: what a service that was killed leaves
    stale.close()
    arguments = ["--socket", path, "--workers", "1"]
    with serving(arguments, tmp_path) as server:
        assert os.stat(path).st_mode & 0o777 == 0o600
        second = started(arguments, tmp_path)
        _, said = second.communicate()
        assert second.returncode == 2
        assert said == f"jaccli: --socket: {path}: a service is already running there.\n"
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        asked = Asked(server)
        until(lambda: busy(server) == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not is_there(server))
        os.kill(worker, signal.SIGCONT)
        said_ = asked.answer()
        assert (said_.status, said_.headers["connection"]) == (200, "close")
        assert server.process.wait(PATIENCE) == 0
        assert not os.path.exists(path)
        until(lambda: not os.path.exists(f"/proc/{worker}"))


def is_there(server: Server) -> bool:
    """Return whether it listens, which it does a moment longer than it takes requests."""
    try:
        server.ask("/healthz")
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_a_second_signal_ends_at_once_and_workers_end_with_their_service(tmp_path: Path) -> None:
    with serving(["--socket", socket_of(tmp_path), "--workers", "1"], tmp_path) as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        asked = Asked(server)
        until(lambda: busy(server) == 1)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not is_there(server))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 128 + signal.SIGTERM
        until(lambda: not os.path.exists(f"/proc/{worker}"))
        with pytest.raises(AssertionError):
            asked.answer()


def test_a_service_may_open_as_many_files_as_it_has_connections(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    arguments = ["--socket", socket_of(tmp_path), "--connections", "220"]
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
        try:
            server = stack.enter_context(serving(arguments, tmp_path))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        connections = [stack.enter_context(server.connect()) for _ in range(240)]
        connections[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connections[-1].recv(100).startswith(b"HTTP/1.1 503 ")


def test_workers_leave_it_to_their_service_to_end(server: Server) -> None:
    """systemd, `timeout` and terminals send a signal to all processes; the service drains first."""
    workers = stopped(server)
    asked = Asked(server)
    until(lambda: busy(server) == 1)
    for pid in workers:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
    assert asked.answer().status == 200
    assert server.workers() == workers


@pytest.mark.slow
def test_a_worker_that_finds_its_programs_says_nothing(tmp_path: Path) -> None:
    """XLA would: false alarms about processor features, on standard error."""
    with serving(["--socket", socket_of(tmp_path), "--workers", "1"], tmp_path) as server:
        (first,) = server.workers()
        os.kill(first, signal.SIGKILL)
        server.ask("/v1/jacobian", b"model: {expression: x**2}\ninputs: {x: 1.0}\n")
        until(lambda: server.ask("/healthz").json["workers"]["replaced"] == 1)
        assert server.workers() != [first]
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(PATIENCE)
        assert server.process.stderr is not None
        assert server.process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--host", "0.0.0.0"],
            "jaccli: --host: 0.0.0.0 can be reached by others, and there is no token.\n"
            "Use --token-file FILE, or set JACCLI_TOKEN.\n",
        ),
        (
            ["--socket", "s", "--port", "1"],
            "jaccli: --socket and --host or --port do not go together.\n",
        ),
        (["--port", "70000"], "jaccli: --port: 70000 is not a port.\nExpected 0 to 65535.\n"),
        (
            ["--memory", "lots"],
            "jaccli: --memory: 'lots' is not a size.\nExpected a number with a unit, as 512MiB.\n",
        ),
        (["--workers", "0"], "jaccli: --workers: 0 is too small or too large.\n"),
        (["--token-file", "none"], "jaccli: --token-file: none: no such file or directory.\n"),
        (
            ["--socket", "/dev/null"],
            "jaccli: --socket: /dev/null: this is there, and is no socket.\nChoose another name.\n",
        ),
        (
            ["--socket", "/nowhere/s"],
            "jaccli: --socket: /nowhere/s: no such file or directory.\n",
        ),
    ],
)
def test_options_that_cannot_be_are_refused(jaccli: Any, arguments: list[str], said: str) -> None:
    outcome = jaccli("serve", *arguments, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, said)


def test_a_folder_that_is_open_to_others_is_refused(
    jaccli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "jaccli").mkdir(mode=0o755)
    outcome = jaccli("serve", check=False)
    assert outcome.exit_code == 3
    assert outcome.stderr.startswith(f"jaccli: {tmp_path}/jaccli: the folder of the service's")


def test_without_the_extra_its_name_is_said(jaccli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in ("main", "http_protocol"):
        monkeypatch.delitem(sys.modules, f"jaccli.service.server.{name}", raising=False)
        monkeypatch.delattr(server, name, raising=False)
    outcome = jaccli("serve", check=False)
    assert (outcome.exit_code, outcome.stderr) == (
        2,
        "jaccli: serve: needs uvicorn, which is not installed.\n"
        "Install the extra: pip install 'jaccli[service]'\n",
    )
