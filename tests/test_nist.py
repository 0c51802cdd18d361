"""Standard deviations of fitted parameters from the Jacobian, against those NIST certifies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
DATASETS = ["Misra1a", "Rat43"]


@pytest.fixture(params=DATASETS)
def dataset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def certified(dataset: str) -> dict[str, Any]:
    text = (ROOT / "tests" / "data" / f"{dataset}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture
def run(dataset: str, jaccli: Any, tmp_path: Path) -> Any:
    """Run a command on the dataset's spec and return the blocks it writes."""

    def run(command: str) -> dict[str, Any]:
        config = str(ROOT / "configs" / f"{dataset.lower()}.yaml")
        jaccli(command, config, "--layout", "blocks", "-o", str(tmp_path / "r.npz"), "--force")
        with np.load(tmp_path / "r.npz") as file:
            return {key: file[key] for key in file.files if key != "manifest"}

    return run


def test_jacobian_gives_certified_standard_deviations(run: Any, certified: dict[str, Any]) -> None:
    blocks = run("jacobian")
    names = list(certified["parameters"])
    jacobian = np.stack([blocks[f"y.{name}"] for name in names], axis=-1)
    # sd = s sqrt(diag(inv(J' J))) = s times the norms of the rows of inv(R), J = Q R; the columns
    # are scaled to length one first, since their sizes differ by five orders of magnitude.
    lengths = np.linalg.norm(jacobian, axis=0)
    upper = np.linalg.qr(jacobian / lengths, mode="r")
    rows = np.linalg.norm(np.linalg.inv(upper), axis=1)
    deviations = certified["residual_sd"] * rows / lengths
    np.testing.assert_allclose(
        deviations, [certified["certified_sd"][name] for name in names], rtol=1e-8
    )


def test_model_leaves_certified_residual(dataset: str, run: Any, certified: dict[str, Any]) -> None:
    path = ROOT / "configs" / "data" / f"{dataset}.csv"
    measured = np.genfromtxt(path, delimiter=",", names=True)["y"]
    residual = measured - run("evaluate")["y"]
    freedom = certified["n"] - len(certified["parameters"])
    assert np.sqrt(residual @ residual / freedom) == pytest.approx(
        certified["residual_sd"], rel=1e-8
    )
