"""Print what a model of 10,000 equations costs: the Bratu problem on a grid of 100 by 100.

    python scripts/bench/bench_equations.py

Whole processes of the command line with an empty cache, with their peak memory: the solution, its
sensitivity to the parameter, the adjoint gradient of its mean by a field of 10,000 parameters, and
the second derivative. The solution is held against scipy's, by Newton's method on a matrix that is
written by hand.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from children import run

POINTS, LAM = 100, 5.0
SPEC = f"""\
model:
  equations:
    balance: >-
      (4*u - w[:-2, 1:-1] - w[2:, 1:-1] - w[1:-1, :-2] - w[1:-1, 2:])/h**2 - lam*field*exp(u)
  unknowns: {{u: {{zeros: [{POINTS}, {POINTS}]}}}}
  expressions: {{h: 1/{POINTS + 1}, w: "pad(u, 1)", level: mean(u)}}
  outputs: [u, level]
inputs: {{lam: {LAM}, field: {{ones: [{POINTS}, {POINTS}]}}}}
"""
CASES = {
    "the solution": ("evaluate", "--select", "level"),
    "sensitivity of 1e4 unknowns to lambda": ("jacobian", "--select", "u", "--wrt", "lam"),
    "gradient of the mean by 1e4 inputs": ("gradient", "--select", "level", "--wrt", "field"),
    "second derivative of the mean": ("hessian", "--select", "level", "--wrt", "lam"),
}


def by_scipy() -> tuple[float, float]:
    """Return the mean of the solution, and its derivative by lambda."""
    from scipy.sparse import diags_array, eye_array, kron
    from scipy.sparse.linalg import spsolve

    shape = (POINTS, POINTS)
    line = diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=shape) * (POINTS + 1) ** 2
    laplacian: Any = (kron(line, eye_array(POINTS)) + kron(eye_array(POINTS), line)).tocsc()
    u = np.zeros(POINTS**2)
    for _ in range(12):
        jacobian = (laplacian - diags_array(LAM * np.exp(u))).tocsc()
        u = u - spsolve(jacobian, laplacian @ u - LAM * np.exp(u))
    return float(u.mean()), float(spsolve(jacobian, np.exp(u)).mean())


def main() -> None:
    """Print a line for each case, and how far the mean and its derivative are from scipy's."""
    mean, slope = by_scipy()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        spec, out = Path(folder) / "bratu.yaml", Path(folder) / "out.json"
        spec.write_text(SPEC)
        for name, (command, *options) in CASES.items():
            ran = run([command, spec, *options, "-o", out, "--force"])
            print(f"{name:38} {ran.seconds:6.2f} s {ran.peak:8,.0f} MiB")
            blocks = json.loads(out.read_text())["blocks"]
            values = {key: np.asarray(block["values"]) for key, block in blocks.items()}
            if command == "evaluate":
                print(f"  relative difference from scipy: {abs(values['level'] / mean - 1):.1e}")
            elif command == "jacobian":
                difference = abs(values["u.lam"].mean() / slope - 1)
                print(f"  relative difference from scipy: {difference:.1e}")
            elif command == "gradient":  # lam scales the field
                difference = abs(values["level.field"].sum() / (LAM * slope) - 1)
                print(f"  relative difference from scipy: {difference:.1e}")


if __name__ == "__main__":
    main()
