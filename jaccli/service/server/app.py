"""The service as an ASGI application: its routes, in one table, and what they do.

request → `request.Job` → `pool` (a worker's `request.answer`) → answer

Boundary: answers requests that have passed the gate (`middleware`); computes nothing, opens no
file, and looks at no body: what takes its time with one would hold everybody up.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.responses import Response as Answer
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from jaccli.backend import versions as installed
from jaccli.service import environment, messages
from jaccli.service.server import openapi, page
from jaccli.service.server.buffers import Body, Pieces, parts
from jaccli.service.server.fast_path import Answered, Fast
from jaccli.service.server.http_error import Refusal
from jaccli.service.server.limits import Limits
from jaccli.service.server.middleware import BODY, HEADERS, HEALTH, USE, Application, Gate, guard
from jaccli.service.server.model_store import Models, StoredModel
from jaccli.service.server.operations import INPUT, MODEL, OPERATIONS, Operation
from jaccli.service.server.pool import Pool
from jaccli.service.server.translate import CALL, ID, RequestJob, Response, accepted, is_bare
from jaccli.spec.schema import json_schema

_NUMBERS = b"0123456789.+-eE \t\r\n"
_KIND = 1 << 16
"""Bytes of a call by which its kind is told."""


class Service:
    """What the routes share: the workers, the registered models, the programs that are inline."""

    def __init__(self, limits: Limits, gate: Gate) -> None:
        self.limits, self.gate = limits, gate
        self.pool = Pool(limits, gate.buffers)
        self.fast = Fast(limits, self._used)
        self.models = Models(limits.models, limits.models_memory, self.fast.forget)
        self.started = {"versions": installed(), "handshake": messages.versions()}
        self.lifetime = gate.lifetime
        self.shown = "1 worker" if limits.workers == 1 else f"{limits.workers} workers"

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
            if self.lifetime.on_demand:  # listens when calls need not wait, and saves JAX's memory
                await self.pool.ready()
            else:
                self.fast.start()
            yield
            self.fast.close()
            await self.pool.close()

        routed = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
        routed.router.redirect_slashes = False  # to wherever the request says that it is
        return guard(self.fast.before(routed), self.gate)

    def kill(self) -> None:
        """Kill all workers at once."""
        self.pool.kill()

    def _used(self, model: str) -> bool:
        return self.models.touch(model)

    async def perform(
        self, request: Request, job: RequestJob, body: Body, bare: bytes = b""
    ) -> tuple[Response, Body, float]:
        """Return a worker's response to a job, its body, and the seconds that the worker took.

        Raises:
            Refusal: there is none, or the client leaves before.
        """
        head = job.encode()
        kind = kind_of(head + next(iter(parts(body)), b""))
        work = asyncio.ensure_future(self.pool.call((head, body, bare), kind))
        left = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Refusal(499, "the client has left.")
            found, content, seconds = work.result()
            return Response.with_head(found), content, seconds
        finally:
            for task in (work, left):
                task.cancel()
                with suppress(asyncio.CancelledError, Refusal):
                    await task


class Relayed(Answer):
    """An answer in pieces, each of which is let go when the client has read what was before it."""

    def __init__(self, body: Pieces, *args: Any) -> None:
        super().__init__(b"", *args)
        self.pieces = body
        self.headers["content-length"] = str(len(body))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        while self.pieces:
            piece = self.pieces.pop()
            more = len(self.pieces) > 0
            await send({"type": "http.response.body", "body": piece, "more_body": more})
            await asyncio.sleep(0)  # a fast client's answer is not sent in one turn


async def operation(service: Service, request: Request, about: Operation) -> Answer:
    """Compute what the body, or a registered model, asks for."""
    query = request.query_params.multi_items()
    special = {name: value for name, value in query if name in (MODEL, INPUT)}
    if len(special) < sum(name in (MODEL, INPUT) for name, _ in query):
        raise Refusal(400, f"{MODEL} and {INPUT} are given once.")
    asked = tuple((name, value) for name, value in query if name not in special)
    about.request(asked)  # refuses what is wrong
    form = accepted(request.scope[HEADERS].get(b"accept", b"").decode("latin-1"), about)
    content_type, body = request.headers.get("content-type", ""), request.scope[BODY]
    job = RequestJob(form, about.name, asked, content_type)
    if MODEL not in special:
        if INPUT in special:
            raise Refusal(400, f"{INPUT} goes with {MODEL}: the body is one of a model's inputs.")
        found, content, _ = await service.perform(request, job, body)
        return _answer(found, content)
    model = service.models.get(special[MODEL])
    job = job._replace(content_type=model.content_type)
    if INPUT not in special:
        if body:
            raise Refusal(400, f"a body beside {MODEL} needs {INPUT}, the name of the input.")
        found, content, _ = await service.perform(request, job, model.body)
        return _answer(found, content)
    if not is_bare(content_type):
        raise Refusal(415, "the body is an input: .npy, as application/x-npy.")
    job = job._replace(input=special[INPUT])
    found, content, seconds = await service.perform(request, job, model.body, body)
    inline = not service.lifetime.on_demand
    if inline and found.status == 200 and form == "npy" and isinstance(body, bytes):
        answered = Answered(special[MODEL], model, job, body, content, seconds)
        service.fast.consider(request.scope, answered)
    return _answer(found, content)


async def register(service: Service, request: Request) -> Answer:
    """Evaluate a spec at its point, and keep it under the hash of its content."""
    if request.query_params:
        raise Refusal(400, f"no parameter is called {next(iter(request.query_params))!r}.")
    content_type, body = request.headers.get("content-type", ""), request.scope[BODY]
    service.models.check(len(body))
    job = RequestJob(ID, "evaluate", content_type=content_type)
    found, content, _ = await service.perform(request, job, body)
    if found.id:
        if isinstance(body, Pieces):
            body.keep()
        service.models.add(found.id, StoredModel(content_type, body))
    return _answer(found, content)


async def client_call(service: Service, request: Request) -> Answer:
    """Perform a command line for the thin client."""
    if request.headers.get("content-type", "") != messages.MEDIA_TYPE:
        raise Refusal(415, f"the body is no call: expected {messages.MEDIA_TYPE}.")
    ours = service.started["handshake"]
    headers = {messages.VERSIONS: str(ours)}
    expected = service.lifetime.environment
    if service.lifetime.on_demand:
        headers[environment.HEADER] = expected
    theirs = request.headers.get(environment.HEADER, expected)
    other = service.lifetime.on_demand and theirs != expected
    if request.headers.get(messages.VERSIONS, "") != ours or other:
        what = "has another environment" if other else f"is {ours}"
        refusal = Refusal(409, f"this service {what}.")
        request.scope[USE].is_refused = True
        return Answer(refusal.as_json(), 409, headers, "application/json")
    found, content, _ = await service.perform(request, RequestJob(CALL), request.scope[BODY])
    return _answer(found._replace(headers={**found.headers, **headers}), content)


async def health(service: Service, request: Request) -> Answer:
    """Say that the service runs, with what versions, and what it is doing."""
    pool, lifetime = service.pool, service.lifetime
    return JSONResponse(
        {
            "status": "ok",
            **service.started,
            **lifetime.described(),
            "drain_time": service.limits.drain_time,
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
    return Answer(_description(service.limits), media_type="application/json")


async def docs(service: Service, request: Request) -> Answer:
    """Return the OpenAPI description as a page to read."""
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(_page(service.limits), headers=policy)


async def show_page(service: Service, request: Request) -> Answer:
    """Return a part of the page in a browser: the page itself, its script or its style."""
    site = request.headers.get("sec-fetch-site", "none")
    part = page.part(request.url.path, site, service.limits)
    return Answer(part.body, headers=page.HEADERS, media_type=part.media)


async def schema(service: Service, request: Request) -> Answer:
    """Return the JSON Schema of a spec."""
    return Answer(_schema(), media_type="application/schema+json")


@cache
def _schema() -> bytes:
    return json.dumps(json_schema()).encode()


@cache
def _description(limits: Limits) -> bytes:
    return json.dumps(openapi.description(limits)).encode()


_page = cache(openapi.page)


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
    ServiceRoute("POST", messages.PATH, client_call),
    *(ServiceRoute("GET", path, show_page) for path in page.PARTS),
    ServiceRoute("GET", "/schema.json", schema),
    ServiceRoute("GET", HEALTH, health),
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


def _answer(found: Response, body: Body) -> Answer:
    rest = (found.status, dict(found.headers), found.media)
    return Answer(body, *rest) if isinstance(body, bytes) else Relayed(body, *rest)


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
