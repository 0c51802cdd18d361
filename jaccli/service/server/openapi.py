"""The description of the API (OpenAPI 3.1), made from the tables of operations and of the spec.

Boundary: describes; `app` and `translate` do what is described.
"""

from __future__ import annotations

import html
import json
from functools import cache
from typing import Any

from jaccli import __version__
from jaccli.choices import DERIVATIVES, WITH_VECTOR
from jaccli.commands.request import Option
from jaccli.errors import format_bytes
from jaccli.service import messages
from jaccli.service.server.limits import Limits
from jaccli.service.server.operations import (
    CSV,
    INPUT,
    JSON,
    MODEL,
    NPY,
    OPERATIONS,
    PAGE,
    Operation,
)
from jaccli.service.server.translate import MULTIPART
from jaccli.spec.schema import json_schema

Described = dict[str, Any]

_BINARY: Described = {"type": "string", "format": "binary"}
_ANY: Described = {"type": "object"}
_ERRORS = {
    400: "the spec, a parameter or the form of the body is wrong",
    401: "the token is missing or wrong",
    403: "the request comes from another origin's web page",
    404: "no such model, or no such path",
    406: "none of the accepted media types can be answered",
    408: "the body did not come in time",
    413: "the body, the answer, or the memory that it takes exceeds the limits",
    415: "the body's media type is none of those above",
    421: "the header Host names another service",
    422: "the computation failed, exceeds the memory budget, or takes too long",
    429: "the queue is full: ask again after Retry-After",
    503: "the process that computed it has ended, or the service is stopping: ask again",
}
_ERROR: Described = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["status", "message"],
            "properties": {
                "status": {"type": "integer"},
                "message": {
                    "type": "string",
                    "description": "place, what is wrong, what is accepted",
                },
            },
        }
    },
}
_RESULT: Described = {
    "type": "object",
    "required": ["schema", "derivative"],
    "properties": {
        "schema": {"const": 1},
        "derivative": {"type": "string"},
        "mode": {"type": "string"},
        "reason": {"type": "string"},
        "device": {"type": "string"},
        "dtype": {"type": "string"},
        "blocks": {
            "type": "object",
            "description": "by OUTPUT.WRT; NaN and infinities are strings",
            "additionalProperties": {
                "type": "object",
                "required": ["shape"],
                "properties": {"shape": {"type": "array", "items": {"type": "integer"}}},
            },
        },
        "matrix": {"type": "object", "description": "in place of blocks, with layout=matrix"},
        "value": {"type": "object"},
        "seconds": {"type": "object"},
        "versions": {"type": "object"},
    },
}


def description(limits: Limits) -> Described:
    """Return the OpenAPI description of a service with these limits."""
    paths: Described = {
        f"/v1/{about.name}": {"post": _operation(about)} for about in OPERATIONS.values()
    }
    paths["/v1/models"] = {"post": _registration()}
    paths[messages.PATH] = {"post": _client_call()}
    for path, summary, media in (
        ("/", "A page to compute on in a browser.", "text/html"),
        ("/page.js", "The page's script.", "text/javascript"),
        ("/page.css", "The page's style.", "text/css"),
        ("/schema.json", "The JSON Schema of a spec.", "application/schema+json"),
        ("/healthz", "That the service runs, its versions, and what it is doing.", JSON),
        ("/docs", "This description, to read.", "text/html"),
        ("/openapi.json", "This description.", JSON),
    ):
        answer = {"description": "as said", "content": {media: {"schema": {}}}}
        paths[path] = {
            "get": {
                "operationId": path.strip("/").replace(".", "_") or "page",
                "summary": summary,
                "responses": {"200": answer, **_errors(401, 403, 421)},
            }
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jaccli",
            "version": __version__,
            "description": (
                "Jacobians, Hessians and their products. A body has "
                f"{format_bytes(limits.body)} at most, a result {format_bytes(limits.result)}; "
                f"a request computes {limits.time:g} s at most within a memory budget of "
                f"{format_bytes(limits.memory)}."
            ),
        },
        "paths": paths,
        "components": {
            "schemas": {**_spec_schemas(), "Error": _ERROR, "Result": _RESULT},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def page(limits: Limits) -> str:
    """Return the description as one page of HTML that loads nothing."""
    return _page(limits)


def _operation(about: Operation) -> Described:
    bare = [
        _parameter(MODEL, "A registered model, in place of a spec.", {"type": "string"}),
        _parameter(INPUT, "The model's input that the body holds (.npy).", {"type": "string"}),
    ]
    options = [
        _parameter(option.name, option.help, _schema(option), repeatable=option.kind is tuple)
        for option in about.options.values()
    ]
    result = {"$ref": "#/components/schemas/Result"} if about.name in DERIVATIVES else _ANY
    schemas = {JSON: result, CSV: {"type": "string"}, PAGE: {}}
    answers = {media: {"schema": schemas.get(media, _BINARY)} for media in about.media}
    return {
        "operationId": about.name,
        "summary": about.summary,
        "parameters": [*bare, *options],
        "requestBody": _body(about.name, bare=True),
        "responses": {
            "200": {
                "description": "the result, or the verdict",
                "content": answers,
            },
            **_errors(*_ERRORS),
        },
    }


def _registration() -> Described:
    schema = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
    }
    return {
        "operationId": "register",
        "summary": "Evaluate a spec at its point and keep it; the id is the hash of its content.",
        "requestBody": _body("evaluate", bare=False),
        "responses": {
            "201": {"description": "kept", "content": {JSON: {"schema": schema}}},
            **_errors(*_ERRORS),
        },
    }


