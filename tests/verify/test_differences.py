"""Finite differences with automatic steps, on functions that are hard for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jaccli.verify.finite_differences import along

EPS = 2.0**-52
TURN = 2 * np.pi
SMOOTH = [
    ("plain", np.sin, np.cos, 1.0),
    ("large x, fast", np.sin, np.cos, 1e8),
    ("small x", np.exp, np.exp, 1e-8),
    ("small x, steep", np.log, lambda x: 1 / x, 1e-8),
    ("hardly there", np.log, lambda x: 1 / x, 1e-300),
    ("large x", np.log, lambda x: 1 / x, 1e8),
    ("very large values", lambda x: x**3, lambda x: 3 * x**2, 1e8),
    ("fast", lambda x: np.sin(1e6 * x), lambda x: 1e6 * np.cos(1e6 * x), 0.7),
    ("period of one", lambda x: np.sin(TURN * x), lambda x: TURN * np.cos(TURN * x), 0.1),
    ("near a kink", lambda x: np.abs(x - 1e-5), lambda x: -1.0, 0.0),
    ("a narrow peak", lambda x: np.exp(-(((x - 2) / 1e-4) ** 2)),
     lambda x: -2e8 * (x - 2) * np.exp(-(((x - 2) / 1e-4) ** 2)), 2.00005),
    ("rounded beside 1", lambda x: np.log(1 + x**6), lambda x: 6 * x**5 / (1 + x**6), 0.05),
    ("a wide scale", lambda x: np.exp(-1 / x**2), lambda x: 2 / x**3 * np.exp(-1 / x**2), 0.05),
]  # fmt: skip


def slope(f: Callable[[Any], Any], x: float, eps: float = EPS) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        found = along(f, np.array([[x]]), np.array([[[abs(x) or 1.0]]]), eps)
    return found.values.item() / (abs(x) or 1.0), found.errors.item() / (abs(x) or 1.0)


@pytest.mark.parametrize(("f", "df", "x"), [c[1:] for c in SMOOTH], ids=[c[0] for c in SMOOTH])
def test_derivatives_are_right_and_errors_honest(f: Any, df: Any, x: float) -> None:
    value, error = slope(f, x)
    true = float(df(np.float64(x)))
    assert abs(value - true) <= 1e-6 * abs(true)
    assert abs(value - true) <= 2 * error
    assert error <= 1e-5 * abs(true)


def test_noise_is_known_as_noise() -> None:
    value, error = slope(lambda x: 1e10 + x**2, 1.0)
    assert abs(value - 2.0) <= error
    assert error > 1e-5


def test_float32_is_known_to_be_coarse() -> None:
    value, error = slope(lambda x: np.sin(x.astype(np.float32)), 1.0, 2.0**-23)
    assert abs(value - np.cos(1.0)) <= error < 1e-2


def test_where_there_is_no_value_there_is_no_estimate() -> None:
    assert slope(np.sqrt, 0.0)[1] == np.inf


def test_directions_and_rows_are_kept_apart() -> None:
    rng = np.random.default_rng(5)
    x, directions = rng.normal(size=(2, 3)), rng.normal(size=(4, 2, 3))
    weight = rng.normal(size=(5, 3))
    found = along(lambda p: np.sin(p) @ weight.T, x, directions, EPS)
    expected = np.einsum("mn,bn,kbn->kbm", weight, np.cos(x), directions)
    np.testing.assert_allclose(found.values, expected, atol=1e-9)
    assert found.errors.max() < 1e-8
