"""HTTP as uvicorn and httptools speak it, with limits on time, and on the bytes of headers.

A request that is here at once, as nearly all are, starts no clock.  Head and body of an answer are
sent together.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jaccli.service.limits import Limits
from jaccli.service.refusal import Refusal

_LONGEST = 1 << 16
"""Bytes of a header at most."""
_HEADER, _BODY, _NOTHING = "header", "body", ""


class _Joined:
    """A transport that sends what is written in one turn of the event loop at once.

    uvicorn writes an answer's head and its body, and each would be a call of the system that wakes
    the client: 91 → 50 µs for a small request of 64 clients (scripts/bench_service.py).
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send the data at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(data)

    def close(self) -> None:
        """Close after what has been written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._transport.writelines(waiting)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def limited(limits: Limits) -> type[HttpToolsProtocol]:
    """Return the protocol whose requests come within the limits on time."""

    class Limited(HttpToolsProtocol):
        """Ends the connection of who sends a request too slowly, or a header without end.

        Of a request, `_missing` says what has not come yet.
        """

        _timer: asyncio.TimerHandle | None = None
        _missing = _NOTHING
        _bytes = 0

        def connection_made(self, transport: Any) -> None:
            joined: Any = _Joined(transport, self.loop)
            super().connection_made(joined)
            self._expect(_HEADER)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            cycle = self.cycle
            if cycle is None or cycle.scope is not self.scope:
                missing = _HEADER
            else:
                missing = _BODY if cycle.more_body else _NOTHING
            if missing or self._missing:
                self._expect(missing, len(data))

        def connection_lost(self, error: Exception | None) -> None:
            self._expect(_NOTHING)
            super().connection_lost(error)

        def _expect(self, missing: str, came: int = 0) -> None:
            """Start the clock of what is missing, unless it runs already."""
            if missing != self._missing:
                self._missing, self._bytes = missing, 0
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                if missing:
                    seconds = limits.header_time if missing == _HEADER else limits.body_time
                    self._timer = self.loop.call_later(seconds, self._late)
            self._bytes += came
            if missing == _HEADER and self._bytes > _LONGEST:
                self._refuse(Refusal(431, "the header is too long."))

        def _late(self) -> None:
            self._refuse(Refusal(408, f"the {self._missing} did not come in time."))

        def _refuse(self, refusal: Refusal) -> None:
            """Answer, unless there is an answer on its way, and close."""
            if self.transport.is_closing():
                return
            cycle = self.cycle
            if cycle is None or cycle.response_complete or not cycle.response_started:
                self.transport.write(refusal.raw())
            self.transport.close()

    return Limited
