"""The large sparse cases through the command line, detection included, into sparse files.

Each is a process of its own with an empty cache folder; its seconds, its peak memory, and its
entries against closed forms (residuals of cameras: against finite differences of a sample).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sparse_cases import observations

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
_UNIFORM = "{random: uniform, shape: [%d], seed: 1, low: 0.1, high: 1}"
Array = NDArray[np.float64]
Check = Callable[[Any, Path], float]


class Run(NamedTuple):
    """Arguments of the command, its bars in seconds and GiB, and what gives the largest error."""

    arguments: list[str]
    seconds: float
    memory: float
    check: Check


def _expression(derivative: str, text: str, n: int) -> list[str]:
    return [derivative, "-e", text, "--at", f"x={_UNIFORM % n}"]


def _x(n: int) -> Array:
    return np.random.default_rng(1).uniform(0.1, 1, n)


def _error(found: Any, *diagonals: tuple[int, Array]) -> float:
    """Return the largest difference from a matrix given by its diagonals."""
    from scipy.sparse import diags_array

    numbers: list[Any] = [d for _, d in diagonals]
    expected = diags_array(numbers, offsets=[k for k, _ in diagonals])
    rows, columns = found.shape
    return float(abs(found - expected.tocsr()[:rows, :columns]).max())


def _chain(found: Any, _: Path) -> float:
    x = _x(found.shape[1])
    return _error(found, (0, -2 * x), (1, np.ones(x.size - 1)))


def _rosenbrock(found: Any, _: Path) -> float:
    x = _x(found.shape[0])
    main = np.zeros(x.size)
    main[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    main[1:] += 200
    side = -400 * x[:-1]
    return _error(found, (0, main), (1, side), (-1, side))


def _heat(found: Any, _: Path) -> float:
    side = round(found.shape[0] ** 0.5)
    n = side * side
    inner = np.where(np.arange(1, n) % side == 0, 0.0, 0.25)
    far = np.full(n - side, 0.25)
    return _error(found, (0, np.full(n, -1.0)), (1, inner), (-1, inner), (side, far), (-side, far))


def _brusselator(found: Any, _: Path) -> float:
    from scipy.sparse import block_array, diags_array, eye_array, kron

    side = round((found.shape[0] / 2) ** 0.5)
    u = np.random.default_rng(9).uniform(0, 2, side * side)
    v = np.random.default_rng(10).uniform(0, 2, side * side)
    ring = diags_array(
        [1.0, 1.0, 1.0, 1.0], offsets=[1, -1, side - 1, 1 - side], shape=(side, side)
    )
    one = eye_array(side)
    spread = 10 * (kron(ring, one) + kron(one, ring) - 4 * eye_array(side * side))
    expected = block_array([
        [spread + diags_array(2 * u * v - 4.4), diags_array(u**2)],
        [diags_array(3.4 - 2 * u * v), spread - diags_array(u**2)],
    ])  # fmt: skip
    return float(abs(found - expected).max())


def _cameras(found: Any, folder: Path) -> float:
    """Compare twenty columns with central differences, relative to the largest entry."""
    import jax

    jax.config.update("jax_enable_x64", True)
    sys.path.insert(0, str(CONFIGS))
    from bundle_adjustment import residuals  # type: ignore[import-not-found]

    data = np.load(folder / "observations.npz")
    cameras, points = data["cameras"], data["points"]
    x = np.concatenate([cameras.reshape(-1), points.reshape(-1)])

    @jax.jit
    def f(x: Any) -> Any:
        first, second = x[: cameras.size], x[cameras.size :]
        shaped = first.reshape(cameras.shape), second.reshape(points.shape)
        return residuals(*shaped, data["camera"], data["point"], data["observed"]).reshape(-1)

    worst = 0.0
    for column in np.random.default_rng(3).choice(x.size, 20, replace=False):
        step = np.zeros(x.size)
        step[column] = 1e-6 * max(1.0, abs(x[column]))
        slope = (np.asarray(f(x + step)) - np.asarray(f(x - step))) / (2 * step[column])
        worst = max(worst, float(np.abs(found[:, [column]].toarray()[:, 0] - slope).max()))
    return worst / float(abs(found).max())


def runs(folder: Path) -> dict[str, Run]:
    """Return the commands; what they read is written to the folder."""
    cameras, points, camera, point, observed = observations(20_000)
    data = folder / "observations.npz"
    np.savez(data, cameras=cameras, points=points, camera=camera, point=point, observed=observed)
    names = {"camera_index": "camera", "point_index": "point"}
    given = [
        argument
        for name in ("cameras", "points", "camera_index", "point_index", "observed")
        for argument in ("--at", f"{name}={{file: {data}, key: {names.get(name, name)}}}")
    ]
    model = f"model={{python: '{CONFIGS / 'bundle_adjustment.py'}:residuals'}}"
    by = ["--wrt", "cameras", "--wrt", "points"]
    sizes = ["--set", "inputs.u.shape=[128,128]", "--set", "inputs.v.shape=[128,128]"]
    million = 1_000_000
    rosenbrock = "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"
    return {
        "chain 1e6": Run(_expression("jacobian", "x[1:] - x[:-1]**2", million), 15, 2, _chain),
        "rosenbrock 1e6": Run(_expression("hessian", rosenbrock, million), 15, 2, _rosenbrock),
        "heat 1024x1024": Run(
            ["run", f"{CONFIGS}/heat.yaml", "--set", "inputs.u.shape=[1024,1024]"], 30, 3, _heat
        ),
        "brusselator 2x128x128": Run(
            ["run", f"{CONFIGS}/brusselator.yaml", *sizes],
            30, 3, _brusselator,
        ),
        "bundle adjustment 20,000": Run(
            ["jacobian", "--set", model, *given, "--allow-python", *by],
            15, 1.5, _cameras,
        ),
    }  # fmt: skip


def main() -> None:
    """Run them one after another and print a line for each."""
    from scipy.sparse import load_npz

    print(f"{'case':26} {'seconds':>8} {'bar':>4}  {'GiB':>5} {'bar':>4}  {'nnz':>9}  error")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case, run in runs(folder).items():
            target = folder / "result.npz"
            cache = folder / case.replace(" ", "_")
            sparse = ["--mode", "sparse", "--layout", "matrix", "-o", str(target), "--force"]
            command = [sys.executable, "-m", "jaccli", *run.arguments, *sparse, "--quiet"]
            start = time.perf_counter()
            process = subprocess.Popen(command, env={**os.environ, "XDG_CACHE_HOME": str(cache)})
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            if status:
                print(f"{case:26} failed")
                continue
            found = load_npz(target)
            error, memory = run.check(found, folder), _gib(usage)
            print(
                f"{case:26} {seconds:8.1f} {run.seconds:4}  {memory:5.2f} {run.memory:4}  "
                f"{found.nnz:9,}  {error:.1e}",
                flush=True,
            )


def _gib(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 2**20  # Linux counts in KiB


if __name__ == "__main__":
    main()
