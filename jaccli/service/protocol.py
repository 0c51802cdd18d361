"""HTTP as uvicorn and httptools speak it, with limits on the bytes and the time of headers."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_LONGEST = 1 << 16
"""Bytes of a header at most."""


def limited(seconds: float) -> type[HttpToolsProtocol]:
    """Return the protocol whose requests must have sent their headers in so many seconds."""

    class Limited(HttpToolsProtocol):
        """Closes the connection of who sends a header too slowly, or without end."""

        _timer: asyncio.TimerHandle | None = None
        _bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._timer = self.loop.call_later(seconds, transport.close)

        def data_received(self, data: bytes) -> None:
            if self._timer is not None:
                self._bytes += len(data)
            super().data_received(data)
            if self._timer is not None and self._bytes > _LONGEST:
                self.send_400_response("The header is too long.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self._timer is None:
                self._bytes = 0
                self._timer = self.loop.call_later(seconds, self.transport.close)

        def on_headers_complete(self) -> None:
            self._stop()
            super().on_headers_complete()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop()
            super().connection_lost(error)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return Limited
