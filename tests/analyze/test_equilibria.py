"""Kinds of equilibria of `jaccli analyze --system`, against characteristic polynomials by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import jaccli as package
from tests.conftest import ROOT

CASES = json.loads((ROOT / "tests" / "data" / "stability.json").read_text())
Run = Callable[..., Any]


def analyzed(jaccli: Run, *arguments: str, system: str = "continuous", **rest: Any) -> Any:
    done = jaccli("analyze", *arguments, "--system", system, "--format", "json", "-q", **rest)
    return json.loads(done.stdout)


def of_matrix(jaccli: Run, matrix: Any, system: str = "continuous") -> Any:
    np.save("A.npy", np.asarray(matrix, float))
    return analyzed(jaccli, "A.npy", system=system)


def values(found: Any) -> Any:
    return np.array([pair["re"] + 1j * pair["im"] for pair in found["eigenvalues"]])


@pytest.mark.parametrize("name", CASES)
def test_reference_cases(jaccli: Run, name: str) -> None:
    case = CASES[name]
    spec = {
        "model": {"expressions": {f"{key}_t": rhs for key, rhs in case["system"].items()}},
        "inputs": {**case["equilibrium"], **case["parameters"]},
        "wrt": case["variables"],
    }
    found = analyzed(jaccli, "-", stdin=yaml.safe_dump(spec, sort_keys=False))
    right = case["expected"]
    exact = np.array([one["re"] + 1j * one["im"] for one in right["eigenvalues"]])
    np.testing.assert_allclose(values(found), exact, rtol=1e-10, atol=1e-12)
    assert found["classification"] == right["classification"]
    for key in ("stable", "hyperbolic", "unstable_dimension"):
        assert found[key] == right[key]
    assert found["defective"] == right.get("defective", False)
    assert found["spectral_abscissa"] == pytest.approx(right["eigenvalues"][0]["re"])
    assert found["equilibrium_residual"]["is_equilibrium"]
    errors = np.abs(values(found) - exact)
    assert all(errors <= [pair["error_bound"] for pair in found["eigenvalues"]])


R3 = math.sqrt(3)
KINDS: list[tuple[str, Any, str, str]] = [
    # By trace and determinant of 2 x 2 matrices; block matrices by their blocks.
    ("continuous", [[-1, 0], [0, -2]], "stable node", "stable node"),
    ("continuous", [[2, 0], [0, 1]], "unstable node", "unstable node"),
    ("continuous", [[-1, 0], [0, -1]], "stable node", "stable star node"),
    ("continuous", [[-1, 1], [0, -1]], "stable node", "stable improper (degenerate) node"),
    ("continuous", [[-3, 1], [-1, -1]], "stable node", "stable improper (degenerate) node"),
    ("continuous", [[-1, -2], [2, -1]], "stable spiral", "stable spiral (focus)"),
    ("continuous", [[1, 2], [2, 1]], "saddle", "saddle (unstable)"),
    (
        "continuous",
        [[-1, -2, 0], [2, -1, 0], [0, 0, 3]],
        "saddle-focus",
        "saddle-focus (unstable)",
    ),
    ("continuous", [[5]], "unstable node", "unstable node"),
    ("discrete", [[0.5, 0], [0, -0.25]], "stable node", "stable node"),
    ("discrete", [[0.5, 0], [0, 2]], "saddle", "saddle (unstable)"),
    ("discrete", [[0.5, -0.5], [0.5, 0.5]], "stable spiral", "stable spiral (focus)"),
    ("discrete", [[1, -1], [1, 1]], "unstable spiral", "unstable spiral (focus)"),
    ("discrete", [[-3]], "unstable node", "unstable node"),
]


@pytest.mark.parametrize(("system", "matrix", "kind", "text"), KINDS, ids=str)
def test_kinds(jaccli: Run, system: str, matrix: Any, kind: str, text: str) -> None:
    found = of_matrix(jaccli, matrix, system)
    assert (found["kind"], found["classification"]) == (kind, text)
    assert found["stable"] == kind.startswith("stable")
    assert (found["hyperbolic"], found["verified"]) == (True, True)
    assert found["stable_dimension"] + found["unstable_dimension"] == len(matrix)


def test_lotka_volterra_has_a_centre(jaccli: Run) -> None:
    """At (c/d, a/b) the eigenvalues are ±i√(ac)."""
    model = ("-e", "p = a*x - b*x*y", "-e", "q = d*x*y - c*y", "--wrt", "x", "--wrt", "y")
    at = [
        f"{n}={v}" for n, v in {"a": 2, "b": 3, "c": 1.7, "d": 5, "x": 1.7 / 5, "y": 2 / 3}.items()
    ]
    found = analyzed(jaccli, *model, *(word for one in at for word in ("--at", one)))
    assert found["kind"] == "centre of the linearisation"
    assert (found["stable"], found["hyperbolic"], found["center_dimension"]) == (None, False, 2)
    np.testing.assert_allclose(values(found), np.array([1j, -1j]) * math.sqrt(3.4), atol=1e-12)


def test_brusselator_at_its_hopf_point(jaccli: Run) -> None:
    """At (a, b/a) the trace is b − 1 − a² and the determinant a²."""

    def found(b: float) -> Any:
        at = ("--at", "x=1.1", "--at", f"y={b / 1.1!r}", "--at", "a=1.1", "--at", f"b={b!r}")
        model = ("-e", "p = a + x**2*y - (b + 1)*x", "-e", "q = b*x - x**2*y")
        return analyzed(jaccli, *model, *at, "--wrt", "x", "--wrt", "y")

    hopf = found(1 + 1.1**2)
    assert hopf["kind"] == "centre of the linearisation"
    np.testing.assert_allclose(values(hopf), [1.1j, -1.1j], atol=1e-12)
    assert found(2.2)["kind"] == "stable spiral"
    assert found(2.3)["kind"] == "unstable spiral"


def test_a_hopf_pair_among_others_is_undecided_and_named(jaccli: Run) -> None:
    found = of_matrix(jaccli, [[0, -2, 0], [2, 0, 0], [0, 0, -1]])
    assert found["kind"] == "undecided"
    assert found["classification"] == (
        "undecided: the pair 0 +- 2i is on the imaginary axis within its error bound "
        f"{found['eigenvalues'][0]['error_bound']:.2g} (Hopf); 1 other is stable"
    )
    dimensions = [found[f"{name}_dimension"] for name in ("stable", "unstable", "center")]
    assert (found["stable"], dimensions) == (None, [1, 0, 2])


@pytest.mark.parametrize(
    ("r", "kind", "words"),
    [
        (0.5, "stable node", ""),
        (2.5, "stable node", ""),
        (3.0, "undecided", "the eigenvalue -1 is on the unit circle"),
        (1.0, "undecided", "(fold, transcritical or pitchfork)"),
        (3.2, "unstable node", ""),
    ],
)
def test_logistic_map(jaccli: Run, r: float, kind: str, words: str) -> None:
    """The multiplier is 2 − r at 1 − 1/r, and r at 0."""
    x = 0 if r < 1 else 1 - 1 / r
    at = ("--at", f"x={x!r}", "--at", f"r={r}", "--wrt", "x")
    found = analyzed(jaccli, "-e", "r*x*(1 - x)", *at, system="discrete")
    assert (found["kind"], found["of"]) == (kind, "jacobian")
    assert words in found["classification"]
    assert found["eigenvalues"][0]["re"] == pytest.approx(r if r < 1 else 2 - r)


def test_henon_map(jaccli: Run) -> None:
    """The eigenvalues are −ax ± √(a²x² + b)."""
    a, b = 1.4, 0.3
    x = (b - 1 + math.sqrt((1 - b) ** 2 + 4 * a)) / (2 * a)
    at = {"x": x, "y": b * x, "a": a, "b": b}
    options = [word for name, value in at.items() for word in ("--at", f"{name}={value!r}")]
    model = ("-e", "u = 1 - a*x**2 + y", "-e", "v = b*x", "--wrt", "x", "--wrt", "y")
    found = analyzed(jaccli, *model, *options, system="discrete")
    root = math.sqrt((a * x) ** 2 + b)
    np.testing.assert_allclose(values(found), [-a * x - root, -a * x + root], rtol=1e-14)
    assert (found["kind"], found["equilibrium_residual"]["is_equilibrium"]) == ("saddle", True)
    assert found["spectral_radius"] == pytest.approx(a * x + root)


def test_the_endemic_equilibrium_of_sir(jaccli: Run) -> None:
    """`λ² + μR₀λ + μ(β − γ − μ) = 0`, and −μ of the recovered (Keeling and Rohani, 2.1.2)."""
    found = analyzed(jaccli, str(ROOT / "configs" / "sir.yaml"))
    beta, gamma, mu = 520, 365 / 7, 1 / 70
    roots = np.roots([1, mu * beta / (gamma + mu), mu * (beta - gamma - mu)])
    np.testing.assert_allclose(values(found), [-mu, *sorted(roots, key=lambda v: -v.imag)])
    assert (found["kind"], found["verified"]) == ("stable spiral", True)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_jordan_block_is_defective_in_any_basis(jaccli: Run, size: int) -> None:
    """Integers with determinant 1 change the basis exactly."""
    lower = np.tril(np.ones((size, size)), -1) + np.eye(size)
    inverse = np.round(np.linalg.inv(lower))
    matrix = lower @ (np.diag([-2.0] * size) + np.eye(size, k=1)) @ inverse
    np.testing.assert_array_equal(matrix @ lower, lower @ (np.eye(size, k=1) - 2 * np.eye(size)))
    found = of_matrix(jaccli, matrix)
    (multiple,) = found["multiplicities"]
    assert (multiple["algebraic"], multiple["geometric"], multiple["defective"]) == (size, 1, True)
    assert multiple["re"] == pytest.approx(-2, abs=1e-10)
    assert (found["defective"], found["classification"]) == (
        True, "stable improper (degenerate) node",
    )  # fmt: skip
    errors = np.abs(values(found) + 2)
    assert all(errors <= [pair["error_bound"] for pair in found["eigenvalues"]])


def test_equal_eigenvalues_with_a_basis_are_not_defective(jaccli: Run) -> None:
    turn = np.array([[2, -1, 2], [2, 2, -1], [-1, 2, 2]]) / 3  # orthogonal
    found = of_matrix(jaccli, turn @ np.diag([-1.0, -1, -4]) @ turn.T)
    (multiple,) = found["multiplicities"]
    assert (multiple["algebraic"], multiple["geometric"]) == (2, 2)
    assert (found["defective"], found["nearly_defective"]) == (False, False)


def test_a_nearly_defective_matrix_is_said(jaccli: Run) -> None:
    """`[[1, 1], [d, 1]]` has 1 ± √d, and is d from a defective one."""
    found = of_matrix(jaccli, [[1, 1], [1e-10, 1]])
    assert (found["defective"], found["nearly_defective"]) == (False, True)
    errors = np.abs(values(found) - [1 + 1e-5, 1 - 1e-5])
    bounds = [pair["error_bound"] for pair in found["eigenvalues"]]
    assert all(errors <= bounds)
    assert max(bounds) < 1e-9
    lines = jaccli("analyze", "A.npy", "--system", "continuous", "--format", "table").stdout
    assert "eigenvectors    nearly defective, a change of 3.5e-05 makes it so" in lines


def test_a_companion_matrix_of_a_multiple_root_bounds_its_errors(jaccli: Run) -> None:
    matrix = np.vstack([-np.poly([1] * 6)[1:], np.eye(5, 6)])
    found = of_matrix(jaccli, matrix)
    errors = np.abs(values(found) - 1)
    assert errors.max() > 1e-3
    assert all(errors <= [pair["error_bound"] for pair in found["eigenvalues"]])
    assert found["multiplicities"][0]["algebraic"] == 6


def test_wilkinsons_matrix_is_ill_conditioned_not_multiple(jaccli: Run) -> None:
    """Its eigenvalues are 1 ... 20, with conditions up to 1e13 (Wilkinson 1965, chapter 2)."""
    found = of_matrix(jaccli, np.diag(np.arange(20, 0, -1.0)) + 20 * np.eye(20, k=1))
    assert (found["multiplicities"], found["nearly_defective"]) == ([], True)
    assert max(pair["condition"] for pair in found["eigenvalues"]) > 1e12


def test_conditions_of_a_badly_scaled_matrix_are_those_of_its_null_vectors(jaccli: Run) -> None:
    """Rows down to 1e-90: LAPACK's balancing leaves left eigenvectors that solve nothing."""
    rng = np.random.default_rng(2)
    matrix = np.logspace(0, -90, 60)[:, None] * rng.standard_normal((60, 60))
    found = of_matrix(jaccli, matrix)
    greatest = max(found["eigenvalues"], key=lambda pair: math.hypot(pair["re"], pair["im"]))
    shifted = matrix - complex(greatest["re"], greatest["im"]) * np.eye(60)
    u, _, vh = np.linalg.svd(shifted)
    assert greatest["condition"] == pytest.approx(
        1 / abs(u[:, -1].conj() @ vh[-1].conj()), rel=1e-6
    )
    assert greatest["error_bound"] < 1e-9


