"""Eigenvalues of large sparse matrices that decide on stability, against closed forms."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.io
from scipy import sparse

from jaccli.analyze import arnoldi, spectral_region
from jaccli.analyze.equilibrium import equilibrium
from jaccli.analyze.iterative import Effort
from jaccli.analyze.spectral_region import Disc
from jaccli.errors import BudgetError

EFFORT = Effort(top=5, limit=600, probes=2, seed=0, memory=1 << 30)
Run = Callable[..., Any]


def second_difference(n: int) -> Any:
    """Return the matrix with −4 sin²(πk/(2(n + 1))) as eigenvalues."""
    return sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)).tocsr()


def reaction_diffusion(n: int, b: float) -> tuple[Any, Any]:
    """Return the Brusselator's Jacobian on n nodes of (0, 1), and its eigenvalues in order."""
    spread = second_difference(n) * (n + 1) ** 2
    one = sparse.eye_array(n)
    matrix = sparse.block_array(
        [[0.01 * spread + (b - 1) * one, one], [-b * one, 0.02 * spread - one]]
    )
    waves = -4 * (n + 1) ** 2 * np.sin(np.pi * np.arange(1, n + 1) / (2 * (n + 1))) ** 2
    small = np.empty((n, 2, 2))
    small[:] = [[b - 1, 1], [-b, -1]]
    small[:, 0, 0] += 0.01 * waves
    small[:, 1, 1] += 0.02 * waves
    exact = np.linalg.eigvals(small).ravel()
    return matrix.tocsr(), exact[np.lexsort((-exact.imag, -exact.real))]


def test_the_rightmost_eigenvalues_and_that_there_are_no_others() -> None:
    n = 4000
    found = arnoldi.eigenvalues(second_difference(n), EFFORT, "continuous")
    exact = -4 * np.sin(np.pi * np.arange(1, 12) / (2 * (n + 1))) ** 2
    np.testing.assert_allclose(found.values, exact, rtol=1e-6)
    assert all(np.abs(found.values - exact) <= found.bounds)
    assert found.conditions == pytest.approx(1)
    kind = equilibrium(found, "continuous")
    assert (kind.kind, kind.verified, kind.stable_dimension) == ("stable node", True, n)
    assert kind.text.startswith("stable node; 11 of 4000 eigenvalues were computed, and no others")


