"""HTTP as uvicorn and httptools speak it, with limits on time, and on the bytes of headers.

A request that is here at once, as nearly all are, starts no clock.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jaccli.service.limits import Limits
from jaccli.service.refusal import Refusal

_LONGEST = 1 << 16
"""Bytes of a header at most."""


def limited(limits: Limits) -> type[HttpToolsProtocol]:
    """Return the protocol whose requests come within the limits on time."""

    class Limited(HttpToolsProtocol):
        """Ends the connection of who sends a request too slowly, or a header without end.

        Of a request, `_waiting` says what has not come: its header, its body, or nothing.
        """

        _timer: asyncio.TimerHandle | None = None
        _waiting = "header"
        _bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._start()

        def data_received(self, data: bytes) -> None:
            before = self._waiting
            super().data_received(data)
            if self._waiting == "header" == before:
                self._bytes += len(data)
                if self._bytes > _LONGEST and not self.transport.is_closing():
                    self._refuse(Refusal(431, "the header is too long."))
            elif self._waiting != before:
                self._bytes = 0
                self._start()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._waiting = "header"

        def on_headers_complete(self) -> None:
            self._waiting = "body"
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._waiting = ""
            super().on_message_complete()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop()
            super().connection_lost(error)

        def _start(self) -> None:
            """Start the clock of what has not come."""
            self._stop()
            if self._waiting:
                seconds = limits.header_time if self._waiting == "header" else limits.body_time
                self._timer = self.loop.call_later(seconds, self._late)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            if self._waiting and not self.transport.is_closing():
                self._refuse(Refusal(408, f"the {self._waiting} did not come in time."))

        def _refuse(self, refusal: Refusal) -> None:
            """Answer, unless there is an answer on its way, and close."""
            if (
                self.cycle is None
                or self.cycle.response_complete
                or not self.cycle.response_started
            ):
                self.transport.write(refusal.raw())
            self.transport.close()

    return Limited
