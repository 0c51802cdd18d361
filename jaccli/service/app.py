"""The service as an ASGI application: its routes, in one table, and what they do.

request → `request.call` → `pool` (a worker's session) → `request.response` → answer

Boundary: answers requests that have passed the gate (`security`); computes nothing, and opens no
file.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.responses import Response as Answer
from starlette.routing import Route

from jaccli.backend import versions as installed
from jaccli.service import openapi, wire
from jaccli.service.fast import Answered, Fast
from jaccli.service.limits import Limits
from jaccli.service.models import Models
from jaccli.service.operations import INPUT, MODEL, OPERATIONS, Operation
from jaccli.service.pool import Pool
from jaccli.service.refusal import Refusal
from jaccli.service.request import Document, Response, accepted, call, document, is_bare, response
from jaccli.service.security import HEADERS, Application, Gate, guard, replayed

_NUMBERS = b"0123456789.+-eE \t\r\n"
_KIND = 1 << 16
"""Bytes of a call by which its kind is told."""


class Service:
    """What the routes share: the workers, the registered models, the programs that are inline."""

    def __init__(self, limits: Limits, gate: Gate) -> None:
        self.limits, self.gate = limits, gate
        self.pool = Pool(limits)
        self.fast = Fast(limits, self._used)
        self.models = Models(limits.models, limits.models_memory, self.fast.forget)
        self.started = {"versions": installed(), "handshake": wire.versions()}

    def application(self) -> Application:
        """Return the ASGI application."""
        routes = [
            Route(route.path, _endpoint(self, route), methods=[route.method]) for route in ROUTES
        ]
        handlers: dict[Any, Any] = {
            Refusal: _refused,
            HTTPException: _http_error,
            Exception: _failed,
        }

        @asynccontextmanager
        async def lifespan(_: Starlette) -> Any:
            self.pool.start()
            self.fast.start()
            yield
            self.fast.close()
            await self.pool.close()

        routed = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
        routed.router.redirect_slashes = False  # to wherever the request says that it is
        return guard(self.fast.before(replayed(routed)), self.gate)

    def _used(self, model: str) -> bool:
        return self.models.touch(model)

    async def perform(self, request: Request, message: bytes) -> bytes:
        """Return a worker's reply to a call, unless the client leaves before."""
        work = asyncio.ensure_future(self.pool.call(message, kind_of(message)))
        left = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Refusal(499, "the client has left.")
            return work.result()
        finally:
            for task in (work, left):
                task.cancel()
                with suppress(asyncio.CancelledError, Refusal):
                    await task

    async def ask(self, request: Request, made: wire.Call, form: str) -> Response:
        """Have a call performed; read its reply."""
        reply = wire.Reply.decode(await self.perform(request, made.encode()))
        return response(reply, form)


async def operation(service: Service, request: Request, about: Operation) -> Answer:
    """Compute what the body, or a registered model, asks for."""
    query = request.query_params.multi_items()
    special = {name: value for name, value in query if name in (MODEL, INPUT)}
    if len(special) < sum(name in (MODEL, INPUT) for name, _ in query):
        raise Refusal(400, f"{MODEL} and {INPUT} are given once.")
    values = about.values((name, value) for name, value in query if name not in special)
    form = accepted(request.scope[HEADERS].get(b"accept", b"").decode("latin-1"), about)
    content_type = request.headers.get("content-type", "")
    body = await request.body()
    bare = None
    if MODEL not in special:
        if INPUT in special:
            raise Refusal(400, f"{INPUT} goes with {MODEL}: the body is one of a model's inputs.")
        given = document(content_type, body)
    else:
        given = service.models.get(special[MODEL])
        if INPUT in special:
            if not is_bare(content_type):
                raise Refusal(415, "the body is an input: .npy, as application/x-npy.")
            bare = (special[INPUT], body)
        elif body:
            raise Refusal(400, f"a body beside {MODEL} needs {INPUT}, the name of the input.")
    start = time.perf_counter()
    found = await service.ask(request, call(about, values, given, form, bare), form)
    if bare is not None and form == "npy":
        took = time.perf_counter() - start
        asked = Answered(special[MODEL], given, about, values, bare, found.body, took)
        service.fast.consider(request.scope, asked)
    return _answer(found)


