"""LAPACK's spectra against prescribed ones and closed forms, and what follows from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaccli.analyze import classify, dense, vectors
from jaccli.analyze.classify import Inertia


@given(
    values=st.lists(st.floats(-100, 100), min_size=1, max_size=12),
    seed=st.integers(0, 10**6),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_prescribed_spectrum_is_returned(values: list[float], seed: int, dtype: Any) -> None:
    n = len(values)
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))
    found = dense.eigen(np.asarray((q * values) @ q.T, dtype))
    scale = max(1e-30, np.abs(values).max())
    tolerance = 50 * n * float(np.finfo(dtype).eps) * scale
    np.testing.assert_allclose(found.values, np.sort(values), atol=tolerance)
    assert (found.residuals <= tolerance).all()
    assert found.trace is not None
    assert found.trace.value == pytest.approx(sum(values), abs=n * tolerance)
    assert found.frobenius.value == pytest.approx(np.linalg.norm(values), abs=tolerance)


@given(
    sigma=st.lists(st.floats(0.01, 100), min_size=1, max_size=6),
    zeros=st.integers(0, 3),
    more=st.integers(0, 4),
    wide=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_prescribed_singular_values_rank_and_null_space_are_returned(
    sigma: list[float], zeros: int, more: int, wide: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    prescribed = np.sort(np.r_[sigma, np.zeros(zeros)])[::-1]
    k = len(prescribed)
    u, _ = np.linalg.qr(rng.standard_normal((k + more, k)))
    v, _ = np.linalg.qr(rng.standard_normal((k, k)))
    J = (u * prescribed) @ v.T
    J = J.T if wide else J
    found = dense.singular(J, rtol=1e-12)
    np.testing.assert_allclose(found.values, prescribed, atol=1e-12 * prescribed[0])
    assert classify.rank(found) == (len(sigma), True, True)
    assert found.null_space is not None
    assert len(found.null_space) == J.shape[1] - len(sigma)
    np.testing.assert_allclose(J @ found.null_space.T, 0, atol=1e-11 * prescribed[0])
    np.testing.assert_allclose(
        found.null_space @ found.null_space.T, np.eye(len(found.null_space)), atol=1e-12
    )


def test_batch_rows_are_what_each_is_alone() -> None:
    rng = np.random.default_rng(2)
    matrices = rng.standard_normal((5, 3, 4))
    rows = dense.singular_rows(matrices)
    for row, matrix in enumerate(matrices):
        alone = dense.singular(matrix)
        np.testing.assert_allclose(rows.values[row], alone.values)
        assert rows.zero[row] == pytest.approx(alone.zero)
        assert rows.frobenius[row] == pytest.approx(alone.frobenius.value)
    symmetric = matrices[:, :, :3] + matrices[:, :, :3].swapaxes(1, 2)
    spectra = dense.eigen_rows(symmetric)
    assert spectra.trace is not None
    for row, matrix in enumerate(symmetric):
        one = dense.eigen(matrix)
        np.testing.assert_allclose(spectra.values[row], one.values)
        assert spectra.trace[row] == pytest.approx(np.trace(matrix))


def test_a_determinant_that_overflows_is_infinite() -> None:
    assert dense.singular(np.eye(400) * 1e3).determinant == np.inf
    assert dense.singular(np.eye(3) * -2).determinant == pytest.approx(-8)
    assert dense.singular(np.ones((2, 3))).determinant is None


@pytest.mark.parametrize(
    ("values", "definiteness", "kind"),
    [
        ([1, 2], "positive definite", "minimum"),
        ([-1, -2], "negative definite", "maximum"),
        ([-1, 2], "indefinite", "saddle"),
        ([-1, 0, 2], "indefinite", "saddle"),
        ([0, 2], "positive semidefinite", "degenerate"),
        ([-2, 1e-15], "negative semidefinite", "degenerate"),
        ([0, 0], "zero", "degenerate"),
    ],
)
def test_inertia_decides(values: list[float], definiteness: str, kind: str) -> None:
    found = Inertia.of(np.array(values, float), 1e-12)
    assert (found.definiteness, found.kind) == (definiteness, kind)


def test_directions_name_the_greatest_components() -> None:
    labels = [f"x[{i}]" for i in range(6)]
    root = 2**-0.5
    assert vectors.text(np.array([root, 0, 0, -root, 0, 0]), labels) == "0.71 x[0] - 0.71 x[3]"
    assert vectors.text(np.array([0, -1.0, 0, 0, 0, 0]), labels) == "-x[1]"
    even = np.full(6, 6**-0.5)
    assert vectors.text(even, labels) == ("0.41 x[0] + 0.41 x[1] + 0.41 x[2] + 0.41 x[3] + ...")
    assert vectors.as_json(np.array([0.6, 0, -0.8]), labels) == {"x[2]": -0.8, "x[0]": 0.6}


def test_the_greatest_component_of_a_direction_is_positive() -> None:
    right, left = vectors.orient(np.array([[0.6, -0.8], [0.8, -0.6]]), np.array([[1.0], [2.0]]))
    assert right.tolist() == [[-0.6, 0.8], [0.8, -0.6]]
    assert left is not None
    assert left.tolist() == [[-1], [2]]


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_norms_neither_overflow_nor_underflow(unit: float) -> None:
    """Frobenius' norm of [[0, 3], [4, 0]] is 5, whose square is not a double here."""
    matrix = unit * np.array([[0.0, 3.0], [4.0, 0.0]])
    for spectrum in (dense.singular(matrix), dense.eigen(np.diag([3.0, 4.0]) * unit)):
        assert spectrum.frobenius.value == pytest.approx(5 * unit, rel=1e-15)
    for spectra in (dense.singular_rows(matrix[None]), dense.eigen_rows((matrix + matrix.T)[None])):
        assert (spectra.residuals <= 1e-14 * unit).all()
        assert np.isfinite(spectra.frobenius).all()
        assert (spectra.frobenius > unit).all()
