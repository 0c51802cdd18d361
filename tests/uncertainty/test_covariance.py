"""`jaccli covariance` against NIST's certified fits and numbers of 60 digits; its refusals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import jaccli as api

DATA = Path(__file__).parent.parent / "data"
CASES = json.loads((DATA / "uncertainty.json").read_text())
FITS = [name for name, case in CASES.items() if case.get("kind") == "covariance"]
CONFIGS = Path(__file__).parent.parent.parent / "configs"
Jaccli = Callable[..., Any]


def spec_of(case: dict[str, Any], sigma: list[float] | None) -> dict[str, Any]:
    """Return a case as a spec: weighted residuals, and what is predicted as `new`."""
    response = next(name for name in case["data"] if name not in ("x", "t"))
    variable = next(name for name in case["data"] if name in ("x", "t"))
    weighted = " / sigma" if sigma else ""
    expressions = {"r": f"({response} - ({case['model']})){weighted}"}
    inputs = dict(case["data"])
    inputs |= case.get("estimate") or case["expected"]["parameters"]
    if sigma:
        inputs["sigma"] = sigma
    if "predict_at" in case:
        expressions["new"] = case["model"].replace(f"*{variable}", "*new_x").replace("(t", "(new_x")
        inputs["new_x"] = case["predict_at"]
    model = {"expressions": expressions, "outputs": ["r"]}
    return {"model": model, "inputs": inputs, "wrt": case["parameter_names"]}


def covariance(jaccli: Jaccli, spec: dict[str, Any], *options: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    text = yaml.safe_dump(spec, sort_keys=False)
    done = jaccli("covariance", "-", *options, "--format", "json", "-q", stdin=text)
    assert done.exit_code == 0, done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    return data


@pytest.mark.parametrize("name", [name for name in FITS if "covariance" in CASES[name]["expected"]])
def test_reference_cases(jaccli: Jaccli, name: str) -> None:
    case = CASES[name]
    expected, sigma = case["expected"], case["sigma"]
    options = [*(["--predict", "new"] if "predict_at" in case else [])]
    if not case["scale_by_s2"]:
        options += ["--sigma", "known"]
    found = covariance(jaccli, spec_of(case, sigma), *options)
    assert found["dof"] == expected["dof"]
    if expected["covariance"] is None:
        assert found["residual_variance"] == "NaN"
        assert all(one["standard_error"] == "NaN" for one in found["parameters"].values())
        return
    near = {"rtol": 1e-8, "atol": 0}
    assert found["covariance"]["order"] == expected["covariance"]["order"]
    for key, right in (
        ("covariance", expected["covariance"]["matrix"]),
        ("correlation", expected["correlation"]),
    ):
        np.testing.assert_allclose(found[key]["matrix"], right, **near)
    for parameter, right in expected["standard_error"].items():
        shown = found["parameters"][parameter]
        np.testing.assert_allclose(shown["standard_error"], right, **near)
        np.testing.assert_allclose(shown["t"], shown["value"] / right, **near)
    np.testing.assert_allclose(found["residual_variance"], expected["s2"], **near)
    right = expected.get("prediction") or expected.get("confidence_curve") or []
    for place, one in enumerate(right):
        new = found["predictions"]["new"]
        np.testing.assert_allclose(new["standard_error"][place], one["se_mean"], **near)
        ends = [end[place] for end in new["interval"]]
        np.testing.assert_allclose(ends, one["confidence_95"], **near)
        if "se_prediction" in one:
            ends = [end[place] for end in new["observation"]["interval"]]
            np.testing.assert_allclose(ends, one["prediction_95"], **near)


def test_known_sigma_needs_no_degrees_of_freedom(jaccli: Jaccli) -> None:
    case = CASES["cov_exactly_determined"]
    right = case["with_known_sigma"]["expected"]
    spec = spec_of(case, case["with_known_sigma"]["sigma"])
    spec["inputs"] |= right["parameters"]
    found = covariance(jaccli, spec, "--sigma", "known")
    np.testing.assert_allclose(found["covariance"]["matrix"], right["covariance"]["matrix"], 1e-12)


@pytest.mark.parametrize("name", ["misra1a", "rat43"])
def test_certified_standard_deviations(jaccli: Jaccli, name: str) -> None:
    certified = json.loads((DATA / f"{name.capitalize()}.json").read_text())
    spec = str(CONFIGS / f"{name}.yaml")
    done = jaccli("covariance", spec, "--select", "residuals", "--format", "json", "-q")
    found = json.loads(done.stdout)
    for parameter, right in certified["certified_sd"].items():
        assert found["parameters"][parameter]["standard_error"] == pytest.approx(right, rel=1e-8)
    assert found["residual_variance"] ** 0.5 == pytest.approx(certified["residual_sd"], rel=1e-8)


def test_directions_that_the_data_do_not_determine(jaccli: Jaccli) -> None:
    case = CASES["cov_rank_deficient_product"]
    expected = case["expected"]
    spec = spec_of(case, None)
    spec["model"]["expressions"] |= {"product": "a*b", "ratio": "a/b"}
    text = yaml.safe_dump(spec, sort_keys=False)
    options = ("--predict", "product", "--predict", "ratio", "--format", "json")
    done = jaccli("covariance", "-", *options, stdin=text)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert "the data do not determine a, b: rank 1 of 2" in done.stderr
    assert found["rank"] == 1
    assert found["condition"] == "Infinity"
    (direction,) = found["undetermined"]
    right = expected["null_direction"]["vector"]
    along = direction["a"] * right[0] + direction["b"] * right[1]
    assert abs(along) == pytest.approx(1.0, abs=1e-12)
    assert [one["standard_error"] for one in found["parameters"].values()] == ["Infinity"] * 2
    product, ratio = found["predictions"]["product"], found["predictions"]["ratio"]
    known = expected["identifiable_combination"]["standard_error_dof_3"]
    assert product["standard_error"] == pytest.approx(known, rel=1e-10)
    assert ratio["standard_error"] == "Infinity"


def test_a_parameter_that_no_residual_has() -> None:
    model = api.model(
        {"r": "y - a*x + 0*c[0]", "a2": "2*a"},
        at={"a": 2.0, "c": [1.0, 2.0], "x": [1.0, 2.0, 3.0], "y": [2.5, 4.5, 5.5]},
        wrt=["a", "c"],
    )
    with pytest.warns(api.JaccliWarning, match=r"do not determine c\[0\], c\[1\]"):
        report = model.covariance(predict="a2")
    found = report.data()
    # a alone: s² = 0.75/2 with rank 1 of 3, (JᵀJ)⁻¹ = 1/14
    error = (0.375 / 14) ** 0.5
    assert found["parameters"]["a"]["standard_error"] == pytest.approx(error, rel=1e-14)
    assert found["parameters"]["c"]["standard_error"] == ["Infinity", "Infinity"]
    assert found["predictions"]["a2"]["standard_error"] == pytest.approx(2 * error, rel=1e-14)
    assert "the data do not determine" in str(report)


def test_residuals_that_have_no_parameter_at_all() -> None:
    model = api.model("y - 2*b + 0*a", at={"a": 1.0, "b": 2.0, "y": [1.0, 2.0]}, wrt="a")
    with pytest.warns(api.JaccliWarning):
        report = model.covariance()
    assert report.data()["parameters"]["a"]["standard_error"] == "Infinity"
    assert "do not determine" in str(report)


def test_tables_and_files(jaccli: Jaccli, tmp_path: Path) -> None:
    spec = str(CONFIGS / "misra1a.yaml")
    common = ("covariance", spec, "--select", "residuals", "-q")
    table = list(csv.DictReader(io.StringIO(jaccli(*common, "--format", "csv").stdout)))
    assert [(row["kind"], row["name"]) for row in table] == [
        ("parameter", "b1"),
        ("parameter", "b2"),
    ]
    assert float(table[0]["standard_error"]) == pytest.approx(2.7070075241, rel=1e-8)
    jaccli(*common, "-o", str(tmp_path / "fit.npz"))
    with np.load(tmp_path / "fit.npz") as arrays:
        assert arrays["order"].tolist() == ["b1", "b2"]
        root = np.sqrt(arrays["covariance"].diagonal())
        assert root == pytest.approx([2.7070075241, 7.2668688436e-6], rel=1e-8)
        assert arrays["standard_error.b1"] == root[0]
    shown = jaccli(*common, "--format", "table").stdout
    assert "2.70701" in shown
    assert "residual standard deviation 0.101879" in shown
    both = jaccli("run", spec, "--set", "derivative=covariance", "--select", "residuals", "-q")
    assert "2.7070075" in both.stdout


LINE = {
    "model": {"expressions": {"r": "y - a - b*x"}},
    "inputs": {"a": 0.5, "b": 0.5, "x": [0.0, 1.0, 2.0], "y": [0.0, 2.0, 1.0]},
    "wrt": ["a", "b"],
}


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--wrt", "a", "--wrt", "b", "--wrt", "x"), 2,
         "5 parameters (a, b, x) and 3 residuals."),
        (("--predict", "fitted"), 2, "no output named 'fitted'."),
        (("--predict", "r"), 2, "no output is left as residuals."),
        (("--sigma", "guessed"), 2, "Expected one of 'estimated', 'known'."),
        (("--coverage", "1.5"), 2, "Expected a number between 0 and 1"),
        (("--at", "y=[0.0, .nan, 1.0]"), 3, "covariance: r[1] is NaN"),
        (("--batch", "y"), 2, "covariance takes one fit, and the spec has a batch."),
        (("-o", "fit.npy"), 2, "covariance writes reports."),
        (("--memory", "150B"), 3, "more than the memory budget of 150 B"),
    ],
)  # fmt: skip
def test_refusals(jaccli: Jaccli, options: tuple[str, ...], code: int, message: str) -> None:
    done = jaccli("covariance", "-", *options, stdin=yaml.safe_dump(LINE), check=False)
    assert done.exit_code == code
    assert message in done.stderr
    assert not done.stdout


def test_a_point_that_is_not_the_solution(jaccli: Jaccli) -> None:
    right = jaccli("covariance", "-", stdin=yaml.safe_dump(LINE))
    assert right.exit_code == 0
    assert "warning" not in right.stderr  # y has the mean 1, and rises by 0.5: a = 0.5, b = 0.5
    wrong = jaccli("covariance", "-", "--at", "a=3.0", stdin=yaml.safe_dump(LINE))
    assert "not the solution of the fit" in wrong.stderr


# Gauss-Newton


RESIDUALS = {
    "model": {"expressions": {"r": "[x[0]*x[1] - 6, x[0]**2 - y, 3*y]", "s": "x[1] - y"}},
    "inputs": {"x": [2.0, 5.0], "y": 3.0},
}
JACOBIAN = np.array([[5.0, 2.0, 0.0], [4.0, 0.0, -1.0], [0.0, 0.0, 3.0], [0.0, 1.0, -1.0]])
GAUSS_NEWTON = ("--approximation", "gauss-newton", "--layout", "matrix", "--format", "json", "-q")


@pytest.mark.parametrize("mode", ["auto", "fwd-rev", "rev-rev", "structured", "sparse"])
def test_gauss_newton_matrices(jaccli: Jaccli, mode: str) -> None:
    text = yaml.safe_dump(RESIDUALS)
    storage = ("--storage", "dense")
    done = jaccli("hessian", "-", "--mode", mode, *storage, *GAUSS_NEWTON, stdin=text)
    found = json.loads(done.stdout)
    assert found["approximation"] == "gauss-newton"
    assert found["value"] == {"cost": (4.0**2 + 1.0**2 + 9.0**2 + 2.0**2) / 2}
    np.testing.assert_array_equal(found["matrix"]["values"], JACOBIAN.T @ JACOBIAN)


def test_gauss_newton_products(jaccli: Jaccli) -> None:
    vector = ("--vector", "x=[1.0, -2.0]", "--vector", "y=3.0")
    done = jaccli("hvp", "-", *vector, *GAUSS_NEWTON, stdin=yaml.safe_dump(RESIDUALS))
    right = JACOBIAN.T @ JACOBIAN @ [1.0, -2.0, 3.0]
    np.testing.assert_array_equal(json.loads(done.stdout)["matrix"]["values"], right)


def test_gauss_newton_of_a_batch_and_in_a_spec(jaccli: Jaccli) -> None:
    spec = {**RESIDUALS, "inputs": {"x": [[2.0, 5.0], [1.0, 0.0]], "y": 3.0}, "batch": "x"}
    spec |= {"wrt": "x", "derivative": "gauss-newton", "select": "r"}
    text = yaml.safe_dump(spec)
    done = jaccli("run", "-", "--layout", "matrix", "--format", "json", "-q", stdin=text)
    right = [[[41.0, 10.0], [10.0, 4.0]], [[4.0, 0.0], [0.0, 1.0]]]
    assert json.loads(done.stdout)["matrix"]["values"] == right
    checked = jaccli("check", "-", stdin=text)
    assert checked.exit_code == 0, checked.stdout
    refused = jaccli(
        "jacobian", "-", "--set", "approximation=gauss-newton", stdin=text, check=False
    )
    assert refused.exit_code == 2
    assert "jacobian has no approximation." in refused.stderr


def test_a_sweep_is_one_table(jaccli: Jaccli, tmp_path: Path) -> None:
    spec = {**LINE, "derivative": "covariance", "sweep": {"sigma": ["known", "estimated"]}}
    target = tmp_path / "fits.csv"
    options = ("--table", str(target), "--format", "json", "-q")
    done = jaccli("run", "-", *options, stdin=yaml.safe_dump(spec))
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [(row["sigma"], row["name"]) for row in rows] == [
        ("known", "a"), ("known", "b"), ("estimated", "a"), ("estimated", "b"),
    ]  # fmt: skip
    # (JᵀJ)⁻¹ = [[5, -3], [-3, 3]] / 6, and s² = 1.5
    right = np.sqrt([5 / 6, 1 / 2, 1.5 * 5 / 6, 1.5 / 2])
    found = [float(row["standard_error"]) for row in rows]
    np.testing.assert_allclose(found, right, rtol=1e-14)
    tasks = json.loads(done.stdout)["tasks"]
    assert tasks[1]["parameters"]["b"]["standard_error"] == found[3]
