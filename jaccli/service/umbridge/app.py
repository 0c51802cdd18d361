"""UM-Bridge's routes, as an ASGI application behind the service's gate.

Requests are parsed and computed one at a time in a thread, as UM-Bridge's own server does it: the
model is the operator's, and a request brings numbers of fixed counts.

Boundary: what is asked and answered is `protocol`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.responses import Response as Answer
from starlette.routing import Route

from jaccli.backend import versions as installed
from jaccli.service import messages
from jaccli.service.server.buffers import parts
from jaccli.service.server.limits import Limits
from jaccli.service.server.middleware import BODY, HEALTH, Application, Gate, guard
from jaccli.service.umbridge import protocol
from jaccli.service.umbridge.protocol import ProtocolError
from jaccli.service.umbridge.vector_model import VectorModel

_JSON = "application/json"


class UMBridgeService:
    """A model under its names; at most `limits.queue` requests wait."""

    def __init__(self, model: VectorModel, names: Sequence[str], limits: Limits, gate: Gate):
        self.model, self.names, self.limits, self.gate = model, names, limits, gate
        self.lifetime = gate.lifetime
        self.shown = f"the UM-Bridge model {names[0]!r}"
        self._thread = ThreadPoolExecutor(1, "model")
        self._waiting = 0
        self._about = {"versions": installed(), "handshake": messages.versions()}

    def kill(self) -> None:
        """End at once what runs: it ends with the process."""

    def application(self) -> Application:
        """Return the ASGI application."""
        routes = [
            Route("/Info", self._info, methods=["GET"]),
            Route(HEALTH, self._health, methods=["GET"]),
            *(Route(f"/{name}", self._asked, methods=["POST"]) for name in protocol.METHODS),
        ]
        handlers: dict[Any, Any] = {HTTPException: _http_error}
        routed = Starlette(routes=routes, exception_handlers=handlers)
        routed.router.redirect_slashes = False
        return guard(routed, self.gate)

    async def _info(self, request: Request) -> Answer:
        return Answer(protocol.info(self.names), media_type=_JSON)

    async def _asked(self, request: Request) -> Answer:
        if self._waiting > self.limits.queue:
            text = f"{self.limits.queue} requests are waiting already. Ask again later."
            return _refused(ProtocolError("Busy", text, 429))
        body, method = request.scope[BODY], request.scope["path"].removeprefix("/")
        self._waiting += 1
        try:
            work = self._thread.submit(
                lambda: protocol.answer(self.model, self.names, method, b"".join(parts(body)))
            )
            found = await asyncio.wrap_future(work)
        finally:
            self._waiting -= 1
        return Answer(found.body, found.status, media_type=_JSON)

    async def _health(self, request: Request) -> Answer:
        busy = min(1, self._waiting)
        return JSONResponse(
            {
                "status": "ok",
                **self._about,
                **self.lifetime.described(),
                "drain_time": self.limits.drain_time,
                "workers": {"idle": 1 - busy, "busy": busy, "replaced": 0},
                "waiting": self._waiting - busy,
            }
        )


def maker(model: VectorModel, names: Sequence[str]) -> Callable[[Limits, Gate], UMBridgeService]:
    """Return what makes the service of a model from its limits and its gate."""
    return lambda limits, gate: UMBridgeService(model, names, limits, gate)


def _refused(error: ProtocolError) -> Answer:
    return Answer(error.as_json(), error.status, media_type=_JSON)


async def _http_error(request: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    methods = ", ".join(protocol.METHODS)
    text = {
        404: f"there is nothing here. Expected GET /Info, or POST to one of {methods}.",
        405: f"{request.method} is not for this path.",
    }
    found = text.get(error.status_code, error.detail)
    return _refused(ProtocolError("UnsupportedFeature", found, error.status_code))
