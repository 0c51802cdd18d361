"""The API: what it answers is what the command line prints and writes."""

from __future__ import annotations

import http.client
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import call as jaccli
from tests.service.servers import SQUARE, Server

NPY, NPZ = "application/x-npy", "application/x-npz"
SPECS = {
    "square": SQUARE.decode(),
    "forecast": "model: forecast\ndtype: float32\nwrt: x\ninputs:\n"
    "  weight: {random: normal, shape: [3, 4], seed: 1}\n"
    "  bias: {random: normal, shape: [3], seed: 2}\n"
    "  x: {random: normal, shape: [4], seed: 3}\n",
    "product": "model: {expression: sum(tanh(x))}\ninputs: {x: [0.1, 0.2]}\nvector: [1.0, 2.0]\n",
    "nan": "model: {expression: sqrt(x)}\ninputs: {x: -1.0}\n",
}


def npy(values: Any, dtype: Any = None) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(values, dtype))
    return stream.getvalue()


def without(data: Any, *names: str) -> Any:
    return {name: value for name, value in data.items() if name not in names}


@pytest.mark.parametrize(
    ("command", "spec"),
    [
        ("jacobian", "forecast"),
        ("jacobian", "nan"),
        ("hessian", "square"),
        ("gradient", "product"),
        ("hvp", "product"),
        ("evaluate", "forecast"),
    ],
)
def test_json_is_that_of_the_command_line(server: Server, command: str, spec: str) -> None:
    said = server.ask(f"/v1/{command}", SPECS[spec].encode())
    assert (said.status, said.headers["content-type"]) == (200, "application/json")
    printed = jaccli(command, "-", "--format", "json", "--quiet", stdin=SPECS[spec])
    local = json.loads(printed.stdout)
    assert without(said.json, "seconds", "cache") == without(local, "seconds", "cache")


def test_arrays_are_those_that_the_command_line_writes(server: Server, tmp_path: Path) -> None:
    found = []
    for media in (NPY, NPZ):
        target = tmp_path / f"J.{media[-3:]}"
        jaccli("jacobian", "-", "-o", target, stdin=SPECS["forecast"])
        said = server.ask("/v1/jacobian", SPECS["forecast"].encode(), Accept=media)
        assert (said.status, said.headers["content-type"]) == (200, media)
        found.append((said.body, target.read_bytes()))
    (served, written), (served_archive, written_archive) = found
    assert served == written
    archives = [np.load(io.BytesIO(data)) for data in (served_archive, written_archive)]
    np.testing.assert_array_equal(archives[0]["y.x"], np.load(io.BytesIO(written)))
    manifests = [json.loads(str(archive["manifest"])) for archive in archives]
    assert without(manifests[0], "seconds") == without(manifests[1], "seconds")


@pytest.mark.parametrize("command", ["check", "analyze", "plan"])
def test_reports_are_those_of_the_command_line(server: Server, command: str) -> None:
    said = server.ask(f"/v1/{command}?of=jacobian", SPECS["square"].encode())
    assert said.status == 200
    arguments = [command, "-", "--of", "jacobian", "--format", "json", "--quiet"]
    printed = json.loads(jaccli(*arguments, stdin=SPECS["square"]).stdout)
    assert said.json.keys() == printed.keys()
    volatile = ("seconds", "bytes", "candidates")
    assert without(said.json, *volatile) == without(printed, *volatile)


def test_a_verdict_that_fails_is_an_answer(server: Server) -> None:
    spec = "model: {expression: abs(x)}\ninputs: {x: 0.0}\n"
    said = server.ask("/v1/check", spec.encode())
    assert (said.status, said.json["passed"]) == (200, False)


def test_parameters_are_the_options_of_the_command(server: Server) -> None:
    spec = "model: {expressions: {a: x*y, b: x+y}}\ninputs: {x: [1.0, 2.0], y: [3.0, 4.0]}\n"
    query = "wrt=y&wrt=x&select=a&mode=rev&layout=matrix&dtype=float32&fail_on_nonfinite=true"
    said = server.ask(f"/v1/jacobian?{query}", spec.encode()).json
    assert (said["mode"], said["dtype"]) == ("rev", "float32")
    assert said["matrix"]["values"] == [[1, 0, 3, 0], [0, 2, 0, 4]]


def test_a_json_body_is_a_spec(server: Server) -> None:
    spec = {"model": {"expression": "x**2"}, "inputs": {"x": 3}}
    said = server.ask("/v1/jacobian", json.dumps(spec).encode(), Content_Type="application/json")
    assert said.json["blocks"] == {"f.x": {"shape": [], "values": 6.0}}


