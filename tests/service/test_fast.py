"""Answers of the process that receives requests: what becomes of programs nobody needs."""

from __future__ import annotations

import asyncio
from typing import Any

from jaccli.service.server.fast_path import Fast, FastProgram, _key
from jaccli.service.server.limits import Limits
from jaccli.service.server.middleware import BODY, HEADERS

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/v1/jacobian",
    "query_string": b"model=1&input=x",
    HEADERS: {},
    BODY: b"head and numbers",
}


def test_a_program_whose_model_went_while_it_was_compiled_goes_too() -> None:
    fast = Fast(Limits(), lambda model: False)
    fast._programs.put(_key(SCOPE), FastProgram("1", b"head", lambda body: body[:4], [], 1))
    said: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        said.append(message.get("body"))

    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        said.append("asked again")

    answered = fast.before(elsewhere)
    for _ in range(2):
        asyncio.run(answered(dict(SCOPE), receive, send))
    assert said == [None, b"head", "asked again"]
    assert len(fast) == 0
