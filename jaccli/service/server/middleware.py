"""What every request passes before anything looks at it, as a layer of ASGI around the service.

- A web page of another origin cannot reach the service: its requests say so, by `Origin` and
  `Sec-Fetch-Site`, and over TCP names of the host that are not the service's own are refused (DNS
  rebinding).  The service's own page may ask, and it may be opened from anywhere.
- With a token, nobody without it, but for the page itself; compared in constant time.
- A body is refused by its declared length without being read, and while it is read once it is
  longer than allowed, or all together are.  What is behind the gate has it whole, in the scope.

Boundary: headers and sizes (`http_protocol` has the times); knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jaccli.errors import format_bytes
from jaccli.service.server.buffers import SMALL, Body, Buffers, Pieces
from jaccli.service.server.http_error import LINGER, Refusal, too_large, unavailable
from jaccli.service.server.lifetime import Lifetime
from jaccli.service.server.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = "jaccli.headers"
"""The scope's entry with the headers by name; values of one name in one list, as HTTP has them."""
HEALTH = "/healthz"
"""The path that says how the service is; asking is no use of it."""
BODY = "jaccli.body"
"""The scope's entry with the whole body, a `buffers.Body`."""
USE = "jaccli.use"
"""The scope's entry with the request as `lifetime` counts it."""
_HOSTS = 64
"""Right values of the header Host that are remembered."""
_SINGLE = (b"host", b"origin", b"authorization", b"content-length", b"content-type")
"""Headers of which two are an attempt to be read differently by others."""


