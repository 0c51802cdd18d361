"""The law of propagation, its matrices and its coverage factors, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import inf

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from jaccli.uncertainty import covariance_matrices as matrices
from jaccli.uncertainty import propagation_law as law
from jaccli.uncertainty.covariance_matrices import Array, MatrixProblem
from jaccli.uncertainty.coverage_factor import factor_at, factors, welch_satterthwaite
from jaccli.uncertainty.input_covariance import Coupled, InputCovariance, UncertainInput

NUMBERS = st.integers(-64, 64).map(lambda n: n / 8)
"""Numbers of which products and sums are exact."""


def inputs_of(
    std: Array, correlation: Array | None = None, dof: float = inf, batch: int | None = None
) -> InputCovariance:
    """Return one input with these standard uncertainties and correlations."""
    size = std.shape[-1]
    one = UncertainInput("x", (size,), np.zeros(size), std, dof, "normal")
    if correlation is None:
        return InputCovariance((one,), (), batch)
    factor = matrices.from_correlation(correlation)
    return InputCovariance((one,), (Coupled(np.arange(size)[None], factor, ""),), batch)


def exact_variance(row: Array, covariance: list[list[Fraction]]) -> Fraction:
    c = [Fraction(float(value)) for value in row]
    size = range(len(c))
    return sum((c[i] * covariance[i][j] * c[j] for i in size for j in size), Fraction(0))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Array, Array, Array]:
    """Return a Jacobian, standard uncertainties, and coefficients of a correlation matrix."""
    rows, size = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    jacobian = np.array(draw(st.lists(NUMBERS, min_size=rows * size, max_size=rows * size)))
    std = np.abs(draw(st.lists(NUMBERS, min_size=size, max_size=size)))
    # R = (1 - a) I + a v v^T with v of signs and 0 <= a <= 1 is a correlation matrix.
    a = draw(st.integers(0, 8)) / 8
    v = np.array(draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=size, max_size=size)))
    return jacobian.reshape(rows, size), std, (1 - a) * np.eye(size) + a * np.outer(v, v)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_variances_are_those_of_exact_arithmetic(problem: tuple[Array, Array, Array]) -> None:
    jacobian, std, correlation = problem
    found = law.dense(jacobian.copy(), inputs_of(std, correlation), budget=True, correlation=True)
    exact = [[Fraction(float(std[i] * std[j] * correlation[i, j])) for j in range(len(std))]
             for i in range(len(std))]  # fmt: skip
    scale = max(1.0, float(np.abs(jacobian * std).max(initial=0)))
    for row, u in zip(jacobian, found.u, strict=True):
        # No cancellation of squares: u itself is right to rounding of the contributions.
        right = float(mpmath.sqrt(mpmath.mpf(exact_variance(row, exact).numerator)
                                  / exact_variance(row, exact).denominator))  # fmt: skip
        assert abs(u - right) <= 1e-13 * scale
    covariance = found.covariance
    assert covariance is not None
    right_matrix = jacobian @ np.array(exact, float) @ jacobian.T
    np.testing.assert_allclose(covariance, right_matrix, atol=1e-12 * scale**2)
    assert (np.diagonal(covariance) >= 0).all()
    assert found.budget is not None
    known = found.u > 1e-6 * scale
    np.testing.assert_allclose(found.budget.percent[known].sum(axis=-1), 100, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(problems(), st.integers(-140, 140))
def test_units_do_not_matter(problem: tuple[Array, Array, Array], power: int) -> None:
    """Contributions of 1e-140 and 1e140 are added as those of 1 are: squares stay in range."""
    jacobian, std, correlation = problem
    unit = 2.0 ** (power * 3)
    inputs, scaled = inputs_of(std, correlation), inputs_of(std * unit, correlation)
    first = law.dense(jacobian.copy(), inputs, budget=False, correlation=True)
    second = law.dense(jacobian.copy(), scaled, budget=False, correlation=True)
    np.testing.assert_array_equal(second.u, first.u * unit)
    np.testing.assert_array_equal(second.correlation, first.correlation)


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([inf, 0.5, 4.0, 1e300]))
def test_sparse_jacobians_give_what_dense_ones_do(
    problem: tuple[Array, Array, Array], dof: float
) -> None:
    jacobian, std, correlation = problem
    for matrix in (None, correlation):
        inputs = inputs_of(std, matrix, dof)
        dense = law.dense(jacobian.copy(), inputs, budget=False, correlation=True)
        sparse = law.sparse(csr_array(jacobian), inputs, correlation=True)
        scale = max(1.0, float(np.abs(jacobian * std).max(initial=0)))
        np.testing.assert_allclose(sparse.u, dense.u, rtol=1e-12, atol=1e-15 * scale)
        known = dense.u > 1e-7 * scale
        np.testing.assert_allclose(sparse.dof[known], dense.dof[known], rtol=1e-9)
        assert sparse.correlation is not None
        assert dense.correlation is not None
        both = np.ix_(known, known)
        np.testing.assert_allclose(sparse.correlation[both], dense.correlation[both], atol=1e-8)


def test_pairs_of_arrays_are_coupled_entry_by_entry() -> None:
    std, rho = np.array([1.0, 2.0, 3.0, 4.0]), 0.5
    x = UncertainInput("x", (2,), np.zeros(2), std[:2], inf, "normal")
    y = UncertainInput("y", (2,), np.zeros(2), std[2:], inf, "normal")
    factor = matrices.from_correlation(np.array([[1.0, rho], [rho, 1.0]]))
    inputs = InputCovariance((x, y), (Coupled(np.array([[0, 2], [1, 3]]), factor, ""),), None)
    jacobian = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0], [1.0, 0.0, -1.0, 0.0]])
    right = np.diag(std**2)
    right[0, 2] = right[2, 0] = rho * std[0] * std[2]
    right[1, 3] = right[3, 1] = rho * std[1] * std[3]
    for found in (
        law.dense(jacobian.copy(), inputs, budget=True, correlation=True),
        law.sparse(csr_array(jacobian), inputs, correlation=True),
    ):
        np.testing.assert_allclose(found.covariance, jacobian @ right @ jacobian.T, rtol=1e-14)
        # x[0] and y[1] are not correlated with each other.
        np.testing.assert_array_equal(found.dof, [np.nan, inf, np.nan])


def test_what_is_exact_contributes_nothing_to_an_infinite_slope() -> None:
    jacobian = np.array([[inf, 2.0], [np.nan, 1.0], [1.0, np.nan]])
    found = law.dense(jacobian, inputs_of(np.array([0.0, 3.0])), budget=False, correlation=True)
    np.testing.assert_array_equal(found.u, [6.0, 3.0, np.nan])
    assert np.isnan(found.dof[2])


def test_opposite_contributions_of_fully_correlated_inputs_cancel_exactly() -> None:
    correlation = np.array([[1.0, 1.0], [1.0, 1.0]])
    std = np.array([0.1, 0.3])
    found = law.dense(
        np.array([[3.0, -1.0]]), inputs_of(std, correlation), budget=False, correlation=True
    )
    assert found.u[0] == 3 * 0.1 - 0.3  # of rounding, 5.6e-17, not of cancelled squares, 1e-9


# Matrices


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]],
         "it is not positive semidefinite: its smallest eigenvalue is -0.8"),
        ([[1, 0.5], [0.4, 1]], "it is not symmetric: [0,1] is 0.5, [1,0] is 0.4"),
        ([[2, 1], [1, 1]], "its diagonal holds 2 in place of 1"),
        ([[1, 1.5], [1.5, 1]], "the entry 1.5 lies outside [-1, 1]"),
        ([[1, np.nan], [np.nan, 1]], "the entry nan is not finite"),
    ],
)  # fmt: skip
def test_what_is_no_correlation_matrix_is_refused(matrix: list[list[float]], said: str) -> None:
    with pytest.raises(MatrixProblem) as error:
        matrices.from_correlation(np.array(matrix, float))
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ([[1, 3], [3, 4]], "it is not positive semidefinite: its smallest eigenvalue is -0.854102"),
        ([[-1, 0], [0, 4]], "a variance is negative: -1"),
        ([[0, 1], [1, 1]], "it is not positive semidefinite: its smallest eigenvalue is -0.618034"),
        ([[1, 0.5], [0.4, 1]], "it is not symmetric: [0,1] is 0.5, [1,0] is 0.4"),
    ],
)
def test_what_is_no_covariance_matrix_is_refused(matrix: list[list[float]], said: str) -> None:
    with pytest.raises(MatrixProblem) as error:
        matrices.from_covariance(np.array(matrix, float))
    assert str(error.value) == said


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_factors_of_matrices_of_any_rank_give_them_back(size: int, rank: int, seed: int) -> None:
    root = np.random.default_rng(seed).normal(size=(size, rank))
    covariance = root @ root.T
    std, factor = matrices.from_covariance(covariance)
    lower = std[:, None] * factor
    np.testing.assert_allclose(lower @ lower.T, covariance, atol=1e-12 * covariance.max())


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_samples_are_correlated_as_numpy_says(size: int, count: int, seed: int) -> None:
    samples = np.random.default_rng(seed).normal(size=(count, size))
    factor = matrices.from_samples(samples)
    right = np.corrcoef(samples.T).reshape(size, size)
    np.testing.assert_allclose(factor @ factor.T, right, atol=1e-12)


# Degrees of freedom and coverage factors


@pytest.mark.parametrize("dof", [0.5, 1.0, 2.0, 4.0, 17.0, 1e3, 1e6, 0.9e8, 1.1e8, 1e12])
@pytest.mark.parametrize("coverage", [0.5, 0.9545, 0.99])
def test_coverage_factors_are_quantiles_of_students_t(dof: float, coverage: float) -> None:
    with mpmath.workdps(40):
        k, nu = mpmath.mpf(factor_at(dof, coverage)), mpmath.mpf(dof)
        outside = mpmath.betainc(nu / 2, 0.5, 0, nu / (nu + k**2), regularized=True)
        density = 2 * mpmath.gamma((nu + 1) / 2) / mpmath.gamma(nu / 2)
        density *= (1 + k**2 / nu) ** (-(nu + 1) / 2) / mpmath.sqrt(nu * mpmath.pi)
        error = float((outside - (1 - mpmath.mpf(coverage))) / density / k)
    assert abs(error) < 1e-13


def test_degrees_of_freedom_are_cut_to_an_integer() -> None:
    dof = np.array([16.7, 16.0, 3.9999999999999996, inf, np.nan, 0.5])
    right = [factor_at(16.0, 0.95), factor_at(16.0, 0.95), factor_at(4.0, 0.95)]
    normal = factor_at(inf, 0.95)
    found = factors(dof, 0.95)
    np.testing.assert_array_equal(found, [*right, normal, normal, factor_at(0.5, 0.95)])


def test_effective_degrees_of_freedom_of_equal_contributions_add() -> None:
    share = np.full((1, 4), 0.5)  # of u: 4 (1/2)^2 = 1
    found = welch_satterthwaite(share, np.full(4, 7.0))
    np.testing.assert_allclose(found, 28.0)
    np.testing.assert_array_equal(welch_satterthwaite(share, np.full(4, inf)), inf)
    np.testing.assert_array_equal(welch_satterthwaite(0 * share, np.full(4, 7.0)), inf)
