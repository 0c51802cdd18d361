"""What a request's body and headers mean, and which models are kept."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml

from jaccli.context import Context
from jaccli.errors import BudgetError, DeviceError, UsageError
from jaccli.service.server import openapi
from jaccli.service.server.app import ROUTES, kind_of
from jaccli.service.server.http_error import Refusal
from jaccli.service.server.limits import Limits
from jaccli.service.server.model_store import Models, StoredModel
from jaccli.service.server.operations import OPERATIONS
from jaccli.service.server.translate import (
    Document,
    DocumentFiles,
    RequestJob,
    accepted,
    content,
    document,
    identity,
)
from tests.conftest import ROOT

JACOBIAN, CHECK = OPERATIONS["jacobian"], OPERATIONS["check"]


def refused(work: Any, *args: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as refusal:
        work(*args)
    return refusal.value.status, refusal.value.message


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", "json"),
        ("*/*", "json"),
        ("text/html, */*;q=0.1", "json"),
        ("application/x-npy", "npy"),
        ("application/octet-stream", "npy"),
        ("application/json;q=0.5, application/x-npz", "npz"),
        ("Application/X-NPZ ; q=0.2, application/json;q=0.1", "npz"),
        ("application/x-npy;q=0, */*", "json"),
    ],
)
def test_the_form_is_what_is_liked_best(header: str, form: str) -> None:
    assert accepted(header, JACOBIAN) == form


def test_what_cannot_be_answered_is_not() -> None:
    assert refused(accepted, "text/html", JACOBIAN)[0] == 406
    assert refused(accepted, "application/x-npy", CHECK) == (
        406,
        "check answers application/json, application/vnd.jaccli.page+json.",
    )


def part(head: str, content: bytes) -> bytes:
    return f"--b\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


NAMED = 'Content-Disposition: form-data; name="{}"'
SPEC = part(NAMED.format("spec"), b"model")
MULTIPART = "multipart/form-data; boundary=b"


def test_parts_have_the_names_of_their_files() -> None:
    content = b"\r\n--\r\n--bb\x00"  # all but the boundary
    file = part('content-disposition: form-data; name="f"; filename="d/x.npy"\r\nA: b', content)
    plain = part(NAMED.format("y.npy"), b"")
    body = b"\r\n" + SPEC + file.replace(b"--bb", b"--cb") + plain + b"--b--\r\nepilogue"
    found = document(MULTIPART, body)
    assert found == Document(b"model", {"d/x.npy": content.replace(b"--bb", b"--cb"), "y.npy": b""})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "multipart: the body is cut short, or begins with something else."),
        (SPEC, "multipart: the body is cut short, or begins with something else."),
        (
            b"x" + SPEC + b"--b--",
            "multipart: the body is cut short, or begins with something else.",
        ),
        (b"--b--\r\n", "the body has no part 'spec'."),
        (SPEC + SPEC + b"--b--", "multipart: two parts are called 'spec'."),
        (part("A: b", b"") + b"--b--", "multipart: a part has no name."),
        (part(NAMED.format(""), b"") + b"--b--", "multipart: a part has no name."),
    ],
)
def test_what_is_no_multipart_body_is_refused(body: bytes, message: str) -> None:
    assert refused(document, MULTIPART, body) == (400, message)


@pytest.mark.parametrize("media", ["multipart/form-data", "multipart/form-data; boundary=\r\n"])
def test_a_boundary_is_needed(media: str) -> None:
    found = refused(document, media, SPEC)
    assert found == (400, "multipart: the boundary is missing, or is none.")


SQUARE = Document(b"model: {expression: x**2}\ninputs: {x: 3.0}\n")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("no."), 400, "no."),
        (UsageError("no.", "nor this."), 400, "no.\nnor this."),
        (BudgetError("over budget."), 422, "over budget."),
        (DeviceError("no device."), 422, "no device."),
        (MemoryError(), 422, "out of memory. Take smaller pieces with --chunk."),
        (KeyError("/home/me"), 500, "the service has failed at this request. This is a defect."),
    ],
)  # fmt: skip
def test_errors_become_statuses(
    error: Exception, status: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> Any:
        raise error

    monkeypatch.setattr("jaccli.commands.derivative.tasks", failing)
    context = Context(files=DocumentFiles(SQUARE))
    assert refused(content, RequestJob("json", "jacobian"), context) == (status, message)


def test_a_number_out_of_range_is_refused() -> None:
    asked = refused(CHECK.request, (("probes", "0"),))
    assert asked == (400, "--probes: 0 is out of range.\nExpected 1 or more.")


def test_equal_documents_have_equal_ids() -> None:
    name = identity(Document(b"a", {"x": b"1", "y": b""}))
    assert identity(Document(b"a", {"y": b"", "x": b"1"})) == name
    assert identity(Document(b"a", {"x1": b"", "y": b""})) != name


def test_of_models_the_oldest_go_first() -> None:
    gone: list[str] = []
    models = Models(2, 100, gone.append)
    a, b, c = (StoredModel("", text) for text in (b"a", b"b", b"c"))
    models.add("a", a)
    models.add("b", b)
    models.add("a", a)
    models.add("c", c)
    assert gone == ["b"]
    assert refused(models.get, "b")[0] == 404
    assert models.get("a") == a


def test_models_are_bounded_in_bytes() -> None:
    models = Models(10, 10, lambda _: None)
    for name in "abc":
        models.add(name, StoredModel("", name.encode() * 4))
    assert len(models) == 2
    assert refused(models.get, "a")[0] == 404
    assert refused(models.check, 11) == (413, "the model has more than the 10 B allowed.")


def test_kinds_of_calls_differ_in_more_than_numbers() -> None:
    assert kind_of(b"x: [1.0, 2e-3]") == kind_of(b"x: [-7, 12.5]")
    assert kind_of(b"x: [1.0, 2.0]") != kind_of(b"x: [1.0, 2.0, 3.0]")
    assert kind_of(b"sin(x)") != kind_of(b"cos(x)")


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(openapi.description(Limits())))
    return made


def test_every_route_is_described_and_nothing_else(described: dict[str, Any]) -> None:
    paths = {(method, path) for path, about in described["paths"].items() for method in about}
    assert paths == {(route.method.lower(), route.path) for route in ROUTES}


def test_references_lead_somewhere(described: dict[str, Any]) -> None:
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))
    assert names <= set(described["components"]["schemas"])
    assert {"Spec", "Result", "Error"} <= names


def test_the_described_spec_is_the_one_that_is_read(described: dict[str, Any]) -> None:
    root = {"$ref": "#/components/schemas/Spec", "components": described["components"]}
    validator = jsonschema.Draft202012Validator(root)
    spec = yaml.safe_load((ROOT / "configs/forecast.yaml").read_text())
    validator.validate(spec)
    assert not validator.is_valid(spec | {"modle": 1})


def test_parameters_are_those_of_the_table(described: dict[str, Any]) -> None:
    about = described["paths"]["/v1/jacobian"]["post"]["parameters"]
    names = [parameter["name"] for parameter in about]
    assert names == ["model", "input", *JACOBIAN.options]


def test_no_option_names_a_file_or_permits_python() -> None:
    for operation in OPERATIONS.values():
        names = set(operation.options)
        barred = {
            "set",
            "at",
            "output",
            "out_dir",
            "against",
            "allow_python",
            "expression",
            "force",
        }
        assert not names & barred, operation.name


def test_the_page_loads_nothing() -> None:
    page = openapi.page(Limits())
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import", page)