def test_transient_growth_and_departure_from_normality(jaccli: Run) -> None:
    """`[[-1, 8], [0, -2]]`: Δ = 8, and `(A + Aᵀ)/2` has −3/2 ± √(1/4 + 16)."""
    found = of_matrix(jaccli, [[-1, 8], [0, -2]])
    assert found["kind"] == "stable node"
    assert found["departure"] == pytest.approx(8)
    assert found["numerical_abscissa"] == pytest.approx(-1.5 + math.sqrt(16.25))
    symmetric = of_matrix(jaccli, [[-2, 1], [1, -2]])
    assert symmetric["departure"] == 0


@pytest.mark.parametrize("scale", [1e-300, 1e200])
def test_scales_neither_overflow_nor_underflow(jaccli: Run, scale: float) -> None:
    found = of_matrix(jaccli, np.array([[-1.0, 1], [0, -2]]) * scale)
    np.testing.assert_allclose(values(found), [-scale, -2 * scale], rtol=1e-14)
    assert found["kind"] == "stable node"


@pytest.mark.parametrize("matrix", [[[0]], [[0, 0], [0, 0]]], ids=str)
def test_a_zero_matrix_decides_nothing(jaccli: Run, matrix: Any) -> None:
    found = of_matrix(jaccli, matrix)
    assert (found["kind"], found["stable"], found["hyperbolic"]) == ("undecided", None, False)
    assert found["center_dimension"] == len(matrix)


