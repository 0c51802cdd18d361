"""Times sweeps of 10, 100 and 1,000 tasks as whole processes, from the shell's view.

    .venv/bin/python scripts/bench_sweep.py [--repeat N]

Every task is a Jacobian of the dense forecast y = tanh(W x + b) at a point of its own, written to a
file of its own, flushed to the disk.  `keeping` is the same command once more, when all is done.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_SPEC = """\
model: forecast
inputs:
  weight: {random: normal, shape: [16, 31], seed: 1}
  bias: {random: normal, shape: [16], seed: 2}
  x: {random: normal, shape: [31], seed: 3}
"""
_COUNTS = (10, 100, 1000)


def seconds(folder: str, count: int) -> tuple[float, float]:
    """Return the seconds of a fresh sweep, and of the same once more."""
    spec, out = Path(folder) / "spec.yaml", Path(folder) / "out"
    spec.write_text(f"{_SPEC}sweep: {{inputs.x.seed: {{range: [0, {count}, 1]}}}}\n")
    command = [sys.executable, "-m", "jaccli", "run", str(spec), "--out-dir", str(out)]
    took = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(
            command, check=True, capture_output=True, env={**os.environ, "NO_COLOR": "1"}
        )
        took.append(time.perf_counter() - start)
    return took[0], took[1]


def main() -> None:
    """Print the least of some measurements for each count, and the ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in _COUNTS}
    for _ in range(repeat):
        for count in _COUNTS:
            with tempfile.TemporaryDirectory() as folder:
                found[count].append(seconds(folder, count))
    print("tasks  fresh s  ratio  keeping s")
    first = min(fresh for fresh, _ in found[_COUNTS[0]])
    for count, took in found.items():
        fresh, keeping = (min(times) for times in zip(*took, strict=True))
        print(f"{count:5}  {fresh:7.2f}  {fresh / first:5.1f}  {keeping:9.2f}")


if __name__ == "__main__":
    main()
