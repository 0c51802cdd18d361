"""Lanczos' method against spectra that are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.linalg import aslinearoperator

from jaccli.analyze import iterative, lanczos
from jaccli.analyze.iterative import Effort
from jaccli.errors import BudgetError, ComputationError

Array = NDArray[Any]
EFFORT = Effort(top=3, limit=2000, probes=20, seed=0, memory=1 << 30)


def rotated(values: Array, seed: int, dtype: Any = np.float64) -> Array:
    """Return a symmetric matrix with this spectrum and random eigenvectors."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))
    return np.asarray((q * values) @ q.T, dtype)


@pytest.mark.slow
@settings(max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    outer=st.lists(st.floats(2, 100), min_size=3, max_size=3, unique=True),
    signs=st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3),
)
def test_a_prescribed_spectrum_is_found_at_both_ends(
    seed: int, outer: list[float], signs: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    values = np.sort(np.r_[rng.uniform(-1, 1, 117), np.array(outer) * signs])
    found = iterative.eigen(aslinearoperator(rotated(values, seed)), EFFORT, None)
    assert found.converged.all()
    expected = np.r_[values[:3], values[-3:]]
    np.testing.assert_allclose(found.values, expected, atol=1e-6 * np.abs(values).max())
    assert (found.residuals <= 1e-6 * np.abs(values).max()).all()


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), shape=st.sampled_from([(150, 90), (90, 150)]))
def test_prescribed_singular_values_are_found(seed: int, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    sigma = np.sort(np.r_[rng.uniform(1, 2, 86), [0.1, 4, 6, 9]])[::-1]
    u, _ = np.linalg.qr(rng.standard_normal((shape[0], 90)))
    v, _ = np.linalg.qr(rng.standard_normal((shape[1], 90)))
    J = (u * sigma) @ v.T
    found = iterative.singular(aslinearoperator(J), EFFORT, None)
    assert found.converged.all()
    np.testing.assert_allclose(found.values, [9, 6, 4, 0.1], atol=1e-5)
    assert found.left is not None
    forth = J @ found.right.T - found.left.T * found.values
    back = J.T @ found.left.T - found.right.T * found.values
    true = np.maximum(np.linalg.norm(forth, axis=0), np.linalg.norm(back, axis=0))
    np.testing.assert_allclose(found.residuals, true, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_basis_stays_orthogonal_beside_eigenvalues_that_converge_at_once(dtype: Any) -> None:
    """Converged pairs are what makes plain Lanczos lose orthogonality."""
    rng = np.random.default_rng(0)
    values = np.r_[rng.uniform(0, 1, 995), [-1e3, 1e3, 1e4, 1e5, 2e5]].astype(dtype)
    seen: list[Array] = []
    lanczos.extremes(
        lambda v: values * v,
        1000,
        np.dtype(dtype),
        low=3,
        high=4,
        basis=40,
        judge=lambda theta, residuals: np.full(len(theta), bool(seen.append(theta))),
        limit=400,
    )
    assert len(seen) > 5
    found = seen[-1]
    rounding = 20 * float(np.finfo(dtype).eps) * 2e5
    np.testing.assert_allclose(found[-4:], [1e3, 1e4, 1e5, 2e5], atol=rounding)
    # A basis that is not orthogonal shows copies of what has converged.
    assert np.count_nonzero(np.abs(found) > 2) == 5


def test_multiple_eigenvalues_are_found_where_the_basis_closes() -> None:
    values = np.r_[np.full(60, 2.0), np.full(40, -1.0)]
    found = iterative.eigen(aslinearoperator(rotated(values, 1)), EFFORT, None)
    np.testing.assert_allclose(found.values, [-1, -1, -1, 2, 2, 2], atol=1e-6)


def test_of_a_matrix_of_zeros_everything_is_zero() -> None:
    found = iterative.eigen(aslinearoperator(np.zeros((100, 100))), EFFORT, None)
    assert found.converged.all()
    assert not found.values.any()
    assert found.trace is not None
    assert (found.trace.value, found.frobenius.value) == (0, 0)


def test_what_has_not_converged_is_marked() -> None:
    """The lowest eigenvalues of a long chain lie so close together that no 100 products do."""
    n = 4000
    chain = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n))
    effort = Effort(top=2, limit=100, probes=5, seed=0, memory=1 << 30)
    found = iterative.eigen(aslinearoperator(chain.tocsr()), effort, None)
    assert not found.converged.any()
    assert (found.residuals > 1e-6 * 4).all()
    assert found.products is not None
    assert found.products < 150