@pytest.mark.parametrize("size", [2000, pytest.param(50_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("b", "kind", "unstable"), [(1.8, "stable spiral", 0), (8.0, "saddle", 8)])
def test_reaction_and_diffusion(b: float, kind: str, unstable: int, size: int) -> None:
    matrix, exact = reaction_diffusion(size, b)
    assert int((exact.real > 0).sum()) == unstable
    found = arnoldi.eigenvalues(matrix, EFFORT, "continuous")
    shown = len(found.values)
    # A conjugate pair at the end may be cut in two.
    assert all(np.abs(found.values - exact[:shown])[:-1] <= found.bounds[:-1])
    seen = equilibrium(found, "continuous")
    assert (seen.verified, seen.unstable_dimension) == (True, unstable)
    assert seen.stable_dimension == 2 * size - unstable
    assert seen.kind.startswith(kind)


def test_a_rightmost_pair_far_from_the_real_axis_is_found() -> None:
    """−1, −2, ... and −½ ± 100i: those nearest to the real axis are not the rightmost."""
    pair = np.array([[-0.5, 100], [-100, -0.5]])
    decay = sparse.diags_array(-np.arange(1.0, 2001))
    found = arnoldi.eigenvalues(sparse.block_diag([decay, pair]).tocsr(), EFFORT, "continuous")
    np.testing.assert_allclose(found.values[:2], [-0.5 + 100j, -0.5 - 100j])
    kind = equilibrium(found, "continuous")
    assert (kind.kind, kind.verified) == ("stable spiral", True)
    assert "shifts" in found.method


def test_what_is_not_searched_is_not_verified() -> None:
    """2 I: the disc around one shift cannot tell whether all 3000 are there."""
    found = arnoldi.eigenvalues((2 * sparse.eye_array(3000)).tocsr(), EFFORT, "continuous")
    np.testing.assert_allclose(found.values, 2)
    kind = equilibrium(found, "continuous")
    assert (kind.kind, kind.stable, kind.unstable_dimension) == ("undecided", False, None)
    assert kind.text.endswith(
        "not verified: 11 of 3000 eigenvalues were computed, and others may lie beyond 0"
    )


def test_a_matrix_far_from_normal_has_bounds_that_say_so() -> None:
    """`[1.5, −2, 0.5]` has −2 + √3 cos(πk/(n + 1)), with conditions beyond all precision."""
    n = 500
    matrix = sparse.diags_array([1.5, -2, 0.5], offsets=[-1, 0, 1], shape=(n, n)).tocsr()
    found = arnoldi.eigenvalues(matrix, EFFORT, "continuous")
    exact = -2 + math.sqrt(3) * math.cos(math.pi / (n + 1))
    assert abs(found.values[0] - exact) <= found.bounds[0]
    assert equilibrium(found, "continuous").kind == "undecided"
    # ‖AᵀA − AAᵀ‖ = 2√2 (1.5² − 0.5²) / √2 from the two corners.
    norm = math.sqrt(n * 4 + (n - 1) * (1.5**2 + 0.5**2))
    assert found.departure == pytest.approx(2 * math.sqrt(2) / math.sqrt(6) / norm)


def test_moduli_of_maps() -> None:
    clear = sparse.diags_array(np.r_[-1.25, 1.1, 0.9 ** np.arange(2, 2502)]).tocsr()
    found = arnoldi.eigenvalues(clear, EFFORT, "discrete")
    np.testing.assert_allclose(found.values[:2], [-1.25, 1.1])
    kind = equilibrium(found, "discrete")
    assert (kind.kind, kind.unstable_dimension, kind.stable_dimension) == ("saddle", 2, 2500)
    # One explicit step of heat: λ = 1 − 0.8 sin²(πk/(2(n + 1))), crowded below 1.
    heat = (sparse.eye_array(2500) + 0.2 * second_difference(2500)).tocsr()
    found = arnoldi.eigenvalues(heat, EFFORT, "discrete")
    np.testing.assert_allclose(found.values[0], 1 - 0.8 * math.sin(math.pi / 5002) ** 2)


def test_no_entries_and_entries_of_zero() -> None:
    zeros = sparse.csr_array((np.zeros(5), (np.arange(5), np.arange(5))), shape=(3000, 3000))
    for matrix in (zeros, sparse.csr_array((3000, 3000))):
        found = arnoldi.eigenvalues(matrix, EFFORT, "continuous")
        assert set(found.values) == {0}
        assert equilibrium(found, "continuous").stable is None


def test_factors_are_within_the_budget() -> None:
    effort = Effort(5, 600, 2, 0, memory=100_000)
    with pytest.raises(BudgetError, match="factors of the sparse matrix"):
        arnoldi.eigenvalues(second_difference(4000), effort, "continuous")


def test_all_eigenvalues_lie_in_the_rectangle() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        dense = rng.standard_normal((6, 6)) * (rng.random((6, 6)) < 0.5) - np.diag(
            rng.random(6) * 9
        )
        values = np.linalg.eigvals(dense)
        right, height = spectral_region.rectangle(sparse.csr_array(dense))
        assert values.real.max() <= right
        assert values.imag.max() <= height + 1e-14
        assert np.abs(values).max() <= spectral_region.modulus_bound(sparse.csr_array(dense))


def test_how_high_discs_cover_a_strip() -> None:
    assert spectral_region.covered([Disc(0j, 5.0), Disc(8j, 5.0)], -3, 3) == 12
    assert spectral_region.covered([Disc(0j, 5.0), Disc(9j, 5.0)], -3, 3) == 4
    assert spectral_region.covered([Disc(8j, 5.0)], -3, 3) < 0
    assert spectral_region.covered([], -3, 3) < 0
    assert spectral_region.covered([Disc(0j, 5.0)], -6, 3) < 0


@pytest.mark.parametrize("name", ["A.npz", "A.mtx"])
def test_sparse_files(jaccli: Run, name: str) -> None:
    matrix = second_difference(2500)
    (sparse.save_npz if name.endswith("z") else scipy.io.mmwrite)(name, matrix)
    options = ("--system", "continuous", "--format", "json", "--products", "60")
    found = json.loads(jaccli("analyze", name, *options).stdout)
    assert (found["kind"], found["verified"]) == ("stable node", True)
    exact = -4 * math.sin(math.pi / 5002) ** 2
    assert found["eigenvalues"][0]["re"] == pytest.approx(exact, rel=1e-6)
    assert found["eigenvalues_computed"] == len(found["eigenvalues"]) == 11


@pytest.mark.parametrize("option", [("--mode", "sparse"), ("--storage", "sparse")])
def test_a_sparse_model(jaccli: Run, option: tuple[str, ...]) -> None:
    """The discrete heat equation, formed by the program's own sparse machinery."""
    model = ("-e", "concatenate([x[1:], zeros(1)]) + concatenate([zeros(1), x[:-1]]) - 2*x",
             "--at", "x={zeros: [2500]}")  # fmt: skip
    rest = ("--system", "continuous", "--format", "json", "--products", "60", "--top", "2")
    found = json.loads(jaccli("analyze", *model, *option, *rest).stdout)
    exact = [-4 * math.sin(k * math.pi / 5002) ** 2 for k in (1, 2)]
    assert [pair["re"] for pair in found["eigenvalues"]] == pytest.approx(exact, rel=1e-6)
    assert (found["kind"], found["verified"]) == ("stable node", True)
    assert found["equilibrium_residual"]["size"] == 0
    without = jaccli("analyze", *model, *rest, check=False)
    assert (without.exit_code, without.stderr) == (
        3, "jaccli: analyze: Arnoldi's method has found no eigenvalue.\n"
        "Use --mode sparse, which searches with shift-invert.\n",
    )  # fmt: skip


def test_a_large_system_by_products_alone(jaccli: Run) -> None:
    """3, of the constant vector, and −1 of all that have the mean 0."""
    model = ("-e", "-x + 4*mean(x)", "--at", "x={zeros: [2500]}")
    options = ("--system", "continuous", "--format", "json", "--top", "1")
    done = jaccli("analyze", *model, *options)
    found = json.loads(done.stdout)
    assert found["eigenvalues"][0]["re"] == pytest.approx(3)
    assert (found["stable"], found["eigenvalue_method"]) == (False, "Arnoldi")