@dataclass
class Gate:
    """Who may come in.

    `hosts` are the names that a request may give the service, None for any (a Unix socket, or an
    address of all interfaces, which a token guards).  `page` is the path of the service's own page,
    and `open` are those of all that it consists of.  While `draining`, nobody may.  Requests are
    counted in `lifetime`, but for those that ask how the service is.
    """

    limits: Limits
    hosts: frozenset[str] | None = None
    token: str | None = None
    page: str = ""
    open: frozenset[str] = frozenset()
    draining: bool = False
    lifetime: Lifetime = field(default_factory=Lifetime)

    def __post_init__(self) -> None:
        self.buffers = Buffers(self.limits.buffers)
        self._right: set[bytes] = set()
        self._digest = None if self.token is None else _digest(self.token.encode())

    def check(self, scope: Scope) -> None:
        """Refuse what must not come in, by its headers.

        Raises:
            Refusal: it must not.
        """
        headers = scope[HEADERS]
        if len(headers) < len(scope["headers"]):
            _check_single(scope["headers"])
        if self.hosts is not None:
            self._check_host(headers.get(b"host", b""), self.hosts)
        if not self._is_from_here(scope):
            raise Refusal(403, "web pages of other origins are not served.")
        is_open = scope["method"] == "GET" and scope["path"] in self.open
        known = is_open or self._is_authorized(headers.get(b"authorization", b""))
        if not known:
            raise Refusal(401, "the token is missing or wrong.", www_authenticate="Bearer")
        if self.draining:
            raise unavailable("the service is stopping.")
        for name, plain in _AS_IT_IS.items():
            coding = headers.get(name, plain)
            if coding.strip().lower() != plain:
                found = coding.decode("latin-1")
                raise Refusal(415, f"the body is encoded as {found!r}. Expected it as it is.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 19 or int(length) > self.limits.body:
            raise self._too_large()

    async def body(self, receive: Receive) -> Body:
        """Return the body, all of it.

        Raises:
            Refusal: it is too large, or with all others.
            Left: the client has gone.
        """
        message = await receive()
        if message["type"] == "http.request" and not message["more_body"]:
            whole: bytes = message["body"]  # as nearly always
            if len(whole) <= min(SMALL, self.limits.body):
                return whole
        found = Pieces(self.buffers)
        while True:
            if message["type"] == "http.disconnect":
                raise Left
            found.append(message["body"])
            if len(found) > self.limits.body:
                raise self._too_large()
            if not message["more_body"]:
                return found if len(found) > SMALL else b"".join(found.parts)
            message = await receive()

    def _check_host(self, host: bytes, hosts: frozenset[str]) -> None:
        if host in self._right:  # as nearly always
            return
        if _name_of(host) not in hosts:
            raise Refusal(421, "the service has another name than the header Host says.")
        if len(self._right) < _HOSTS:
            self._right.add(host)

    def _is_from_here(self, scope: Scope) -> bool:
        """Whether a request comes from no web page, or from the service's own."""
        headers = scope[HEADERS]
        site, origin = headers.get(b"sec-fetch-site", b"none"), headers.get(b"origin")
        if origin is not None and not self._is_own(origin, headers.get(b"host", b"")):
            return False
        if site in _OWN:
            return True
        opened = headers.get(b"sec-fetch-mode"), headers.get(b"sec-fetch-dest")
        return scope["path"] == self.page and opened == (b"navigate", b"document")

    def _is_own(self, origin: bytes, host: bytes) -> bool:
        """Whether an origin is the service's: its name has been checked, or a token will be."""
        if self.hosts is None and self._digest is None:
            return False
        scheme, _, rest = origin.lower().partition(b"://")
        return scheme in (b"http", b"https") and rest == host.lower()

    def _is_authorized(self, header: bytes) -> bool:
        if self._digest is None:
            return True
        scheme, _, token = header.partition(b" ")
        same = hmac.compare_digest(_digest(token.strip()), self._digest)
        return same and scheme.lower() == b"bearer"

    def _too_large(self) -> Refusal:
        allowed = format_bytes(self.limits.body)
        return too_large(f"the body has more than the {allowed} allowed.")


_AS_IT_IS = {b"content-encoding": b"identity", b"transfer-encoding": b"chunked"}
"""What bodies that are not encoded are said to be."""
_OWN = (b"none", b"same-origin")
"""What a browser says of a page that a person has opened, and of what that page asks for."""


def guard(app: Application, gate: Gate) -> Application:
    """Return the application behind the gate."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if scope.get("path") == HEALTH:
            await served(scope, receive, send)
            return
        with gate.lifetime.serving() as scope[USE]:
            await served(scope, receive, send)

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        scope[HEADERS] = _by_name(scope["headers"])
        try:
            gate.check(scope)
            scope[BODY] = await gate.body(receive)
        except Refusal as refusal:
            if USE in scope:
                scope[USE].is_refused = True
            await refuse(refusal, receive, send)
        except Left:
            return
        else:
            await app(scope, receive, send)
        finally:
            scope.pop(BODY, None)  # the connection keeps the scope until its next request

    return guarded


class Left(Exception):
    """The client has gone before its request was complete."""


async def refuse(refusal: Refusal, receive: Receive, send: Send) -> None:
    """Answer with a refusal and close, after throwing away what still comes for a moment."""
    body = refusal.as_json()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *((name.encode(), value.encode()) for name, value in refusal.headers.items()),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    # Closed at once, with bytes unread, the connection would be reset, and the answer lost.
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    await send({"type": "http.response.body", "body": b""})


def _by_name(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found = dict(headers)
    if len(found) < len(headers):
        values: dict[bytes, list[bytes]] = {name: [] for name in found}
        for name, value in headers:
            values[name].append(value)
        found = {name: b", ".join(several) for name, several in values.items()}
    return found


def _check_single(headers: list[tuple[bytes, bytes]]) -> None:
    names = [name for name, _ in headers]
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Refusal(400, f"the header {name.decode()} is given twice.")


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+?)\.?)(?::[0-9]{1,5})?", re.IGNORECASE)
"""A Host header: an address in brackets, or a name, and perhaps a port; nothing else."""


def _name_of(host: bytes) -> str:
    """Return a Host header's name, without its port; nothing of what is none."""
    found = _HOST.fullmatch(host.decode("latin-1"))
    return "" if found is None else (found[1] or found[2]).lower()


def _digest(token: bytes) -> bytes:
    """Return what is compared: of equal length for all tokens."""
    return hashlib.sha256(token).digest()