def test_an_eigenvalue_within_its_error_bound_is_undecided(jaccli: Run) -> None:
    """−1e-17 beside 1: rounding of the entries alone moves it by 1e-16."""
    matrix = [[0.5 - 1e-17, 0.5], [0.5, 0.5]]
    found = of_matrix(jaccli, matrix)
    assert (found["kind"], found["stable"]) == ("undecided", False)
    assert found["classification"].endswith("; unstable, by 1 other")


def test_a_point_that_is_no_equilibrium_is_warned_of(jaccli: Run) -> None:
    model = ("-e", "u = y", "-e", "v = -sin(x)", "--at", "y=0.0")
    done = jaccli("analyze", *model, "--at", "x=0.5", "--system", "continuous")
    size = math.sin(0.5)
    assert done.stderr == (
        f"warning: -e: not an equilibrium: f(x) is {size:.3g} at v, more than 6.5e-09; the kind is "
        "that of the linearization there.\n"
    )
    assert jaccli("analyze", *model, "--at", "x=pi", "--system", "continuous").stderr == ""
    loose = jaccli("analyze", *model, "--at", "x=0.5", "--system", "continuous", "--gtol", "0.5")
    assert loose.stderr == ""
    fixed = analyzed(jaccli, "-e", "cos(x)", "--at", "x=0.7390851332151607", system="discrete")
    assert fixed["equilibrium_residual"]["is_equilibrium"]
    assert fixed["kind"] == "stable node"


