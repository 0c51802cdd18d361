"""`jaccli propagate` on examples of the GUM and its supplements, against numbers of 60 digits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

CASES = json.loads((Path(__file__).parent.parent / "data" / "uncertainty.json").read_text())
PROPAGATED = [name for name, case in CASES.items() if "value" in case["expected"]]
Jaccli = Callable[..., Any]


def spec_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case as a spec."""
    dof = case.get("dof", {})
    uncertainty = {
        name: {"std": u, "dof": dof[name]} if isinstance(dof.get(name), float) else u
        for name, u in case["uncertainty"].items()
    }
    spec = {
        "model": {"expressions": {out["name"]: out["expression"] for out in case["outputs"]}},
        "inputs": case["inputs"],
        "uncertainty": uncertainty,
    }
    if "correlation" in case:
        spec["correlation"] = case["correlation"]
    if "batch" in case:
        spec["batch"] = case["batch"]["batched"]
    return spec


def propagated(jaccli: Jaccli, spec: dict[str, Any], *options: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    text = yaml.safe_dump(spec, sort_keys=False)
    done = jaccli("propagate", "-", *options, "--format", "json", "-q", stdin=text)
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def close(found: Any, right: Any, case: dict[str, Any]) -> None:
    tolerance = case["tolerance"]
    np.testing.assert_allclose(found, right, rtol=tolerance["rtol"], atol=tolerance["atol"])


@pytest.mark.parametrize("name", [name for name in PROPAGATED if "inputs" in CASES[name]])
def test_values_uncertainties_and_budgets(jaccli: Jaccli, name: str) -> None:
    case = CASES[name]
    expected = case["expected"]
    found = propagated(jaccli, spec_of(case))
    for output, right in expected["value"].items():
        close(found["outputs"][output]["value"], right, case)
        close(found["outputs"][output]["u"], expected["u"][output], case)
        if "coverage" in expected:
            check_coverage(found["outputs"][output], case, output, 0)
        for key in ("sensitivity", "contribution"):
            for one, number in expected[key][output].items():
                close(found["budget"][output][one][key], number, case)
        percent = [row["percent"] for row in found["budget"][output].values()]
        if np.all(expected["u"][output]):
            np.testing.assert_allclose(np.sum(percent, axis=0), 100)
        else:
            assert set(percent) == {None}
    for key in ("covariance", "correlation"):
        if key in expected:
            assert found[key]["order"] == expected["output_order"]
            right = np.array(expected[key], float)  # None: NaN
            close(np.array(found[key]["matrix"], float), right, case)


def check_coverage(shown: dict[str, Any], case: dict[str, Any], output: str, place: int) -> None:
    """Compare degrees of freedom, coverage factor and expanded uncertainty of one output."""
    dof = case["expected"]["effective_dof"][output]
    if isinstance(dof, float):
        assert shown["dof"] == pytest.approx(dof, rel=1e-9)
    else:
        assert shown["dof"] == dof  # null or infinite
    right = case["expected"]["coverage"][output][place]
    assert right["p"] == shown["coverage"] == [0.95, 0.99][place]
    assert shown["k"] == pytest.approx(right["k"], rel=1e-9)
    close(shown["U"], right["U"], case)


@pytest.mark.parametrize(
    "name", ["jcgm100_h1_unrounded", "jcgm100_h1_rounded", "jcgm100_h2_uncorrelated"]
)
def test_a_coverage_of_99_percent(jaccli: Jaccli, name: str) -> None:
    case = CASES[name]
    found = propagated(jaccli, spec_of(case), "--coverage", "0.99", "--no-budget")
    assert found["budget"] is None
    for output, shown in found["outputs"].items():
        check_coverage(shown, case, output, 1)


@pytest.mark.parametrize(
    "name", [name for name in PROPAGATED if "second_order" in CASES[name]["expected"]]
)
def test_second_order_terms(jaccli: Jaccli, name: str) -> None:
    case = CASES[name]
    found = propagated(jaccli, spec_of(case), "--order", "2")
    for output, right in case["expected"]["second_order"].items():
        shown = found["second_order"][output]
        note = right.get("gum_5_1_2_note")
        u = right["u_first_plus_half_trace"] if note is None else note["u"]
        close(shown["u"], u, case)
        close(shown["value_shift"], right["value_shift_half_trace_HS"], case)
        assert shown["method"] == ("normal inputs" if note is None else "GUM 5.1.2 note")
        assert shown["valid"] is True


def test_second_order_of_a_distance_far_from_linear_is_not_valid(jaccli: Jaccli) -> None:
    """JCGM 102, 9.3 with x1 = 0.001 and u = 0.01: the note's variance is negative."""
    spec = {
        "model": {"expressions": {"r": "sqrt(X1**2 + X2**2)"}},
        "inputs": {"X1": 0.001, "X2": 0.0},
        "uncertainty": {"X1": 0.01, "X2": 0.01},
    }
    found = propagated(jaccli, spec, "--order", "2")
    assert found["second_order"]["r"]["u"] is None
    assert found["second_order"]["r"]["valid"] is False
    assert "second order: the variance of r turns negative; use --monte-carlo." in found["warnings"]


OBSERVED = CASES["jcgm100_h2_approach2"]


def test_samples_give_means_and_their_correlation(jaccli: Jaccli) -> None:
    """GUM H.2, approach 1, from the five sets of observations themselves."""
    case = CASES["jcgm100_h2_approach1"]
    spec = spec_of(case)
    del spec["inputs"]
    spec["uncertainty"] = {
        name: {"samples": values} for name, values in OBSERVED["observations"].items()
    }
    spec["correlation"] = "samples"
    found = propagated(jaccli, spec)
    for output, u in case["expected"]["u"].items():
        close(found["outputs"][output]["u"], u, case)
        close(found["outputs"][output]["value"], case["expected"]["value"][output], case)
        assert found["outputs"][output]["dof"] is None
    close(found["correlation"]["matrix"], case["expected"]["correlation"], case)


def test_results_of_each_set_have_means_and_correlations(jaccli: Jaccli) -> None:
    """GUM H.2, approach 2: each output is an input that was observed five times."""
    expected = OBSERVED["expected"]
    spec = {
        "model": {"expressions": {name: f"{name}_0 + 0" for name in "RXZ"}},
        "uncertainty": {
            f"{name}_0": {"samples": values} for name, values in expected["per_set"].items()
        },
        "correlation": "samples",
    }
    for place, coverage in enumerate(("0.95", "0.99")):
        found = propagated(jaccli, spec, "--coverage", coverage)
        for output in "RXZ":
            shown = found["outputs"][output]
            close(shown["value"], expected["value"][output], OBSERVED)
            close(shown["u"], expected["u"][output], OBSERVED)
            assert shown["dof"] == pytest.approx(expected["effective_dof"][output])
            close(shown["U"], expected["coverage"][output][place]["U"], OBSERVED)
    for key in ("covariance", "correlation"):
        close(found[key]["matrix"], expected[key], OBSERVED)


CONFIGS = Path(__file__).parent.parent.parent / "configs"


@pytest.mark.parametrize(
    ("config", "name"),
    [("impedance", "jcgm100_h2_approach1"), ("end_gauge", "jcgm100_h1_unrounded")],
)
def test_configs_give_the_results_of_the_gum(jaccli: Jaccli, config: str, name: str) -> None:
    case = CASES[name]
    done = jaccli("run", CONFIGS / f"{config}.yaml", "--format", "json", "-q")
    found = json.loads(done.stdout)
    for output, u in case["expected"]["u"].items():
        close(found["outputs"][output]["u"], u, case)
        close(found["outputs"][output]["value"], case["expected"]["value"][output], case)
        if config == "end_gauge":
            check_coverage(found["outputs"][output], case, output, 1)


REFUSED = CASES["refuse_negative_uncertainty"]


@pytest.mark.parametrize("change", [{}, *REFUSED["also_refused"]], ids=str)
def test_what_is_no_uncertainty_is_refused(jaccli: Jaccli, change: dict[str, Any]) -> None:
    case = {**REFUSED, **change}
    spec = spec_of(case)
    for name, entry in spec["uncertainty"].items():
        spec["uncertainty"][name] = float(str(entry)) if isinstance(entry, str) else entry
    if "covariance" in change:
        del spec["uncertainty"]
        spec["covariance"] = {"inputs": ["a", "b"], "matrix": change["covariance"]}
    text = yaml.safe_dump(spec, sort_keys=False)
    done = jaccli("propagate", "-", stdin=text, check=False)
    assert done.exit_code == 2
    assert done.stderr.startswith("<stdin>:")
    assert done.stdout == ""
