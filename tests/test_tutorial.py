"""The tutorial's cases, against its reference numbers in float32 and closed forms in float64.

tests/data/README.md says where the reference numbers come from.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

DATA = Path(__file__).parent / "data"
JACOBIAN_MODES = ["auto", "fwd", "rev", "loop", "structured"]
HESSIAN_MODES = ["auto", "fwd-fwd", "fwd-rev", "rev-fwd", "rev-rev", "structured"]
HVP_MODES = ["auto", "fwd-rev", "rev-rev"]

Array = NDArray[Any]
Run = Callable[..., dict[str, Array]]

SEED = 3e-3  # of the largest entry: the accuracy of the reference numbers
EXACT = 1e-12


def seed(case: str) -> dict[str, Array]:
    with np.load(DATA / f"seed_{case}.npz") as file:
        return {key: file[key] for key in file.files}


def assert_close(actual: Array, expected: Array, tolerance: float) -> None:
    """Compare with a tolerance relative to the largest entry: tanh saturates in float32."""
    assert actual.shape == expected.shape
    atol = tolerance * np.max(np.abs(expected))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol)


def outputs_and_weight(case: str) -> tuple[Array, Array, Array]:
    """Return y (*batch, out), weight (out, in) and x (*batch, in) in float64."""
    arrays = {key: value.astype(float) for key, value in seed(case).items()}
    weight, x = arrays["weight"], arrays["x"]
    return np.tanh(x @ weight.T + arrays["bias"]), weight, x


def exact_jacobian(case: str) -> Array:
    """J = (1 − y²) W, (*batch, out, in)."""
    y, weight, _ = outputs_and_weight(case)
    jacobian: Array = (1 - y**2)[..., None] * weight
    return jacobian


def exact_hessian(case: str) -> Array:
    """H = −2 y (1 − y²) w wᵀ for each output and its row w of the weight, (*batch, out, in, in)."""
    y, weight, _ = outputs_and_weight(case)
    outer = weight[:, :, None] * weight[:, None, :]
    hessian: Array = (-2 * y * (1 - y**2))[..., None, None] * outer
    return hessian


@pytest.fixture
def run(jaccli: Any, tmp_path: Path) -> Run:
    """Return a function that runs `jaccli COMMAND` on a case's arrays and returns the blocks."""

    def run(command: str, case: str, *options: str, dtype: str, **entries: Any) -> dict[str, Array]:
        names = ["x"] if case == "hvp" else ["weight", "bias", "x"]
        spec = {
            "model": "forecast",
            "inputs": {name: source(case, name, dtype) for name in names},
            "dtype": dtype,
            **entries,
        }
        path, target = tmp_path / f"{case}.yaml", tmp_path / "result.npz"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        jaccli(command, str(path), "-o", str(target), "--force", *options)
        with np.load(target) as file:
            blocks = {key: file[key] for key in file.files if key != "manifest"}
        assert {block.dtype.name for block in blocks.values()} == {dtype}
        return blocks

    return run


def source(case: str, key: str, dtype: str) -> dict[str, str]:
    return {"file": str(DATA / f"seed_{case}.npz"), "key": key, "dtype": dtype}


def test_value_agrees_with_reference(run: Run) -> None:
    blocks = run("evaluate", "jacobian", dtype="float32")
    assert_close(blocks["y"], seed("jacobian")["value"], SEED)


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_jacobian_agrees_with_reference(run: Run, mode: str) -> None:
    wrt = ["x", "weight", "bias"]
    blocks = run("jacobian", "jacobian", "--mode", mode, dtype="float32", wrt=wrt)
    assert set(blocks) == {"y.x", "y.weight", "y.bias"}
    for name in wrt:
        assert_close(blocks[f"y.{name}"], seed("jacobian")[f"jac_{name}"], SEED)


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_jacobian_is_exact(run: Run, mode: str) -> None:
    wrt = ["x", "weight", "bias"]
    blocks = run("jacobian", "jacobian", "--mode", mode, dtype="float64", wrt=wrt)
    y, weight, x = outputs_and_weight("jacobian")
    diagonal = np.diag(1 - y**2)
    out, n = weight.shape
    assert_close(blocks["y.x"], exact_jacobian("jacobian"), EXACT)
    assert_close(blocks["y.bias"], diagonal, EXACT)
    # With respect to the weight, flattened row by row: diag(1 − y²) ⊗ xᵀ.
    assert_close(blocks["y.weight"], np.kron(diagonal, x).reshape(out, out, n), EXACT)


def test_jacobian_is_with_respect_to_x_by_default(run: Run) -> None:
    blocks = run("jacobian", "jacobian", dtype="float64")
    assert set(blocks) == {"y.x"}


@pytest.mark.parametrize("mode", HESSIAN_MODES)
def test_hessian_agrees_with_reference(run: Run, mode: str) -> None:
    blocks = run("hessian", "hessian", "--mode", mode, dtype="float32")
    assert_close(blocks["y.x.x"], seed("hessian")["hess_x"], SEED)


@pytest.mark.parametrize("mode", HESSIAN_MODES)
def test_hessian_is_exact(run: Run, mode: str) -> None:
    blocks = run("hessian", "hessian", "--mode", mode, dtype="float64")
    assert_close(blocks["y.x.x"], exact_hessian("hessian"), EXACT)


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_batch_of_jacobians_agrees_with_reference(run: Run, mode: str) -> None:
    blocks = run("jacobian", "batch", "--mode", mode, dtype="float32", batch=["x"])
    assert_close(blocks["y.x"], seed("batch")["batch_jac"], SEED)


@pytest.mark.parametrize("mode", JACOBIAN_MODES)
def test_batch_of_jacobians_is_exact(run: Run, mode: str) -> None:
    blocks = run("jacobian", "batch", "--mode", mode, dtype="float64", batch=["x"])
    assert_close(blocks["y.x"], exact_jacobian("batch"), EXACT)


@pytest.mark.parametrize("mode", HESSIAN_MODES)
def test_batch_of_hessians_agrees_with_reference_and_closed_form(run: Run, mode: str) -> None:
    hessians = run("hessian", "batch", "--mode", mode, dtype="float32", batch=["x"])["y.x.x"]
    assert_close(hessians[:4], seed("batch")["batch_hess_first4"], SEED)
    assert_close(hessians, exact_hessian("batch"), 2e-5)


@pytest.mark.parametrize("mode", HESSIAN_MODES)
def test_batch_of_hessians_is_exact(run: Run, mode: str) -> None:
    blocks = run("hessian", "batch", "--mode", mode, dtype="float64", batch=["x"])
    assert_close(blocks["y.x.x"], exact_hessian("batch"), EXACT)


@pytest.mark.parametrize("mode", HVP_MODES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", EXACT)])
def test_hvp_of_sum_of_sines(run: Run, mode: str, dtype: str, tolerance: float) -> None:
    blocks = run(
        "hvp",
        "hvp",
        "--mode",
        mode,
        dtype=dtype,
        model={"expression": "sum(sin(x))"},
        vector=source("hvp", "vector", dtype),
    )
    arrays = {key: value.astype(float) for key, value in seed("hvp").items()}
    assert_close(blocks["f.x"], -np.sin(arrays["x"]) * arrays["vector"], tolerance)
    assert_close(blocks["f.x"], arrays["hvp"], SEED)
