"""Draws, intervals and comparisons of Supplement 1, against exact moments and quantiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, sqrt
from typing import Any

import numpy as np
import pytest
from scipy import stats

from jaccli.uncertainty.coverage_interval import shortest, symmetric, tolerance
from jaccli.uncertainty.input_covariance import Coupled, InputCovariance, UncertainInput
from jaccli.uncertainty.random_draws import draw
from tests.uncertainty.test_reference_cases import propagated

Jaccli = Callable[..., Any]
COUNT = 200_000


def normal_input(name: str, value: Any, std: Any) -> UncertainInput:
    std = np.array(std, float)
    return UncertainInput(name, std.shape[-1:], np.array(value, float), std, inf, "normal")


@pytest.mark.parametrize(
    ("kind", "half", "exact"),
    [
        ("uniform", sqrt(3), stats.uniform(-sqrt(3), 2 * sqrt(3))),
        ("triangular", sqrt(6), stats.triang(0.5, -sqrt(6), 2 * sqrt(6))),
        ("arcsine", sqrt(2), stats.arcsine(-sqrt(2), 2 * sqrt(2))),
        ("t", inf, stats.t(9)),
        ("normal", inf, stats.norm()),
    ],
)
def test_draws_have_the_distribution_that_is_named(kind: str, half: float, exact: Any) -> None:
    one = UncertainInput("x", (1,), np.array([5.0]), np.array([2.0]), 9.0, kind)
    inputs = InputCovariance((one,), (), None)
    ((_, drawn),) = draw(inputs, np.random.default_rng(3), COUNT)
    units = (drawn[:, 0] - 5) / 2
    assert np.abs(units).max() <= half
    assert stats.kstest(units, exact.cdf).pvalue > 1e-3


def test_coupled_draws_have_the_correlation() -> None:
    rho = -0.8
    factor = np.linalg.cholesky(np.array([[1, rho], [rho, 1]]))
    inputs = InputCovariance(
        (normal_input("x", [1.0], [2.0]), normal_input("y", [0.0], [1.0])),
        (Coupled(np.array([[0, 1]]), factor, ""),),
        None,
    )
    drawn = np.concatenate([v for _, v in draw(inputs, np.random.default_rng(0), COUNT)], axis=1)
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(rho, abs=5e-3)
    assert drawn[:, 0].std() == pytest.approx(2, rel=1e-2)


def test_a_shared_input_is_drawn_once_for_all_batch_rows() -> None:
    inputs = InputCovariance(
        (normal_input("s", [1.0], [0.1]), normal_input("v", [[1.0], [2.0], [3.0]], [[0.1]] * 3)),
        (),
        3,
    )
    shapes = [v.shape for _, v in draw(inputs, np.random.default_rng(0), 7)]
    assert shapes == [(7, 1), (7, 3, 1)]


def test_intervals_hold_the_draws_that_supplement_1_counts() -> None:
    ordered = np.arange(1.0, 101.0)[:, None]  # M = 100, p = 0.95: q = 95, r = 3 (2.5 rounds up)
    low, high = symmetric(ordered, 0.95)
    assert (low[0], high[0]) == (3.0, 98.0)
    ordered[-1] = 1000.0
    low, high = shortest(ordered, 0.95)
    assert (low[0], high[0]) == (1.0, 96.0)


def test_the_shortest_interval_of_a_skew_distribution_begins_at_its_mode() -> None:
    draws = np.sort(np.random.default_rng(0).exponential(size=(COUNT, 1)), axis=0)
    low, high = shortest(draws, 0.95)
    assert low[0] < 1e-3
    assert high[0] == pytest.approx(-np.log(0.05), rel=2e-2)
    ends = np.array(symmetric(draws, 0.95)).reshape(2)
    np.testing.assert_allclose(ends, -np.log([0.975, 0.025]), rtol=5e-2)


@pytest.mark.parametrize(
    ("u", "delta"),
    [(2.0, 0.05), (0.0354, 0.0005), (0.0996, 0.005), (0.0994, 0.0005), (31.7, 0.5), (0.0, 0.0)],
)
def test_the_tolerance_is_half_a_unit_of_the_second_digit(u: float, delta: float) -> None:
    assert tolerance(np.array([u]))[0] == delta


SUM = {
    "model": {"expressions": {"Y": "X1 + X2 + X3 + X4"}},
    "inputs": dict.fromkeys(("X1", "X2", "X3", "X4"), 0.0),
}


def test_four_rectangular_inputs_have_a_narrower_interval_than_the_law_says(
    jaccli: Jaccli,
) -> None:
    """JCGM 101, 9.2.3: [-3.88, 3.88] in place of 3.92, at a numerical tolerance of 0.05."""
    entry = {"half_width": sqrt(3), "distribution": "uniform"}
    spec = {**SUM, "uncertainty": dict.fromkeys(SUM["inputs"], entry)}
    found = propagated(jaccli, spec, "--monte-carlo", "1000000", "--seed", "1")
    shown = found["monte_carlo"]["outputs"]["Y"]
    exact = 2 * sqrt(3) * (2 - (3 / 5) ** 0.25)
    np.testing.assert_allclose(shown["symmetric"], [-exact, exact], atol=0.03)
    # Where it lies is less certain than how long it is.
    assert np.diff(shown["shortest"])[0] == pytest.approx(2 * exact, abs=0.03)
    assert shown["mean"] == pytest.approx(0, abs=0.01)
    assert shown["u"] == pytest.approx(2, rel=5e-3)
    comparison = shown["comparison"]
    assert comparison["tolerance"] == 0.05
    assert comparison["low"] == pytest.approx(3.91993 - exact, abs=0.03)
    assert comparison["validated"] is True
    assert found["monte_carlo"]["draws"] == 1_000_000


def test_the_adaptive_procedure_ends_by_itself(jaccli: Jaccli) -> None:
    spec = {**SUM, "uncertainty": dict.fromkeys(SUM["inputs"], 1.0)}
    found = propagated(jaccli, spec, "--monte-carlo", "auto")["monte_carlo"]
    assert found["stable"] is True
    assert found["draws"] % 10_000 == 0
    low, high = found["outputs"]["Y"]["symmetric"]
    assert (low, high) == (pytest.approx(-3.92, abs=0.05), pytest.approx(3.92, abs=0.05))


def test_a_square_at_0_has_the_moments_of_chi_squared(jaccli: Jaccli) -> None:
    """JCGM 101, 9.4 at 0: to first order u is 0, and the interval is one-sided."""
    spec = {
        "model": {"expressions": {"y": "x**2"}},
        "inputs": {"x": 0.0},
        "uncertainty": {"x": 0.1},
    }
    options = ("--monte-carlo", "200000", "--order", "2")
    found = propagated(jaccli, spec, *options)
    assert found["outputs"]["y"]["u"] == 0
    assert found["second_order"]["y"]["u"] == pytest.approx(sqrt(2) * 0.01, rel=1e-12)
    assert found["second_order"]["y"]["value_shift"] == pytest.approx(0.01, rel=1e-12)
    shown = found["monte_carlo"]["outputs"]["y"]
    assert shown["mean"] == pytest.approx(0.01, rel=1e-2)
    assert shown["u"] == pytest.approx(sqrt(2) * 0.01, rel=2e-2)
    assert shown["shortest"][0] == pytest.approx(0, abs=1e-6)
    assert shown["shortest"][1] == pytest.approx(0.01 * stats.chi2(1).ppf(0.95), rel=2e-2)
    assert shown["comparison"]["validated"] is False


def test_draws_depend_on_the_seed_alone(jaccli: Jaccli) -> None:
    """Not on how many are evaluated together: the first draws of more are the same."""
    spec = {
        "model": {"expressions": {"y": "max(x)"}},
        "inputs": {"x": [1.0, 2.0]},
        "uncertainty": {"x": [0.1, 0.2]},
    }

    def of(*options: str) -> dict[str, Any]:
        shown: dict[str, Any] = propagated(jaccli, spec, "--monte-carlo", *options)["monte_carlo"]
        return shown["outputs"]

    assert of("3000", "--seed", "4") == of("3000", "--seed", "4")
    assert of("3000", "--seed", "4") != of("3000", "--seed", "5")


def test_draws_where_a_model_is_not_defined_are_counted(jaccli: Jaccli) -> None:
    found = jaccli("propagate", "-e", "f = sqrt(x)", "--at", "x=0.1", "--std", "x=0.1",
                   "--monte-carlo", "1000", "--format", "json")  # fmt: skip
    data = json.loads(found.stdout)["monte_carlo"]
    rng = np.random.default_rng(0)
    assert data["failed"] == int((0.1 + 0.1 * rng.standard_normal(10_000)[:1000] < 0).sum())
    assert data["outputs"]["f"]["mean"] == "NaN"
    assert f"{data['failed']} of 1,000 draws gave a NaN or an infinity" in found.stderr


def test_a_batch_has_draws_of_its_own(jaccli: Jaccli) -> None:
    spec = {
        "model": {"expressions": {"y": "s*V"}},
        "inputs": {"s": 1.0, "V": [[1.0, 10.0, 100.0]]},
        "batch": {"V": 1},
        "uncertainty": {"s": 0.01, "V": {"relative": 0.02}},
        "correlation": {"inputs": ["s", "V"], "matrix": [[1.0, 0.5], [0.5, 1.0]]},
    }
    found = propagated(jaccli, spec, "--monte-carlo", "100000")
    shown = found["monte_carlo"]["outputs"]["y"]
    right = sqrt(1 + 4 + 2 * 0.5 * 2) / 100 * np.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(np.ravel(found["outputs"]["y"]["u"]), right, rtol=1e-12)
    np.testing.assert_allclose(np.ravel(shown["u"]), right, rtol=2e-2)