async def register(service: Service, request: Request) -> Answer:
    """Evaluate a spec at its point, and keep it under the hash of its content."""
    if request.query_params:
        raise Refusal(400, f"no parameter is called {next(iter(request.query_params))!r}.")
    given: Document = document(request.headers.get("content-type", ""), await request.body())
    service.models.check(given)
    await service.ask(request, call(OPERATIONS["evaluate"], {}, given, "npz"), "npz")
    return JSONResponse({"id": service.models.add(given)}, 201)


async def client_call(service: Service, request: Request) -> Answer:
    """Perform a command line for the thin client."""
    if request.headers.get("content-type", "") != wire.MEDIA_TYPE:
        raise Refusal(415, f"the body is no call: expected {wire.MEDIA_TYPE}.")
    ours = service.started["handshake"]
    headers = {wire.VERSIONS: str(ours)}
    if request.headers.get(wire.VERSIONS, "") != ours:
        refusal = Refusal(409, f"this service is {ours}.")
        return Answer(refusal.as_json(), 409, headers, "application/json")
    reply = await service.perform(request, await request.body())
    return Answer(reply, 200, headers, wire.MEDIA_TYPE)


async def health(service: Service, request: Request) -> Answer:
    """Say that the service runs, with what versions, and what it is doing."""
    pool = service.pool
    return JSONResponse(
        {
            "status": "ok",
            **service.started,
            "workers": {
                "idle": len(pool.idle),
                "busy": len(pool.busy),
                "replaced": pool.replaced,
            },
            "waiting": len(pool.waiting),
            "models": len(service.models),
            "programs": len(service.fast),
        }
    )


async def describe(service: Service, request: Request) -> Answer:
    """Return the OpenAPI description."""
    return JSONResponse(openapi.description(service.limits))


async def docs(service: Service, request: Request) -> Answer:
    """Return the OpenAPI description as a page to read."""
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(openapi.page(service.limits), headers=policy)


Handler = Callable[..., Awaitable[Answer]]


class ServiceRoute(NamedTuple):
    """A path, what answers it, and the operation if there is one."""

    method: str
    path: str
    handler: Handler
    operation: Operation | None = None


ROUTES: tuple[ServiceRoute, ...] = (
    *(ServiceRoute("POST", f"/v1/{about.name}", operation, about) for about in OPERATIONS.values()),
    ServiceRoute("POST", "/v1/models", register),
    ServiceRoute("POST", wire.PATH, client_call),
    ServiceRoute("GET", "/healthz", health),
    ServiceRoute("GET", "/docs", docs),
    ServiceRoute("GET", "/openapi.json", describe),
)


def kind_of(message: bytes) -> int:
    """Return the same for calls that differ in numbers alone, for most others something else."""
    return zlib.crc32(message[:_KIND].translate(None, _NUMBERS))


def _endpoint(service: Service, route: ServiceRoute) -> Callable[[Request], Awaitable[Answer]]:
    rest = () if route.operation is None else (route.operation,)

    async def endpoint(request: Request) -> Answer:
        return await route.handler(service, request, *rest)

    return endpoint


def _answer(found: Response) -> Answer:
    return Answer(found.body, found.status, media_type=found.media)


async def _left(request: Request) -> None:
    """Return when the client has closed its connection; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, refusal: Exception) -> Answer:
    assert isinstance(refusal, Refusal)
    return Answer(refusal.as_json(), refusal.status, refusal.headers, "application/json")


async def _http_error(request: Request, error: Exception) -> Answer:
    assert isinstance(error, HTTPException)
    allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    reason = {
        404: "there is nothing here. /docs says what there is.",
        405: f"{request.method} is not for this path. Expected {allowed}.",
    }
    refusal = Refusal(error.status_code, reason.get(error.status_code, error.detail))
    return Answer(refusal.as_json(), error.status_code, error.headers, "application/json")


async def _failed(request: Request, error: Exception) -> Answer:
    refusal = Refusal(500, "the service has failed at this request. This is a defect.")
    return Answer(refusal.as_json(), 500, None, "application/json")
