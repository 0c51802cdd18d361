"""Who floods, trickles, or does not read is ended with a reason, and the others are served."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.service.server.buffers import PIECE, SMALL, Buffers, Pieces, parts
from jaccli.service.server.http_error import Refusal
from jaccli.service.server.limits import Limits
from jaccli.service.server.pool import Pool
from tests.service.servers import PATIENCE, SQUARE, Server, serving

LARGE = b"model: {expression: 'x*ones((700, 700))'}\ninputs: {x: 3.0}\n"
"""Its value has 3.9 MB."""
NPY = "Accept: application/x-npy\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


def head(path: str, more: str = "", close: bool = True) -> bytes:
    last = "Connection: close\r\n" if close else ""
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{more}{last}\r\n".encode()


def post(path: str, body: bytes, more: str = "", close: bool = True) -> bytes:
    return head(path, f"{more}Content-Length: {len(body)}\r\n", close) + body


def answered(server: Server, *parts: bytes) -> tuple[int, bytes]:
    """Send the parts one by one; return the status and the body of the last answer."""
    with server.connect() as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.05 if len(parts) > 1 else 0)
        found = b""
        while part := connection.recv(1 << 16):
            found += part
    first, _, body = found.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    return int(first[:3]), body


def message(body: bytes) -> str:
    said: str = json.loads(body)["error"]["message"]
    return said


TOO_MUCH = "the body has too many chunks, or too much beside its content."


@pytest.mark.parametrize(
    "body",
    [
        b"2\r\n{}\r\n0\r\na: " + b"b" * 100_000 + b"\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"a:\r\n" * 50_000 + b"\r\n",
        b"1;" + b"a" * 100_000 + b"\r\n \r\n0\r\n\r\n",
        b"1\r\n \r\n" * 20_000 + b"0\r\n\r\n",
    ],
    ids=["trailer", "trailers", "extension", "bytes"],
)
def test_what_frames_a_body_has_a_share_of_its_content(server: Server, body: bytes) -> None:
    status, said = answered(server, head("/v1/jacobian", CHUNKED) + body)
    assert (status, message(said)) == (400, TOO_MUCH)


def test_chunks_and_trailers_are_read_and_trailers_change_nothing(server: Server) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in SQUARE)
    body = chunks + b"0\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n\r\n"
    status, said = answered(server, head("/v1/jacobian", CHUNKED) + body)
    assert status == 200
    assert json.loads(said)["derivative"] == "jacobian"


GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "count"),
    [
        (post("/v1/jacobian", SQUARE, close=False), 1),
        (GET + post("/v1/jacobian", SQUARE, close=False), 2),
        (post("/v1/jacobian", SQUARE, close=False) + GET[:20], 1),
        (post("/v1/jacobian", SQUARE, close=False)[:-1], 0),
        (b"", 0),
    ],
    ids=["one", "two", "and a part", "a part", "nothing"],
)
def test_who_sends_no_more_is_answered(server: Server, sent: bytes, count: int) -> None:
    with server.connect() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(1 << 16):
            found += part
    assert found.count(b"HTTP/1.1 200 OK") == found.count(b"HTTP/1.1 ") == count


@pytest.mark.slow
def test_a_client_of_a_socket_that_has_left_keeps_no_worker(tmp_path: Path) -> None:
    with serving(["--socket", str(tmp_path / "s"), "--workers=1"], tmp_path) as server:
        (pid,) = server.workers()
        os.kill(pid, signal.SIGSTOP)
        for half in (True, False):
            with server.connect() as connection:
                connection.sendall(post("/v1/jacobian", SQUARE, close=False))
                if half:
                    connection.shutdown(socket.SHUT_WR)
                while half and not server.ask("/healthz").json["workers"]["busy"]:
                    time.sleep(0.02)
        deadline = time.monotonic() + PATIENCE
        while server.ask("/healthz").json["workers"]["busy"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert time.monotonic() < deadline


@pytest.mark.parametrize("more", ["Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"])
@pytest.mark.parametrize("cut", [None, 40, -20])
def test_an_upgrade_is_ignored_and_the_connection_goes_on(
    server: Server, more: str, cut: int | None
) -> None:
    """As RFC 9110, 7.8, has it; Java's client asks with every first request."""
    first = post("/v1/jacobian", SQUARE, more, close=False)
    chunked = head("/v1/hessian", more + CHUNKED, close=False)
    chunked += b"%x\r\n%b\r\n0\r\n\r\n" % (len(SQUARE), SQUARE)
    last = post("/v1/gradient", b"model: {expression: x**2}\ninputs: {x: 3.0}\n")
    whole = first + chunked + last
    parts = [whole] if cut is None else [whole[:cut], whole[cut:]]
    status, said = answered(server, *parts)
    assert status == 200
    assert json.loads(said)["blocks"]["f.x"]["values"] == 6.0


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (
            b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            405,
            "CONNECT is not for this service.",
        ),
        (
            b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
            400,
            "the target of the request is not a path.",
        ),
        (
            post("/v1/jacobian", SQUARE, "Content-Encoding: gzip\r\n"),
            415,
            "the body is encoded as 'gzip'. Expected it as it is.",
        ),
        (
            head("/v1/jacobian", "Transfer-Encoding: gzip, chunked\r\n") + b"0\r\n\r\n",
            415,
            "the body is encoded as 'gzip, chunked'. Expected it as it is.",
        ),
        (b"hello\r\n\r\n", 400, "Invalid HTTP request received."),
    ],
)
def test_what_is_not_for_a_service_is_refused(
    server: Server, request_: bytes, status: int, reason: str
) -> None:
    found, said = answered(server, request_)
    assert (found, message(said)) == (status, reason)


