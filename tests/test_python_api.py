"""Models from Python: the commands as methods, with closed forms for what they give."""

from __future__ import annotations

import doctest
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaccli
from jaccli import python_api
from jaccli.errors import SpecError, UsageError

ROOT = Path(__file__).parent.parent
SPEC = "model: {expression: a * x**2}\ninputs: {a: 2.0, x: 3.0}\nwrt: x\n"


@pytest.fixture(autouse=True)
def _precision() -> Any:
    with jax.enable_x64(True):  # pages set it
        yield


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


@pytest.mark.parametrize("path", [ROOT / "docs" / "python.md", python_api], ids=["page", "module"])
def test_examples(path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if isinstance(path, Path):
        failed, _ = doctest.testfile(str(path), module_relative=False)
    else:
        failed, _ = doctest.testmod(path)
    assert failed == 0


def test_every_derivative() -> None:
    """Of y = x₁² x₂ at (3, 2): slopes 12 and 9, second derivatives 4, 6 and 0."""
    model = jaccli.model("x[0]**2 * x[1]", at={"x": [3.0, 2.0]})
    assert float(model.evaluate()["f"]) == 18.0
    for result in (model.gradient(), model.jacobian(mode="rev")):
        np.testing.assert_array_equal(result["f.x"], [12.0, 9.0])
    hessian = np.array([[4.0, 6.0], [6.0, 0.0]])
    np.testing.assert_array_equal(model.hessian()["f.x.x"], hessian)
    v = np.array([1.0, -1.0])
    assert float(model.jvp(vector=v)["f"]) == 3.0
    np.testing.assert_array_equal(model.vjp(vector=2.0)["x"], [24.0, 18.0])
    np.testing.assert_array_equal(model.hvp(vector=v).matrix(), hessian @ v)


@pytest.mark.parametrize("make", [np.array, jnp.array, list, tuple])
def test_arrays_go_in_as_they_are(make: Any) -> None:
    x = make([0.5, -1.0, 2.0])
    result = jaccli.model("x**3", at={"x": x}).jacobian()
    np.testing.assert_array_equal(result["f.x"], np.diag([0.75, 3.0, 12.0]))


def test_integers_stay_integers() -> None:
    """As in files: they may be indices, and are not differentiated."""
    at = {"x": [1.0, 2.0, 4.0], "i": np.array([2, 0])}
    result = jaccli.model("x[i]", at=at, wrt="x").jacobian()
    np.testing.assert_array_equal(result["f.x"], [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(SpecError, match="derivatives are taken with respect to floats"):
        jaccli.model("x**2", at={"x": np.arange(3)}, wrt="x").jacobian()


@pytest.mark.parametrize("three", [3, np.int64(3), np.array(3)])
def test_a_whole_number_is_a_number(three: Any) -> None:
    assert float(jaccli.model("x**2", at={"x": three}).gradient()["f.x"]) == 6.0


def test_keywords_concern_their_call_alone(spec: Path) -> None:
    model = jaccli.load(spec, set={"inputs.a": 5.0})
    assert float(model.gradient()["f.x"]) == 30.0
    assert float(model.gradient(at={"x": 1.0, "a": 1.0})["f.x"]) == 2.0
    assert float(model.gradient(wrt="a")["f.a"]) == 9.0
    assert float(model.gradient()["f.x"]) == 30.0
    assert model.gradient(dtype="float32")["f.x"].dtype == np.float32


def test_nothing_is_compiled_for_other_numbers() -> None:
    model = jaccli.model("tanh(w @ x)", at={"w": np.eye(3), "x": np.zeros(3)}, wrt="x")
    assert model.jacobian().seconds["compile"] > 0
    for number in range(3):
        result = model.jacobian(at={"x": np.full(3, float(number))})
        assert result.seconds["compile"] == 0
        slope = 1 - np.tanh(number) ** 2
        np.testing.assert_allclose(result["f.x"], np.diag([slope] * 3), rtol=0, atol=1e-15)


def test_elasticities() -> None:
    model = jaccli.model("x**2 * y**-3", at={"x": 3.0, "y": 2.0})
    result = model.gradient(scale="log")
    assert (float(result["f.x"]), float(result["f.y"])) == (2.0, -3.0)


def test_a_batch() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    model = jaccli.model("sum(x**2)", at={"x": rows}, batch="x")
    np.testing.assert_array_equal(model.gradient()["f.x"], 2 * rows)
    np.testing.assert_array_equal(model.gradient(batch={"x": 0})["f.x"], 2 * rows)


def test_reports() -> None:
    model = jaccli.model("x**2", at={"x": 3.0})
    report = model.check()
    assert report.passed
    assert report.data()["passed"] is True
    assert str(report).startswith("check ")
    plan = model.plan(of="hessian").data()
    assert plan["derivative"] == "hessian"
    eigenvalues = jaccli.model("x[0]**2 + 3*x[1]**2", at={"x": [1.0, 1.0]}).analyze(of="hessian")
    assert "minimum" in str(eigenvalues) or "positive definite" in str(eigenvalues)


def test_precision_of_the_process_stays() -> None:
    for before in (False, True):
        with jax.enable_x64(before):
            result = jaccli.model("x / 3", at={"x": 1.0}).evaluate()
            assert result["f"].dtype == np.float64
            assert jnp.ones(1).dtype == (np.float64 if before else np.float32)


def test_threads() -> None:
    model = jaccli.model("x**2", at={"x": 0.0})
    found: dict[int, float] = {}

    def work(number: int) -> None:
        found[number] = float(model.gradient(at={"x": float(number)})["f.x"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: 2.0 * number for number in range(4)}


def test_what_may_be_wrong_is_a_warning(spec: Path) -> None:
    with pytest.warns(jaccli.JaccliWarning, match="does not use the input 'a'"):
        jaccli.load(spec, set={"model.expression": "x"}).evaluate()
    with pytest.warns(jaccli.JaccliWarning, match="is at a kink"):
        jaccli.model("abs(x)", at={"x": 0.0}).gradient()


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: jaccli.model("x +", at={"x": 1.0}), "model: "),
        (lambda: jaccli.model({}, at={"x": 1.0}), "no expression is given"),
        (lambda: jaccli.model("x", at=1.0), "at: 1.0 is not a mapping"),
        (lambda: jaccli.model("x", at={"x": 1.0}, wrong=2), "unknown key 'wrong'"),
        (lambda: jaccli.model("x", at={"x": "text"}), "text"),
        (lambda: jaccli.model("x", at={"x": object()}), "object is no value"),
        (lambda: jaccli.model("x", at={"x": np.array([1j])}), "ndarray is no value"),
        (lambda: jaccli.model("x", at={"x": 1.0}).jacobian(wrt="y"), "no input named 'y'"),
        (lambda: jaccli.model("x", at={"x": 1.0}).jacobian(mode="y"), "unknown value 'y'"),
        (lambda: jaccli.model("x", at={"x": 1.0}).jacobian(at={"y": 1}), "no input named 'y'"),
        (lambda: jaccli.model("x", at={"x": 1.0}).check(probes=0), "out of range"),
        (lambda: jaccli.model("x", at={"x": 1.0}).jacobian(vector=1.0), "takes no vector"),
        (lambda: jaccli.load("nowhere.yaml"), "no such file"),
        (lambda: jaccli.load(3), "load: int is no path"),
        (lambda: jaccli.load("nowhere.yaml", set=["dtype=float64"]), "is not a mapping"),
        (lambda: jaccli.model(3, at={}), "no expression is given"),
        (lambda: jaccli.model("x", at={3: 1.0}), "3 is not a name"),
        (lambda: jaccli.model("x", at={"x": 1.0}).check(against=np.ones(2)), "expected the path"),
        (lambda: jaccli.model("x", at={"x": 1.0}).jacobian(expect={}), "expect: no keyword"),
        (lambda: jaccli.model("x", at={"x": 1.0}).jacobian(derivative="hessian"), "no keyword"),
    ],
)
def test_what_is_wrong_is_said(work: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        work()


def test_a_sweep_is_no_model(spec: Path) -> None:
    spec.write_text(SPEC + "sweep: {inputs.x: [1.0, 2.0]}\n")
    with pytest.raises(UsageError, match="a model is one task"):
        jaccli.load(spec)


def test_python_models_need_leave(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def f(x):\n    return x**3\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text("model: {python: 'f.py:f'}\ninputs: {x: 2.0}\n")
    with pytest.raises(UsageError, match="allow"):
        jaccli.load(spec).gradient()
    assert float(jaccli.load(spec, allow_python=True).gradient()["f.x"]) == 12.0
