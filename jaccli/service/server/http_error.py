"""What a request is answered with when it is not answered as asked: a status and a reason."""

from __future__ import annotations

import json
from http import HTTPStatus

LINGER = 2.0
"""Seconds that what a refused client still sends is thrown away, so that it can read why."""


class Refusal(Exception):
    """The status of HTTP, one short paragraph, and headers; nothing of the server's inside."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def as_json(self) -> bytes:
        """Return the body of the answer."""
        error = {"status": self.status, "message": self.message}
        return json.dumps({"error": error}, ensure_ascii=False).encode(errors="replace") + b"\n"

    def raw(self) -> bytes:
        """Return the whole answer as HTTP, for who has no more than a connection."""
        body = self.as_json()
        head = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n"
            "content-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def busy(message: str) -> Refusal:
    """Return the refusal of a service that has too much to do (429)."""
    return Refusal(429, message, retry_after="1")


def unavailable(message: str) -> Refusal:
    """Return the refusal of what may be answered when it is asked again (503)."""
    return Refusal(503, message, retry_after="1")


def too_large(message: str) -> Refusal:
    """Return the refusal of more than the limits allow (413)."""
    return Refusal(413, message)
