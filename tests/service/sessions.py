"""The client and a session in one process: everything but the connection between them."""

from __future__ import annotations

from typing import Any
from unittest import mock

from jaccli import context
from jaccli.__main__ import perform as perform_here
from jaccli.service import messages
from jaccli.service.address import ServiceAddress
from jaccli.service.client import client, http
from jaccli.service.server import session

URL = "unix:/run/session.sock"


def answered(
    address: ServiceAddress, path: str, headers: dict[str, str], body: bytes, **options: Any
) -> http.HTTPAnswer:
    """Answer a request as a service does, in the place of `transport.post`."""
    assert (path, headers[messages.VERSIONS]) == (messages.PATH, messages.versions())
    reply = session.perform(messages.Call.decode(body), context.current())
    return http.HTTPAnswer(200, {}, reply.encode())


def through_session(arguments: list[str]) -> int:
    """Perform a command line through the client and a session, and return the exit code."""
    with mock.patch.object(http, "post", answered):
        code = client.run(arguments, URL)
    return perform_here(arguments) if code is None else code
