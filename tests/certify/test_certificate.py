"""`check --certify`: digits of right, of inexact and of wrong derivatives."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint")

from jaccli.certify.certificate import CertifiedProblem, certify
from jaccli.expression import parse
from tests.conftest import ROOT, call


def checked(*args: str, code: int = 0) -> dict[str, Any]:
    """Return the rows of certificates by name."""
    outcome = call("check", *args, "--certify", "--format", "json", check=False)
    assert outcome.exit_code == code, outcome.stderr + outcome.stdout
    rows = json.loads(outcome.stdout)["checks"]
    return {row["check"]: row for row in rows if row["check"].startswith("certificate")}


def digits(text: str, point: dict[str, float], computed: list[float]) -> list[float]:
    """Return the digits of a computed gradient."""
    inputs = {name: np.array(value) for name, value in point.items()}
    problem = CertifiedProblem({"f": parse(text)}, ("f",), inputs, tuple(inputs), "float64")
    return [entry.digits for entry in certify(problem, 1, np.array([computed]))]


@pytest.mark.parametrize(
    ("text", "x", "slope"),
    [
        ("tanh(x)", 20.0, 4 * math.exp(-40.0) / (1 + math.exp(-40.0)) ** 2),
        ("sin(x) * exp(-x)", 1.25, math.exp(-1.25) * (math.cos(1.25) - math.sin(1.25))),
        ("log1p(x)", 1e-9, 1 / (1 + 1e-9)),
        ("x**3 - x", 0.5, -0.25),
        ("sqrt(1 + x**2)", 3.0, 3 / math.sqrt(10)),
        ("abs(x)", -3.0, -1.0),
    ],
)
def test_closed_forms_have_nearly_all_digits(text: str, x: float, slope: float) -> None:
    assert digits(text, {"x": x}, [slope])[0] > 14.5
    off = digits(text, {"x": x}, [slope * (1 + 1e-7)])[0]
    assert off == pytest.approx(7, abs=0.01)


def test_each_block_has_its_fewest_and_its_worst() -> None:
    rows = checked(str(ROOT / "configs" / "polar.yaml"))
    assert set(rows) == {f"certificate {key}" for key in ("r.x", "r.y", "theta.x", "theta.y")}
    for row in rows.values():
        found = row["certificate"]
        assert row["verdict"] == "ok"
        assert found["entries"] == 1
        assert 14 < found["least"] <= found["median"] <= 17
        assert found["needed"] <= 12


def test_the_forecast_has_a_certificate() -> None:
    path = str(ROOT / "configs" / "forecast.yaml")
    outcome = call(
        "check", path, "--dtype", "float64", "--certify", "--format", "json", check=False
    )
    row = json.loads(outcome.stdout)["checks"][-1]
    assert (row["check"], row["compared"]) == ("certificate y.x", "all 256 entries")
    assert row["certificate"]["median"] > 12


def test_hessians_and_batches_have_certificates() -> None:
    model = ("-e", "x**3 * sin(y)", "--at", "x=[0.5, 2]", "--batch", "x", "--at", "y=0.7")
    rows = checked(*model, "--of", "hessian")
    assert {name: row["certificate"]["entries"] for name, row in rows.items()} == {
        "certificate f.x.x": 2,
        "certificate f.x.y": 2,
        "certificate f.y.x": 2,
        "certificate f.y.y": 2,
    }


def test_digits_that_conditioning_takes_are_not_asked_for() -> None:
    row = checked("-e", "exp(1000 * x - 1000)", "--at", "x=1.1")["certificate f.x"]
    assert row["certificate"]["lost"] > 1.5
    assert row["certificate"]["needed"] == pytest.approx(12 - row["certificate"]["lost"])


def test_too_few_digits_fail() -> None:
    model = ("-e", "(1 - cos(x)) / x**2", "--at", "x=1e-5")
    row = checked(*model, code=1)["certificate f.x"]
    assert row["verdict"] == "FAIL"
    assert row["certificate"]["worst"] == "d f / d x"
    assert row["certificate"]["true"] == pytest.approx(-1e-5 / 12)  # by the series
    exact = checked("-e", "x**2", "--at", "x=3", "--correct-digits", "16")
    assert exact["certificate f.x"]["certificate"]["digits"] == 17


def test_a_kink_has_no_certificate() -> None:
    row = checked("-e", "abs(x - 1)", "--at", "x=1", code=1)["certificate"]
    assert row["verdict"] == "undecided"
    assert row["detail"] == (
        "balls cannot decide: a comparison of numbers that are equal to 400 digits"
    ) or row["detail"].endswith("a kink: one-sided differences disagree")


def test_what_has_no_certificate_is_named(jaccli: Any) -> None:
    row = checked("-e", "eigh(x)[0]", "--at", "x=[[2, 1], [1, 5]]")["certificate"]
    assert row["verdict"] == "not applicable"
    assert row["detail"] == "eigh has none: the signs of its vectors are LAPACK's"
    Path("m.py").write_text("def f(x):\n    return x**2\n")
    Path("m.yaml").write_text("model: {python: 'm.py:f'}\ninputs: {x: 2.0}\n")
    row = checked("m.yaml", "--allow-python")["certificate"]
    assert row["detail"] == "there is none of Python code, only of expressions"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--correct-digits", "12"), "--correct-digits: without --certify no digits are counted."),
        (
            ("--certify", "--correct-digits", "40"),
            "--correct-digits: 40 is out of range.\nExpected 1 to 16.",
        ),
    ],
)
def test_wrong_usage(options: tuple[str, ...], message: str) -> None:
    outcome = call("check", "-e", "x", "--at", "x=1", *options, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, f"jaccli: {message}\n")