def test_a_batch_of_equilibria(jaccli: Run) -> None:
    """Strogatz (1994), section 6.4: an unstable node, two stable nodes, a saddle."""
    found = analyzed(jaccli, str(ROOT / "configs" / "rabbits_sheep.yaml"))
    assert [row["kind"] for row in found["rows"]] == [
        "unstable node", "stable node", "stable node", "saddle",
    ]  # fmt: skip
    np.testing.assert_allclose(
        [row["spectral_abscissa"] for row in found["rows"]], [3, -1, -1, math.sqrt(2) - 1]
    )
    plain = jaccli("analyze", str(ROOT / "configs" / "rabbits_sheep.yaml"), "--format", "json")
    rows = json.loads(plain.stdout)["rows"]
    assert [row["spectral_radius"] for row in rows] == pytest.approx([3, 2, 3, math.sqrt(2) + 1])


def test_without_a_system_the_eigenvalues_alone(jaccli: Run) -> None:
    np.save("A.npy", np.array([[1.0, 2], [-2, 1]]))
    found = json.loads(jaccli("analyze", "A.npy", "--format", "json").stdout)
    assert "kind" not in found
    assert (found["spectral_abscissa"], found["spectral_radius"]) == pytest.approx((1, 5**0.5))
    np.save("wide.npy", np.ones((2, 3)))
    assert "eigenvalues" not in json.loads(jaccli("analyze", "wide.npy", "--format", "json").stdout)


