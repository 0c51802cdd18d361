"""The client and a session in one process: everything but the connection between them."""

from __future__ import annotations

from typing import Any
from unittest import mock

from jaccli.__main__ import perform as perform_here
from jaccli.service import client, session, transport, wire
from jaccli.service.address import Address

URL = "unix:/run/session.sock"


def answered(
    address: Address, path: str, headers: dict[str, str], body: bytes, **options: Any
) -> transport.Answer:
    """Answer a request as a service does, in the place of `transport.post`."""
    assert (path, headers[wire.VERSIONS]) == (wire.PATH, wire.versions())
    reply = session.perform(wire.Call.decode(body))
    return transport.Answer(200, {}, reply.encode())


def through_session(arguments: list[str]) -> int:
    """Perform a command line through the client and a session, and return the exit code."""
    with mock.patch.object(transport, "post", answered):
        code = client.run(arguments, URL)
    return perform_here(arguments) if code is None else code