def test_parts_stand_for_the_files_that_a_spec_names(server: Server) -> None:
    x = npy([1.0, 2.0])
    spec = b"model: {expression: x**3}\ninputs: {x: {file: points/x.npy}}\n"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="spec"\r\n\r\n' + spec + b"\r\n--b\r\n"
        b'Content-Disposition: form-data; name="x"; filename="points/x.npy"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + x + b"\r\n--b--\r\n"
    )
    media = "multipart/form-data; boundary=b"
    said = server.ask("/v1/jacobian", body, Content_Type=media, Accept=NPY)
    np.testing.assert_array_equal(np.load(io.BytesIO(said.body)), np.diag([3.0, 12.0]))
    # Registered, it is the same model for any input of the same shape.
    name = server.ask("/v1/models", body, Content_Type=media).json["id"]
    path = f"/v1/jacobian?model={name}"
    assert server.ask(path, b"", Accept=NPY).body == said.body
    moved = server.ask(f"{path}&input=x", npy([2.0, 1.0]), Accept=NPY, Content_Type=NPY)
    np.testing.assert_array_equal(np.load(io.BytesIO(moved.body)), np.diag([12.0, 3.0]))


def test_requests_alike_are_answered_inline_with_the_same_bytes(server: Server) -> None:
    name = server.ask("/v1/models", SPECS["forecast"].encode()).json["id"]
    assert server.ask("/v1/models", SPECS["forecast"].encode()).json["id"] == name
    path = f"/v1/jacobian?model={name}&input=x"
    random = np.random.default_rng(0)
    points = [random.normal(size=4).astype("f4") for _ in range(20)]
    first = [server.ask("/v1/jacobian", spec_at(point), Accept=NPY).body for point in points[:3]]
    before = server.ask("/healthz").json["programs"]
    asked = 0
    while server.ask("/healthz").json["programs"] == before:
        asked += 1
        assert asked < 600, "never inline"
        assert server.ask(path, npy(points[0]), Accept=NPY).body == first[0]
    assert [server.ask(path, npy(p), Accept=NPY).body for p in points[:3]] == first
    # What is unlike goes to a worker: another dtype, another shape, no array.
    wide = server.ask(path, npy(points[0].astype("f8")), Accept=NPY)
    assert (wide.status, np.load(io.BytesIO(wide.body)).shape) == (200, (3, 4))
    assert server.ask(path, npy([1.0] * 5, "f4"), Accept=NPY).status == 400
    assert server.ask(path, npy(points[0])[:-1], Accept=NPY).status == 422
    assert server.ask(path, npy(points[0])).json["blocks"]["y.x"]["shape"] == [3, 4]
    # Nor is anything let in that was refused before.
    assert server.ask(path, npy(points[0]), Accept=NPY, Content_Type="text/html").status == 415
    assert server.ask(path, npy(points[0]), "GET", Accept=NPY).status == 405


def test_of_two_headers_accept_both_count_inline_too(server: Server) -> None:
    """Else an answer to `npy, json` would be kept for those who accept JSON alone."""
    name = server.ask("/v1/models", b"model: {expression: x**5}\ninputs: {x: [1.0, 2.0]}").json[
        "id"
    ]
    path, body = f"/v1/jacobian?model={name}&input=x", npy([1.0, 3.0])

    def media(*accepted: str) -> str | None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.putrequest("POST", path)
        for header in accepted:
            connection.putheader("Accept", header)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        found = connection.getresponse()
        found.read()
        connection.close()
        return found.getheader("content-type")

    before = server.ask("/healthz").json["programs"]
    asked = 0
    while server.ask("/healthz").json["programs"] == before:
        asked += 1
        assert asked < 600, "never inline"
        assert media(NPY, "application/json") == NPY
    assert media("application/json") == "application/json"
    assert media("application/json;q=0.5", NPY) == NPY


def spec_at(point: Any) -> bytes:
    values = [float(value) for value in point]
    return SPECS["forecast"].replace("{random: normal, shape: [4], seed: 3}", str(values)).encode()


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/jacobian", 405, "GET is not for this path. Expected POST."),
        ("DELETE", "/docs", 405, "DELETE is not for this path. Expected GET, HEAD."),
        # Not sent elsewhere: the place would be what the header Host says.
        ("POST", "/v1/jacobian/", 404, "there is nothing here. /docs says what there is."),
    ],
)
def test_what_is_not_there_is_said(
    server: Server, method: str, path: str, status: int, said: str
) -> None:
    found = server.ask(path, b"{}", method)
    assert (found.status, found.message) == (status, said)


