"""`serve --umbridge`: UM-Bridge's protocol, with closed forms for every answer.

y = a (m x) + 2 b³        dy/dx = a m           dy/db = 6 diag(b²)
s = Σ x³ b₀               ds/dx = 3 b₀ x²       ds/db = (Σ x³, 0)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.errors import SpecError
from jaccli.service.umbridge import operator_spec, protocol
from jaccli.service.umbridge.vector_model import VectorModel
from tests.service.servers import ROOT, Server, serving, started

SPEC = """
model:
  expressions:
    y: a * (m @ x) + 2 * b**3
    s: sum(x**3) * b[0]
inputs:
  x: [1.0, 2.0, 3.0]
  b: [0.5, -1.0]
  m: [[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]]
  a: 2.0
  k: {value: 3, dtype: int64}
wrt: [x, b]
"""
POINT = [[0.5, -1.0, 2.0], [3.0, -2.0]]
X, B = map(np.array, POINT)
M = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -1.0]])
X0, X1, Y, S, INPUT = "inWrt1", "inWrt2", 0, 1, {"input": POINT}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[VectorModel, list[str]]:
    path = tmp_path_factory.mktemp("umbridge") / "two.yaml"
    path.write_text(SPEC)
    return operator_spec.load(str(path), allow_python=False)


def asked(model: tuple[VectorModel, list[str]], method: str, **request: Any) -> Any:
    """Return what a request is answered with: its content, or status, type and message."""
    body = json.dumps({"name": "forward", **request}).encode()
    status, content = protocol.answer(*model, method, body)
    found = json.loads(content)
    if status == 200:
        return found
    assert found.keys() == {"error"}
    return status, found["error"]["type"], found["error"]["message"]


def test_inputs_are_those_of_wrt_and_outputs_the_models(
    model: tuple[VectorModel, list[str]],
) -> None:
    assert model[1] == ["forward", "two"]
    assert asked(model, "InputSizes", name="two", config={}) == {"inputSizes": [3, 2]}
    assert asked(model, "OutputSizes") == {"outputSizes": [2, 1]}
    products = ("Evaluate", "Gradient", "ApplyJacobian", "ApplyHessian")
    assert asked(model, "ModelInfo") == {"support": dict.fromkeys(products, True)}


def test_values_and_products_are_those_of_the_closed_forms(
    model: tuple[VectorModel, list[str]],
) -> None:
    def output(method: str, **request: Any) -> Any:
        return asked(model, method, **INPUT, **request)["output"]

    y, (s,) = output("Evaluate")
    np.testing.assert_allclose(y, 2 * M @ X + 2 * B**3, rtol=1e-14)
    assert s == pytest.approx(sum(X**3) * B[0], rel=1e-14)
    ((y, _), one) = output("Evaluate", config={"a": 5, "m": (-M).tolist()}), -5 * M @ X
    np.testing.assert_allclose(y, one + 2 * B**3, rtol=1e-14)

    sens, vec3, vec2 = [2.0, -3.0], [1.0, 4.0, -2.0], [0.5, 7.0]
    for method, request, expected in (
        ("Gradient", {"outWrt": Y, "inWrt": 0, "sens": sens}, 2 * M.T @ sens),
        ("Gradient", {"outWrt": Y, "inWrt": 1, "sens": sens}, 6 * B**2 * sens),
        ("Gradient", {"outWrt": S, "inWrt": 0, "sens": [-2.0]}, -6 * B[0] * X**2),
        ("Gradient", {"outWrt": S, "inWrt": 1, "sens": [4]}, [4 * sum(X**3), 0]),
        ("ApplyJacobian", {"outWrt": Y, "inWrt": 0, "vec": vec3}, 2 * M @ vec3),
        ("ApplyJacobian", {"outWrt": Y, "inWrt": 1, "vec": vec2}, 6 * B**2 * vec2),
        ("ApplyJacobian", {"outWrt": S, "inWrt": 0, "vec": vec3}, [3 * B[0] * X**2 @ vec3]),
        (
            "ApplyHessian",
            {"outWrt": S, X0: 0, X1: 0, "sens": [2.0], "vec": vec3},
            2 * 6 * B[0] * X * vec3,
        ),
        (
            "ApplyHessian",
            {"outWrt": S, X0: 0, X1: 1, "sens": [2.0], "vec": vec2},
            2 * 3 * X**2 * vec2[0],
        ),
        (
            "ApplyHessian",
            {"outWrt": S, X0: 1, X1: 0, "sens": [2.0], "vec": vec3},
            [2 * 3 * X**2 @ vec3, 0],
        ),
        (
            "ApplyHessian",
            {"outWrt": Y, X0: 1, X1: 1, "sens": sens, "vec": vec2},
            12 * B * sens * vec2,
        ),
        ("ApplyHessian", {"outWrt": Y, X0: 0, X1: 0, "sens": sens, "vec": vec3}, [0, 0, 0]),
    ):
        np.testing.assert_allclose(output(method, **request), expected, rtol=1e-13, atol=1e-13)
    assert output("ApplyJacobian", outWrt=Y, inWrt=0, vec=[0, 0, 1], config={"a": -1}) == [0, 1]


@pytest.mark.parametrize(
    ("method", "request_", "message"),
    [
        ("Evaluate", {"input": [[1, 2, 3]]},
         "input: 1 entries. Expected a list of 2 vectors: x, b."),
        ("Evaluate", {"input": 3}, "input: 3. Expected a list of 2 vectors: x, b."),
        ("Evaluate", {}, "input: nothing. Expected a list of 2 vectors: x, b."),
        ("Evaluate", {"input": [[1, 2], [1, 2]]}, "input[0] (x): 2 numbers, expected 3."),
        ("Evaluate", {"input": [[1, 2, "3"], [1, 2]]},
         'input[0] (x): [1, 2, "3"]. Expected finite numbers.'),
        ("Evaluate", {"input": [[1, 2, True], [1, 2]]},
         "input[0] (x): [1, 2, true]. Expected finite numbers."),
        ("Evaluate", {"input": [[1, 2, float("nan")], [1, 2]]},
         "input[0] (x): [1, 2, NaN]. Expected finite numbers."),
        ("Evaluate", {"input": [[1, 2, [3]], [1, 2]]},
         "input[0] (x): [1, 2, [3]]. Expected finite numbers."),
        ("Evaluate", INPUT | {"config": {"level": 1}},
         'config: no such input: "level". Expected one of \'m\', \'a\'.'),
        ("Evaluate", INPUT | {"config": {"k": 4}},
         'config: no such input: "k". Expected one of \'m\', \'a\'.'),
        ("Evaluate", INPUT | {"config": {"a": [1, 2]}},
         "config: a: the shape is (2,), expected ()."),
        ("Gradient", INPUT | {"outWrt": 2, "inWrt": 0, "sens": [1, 1]},
         "outWrt: 2. The model has 2 outputs: 0 to 1."),
        ("Gradient", INPUT | {"outWrt": 0, "inWrt": -1, "sens": [1, 1]},
         "inWrt: -1. The model has 2 inputs: 0 to 1."),
        ("Gradient", INPUT | {"outWrt": 0, "inWrt": 0, "sens": [1]},
         "sens: 1 numbers, expected 2."),
        ("ApplyJacobian", INPUT | {"outWrt": 0, "inWrt": 0},
         "vec: nothing. Expected a list of 3 numbers."),
        ("ApplyHessian", INPUT | {"outWrt": 0, X0: 0, "sens": [1, 1], "vec": [1, 1]},
         "inWrt2: nothing. The model has 2 inputs: 0 to 1."),
    ],
)  # fmt: skip
def test_a_wrong_request_is_an_invalid_input(
    method: str, request_: dict[str, Any], message: str, model: tuple[VectorModel, list[str]]
) -> None:
    assert asked(model, method, **request_) == (400, "InvalidInput", message)


def test_other_errors_have_their_types(model: tuple[VectorModel, list[str]]) -> None:
    text = "name: \"posterior\". Expected one of 'forward', 'two'."
    assert asked(model, "Evaluate", name="posterior") == (400, "ModelNotFound", text)
    far = {"input": [[1e200, 0, 0], [1, 1]]}
    text = "the output 's' is not finite: inf at entry 0; JSON has no such number."
    assert asked(model, "Evaluate", **far) == (500, "InvalidOutput", text)
    for body in (b"{", b"[1]", b"\xff", b"[" * 100_000):
        status, content = protocol.answer(*model, "Evaluate", body)
        assert (status, json.loads(content)["error"]["type"]) == (400, "InvalidInput")


def test_an_output_of_integers_has_values_and_no_derivative(tmp_path: Path) -> None:
    (tmp_path / "count.yaml").write_text(
        "model: {expressions: {n: sum(k), z: 'x * k[0]'}}\n"
        "inputs: {x: 2.0, k: {value: [3, 4], dtype: int64}}\n"
    )
    model = operator_spec.load(str(tmp_path / "count.yaml"), allow_python=False)
    assert asked(model, "Evaluate", input=[[5]]) == {"output": [[7], [15]]}
    assert asked(model, "ModelInfo")["support"]["Gradient"] is False
    found = asked(model, "Gradient", outWrt=0, inWrt=0, input=[[5]], sens=[1])
    text = "the output 'n' is of integers and has no derivative."
    assert found == (400, "UnsupportedFeature", text)
    assert asked(model, "Gradient", outWrt=1, inWrt=0, input=[[5]], sens=[2]) == {"output": [6]}


@pytest.mark.parametrize("more", ["batch: x", "sweep: {inputs.a: [1.0, 2.0]}", "rows: 'y[0]'"])
def test_a_spec_of_more_than_one_whole_model_is_refused(more: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(f"{SPEC}{more}\n")
    with pytest.raises(SpecError, match="UM-Bridge's clients ask for one whole model at one point"):
        operator_spec.load(str(tmp_path / "spec.yaml"), allow_python=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "two.yaml").write_text(SPEC)
    spec = str(folder / "two.yaml")
    with serving(["--umbridge", spec, "--port=0"], folder) as found:
        yield found


def test_it_is_served_over_http(server: Server) -> None:
    assert server.ask("/Info").json == {"protocolVersion": 1.0, "models": ["forward", "two"]}
    request = {"name": "forward", "input": [[1, 2, 3], [0.5, -1]], "config": {}}
    found = server.ask("/Evaluate", json.dumps(request).encode(), Content_Type="application/json")
    assert (found.status, found.json) == (200, {"output": [[10.25, -4.0], [18.0]]})
    found = server.ask("/Evaluate", b"{}")
    assert (found.status, found.json["error"]["type"]) == (400, "ModelNotFound")
    assert [server.ask(p).status for p in ("/nothing", "/Evaluate", "/Info/")] == [404, 405, 404]
    assert server.ask("/Info", Origin="http://evil.example").status == 403
    health = server.ask("/healthz").json
    assert (health["status"], health["workers"]["idle"]) == ("ok", 1)


def test_the_python_client_of_um_bridge_is_answered(server: Server) -> None:
    umbridge = pytest.importorskip("umbridge")
    url = f"http://localhost:{server.port}"
    assert umbridge.supported_models(url) == ["forward", "two"]
    found = umbridge.HTTPModel(url, "forward")
    assert (found.get_input_sizes(), found.get_output_sizes()) == ([3, 2], [2, 1])
    assert found([[1.0, 2.0, 3.0], [0.5, -1.0]], {"a": 1.0}) == [[5.25, -3.0], [18.0]]
    point = [[1.0, 2.0, 3.0], [0.5, -1.0]]
    assert found.gradient(0, 0, point, [1.0, 10.0]) == [2.0, 24.0, -20.0]
    assert found.apply_jacobian(0, 1, point, [1.0, 1.0]) == [1.5, 6.0]
    assert found.apply_hessian(1, 0, 1, point, [1.0], [1.0, 5.0]) == [3.0, 12.0, 27.0]
    with pytest.raises(Exception, match=r"InvalidInput: input\[0\] \(x\): 1 numbers, expected 3"):
        found([[1.0], [1.0, 2.0]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--umbridge", "none.yaml"), "jaccli: none.yaml: no such file"),
        (("--umbridge", "two.yaml", "--workers", "3"),
         "jaccli: --umbridge: --workers concerns workers."),
        (("--umbridge", "two.yaml", "--on-demand"),
         "jaccli: --umbridge: --on-demand concerns workers."),
        (("--allow-python",), "jaccli: --allow-python: it goes with --umbridge"),
        (("--umbridge", "two.yaml", "--host", "0.0.0.0"),
         "jaccli: --host: 0.0.0.0 can be reached by others, and there is no token."),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused(
    options: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(SPEC)
    process = started(list(options), tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (2, 3)
    assert err.startswith(said)


def test_the_page_shows_what_is_answered(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "umbridge.md").read_text(encoding="utf-8")
    spec = page.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "poisson.yaml").write_text(spec)
    model = operator_spec.load(str(tmp_path / "poisson.yaml"), allow_python=False)
    asked = re.findall(r"\$ curl -s localhost:4242/(\w+) -d '(.*)'\n    (.*)\n", page)
    assert len(asked) == 4
    for method, body, shown in asked:
        found = json.loads(protocol.answer(*model, method, body.encode()).body)
        expected = json.loads(shown)
        assert found.keys() == expected.keys()
        if "error" in expected:
            assert found == expected
        else:
            for one, other in zip(found["output"], expected["output"], strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-12)