@pytest.mark.parametrize("seed", range(5))
def test_trace_and_norm_lie_within_a_few_standard_errors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((300, 300))
    H = (H + H.T) / 2 + np.diag(rng.standard_normal(300))
    effort = Effort(top=2, limit=1000, probes=40, seed=seed, memory=1 << 30)
    found = iterative.eigen(aslinearoperator(H), effort, None)
    assert found.trace is not None
    for estimate, true in ((found.trace, np.trace(H)), (found.frobenius, np.linalg.norm(H))):
        assert estimate.error is not None
        assert abs(estimate.value - true) < 4 * estimate.error
        # Of one random vector of signs the standard deviation is at most √2·‖H‖.
        assert estimate.error < 2 * (2 / 40) ** 0.5 * np.linalg.norm(H)


def test_of_low_rank_the_trace_is_exact_because_what_was_found_is_taken_out() -> None:
    values = np.r_[np.zeros(197), [-4.0, 5.0, 7.0]]
    found = iterative.eigen(aslinearoperator(rotated(values, 3)), EFFORT, None)
    assert found.trace is not None
    assert found.trace.value == pytest.approx(8, abs=1e-8)
    assert found.trace.error == pytest.approx(0, abs=1e-8)


def test_a_smaller_budget_takes_a_smaller_basis_and_finds_the_same() -> None:
    matrix = rotated(np.r_[np.random.default_rng(5).uniform(-1, 1, 394), np.arange(3, 9)], 5)
    values = []
    for vectors in (20, 100):
        effort = Effort(3, 5000, 5, 0, memory=vectors * 400 * 8)
        values.append(iterative.eigen(aslinearoperator(matrix), effort, None).values)
    np.testing.assert_allclose(*values, atol=1e-6)


def test_too_small_a_budget_is_refused() -> None:
    effort = Effort(3, 100, 5, 0, memory=19 * 400 * 8)
    with pytest.raises(BudgetError) as error:
        iterative.eigen(aslinearoperator(np.eye(400)), effort, None)
    assert str(error.value) == (
        "analyze: 20 vectors of 400 entries for Lanczos' method take 62.5 KiB, and 59.4 KiB are "
        "left of the memory budget.\nRaise --memory, or ask for less with --top."
    )


def test_a_product_that_is_not_finite_is_refused() -> None:
    matrix = np.eye(400)
    matrix[3, 5] = np.nan
    with pytest.raises(ComputationError) as error:
        iterative.singular(aslinearoperator(matrix), EFFORT, None)
    assert str(error.value) == "analyze: a product with the matrix has a NaN or an infinity."


def test_a_large_sparse_matrix_is_never_formed() -> None:
    """Its corner has the eigenvalues -3 and 5, all else lies within [0, 1]."""
    n = 200_000
    diagonal = np.linspace(0, 1, n)
    diagonal[:2] = 1.0
    corner = scipy.sparse.coo_array(([4.0, 4.0], ([0, 1], [1, 0])), shape=(n, n))
    matrix = (scipy.sparse.diags_array(diagonal) + corner).tocsr()
    effort = Effort(1, 40, 2, 0, memory=1 << 30)
    found = iterative.eigen(aslinearoperator(matrix), effort, None)
    np.testing.assert_allclose(found.values, [-3, 5], atol=1e-9)
    assert found.converged.all()


@pytest.mark.parametrize("shape", [(40, 1), (40, 2), (2, 40), (40, 6), (40, 13)])
def test_fewer_values_than_are_asked_for_are_all_found(shape: tuple[int, int]) -> None:
    J = np.random.default_rng(7).standard_normal(shape)
    count = min(*shape, 6)
    found = iterative.singular(aslinearoperator(J), replace(EFFORT, top=5), None)
    expected = np.linalg.svd(J, compute_uv=False)
    np.testing.assert_allclose(found.values, np.r_[expected[: count - 1], expected[-1]], rtol=1e-9)
    assert found.converged.all()
    assert found.frobenius.value == pytest.approx(np.linalg.norm(J), rel=0.2)


@pytest.mark.parametrize("size", [1, 2, 7, 10, 12])
def test_all_eigenvalues_of_a_small_matrix_are_found(size: int) -> None:
    values = np.linspace(-1, 2, size)
    found = iterative.eigen(aslinearoperator(np.diag(values)), replace(EFFORT, top=5), None)
    expected = values if size <= 10 else np.r_[values[:5], values[-5:]]
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert found.converged.all()