REFUSED: dict[str, tuple[str, bytes, dict[str, str], int, str]] = {
    "file": (
        "/v1/jacobian",
        b"model: {expression: x}\ninputs: {x: {file: /etc/x.npy}}",
        {},
        400,
        "the spec names the file '/etc/x.npy', and the service opens none. "
        "Send it as a part of a multipart body.",
    ),
    "base": (
        "/v1/jacobian",
        b"base: /etc/passwd",
        {},
        400,
        "the spec names the file '/etc/passwd', and the service opens none. "
        "Send it as a part of a multipart body.",
    ),
    "tag": (
        "/v1/jacobian",
        b"model: !!python/name:os.system",
        {},
        400,
        "<stdin>:1:8: the tag '!!python/name:os.system' is not allowed.\n"
        "  model: !!python/name:os.system\n         ^\nA spec has no tags.",
    ),
    "sweep": (
        "/v1/jacobian",
        SQUARE + b"sweep: {dtype: [float32]}",
        {},
        400,
        "<stdin>:3:8: sweep: this command takes one task.\n"
        "  sweep: {dtype: [float32]}\n         ^\n`jaccli run` computes all of its tasks.",
    ),
    "deep": (
        "/v1/jacobian",
        b"[" * 10_000,
        {"Content_Type": "application/json"},
        400,
        f"<stdin>:1:101: nested deeper than 100 levels.\n  …{'[' * 100}…\n  {' ' * 51}^",
    ),
    "large": (
        "/v1/jacobian",
        b"model: {expression: x*2}\ninputs: {x: {ones: [1000000]}}",
        {},
        422,
        "jacobian: the result takes 7.3 TiB, more than the 4.0 MiB that are sent.\n"
        "Choose fewer entries with --wrt and --select.",
    ),
    "memory": (
        "/v1/jacobian?memory=1TiB",
        b"model: {expression: sum(x)}\ninputs: {x: {ones: [4000, 4000]}}",
        {},
        422,
        "<stdin>:2:13: inputs.x: an array of shape (4000, 4000) takes 122.1 MiB, "
        "more than the memory budget of 64.0 MiB.\n"
        "  inputs: {x: {ones: [4000, 4000]}}\n              ^",
    ),
    "device": ("/v1/jacobian?device=gpu:7", SQUARE, {}, 422, "no device 'gpu:7' here.\n"),
    "parameter": (
        "/v1/jacobian?mod=rev",
        SQUARE,
        {},
        400,
        "no parameter is called 'mod'. Did you mean 'mode'?",
    ),
    "twice": ("/v1/jacobian?mode=rev&mode=fwd", SQUARE, {}, 400, "mode: given twice."),
    "number": (
        "/v1/jacobian?chunk=a",
        SQUARE,
        {},
        400,
        "chunk: 'a' is not a whole number.",
    ),
    "flag": (
        "/v1/jacobian?fail_on_nonfinite=1",
        SQUARE,
        {},
        400,
        "fail_on_nonfinite: '1'. Expected one of 'true', 'false'.",
    ),
    "option in a value": (
        "/v1/jacobian?wrt=x%20--output=/tmp/x.npy",
        SQUARE,
        {},
        400,
        "--wrt: 'x --output=/tmp/x.npy' is not a name.\n",
    ),
    "empty": (
        "/v1/jacobian",
        b" ",
        {},
        400,
        "the body is empty. Expected a spec, as YAML or JSON.",
    ),
    "media": (
        "/v1/jacobian",
        SQUARE,
        {"Content_Type": "image/png"},
        415,
        "the body is 'image/png'. Expected one of application/json, application/yaml, "
        "application/x-yaml, text/yaml, text/x-yaml, multipart/form-data.",
    ),
    "accept": (
        "/v1/check",
        SQUARE,
        {"Accept": NPY},
        406,
        "check answers application/json, application/vnd.jaccli.page+json.",
    ),
    "model": (
        "/v1/jacobian?model=abc",
        b"",
        {},
        404,
        "no model is registered as 'abc'. Register it again.",
    ),
    "input alone": (
        "/v1/jacobian?input=x",
        npy(1.0),
        {},
        400,
        "input goes with model: the body is one of a model's inputs.",
    ),
    "path": ("/v1/nothing", b"", {}, 404, "there is nothing here. /docs says what there is."),
    "not a call": (
        "/v1/call",
        b"x",
        {},
        415,
        "the body is no call: expected application/vnd.jaccli.call.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_with_its_status(server: Server, name: str) -> None:
    path, body, headers, status, message = REFUSED[name]
    said = server.ask(path, body, **headers)
    assert said.status == status
    assert said.message.startswith(message)


def test_a_model_that_is_wrong_is_not_kept(server: Server) -> None:
    before = server.ask("/healthz").json["models"]
    said = server.ask("/v1/models", b"model: {expression: x}\ninputs: {}\n")
    assert (said.status, said.message.split("\n")[0]) == (
        400,
        "<stdin>:1:21: model.expression: no input or expression named 'x'.",
    )
    assert server.ask("/healthz").json["models"] == before


def test_the_spec_may_say_where_its_output_goes_and_nothing_goes_there(
    server: Server, tmp_path: Path
) -> None:
    target = tmp_path / "J.npy"
    said = server.ask("/v1/jacobian", SQUARE + f"output: {{path: {target}}}".encode())
    assert said.status == 200
    assert not target.exists()


def test_the_description_is_there_to_read_and_for_programs(server: Server) -> None:
    assert server.ask("/openapi.json").json["openapi"] == "3.1.0"
    page = server.ask("/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"<code>/v1/jacobian</code>" in page.body
