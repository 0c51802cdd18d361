"""The functions that JAX lacks: values and derivatives against mpmath, tails and ends included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import mpmath as mp
import numpy as np
import pytest

from jaccli.expression import evaluate, parse
from tests.thinned import thinned

DIGITS = 40
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""Compiling is most of the time that these tests take."""
J, Y = mp.besselj, mp.bessely
ENDS = np.concatenate([np.geomspace(1e-12, 1, 9), np.linspace(1.3, 29.7, 40), [50.0, 600.0, 1e4]])


def erfcx(x: Any) -> Any:
    """Return `exp(x**2) erfc(x)`, far out by its asymptotic series."""
    if x < 20:
        return mp.exp(x * x) * mp.erfc(x)
    terms = ((-1) ** k * mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(25))
    return sum(terms) / (mp.sqrt(mp.pi) * x)


def erfcx_slope(x: Any) -> Any:
    """Return its derivative, which cancels far out."""
    if x < 20:
        return 2 * x * erfcx(x) - 2 / mp.sqrt(mp.pi)
    terms = ((-1) ** k * mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(1, 25))
    return 2 * sum(terms) / mp.sqrt(mp.pi)


def amplitude(x: float) -> float:
    """Return what the error near a zero of a Bessel function is relative to."""
    return 0.1 * (2 / np.pi / x) ** 0.5 if x > 1 else 0.0


def none(x: float) -> float:
    return 0.0


Oracle = Callable[[Any], Any]
CASES: dict[str, tuple[tuple[Oracle, ...], np.ndarray, Callable[[float], float]]] = {
    # expression: value, first and second derivative; where; the scale of an error near zeros
    "j0(x)": ((lambda x: J(0, x), lambda x: -J(1, x), lambda x: J(1, x) / x - J(0, x)),
              ENDS, amplitude),
    "j1(x)": ((lambda x: J(1, x), lambda x: J(0, x) - J(1, x) / x,
               lambda x: -J(1, x) + J(2, x) / x), ENDS, amplitude),
    "y0(x)": ((lambda x: Y(0, x), lambda x: -Y(1, x), lambda x: Y(1, x) / x - Y(0, x)),
              ENDS, lambda x: amplitude(max(x, 1.1))),
    "y1(x)": ((lambda x: Y(1, x), lambda x: Y(0, x) - Y(1, x) / x,
               lambda x: -Y(1, x) + Y(2, x) / x), ENDS, amplitude),
    "erfcx(x)": ((erfcx, erfcx_slope, lambda x: 2 * erfcx(x) + 2 * x * erfcx_slope(x)),
                 np.concatenate([np.linspace(-9, 19, 41), [25.0, 1e3, 1e6]]), none),
    "exp1(x)": ((mp.e1, lambda x: -mp.exp(-x) / x, lambda x: mp.exp(-x) / x * (1 + 1 / x)),
                np.concatenate([ENDS[:-1], [1e-100]]), none),
    "expi(x)": ((mp.ei, lambda x: mp.exp(x) / x, lambda x: mp.exp(x) / x * (1 - 1 / x)),
                np.concatenate([ENDS[ENDS != 1][:-1], -ENDS[:-2]]),
                lambda x: 0.5 if 0.3 < x < 0.5 else 0.0),
}  # fmt: skip


@pytest.mark.parametrize("text", thinned(CASES, 5))
def test_value_and_two_derivatives_have_twelve_digits(text: str) -> None:
    oracles, places, scale = CASES[text]
    parsed = parse(text)
    function: Callable[..., Any] = lambda x: evaluate(parsed, {"x": x}, dtype="float64")  # noqa: E731
    with mp.workdps(DIGITS):
        for oracle in oracles:
            found = jax.jit(jax.vmap(function), compiler_options=QUICK)(places)
            for x, value in zip(places, np.asarray(found), strict=True):
                exact = oracle(mp.mpf(float(x)))
                allowed = 1e-12 * max(abs(exact), scale(float(x)))
                assert abs(mp.mpf(float(value)) - exact) <= allowed, (text, x, value, exact)
            function = jax.grad(function)