def test_from_python() -> None:
    model = package.model({"u": "y", "v": "(1 - x**2)*y - x"}, at={"x": 0.0, "y": 0.0})
    report = model.analyze(system="continuous")
    assert report.data()["kind"] == "unstable spiral"
    with pytest.warns(package.JaccliWarning, match="not an equilibrium"):
        model.analyze(system="continuous", at={"x": 1.0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("-e", "x*y", "--at", "x=1.0", "--at", "y=2.0"),
            "jaccli: --system: -e: the Jacobian is 1 x 2, and that of a system is square.\n"
            "Expected an output for each state: choose them with --select and --wrt, in the same "
            "order.\n",
        ),
        (
            ("-e", "x*x", "--at", "x=1.0", "--of", "hessian"),
            "jaccli: --system: -e: a Hessian belongs to no system.\n"
            "Expected a square Jacobian: --of jacobian.\n",
        ),
        (
            ("H.npz",),
            "jaccli: --system: H.npz: a Hessian belongs to no system.\n"
            "Expected a square Jacobian: --of jacobian.\n",
        ),
        (
            ("wide.npy",),
            "jaccli: --system: wide.npy: the Jacobian is 2 x 3, and that of a system is square.\n"
            "Expected an output for each state: choose them with --select and --wrt, in the same "
            "order.\n",
        ),
    ],
    ids=lambda part: str(part)[:30],
)
def test_what_has_no_equilibrium_is_refused(
    jaccli: Run, options: tuple[str, ...], message: str
) -> None:
    jaccli("hessian", "-e", "x*x", "--at", "x=1.0", "-o", "H.npz")
    np.save("wide.npy", np.ones((2, 3)))
    done = jaccli("analyze", *options, "--system", "continuous", check=False)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", message)


def test_a_system_that_there_is_not_is_refused(jaccli: Run) -> None:
    Path("A.npy").touch()
    done = jaccli("analyze", "A.npy", "--system", "chaotic", check=False)
    assert (done.exit_code, done.stderr) == (
        2, "jaccli: --system: unknown value 'chaotic'.\n"
        "Expected one of 'continuous', 'discrete'.\n",
    )  # fmt: skip