def _client_call() -> Described:
    return {
        "operationId": "call",
        "summary": "What the client of the command line sends (--server): not for other programs.",
        "parameters": [
            {
                "name": messages.VERSIONS,
                "in": "header",
                "required": True,
                "description": "Those of the client, which must be the service's.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {"required": True, "content": {messages.MEDIA_TYPE: {"schema": _BINARY}}},
        "responses": {
            "200": {
                "description": "a reply",
                "content": {messages.MEDIA_TYPE: {"schema": _BINARY}},
            },
            "409": {"description": "other versions", "content": _JSON_ERROR},
            **_errors(*_ERRORS),
        },
    }


_JSON_ERROR = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}


def _errors(*statuses: int) -> Described:
    return {
        str(status): {"description": _ERRORS[status], "content": _JSON_ERROR} for status in statuses
    }


def _body(command: str, *, bare: bool) -> Described:
    spec = {"$ref": "#/components/schemas/Spec"}
    example: Described = {"model": {"expression": "sum(x**2)"}, "inputs": {"x": [1.0, 2.0]}}
    if command in WITH_VECTOR:
        example["vector"] = 1.0 if command == "vjp" else [1.0, 0.0]
    form = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "string"}},
        "additionalProperties": _BINARY,
        "description": "the files that the spec names are parts of their names",
    }
    content: Described = {
        JSON: {"schema": spec, "example": example},
        "application/yaml": {"schema": spec},
        MULTIPART: {"schema": form},
    }
    if bare:
        content[NPY] = {"schema": _BINARY}
    return {"required": not bare, "content": content}


def _parameter(name: str, text: str, schema: Described, *, repeatable: bool = False) -> Described:
    if repeatable:
        schema = {"type": "array", "items": schema}
    return {"name": name, "in": "query", "description": text, "schema": schema}


_TYPES: dict[type, str] = {
    str: "string", tuple: "string", int: "integer", float: "number", bool: "boolean",
}  # fmt: skip


def _schema(option: Option) -> Described:
    schema: Described = {"type": _TYPES[option.kind]}
    # A device may also have a number: gpu:1.
    if option.choices and option.name != "device":
        schema["enum"] = list(option.choices)
    return schema


@cache
def _spec_schemas() -> Described:
    """Return the schema of a spec and of its parts, at home among the description's components."""
    schema = json_schema()
    parts = schema.pop("$defs")
    schema.pop("$schema")
    text = json.dumps({"Spec": schema, **parts})
    found: Described = json.loads(text.replace('"#/$defs/', '"#/components/schemas/'))
    return found


@cache
def _page(limits: Limits) -> str:
    made = description(limits)
    sections = "".join(
        _section(path, method, about)
        for path, methods in made["paths"].items()
        for method, about in methods.items()
    )
    info = made["info"]
    schemas = html.escape(json.dumps(made["components"]["schemas"], indent=1))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>jaccli</title>{_STYLE}"
        f"<main><h1>jaccli {html.escape(info['version'])}</h1>"
        f"<p>{html.escape(info['description'])}</p>"
        "<p>The same for programs: <code>/openapi.json</code></p>"
        f"{sections}<h2>Schemas</h2><details><summary>the spec, results, errors</summary>"
        f"<pre>{schemas}</pre></details></main></html>\n"
    )


_STYLE = (
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color-scheme:light dark}code,pre{font-family:ui-monospace,monospace;"
    "overflow:auto}td{padding:.1rem 1rem .1rem 0;vertical-align:top}</style>"
)


def _section(path: str, method: str, about: Described) -> str:
    def row(*cells: str) -> str:
        return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"

    def code(text: str) -> str:
        return f"<code>{html.escape(text)}</code>"

    parameters = "".join(
        row(code(p["name"]), html.escape(p["description"])) for p in about.get("parameters", ())
    )
    bodies = ", ".join(map(code, about.get("requestBody", {}).get("content", ())))
    answers = "".join(
        row(
            code(status),
            html.escape(answer["description"]),
            ", ".join(map(code, answer["content"])),
        )
        for status, answer in about["responses"].items()
    )
    return (
        f"<h2>{method.upper()} {code(path)}</h2><p>{html.escape(about['summary'])}</p>"
        + (f"<table>{parameters}</table>" if parameters else "")
        + (f"<p>Body: {bodies}</p>" if bodies else "")
        + f"<details><summary>Answers</summary><table>{answers}</table></details>"
    )