ENDS_OF = [
    # expression, where, the value, the derivative
    ("j0(x)", 0.0, 1.0, 0.0),
    ("j1(x)", 0.0, 0.0, 0.5),
    ("j1(x)", -2.5, -0.4970941024642741, -0.24722141745390782),
    ("y0(x)", 0.0, -np.inf, np.inf),
    ("y0(x)", -1.0, np.nan, np.nan),
    ("exp1(x)", 0.0, np.inf, -np.inf),
    ("exp1(x)", np.inf, 0.0, 0.0),
    ("expi(x)", 0.0, -np.inf, np.inf),
    ("expi(x)", np.inf, np.inf, np.nan),
    ("erfcx(x)", 1e300, 5.641895835477563e-301, 0.0),
    ("ldexp(x, 1100)", 1e-300, 1.358298529049385e31, np.inf),
    ("ldexp(x, -1000)", 2.0**600, 2.0**-400, 2.0**-1000),
    ("betainc(2, 3, x)", 0.0, 0.0, 0.0),
    ("betainc(2, 3, x)", 1.0, 1.0, 0.0),
    ("betainc(x, 3, 1)", 2.0, 1.0, 0.0),
]


@pytest.mark.parametrize(("text", "x", "value", "slope"), thinned(ENDS_OF, 5))
def test_ends_of_the_domain(text: str, x: float, value: float, slope: float) -> None:
    parsed = parse(text)
    found = jax.value_and_grad(lambda x: evaluate(parsed, {"x": x}, dtype="float64"))(x)
    np.testing.assert_allclose(found, (value, slope), rtol=1e-14)


BETAS = [(2.3, 1.7, 0.4), (0.5, 0.5, 0.9), (20.0, 30.0, 0.1), (2.0, 8.0, 0.2), (3.0, 0.2, 0.99)]


def test_derivatives_of_betainc_with_respect_to_all_arguments() -> None:
    parsed = parse("betainc(a, b, x)")

    def value(a: Any, b: Any, x: Any) -> Any:
        return evaluate(parsed, {"a": a, "b": b, "x": x}, dtype="float64")

    places = np.array(BETAS)
    gradients = jax.vmap(jax.grad(value, argnums=(0, 1, 2)))
    found = jax.jit(gradients, compiler_options=QUICK)(*places.T)
    with mp.workdps(DIGITS):
        for row, place in enumerate(BETAS):
            at = tuple(map(mp.mpf, place))
            for number, order in enumerate([(1, 0, 0), (0, 1, 0), (0, 0, 1)]):
                exact = mp.diff(lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), at, order)
                assert abs(mp.mpf(float(found[number][row])) / exact - 1) < 1e-12


def test_entries_that_are_nan_have_no_part_in_derivatives() -> None:
    x = np.array([1.0, np.nan, 4.0, 2.0])
    parsed = parse("nanvar(x)")
    slope = jax.grad(lambda x: evaluate(parsed, {"x": x}, dtype="float64"))(x)
    mean = 7 / 3
    np.testing.assert_allclose(slope, [2 * (1 - mean) / 3, 0, 2 * (4 - mean) / 3, -2 / 9])


def test_eigenvalues_turn_as_the_matrix_does() -> None:
    # [[c, -s], [s, c]] has the eigenvalues c ± i s.
    parsed = parse("eigvals([[cos(x), -sin(x)], [sin(x), cos(x)]])")
    slope = jax.jacfwd(lambda x: evaluate(parsed, {"x": x}, dtype="float64"))(0.3)
    order = np.argsort(-np.asarray(evaluate(parsed, {"x": 0.3}, dtype="float64"))[:, 1])
    s, c = np.sin(0.3), np.cos(0.3)
    np.testing.assert_allclose(np.asarray(slope)[order], [[-s, c], [-s, -c]], rtol=1e-12)


WRONG = [
    ("select([x < 0], [x, x])", "1 conditions for 2 choices."),
    ("piecewise(x, [x < 0], [x, x, x])", "1 conditions for 3 values."),
    ("cummax(x, axis=1)", "axis 1 is out of range for 1 axes."),
    ("take_along_axis(x, [7])", "index 7 is out of range for size 3."),
    ("segment_sum(x, [0, 1, 3], num_segments=3)", "id 3 is out of range for size 3."),
    ("segment_sum(x, [0, 1])", "there is one id for each entry of the first axis."),
    ("segment_sum(x, argsort(x))", "num_segments must be given where the ids are an input."),
    ("gradient(x, [0, 1])", "spacing is a number, or has 3 entries."),
    ("gradient(sum(x))", "a scalar has no axis to take differences along."),
    ("top_k(x, 4)[0]", "k is at most the size of the last axis, not 4."),
    ("ldexp(x, 0.5)", "x2 holds integers."),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_what_does_not_fit_is_said(jaccli: Callable[..., Any], text: str, reason: str) -> None:
    outcome = jaccli("evaluate", "-e", text, "--at", "x=[1, 2, 3]", check=False)
    assert (outcome.exit_code, outcome.stderr.splitlines()[-1]) == (2, reason)
