"""Who comes in, and what a body may be: the gate by itself, without a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jaccli.service.server.http_error import unavailable
from jaccli.service.server.limits import Limits
from jaccli.service.server.middleware import BODY, HEADERS, Gate, guard

TOKEN = "a-token-of-some-length"
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def answered(
    gate: Gate,
    *headers: tuple[str, str],
    parts: tuple[bytes, ...] = (b"",),
    path: str = "/",
    method: str = "GET",
) -> Any:
    """Return the status, the reason if there is one, and the body that came through the gate."""
    waiting = list(parts)
    sent: list[Any] = []
    seen: list[bytes] = []

    async def receive() -> Any:
        if not waiting:
            return {"type": "http.disconnect"}
        body = waiting.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[BODY])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    asyncio.run(guard(app, gate)(scope, receive, send))
    said = json.loads(b"".join(message.get("body", b"") for message in sent))
    reason = said["error"]["message"] if said else ""
    assert bool(seen) == (sent[0]["status"] == 200)
    return sent[0]["status"], reason, *seen


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:80", "localhost.", "127.0.0.1:8377", "[::1]", "[::1]:1"]
)
def test_the_services_own_names_are_let_in(host: str) -> None:
    assert answered(Gate(Limits(), LOOPBACK), ("Host", host)) == (200, "", b"")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil.example:8377",
        "",
        "127.0.0.1.nip.io",
        "[::1]evil:1",
        "[::1]evil",
        "[::1",
        "::1",
        "[localhost]",
        "127.0.0.1:80@evil",
        "127.0.0.1:80:80",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:654321",
        "localhost/evil",
        "localhost#.evil",
        "evil@localhost",
        "localhost localhost",
        "localhost, evil",
        "localhost\t",
        "localhost..",
    ],
)
def test_other_names_are_kept_out_every_time(host: str) -> None:
    """A page whose name has come to mean this machine (DNS rebinding) sends its own name."""
    gate = Gate(Limits(), LOOPBACK)
    for _ in range(2):
        status, reason = answered(gate, ("Host", host))
        assert status == 421
        assert reason == "the service has another name than the header Host says."
    assert answered(gate)[0] == 421


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:8377"),
        ("Origin", "http://127.0.0.1"),
        ("Origin", "http://localhost.evil.example"),
        ("Origin", "localhost"),
        ("Origin", "file://localhost"),
        ("Origin", "http://localhost, http://localhost"),
        ("Origin", ""),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ],
)
def test_web_pages_are_kept_out(name: str, value: str) -> None:
    host = ("Host", "localhost")
    found = answered(Gate(Limits(), LOOPBACK), host, (name, value))
    assert found == (403, "web pages of other origins are not served.")


PAGE = {"page": "/", "open": frozenset(("/", "/page.js"))}
OPENED = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}


def test_the_services_own_page_may_ask() -> None:
    gate = Gate(Limits(), LOOPBACK, **PAGE)
    for host in ("localhost:8377", "127.0.0.1:8377", "[::1]:8377"):
        headers = ("Host", host), ("Origin", f"http://{host}"), ("Sec-Fetch-Site", "same-origin")
        assert answered(gate, *headers, path="/v1/run", method="POST")[0] == 200
    behind = Gate(Limits(), None, TOKEN, **PAGE)  # all addresses, or a proxy with TLS in front
    headers = ("Host", "me.example"), ("Origin", "https://me.example")
    assert answered(behind, *headers, path="/v1/run", method="POST")[0] == 401
    assert answered(behind, *headers, ("Authorization", f"Bearer {TOKEN}"))[0] == 200


def test_over_a_unix_socket_there_is_no_page_to_ask() -> None:
    headers = ("Host", "localhost"), ("Origin", "http://localhost")
    assert answered(Gate(Limits(), None, **PAGE), *headers)[0] == 403


def test_the_page_may_be_opened_from_anywhere_and_nothing_else() -> None:
    gate = Gate(Limits(), LOOPBACK, **PAGE)
    host = ("Host", "localhost")
    assert answered(gate, host, *OPENED.items())[0] == 200
    assert answered(gate, host, *OPENED.items(), path="/page.js")[0] == 403
    assert answered(gate, host, *OPENED.items(), path="/healthz")[0] == 403
    for other in (
        {"Sec-Fetch-Dest": "iframe"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Origin": "https://evil.example"},
    ):
        assert answered(gate, host, *{**OPENED, **other}.items())[0] == 403
    assert answered(gate, ("Host", "evil.example"), *OPENED.items())[0] == 421


def test_the_page_is_shown_without_a_token_and_computes_nothing() -> None:
    gate = Gate(Limits(), None, TOKEN, **PAGE)
    assert answered(gate, path="/")[0] == 200
    assert answered(gate, path="/page.js")[0] == 200
    assert answered(gate, path="/", method="POST")[0] == 401
    assert answered(gate, path="/schema.json")[0] == 401
    assert answered(gate, path="/v1/run", method="POST")[0] == 401


def test_a_person_may_read_the_documentation_in_a_browser() -> None:
    headers = [("Host", "localhost"), ("Sec-Fetch-Site", "none")]
    assert answered(Gate(Limits(), LOOPBACK), *headers)[0] == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("Bearer ä", 401),
    ],
)
def test_with_a_token_nobody_comes_in_without_it(header: str, status: int) -> None:
    assert answered(Gate(Limits(), None, TOKEN), ("Authorization", header))[0] == status
    assert answered(Gate(Limits(), None, TOKEN)) == (401, "the token is missing or wrong.")


def test_a_header_that_is_given_twice_is_refused() -> None:
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    found = answered(Gate(Limits(), LOOPBACK), *headers)
    assert found == (400, "the header host is given twice.")


def test_a_header_of_many_values_is_one_list() -> None:
    headers = [("Accept", "a"), ("Host", "localhost"), ("Accept", "b")]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope[HEADERS][b"accept"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"large", "more_body": False}

    asyncio.run(guard(app, Gate(Limits()))(scope, receive, receive))
    assert seen == [b"a, b"]
    assert BODY not in scope  # the connection keeps the scope until its next request


def test_a_body_comes_through_whole() -> None:
    assert answered(Gate(Limits()), parts=(b"a", b"", b"bc")) == (200, "", b"abc")


def test_bodies_are_bounded_all_together() -> None:
    gate = Gate(Limits(body=3 << 18, buffers=1 << 18))
    status, reason, body = answered(gate, parts=(bytes(1 << 18), bytes(1 << 18)))
    assert (status, reason, len(body)) == (200, "", 1 << 19)
    status, reason = answered(gate, parts=(bytes(1 << 18), bytes(1 << 18), b"x"))
    message = "bodies and answers that wait already take the 256.0 KiB allowed. Ask again later."
    assert (status, reason) == (503, message)
    del body
    assert gate.buffers.held == 0


@pytest.mark.parametrize("length", ["5", str(1 << 30), "9" * 30, "-1", "1_0", "+1", "²"])
def test_a_length_over_the_limit_or_none_is_refused_unread(length: str) -> None:
    found = answered(Gate(Limits(body=4)), ("Content-Length", length))
    assert found == (413, "the body has more than the 4 B allowed.")


@pytest.mark.parametrize("parts", [(b"abcde",), (b"abc", b"de"), (b"abc", b"de", b"f")])
def test_a_body_over_the_limit_is_refused_while_it_is_read(parts: tuple[bytes, ...]) -> None:
    found = answered(Gate(Limits(body=4)), parts=parts)
    assert found == (413, "the body has more than the 4 B allowed.")


def test_nobody_comes_in_while_the_service_stops() -> None:
    gate = Gate(Limits(), draining=True)
    assert answered(gate) == (503, "the service is stopping.")
    assert unavailable("").headers == {"retry-after": "1"}