def test_many_requests_at_once_are_answered_in_turn(server: Server) -> None:
    get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(get * 1000 + get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        found = b""
        while part := connection.recv(1 << 16):
            found += part
    assert found.count(b"HTTP/1.1 200 OK") == 1001


def test_a_part_has_no_endless_head(server: Server) -> None:
    body = b"--B\r\nContent-Disposition: form-data" + b';a=""' * 100_000 + b"\r\n\r\n\r\n--B--\r\n"
    more = "Content-Type: multipart/form-data; boundary=B\r\n"
    status, said = answered(server, post("/v1/jacobian", body, more))
    assert (status, message(said)) == (400, "multipart: a part has no name.")


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


WHOLE = npz(ä=np.arange(3.0))


@pytest.mark.parametrize(
    "file",
    [
        WHOLE.replace("ä".encode(), b"\xff\xff"),
        WHOLE.replace(b"(3,)", b"(9,)"),
        WHOLE.replace(b"(3,)", b"(-3)"),
        WHOLE.replace(b"'<f8'", b"'|O8'"),
        WHOLE[:-30],
        b"PK\x03\x04",
    ],
    ids=["name", "short", "shape", "pickle", "cut", "nothing"],
)
def test_an_npz_that_lies_is_the_fault_of_who_sends_it(server: Server, file: bytes) -> None:
    parts = {"spec": b"model: {expression: 2*x}\ninputs: {x: {file: x.npz}}\n", "x.npz": file}
    head = b'--B\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = b"".join(head % (name.encode(), part) for name, part in parts.items()) + b"--B--"
    more = "Content-Type: multipart/form-data; boundary=B\r\n"
    status, said = answered(server, post("/v1/jacobian", body, more))
    assert (status, message(said).split(":")[4]) == (422, " x.npz")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


@pytest.mark.slow
def test_answers_that_nobody_reads_are_bounded_and_ended(tmp_path: Path) -> None:
    """Over a Unix socket: of TCP, the system may keep 4 MB of an answer."""
    request_ = post("/v1/evaluate", LARGE, NPY)
    limits = ["--workers=1", "--buffers=8MiB", "--send-time=1.5"]
    with ExitStack() as stack:
        server = stack.enter_context(serving([f"--socket={tmp_path}/s", *limits], tmp_path))
        unread = []
        for _ in range(2):
            unread.append(stack.enter_context(server.connect()))
            unread[-1].sendall(request_)
            assert unread[-1].recv(12) == b"HTTP/1.1 200"
        status, said = answered(server, request_)
        assert (status, message(said)) == (
            503,
            "bodies and answers that wait already take the 8.0 MiB allowed. Ask again later.",
        )
        assert server.ask("/v1/jacobian", SQUARE).status == 200
        until(lambda: answered(server, request_)[0] == 200)  # they have been ended
        for connection in unread:
            assert received(connection) < 3_000_000


def received(connection: socket.socket) -> int:
    """Return how many bytes come until the connection ends."""
    count = 0
    try:
        while part := connection.recv(1 << 16):
            count += len(part)
    except ConnectionResetError:
        pass
    return count


def test_an_answer_in_pieces_is_whole(server: Server) -> None:
    status, said = answered(server, post("/v1/evaluate", LARGE, NPY))
    assert (status, len(said) > PIECE) == (200, True)
    np.testing.assert_array_equal(np.load(io.BytesIO(said)), np.full((700, 700), 3.0))


def test_pieces_are_counted_as_long_as_they_wait() -> None:
    buffers = Buffers(SMALL)
    first = Pieces(buffers)
    first.append(bytes(SMALL))
    assert buffers.held == 0  # what is small is let in whatever others do
    first.append(bytes(SMALL))
    assert (buffers.held, len(first)) == (SMALL, 2 * SMALL)
    assert list(parts(first)) == [bytes(SMALL)] * 2
    with pytest.raises(TypeError):
        iter(first)  # type: ignore[call-overload]  # Python would make room for so many parts
    with pytest.raises(Refusal) as refused:
        first.append(b"x")
    assert refused.value.status == 503
    with pytest.raises(Refusal):
        Pieces(buffers, SMALL + 1)
    first.pop()
    assert buffers.held == 0
    second = Pieces(buffers, 2 * SMALL)
    assert buffers.held == SMALL
    second.append(bytes(2 * SMALL))
    second.keep()
    assert (buffers.held, len(second)) == (0, 2 * SMALL)
    third = Pieces(buffers, 2 * SMALL)
    assert buffers.held == SMALL
    del third
    assert buffers.held == 0


@pytest.mark.slow
def test_an_idle_worker_that_has_grown_is_replaced() -> None:
    async def work() -> Any:
        pool = Pool(Limits(workers=1, idle_memory=1 << 20))
        pool.start()
        try:
            while not pool.idle:
                await asyncio.sleep(0.05)
            (worker,) = pool.idle
            await asyncio.sleep(1.5)
            assert pool.idle == [worker]
            worker.base -= 1 << 30
            while not pool.replaced or not pool.idle:
                await asyncio.sleep(0.05)
            assert pool.idle != [worker]
            return worker.process.poll()
        finally:
            await pool.close()

    assert asyncio.run(asyncio.wait_for(work(), PATIENCE)) is not None
