"""HTTP as uvicorn and httptools speak it, with limits on time, and on what is not content.

- What comes is parsed in slices, one in a turn of the event loop: nothing that a client sends holds
  the others up.
- Headers have a size and a number of lines.  Trailers, chunks' extensions and chunks of a byte have
  a share of the content that they frame; trailers are thrown away.
- Of an answer, no more is written than the client reads, and it must read on.
- `Upgrade` is ignored, as HTTP allows.
- Who says that it sends no more is answered still.

A request that is here at once, as nearly all are, starts no clock.  Head and body of an answer are
sent together.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jaccli.service.server.http_error import LINGER, Refusal
from jaccli.service.server.limits import Limits

_HEADER_SLICE, _BODY_SLICE = 1 << 11, 1 << 13
"""Bytes that are parsed in one turn of the event loop: they may be many small requests."""
_LONGEST = 1 << 15
"""Bytes of a header at most, and of what frames a body beside a share of its content."""
_LINES = 128
"""Lines of a header at most."""
_SHARE = 16
"""A byte may frame as many of content."""
_TOGETHER = 1 << 16
"""Bytes of answers that are sent at once, even in the middle of a turn."""
_READ = 1 << 22
"""Bytes of an answer that a client must read in the time that it has."""
_STAYS = 10.0
"""Seconds in which an answer must begin, where the other end of a TCP connection is half-closed."""
_LOOK = 1.0
"""Seconds between looks whether the other end is there."""
_HEADER, _BODY, _NOTHING = "header", "body", ""


class _Transport:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes an answer's head and its body, and each would be a call of the system that wakes
    the client: 91 → 50 µs for a small request of 64 clients (scripts/bench_service.py).

    Reading goes on by `resumed`: there may be something that has been read and not been parsed.
    """

    def __init__(
        self, transport: Any, loop: asyncio.AbstractEventLoop, resumed: Callable[[], None]
    ) -> None:
        self.real, self._loop, self.resume_reading = transport, loop, resumed
        self._waiting: list[bytes] = []
        self._size = self.sent = 0

    def write(self, data: bytes) -> None:
        """Send the data at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= _TOGETHER:
            self._flush()

    def close(self) -> None:
        """Close after what has been written."""
        self._flush()
        self.real.close()

    def end(self) -> None:
        """Say that nothing more comes, and close when the client has, or a moment later.

        Closed at once, with bytes unread, the connection would be reset, and the answer lost.
        """
        self._flush()
        self.real.write_eof()
        self._loop.call_later(LINGER, self.real.close)

    def _flush(self) -> None:
        if self._waiting:
            self.sent += self._size
            waiting, self._waiting, self._size = self._waiting, [], 0
            if not self.real.is_closing():
                self.real.writelines(waiting)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def limited(limits: Limits) -> type[HttpToolsProtocol]:
    """Return the protocol whose requests come, and whose answers go, within the limits."""

    class Limited(HttpToolsProtocol):
        """Ends the connection of who sends too slowly, or reads too slowly, or floods.

        Of a request, `_missing` says what has not come yet, `_bytes` how much has come meanwhile,
        and `_content` how much of that is its body.  `_rest` has been read, and not been parsed.
        """

        _late_timer: asyncio.TimerHandle | None = None
        _unread_timer: asyncio.TimerHandle | None = None
        _slow_since: float | None = None
        _missing, _of = _NOTHING, None
        _bytes = _content = 0
        _rest: memoryview | None = None
        _is_scheduled = _in_body = _is_refused = False

        def connection_made(self, transport: Any) -> None:
            transport.set_write_buffer_limits(high=0)  # whatever is not sent at once pauses
            joined: Any = _Transport(transport, self.loop, self._resume)
            super().connection_made(joined)
            self._expect(_HEADER)

        def connection_lost(self, error: Exception | None) -> None:
            self._rest = None
            self._expect(_NOTHING)
            self._stop_unread_timer()
            super().connection_lost(error)

        def data_received(self, data: bytes) -> None:
            if self._is_refused:
                return
            if self._rest is None and len(data) <= self._slice():
                self._parse(data)
                return
            self._rest = memoryview(data if self._rest is None else bytes(self._rest) + data)
            self._parse_slice()

        def eof_received(self) -> bool:  # type: ignore[override]
            """Keep the connection of who sends no more, and waits for the answer to what it sent.

            A Unix socket tells whether the other end has left altogether.  TCP does not, and there
            it has some seconds.
            """
            cycle = self.cycle
            if self._is_refused or self._missing is _BODY or self._left():
                return False  # then asyncio closes it
            if cycle is None or cycle.response_complete:
                return False
            cycle.keep_alive = False
            self._expect(_NOTHING)
            if self.transport.get_extra_info("socket").family != socket.AF_UNIX:
                self.loop.call_later(_STAYS, self._give_up, cycle)
            self._look_for_leaving()
            return True

        def _give_up(self, cycle: Any) -> None:
            """End the connection if no answer has begun: one that has finds out who is there."""
            if not cycle.response_started:
                cast("_Transport", self.transport).real.abort()

        def _look_for_leaving(self) -> None:
            """End the connection of who has left, now or later."""
            if self.transport.is_closing():
                return
            if self._left():
                cast("_Transport", self.transport).real.abort()
            else:
                self.loop.call_later(_LOOK, self._look_for_leaving)

        def _left(self) -> bool:
            """Whether the other end is closed for reading, too."""
            found = select.poll()
            found.register(self.transport.get_extra_info("socket").fileno(), 0)
            return bool(found.poll(0))  # POLLHUP and POLLERR, which are always told

        def _parse_slice(self) -> None:
            """Parse some of the rest, now, and the others when others have had their turn."""
            self._is_scheduled = False
            if self._rest is None or self.flow.read_paused:
                return
            size = self._slice()
            data, rest = self._rest[:size], self._rest[size:]
            self._rest = rest if rest else None
            self._parse(data)
            self._resume()

        def _slice(self) -> int:
            return _BODY_SLICE if self._missing is _BODY else _HEADER_SLICE

        def _resume(self) -> None:
            """Parse the rest in the next turn, or read on if there is none."""
            if self._is_refused or self.flow.read_paused or self.transport.is_closing():
                return
            transport = cast("_Transport", self.transport)
            if self._rest is None:
                transport.real.resume_reading()
            elif not self._is_scheduled:
                self._is_scheduled = True
                transport.real.pause_reading()
                self.loop.call_soon(self._parse_slice)

        def _parse(self, data: bytes | memoryview) -> None:
            self._unset_keepalive_if_required()
            if self.transport.is_closing():
                return
            fed = data
            try:
                while (end := self._fed(fed)) is not None:
                    fed = self._without_upgrade() + bytes(fed[end:])
            except Refusal as refusal:
                self._refuse(refusal)
                return
            except httptools.HttpParserError:
                self._refuse(Refusal(400, "Invalid HTTP request received."))
                return
            cycle = self.cycle
            if cycle is None or cycle.scope is not self.scope:
                missing = _HEADER
            else:
                missing = _BODY if cycle.more_body else _NOTHING
            if missing or self._missing:
                self._expect(missing, len(data))

        def _fed(self, data: bytes | memoryview) -> int | None:
            """Parse; return where a request ends that asks for an upgrade, unread from there on.

            Raises:
                Refusal: the request is refused.
                HttpParserError: it is none.
            """
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                end: int = upgrade.args[0]
                return end
            except httptools.HttpParserCallbackError as error:
                if isinstance(error.__context__, Refusal):
                    raise error.__context__ from None
                raise
            return None

        def _without_upgrade(self) -> bytes:
            """Return the header again without `Upgrade`, and have another parser: its body comes.

            Raises:
                Refusal: the request is of another kind.
            """
            method, version = self.parser.get_method(), self.parser.get_http_version().encode()
            if method == b"CONNECT":
                raise Refusal(405, "CONNECT is not for this service.")
            lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
            for name, value in self.headers:
                if name == b"connection":
                    words = [word.strip() for word in value.split(b",")]
                    value = b", ".join(word for word in words if word.lower() != b"upgrade")
                if name != b"upgrade":
                    lines.append(b"%b: %b" % (name, value))
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            return b"\r\n".join((*lines, b"", b""))

        def on_message_begin(self) -> None:
            self._in_body = False
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._in_body:  # a trailer: who has looked at the header has not looked at it
                return
            super().on_header(name, value)
            if len(self.headers) > _LINES:
                raise Refusal(431, f"the header has more than {_LINES} lines.")

        def on_headers_complete(self) -> None:
            if self.parser.should_upgrade():
                return  # it is read once more
            if not self.url.startswith(b"/"):
                raise Refusal(400, "the target of the request is not a path.")
            self._in_body, self._content = True, 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._content += len(body)
            super().on_body(body)

        def on_message_complete(self) -> None:
            if not self.parser.should_upgrade():
                super().on_message_complete()

        def pause_writing(self) -> None:
            """Start the clocks of what is written, and of the answer that it is a piece of."""
            super().pause_writing()
            transport, now = cast("_Transport", self.transport), self.loop.time()
            if self._slow_since is None:
                self._slow_since, transport.sent = now, 0
            due = self._slow_since + limits.send_time * (1 + transport.sent // _READ)
            self._unread_timer = self.loop.call_later(
                min(limits.send_time, due - now), transport.real.abort
            )

        def resume_writing(self) -> None:
            self._stop_unread_timer()
            super().resume_writing()

        def on_response_complete(self) -> None:
            self._slow_since = None
            super().on_response_complete()

        def _stop_unread_timer(self) -> None:
            if self._unread_timer is not None:
                self._unread_timer.cancel()
                self._unread_timer = None

        def _expect(self, missing: str, came: int = 0) -> None:
            """Start the clock of what is missing, unless it runs already; look how much it is."""
            if missing != self._missing or self.cycle is not self._of:
                self._missing, self._of, self._bytes = missing, self.cycle, 0
                if self._late_timer is not None:
                    self._late_timer.cancel()
                    self._late_timer = None
                if missing:
                    seconds = limits.header_time if missing == _HEADER else limits.body_time
                    self._late_timer = self.loop.call_later(seconds, self._late)
            self._bytes += came
            if missing == _HEADER and self._bytes > _LONGEST:
                self._refuse(Refusal(431, "the header is too long."))
            if missing == _BODY and self._bytes - self._content > self._framing():
                message = "the body has too many chunks, or too much beside its content."
                self._refuse(Refusal(400, message))

        def _framing(self) -> int:
            """Return how many bytes that are not content may have come with a body."""
            return _LONGEST + self._content // _SHARE

        def _late(self) -> None:
            self._refuse(Refusal(408, f"the {self._missing} did not come in time."))

        def _refuse(self, refusal: Refusal) -> None:
            """Answer, unless there is an answer on its way, and close; listen no more."""
            if self._is_refused or self.transport.is_closing():
                return
            self._rest, self._is_refused = None, True
            self._expect(_NOTHING)
            cycle, transport = self.cycle, cast("_Transport", self.transport)
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
                if cycle.response_started:
                    transport.close()
                    return
            transport.write(refusal.raw())
            transport.end()
            transport.real.resume_reading()

    return Limited
