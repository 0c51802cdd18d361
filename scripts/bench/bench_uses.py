"""Print what uses of derivatives cost: uncertainty, Monte Carlo, Gauss-Newton.

    python scripts/bench/bench_uses.py [--memory SIZE]

Monte Carlo of GUM H.2 is run in this process, after a first call that compiles; the other cases are
whole processes of the command line, with their peak memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from children import run

from jaccli.cli.main import run as jaccli

ROOT = Path(__file__).resolve().parents[2]
DRAWS, BAR = 1_000_000, 2.0
"""Draws of GUM H.2, and the seconds that they may take."""
CASES = {
    "1e6 inputs, 1e6 outputs, sparse": """\
model: {expressions: {y: "x[1:]*x[:-1] + sin(x[1:])"}}
inputs: {x: {random: normal, shape: [1000000], seed: 1}}
uncertainty: {x: 0.01}
""",
    "1e6 inputs, 1 output": """\
model: {expressions: {y: sum(x**2)}}
inputs: {x: {random: normal, shape: [1000000], seed: 1}}
uncertainty: {x: {relative: 0.01, dof: 7}}
""",
    "1e6 pairs of correlated inputs": """\
model: {expressions: {y: x*z}}
inputs:
  x: {random: normal, shape: [1000000], seed: 1}
  z: {random: normal, shape: [1000000], seed: 2}
uncertainty: {x: {relative: 0.01}, z: 0.01}
correlation: [[x, z, 0.5]]
""",
    "1e4 x 1e4, dense, with covariance": """\
model: {expressions: {y: "tanh(cumsum(x)/100)*exp(-x[::-1])"}}
inputs: {x: {random: normal, shape: [10000], seed: 1}}
uncertainty: {x: 0.01}
mode: fwd
""",
}

PAIRS = """\
model:
  expressions:
    r: (x[i]*x[j] - 1)*w
inputs:
  x: {file: pairs.npz, key: x}
  w: {file: pairs.npz, key: w}
  i: {file: pairs.npz, key: i}
  j: {file: pairs.npz, key: j}
wrt: x
vector: {x: {file: pairs.npz, key: v}}
approximation: gauss-newton
"""
"""100,000 residuals of 10,000 parameters, two in each."""
GAUSS_NEWTON = {
    "J'J v, 1e5 residuals, 1e4 parameters": ["hvp"],
    "J'J, sparse, of the same": ["hessian", "--mode", "sparse", "--layout", "matrix"],
}


def pairs(folder: Path) -> Path:
    """Write the problem of pairs, and return its spec."""
    rng = np.random.default_rng(1)
    i, j = rng.integers(0, 10**4, (2, 10**5))
    x, v, w = rng.normal(size=10**4), rng.normal(size=10**4), rng.normal(size=10**5)
    np.savez(folder / "pairs.npz", x=x, v=v, w=w, i=i, j=j)
    spec = folder / "pairs.yaml"
    spec.write_text(PAIRS)
    return spec


def draws() -> float:
    """Return the seconds of the command with so many draws, all compiled before."""
    spec = str(ROOT / "configs" / "impedance.yaml")
    arguments = ["propagate", spec, "--monte-carlo", str(DRAWS), "--format", "none", "-q"]
    for _ in range(2):
        start = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            code = jaccli(arguments)
        took = time.perf_counter() - start
        if code:
            sys.exit(code)
    return took


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", default="6GiB", help="memory budget of the whole processes")
    options = parser.parse_args()
    took = draws()
    print(f"{'Monte Carlo of GUM H.2, 1e6 draws':<36} {took:7.2f} s   (bar: {BAR:g} s)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in CASES.items():
            spec, target = Path(folder) / "spec.yaml", Path(folder) / "u.npz"
            spec.write_text(text)
            ran = run(["propagate", spec, "-o", target, "--force", "--memory", options.memory])
            print(f"{name:<36} {ran.seconds:7.2f} s {ran.peak:8,.0f} MiB", flush=True)
        spec = pairs(Path(folder))
        for name, command in GAUSS_NEWTON.items():
            ran = run([*command, spec, "-o", Path(folder) / "u.npz", "--force"])
            print(f"{name:<36} {ran.seconds:7.2f} s {ran.peak:8,.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
