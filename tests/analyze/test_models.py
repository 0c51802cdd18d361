"""Models whose spectra are known, through the pipeline: formed and by products alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jaccli import backend, models
from jaccli.analyze import from_model
from jaccli.analyze.classify import kind
from jaccli.analyze.iterative import Effort
from jaccli.analyze.problem import SpectrumReport, report
from jaccli.analyze.spectrum import Spectrum
from jaccli.errors import ComputationError
from jaccli.spec import load as load_spec
from jaccli.spec.overrides import from_set
from tests.pipeline import Silent, spec_of

Array = NDArray[Any]


def analyzed(
    expressions: Mapping[str, str],
    inputs: Mapping[str, Any],
    of: str | None = None,
    top: int | None = None,
    **entries: Any,
) -> SpectrumReport:
    """Return the report on a model; a `top` and a matrix above 500 make it matrix-free."""
    spec = spec_of(expressions, inputs, **entries)
    point = models.read(spec)
    backend.configure(x64=models.needs_x64(spec, point))
    device = backend.find(None)
    loaded = models.load(spec, point)
    of = from_model.derivative_of(spec, loaded, device, of)
    found, left = from_model.spectral_problem(spec, loaded, device, of, top, Silent())
    return report(found, Effort(top or 5, 2000, 10, 0, left), rtol=None, gtol=None)


def spectrum(found: SpectrumReport) -> Spectrum:
    assert isinstance(found.spectrum, Spectrum)
    return found.spectrum


def rotated(values: Array, seed: int) -> Array:
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))
    return np.asarray((q * values) @ q.T)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_quadratic_form_has_the_spectrum_of_its_matrix(dtype: str) -> None:
    values = np.array([-3.0, -1, 0.5, 2, 2, 7])
    inputs = {"x": np.ones(6), "A": rotated(values, 0)}
    found = analyzed({"f": "0.5 * x @ A @ x"}, inputs, wrt="x", dtype=dtype)
    assert (found.problem.of, spectrum(found).complete) == ("hessian", True)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(spectrum(found).values, values, atol=tolerance)
    # The gradient is A x.
    assert found.slope == pytest.approx(np.linalg.norm(inputs["A"] @ inputs["x"]), rel=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_so_it_has_by_products_alone(dtype: str) -> None:
    """The eigenvectors of `A + u uᵀ − v vᵀ`, with unit vectors, are known where A is 0."""
    n = 700
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.standard_normal((n, 4)))
    u, v, w, x = q.T
    inputs = {"x": x, "u": u, "v": v, "w": w}
    f = {"f": "3 * (u @ x)**2 - (v @ x)**2 + 1.5 * (w @ x)**2"}
    found = analyzed(f, inputs, top=2, wrt="x", dtype=dtype)
    got = spectrum(found)
    assert not got.complete
    tolerance = 1e-6 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(got.values, [-2, 0, 3, 6], atol=6 * tolerance)
    assert abs(got.right[-1] @ u) == pytest.approx(1, abs=tolerance)
    assert got.trace is not None
    assert got.trace.value == pytest.approx(7, abs=20 * tolerance)
    assert found.slope == pytest.approx(0, abs=tolerance)
    assert kind(got, True) == ("saddle", True)


def test_products_span_several_inputs_in_their_order_and_of_any_shape() -> None:
    """`f = 5 a[1,2]² − 4 b² + a[0,0] c[600]` has the eigenvalues 10, −8 and ±1."""
    inputs = {"c": np.zeros(601), "a": np.zeros((2, 3)), "b": 0.0}
    f = {"f": "5 * a[1,2]**2 - 4 * b**2 + a[0,0] * c[600]"}
    found = analyzed(f, inputs, top=2, wrt=["a", "b", "c"])
    got = spectrum(found)
    np.testing.assert_allclose(got.values, [-8, -1, 1, 10], atol=1e-5)
    names = [found.problem.columns[int(np.abs(v).argmax())] for v in got.right]
    assert (names[0], names[3]) == ("b", "a[1,2]")
    assert {names[1], names[2]} <= {"a[0,0]", "c[600]"}


@pytest.mark.slow
@pytest.mark.parametrize(("count", "width"), [(520, 700), (700, 520)])
def test_a_jacobian_by_products_alone_has_the_singular_values_of_its_matrix(
    count: int, width: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(count)
    sigma = np.r_[[9.0, 7, 5], rng.uniform(2, 3, 516), 0.5]
    u, _ = np.linalg.qr(rng.standard_normal((count, 520)))
    v, _ = np.linalg.qr(rng.standard_normal((width, 520)))
    J = (u * sigma) @ v.T
    np.save(tmp_path / "J.npy", J)
    inputs = {"J": {"file": str(tmp_path / "J.npy")}, "x": np.ones(width)}
    found = analyzed({"y": "J @ x"}, inputs, top=3, wrt="x")
    got = spectrum(found)
    assert not got.complete
    assert got.converged.all()
    np.testing.assert_allclose(got.values, [9, 7, 5, 0.5], atol=1e-5)
    assert abs(got.right[0] @ v[:, 0]) == pytest.approx(1, abs=1e-9)
    assert got.left is not None
    assert abs(got.left[0] @ u[:, 0]) == pytest.approx(1, abs=1e-9)


def test_a_chain_of_springs_has_the_eigenvalues_of_the_laplacian() -> None:
    """`2 − 2 cos(kπ/(n+1))`: Strang, Introduction to Applied Mathematics (1986), section 5.3."""
    n = 60
    f = "(x[0]**2 + sum((x[1:] - x[:-1])**2) + x[-1]**2) / 2"
    got = spectrum(analyzed({"f": f}, {"x": np.zeros(n)}))
    k = np.arange(1, n + 1)
    np.testing.assert_allclose(got.values, 2 - 2 * np.cos(k * np.pi / (n + 1)), atol=1e-14)
    assert kind(got, True) == ("minimum", True)


def test_polar_coordinates_have_the_determinant_one_over_r() -> None:
    expressions = {"r": "sqrt(x**2 + y**2)", "theta": "arctan2(y, x)"}
    got = spectrum(analyzed(expressions, {"x": 3.0, "y": 4.0}))
    assert got.determinant == pytest.approx(1 / 5)
    np.testing.assert_allclose(got.values, [1, 1 / 5])


@pytest.mark.parametrize(
    ("f", "point", "expected"),
    [
        ("(1 - x)**2 + 100*(y - x**2)**2", (1, 1), "minimum"),
        ("(1 - x)**2 + 100*(y - x**2)**2", (-1.2, 1), "not stationary"),
        ("x**2 - y**2", (0, 0), "saddle"),
        ("x**3 - 3*x*y**2", (0, 0), "degenerate"),  # the monkey saddle
        ("x**4 + y**4", (0, 0), "degenerate"),
        ("x**2 + y**4 - 2*y**2", (0, 0), "saddle"),
        ("cos(x) * cos(y)", (0, 0), "maximum"),
    ],
)
def test_the_kind_of_a_stationary_point(f: str, point: tuple[float, float], expected: str) -> None:
    found = analyzed({"f": f}, {"x": float(point[0]), "y": float(point[1])})
    assert found.slope is not None
    assert found.gtol is not None
    assert kind(spectrum(found), bool(found.slope <= found.gtol)).statement == expected


def test_rosenbrocks_minimum_has_the_hessian_of_the_literature() -> None:
    """It is [[802, −400], [−400, 200]] there: trace 1002, determinant 400."""
    got = spectrum(analyzed({"f": "(1 - x)**2 + 100*(y - x**2)**2"}, {"x": 1.0, "y": 1.0}))
    root = np.sqrt(501**2 - 400)
    np.testing.assert_allclose(got.values, [501 - root, 501 + root])


def test_a_large_value_makes_the_gradient_tolerance_large() -> None:
    found = analyzed({"f": "1e6 + x**2"}, {"x": 1e-3})
    assert found.gtol == pytest.approx(1e6 * 2.0**-26)
    assert found.slope is not None
    assert found.slope <= found.gtol


def test_a_loop_of_unknown_length_has_no_products(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(
        "import jax\n"
        "def f(x):\n"
        "    step = lambda s: (s[0] + 1, 1.5 * s[1])\n"
        "    return jax.lax.while_loop(lambda s: s[0] < 3, step, (0, x))[1]\n"
    )
    entries = {"model": {"python": f"{tmp_path}/loop.py:f"}, "inputs": {"x": {"ones": [600]}}}
    spec = load_spec(None, [from_set(f"{key}={json.dumps(entries[key])}") for key in entries])
    loaded = models.load(spec, models.read(spec), allow_python=True)
    device = backend.find(None)
    with pytest.raises(ComputationError) as error:
        from_model.spectral_problem(spec, loaded, device, "jacobian", 1, Silent())
    assert str(error.value) == (
        "analyze: products with the Jacobian take both modes, and JAX has no reverse mode for this "
        "model.\nHave the matrix formed: leave out --top, or raise --memory."
    )
    found, _ = from_model.spectral_problem(spec, loaded, device, "jacobian", None, Silent())
    np.testing.assert_allclose(found.matrix, 1.5**3 * np.eye(600))
