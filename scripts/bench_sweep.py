"""Times sweeps of 10, 100 and 1,000 tasks as whole processes, from the shell's view.

    .venv/bin/python scripts/bench_sweep.py [--repeat N]

Every task is a Jacobian of the dense forecast y = tanh(W x + b) at a point of its own, written to a
file of its own, flushed to the disk.  `keeping` is the same command once more, when all is done.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from children import Ran, run

_SPEC = """\
model: forecast
inputs:
  weight: {random: normal, shape: [16, 31], seed: 1}
  bias: {random: normal, shape: [16], seed: 2}
  x: {random: normal, shape: [31], seed: 3}
"""
COUNTS = (10, 100, 1000)


def sweep(folder: str, count: int) -> tuple[Ran, Ran]:
    """Return a fresh sweep, and the same once more."""
    spec, out = Path(folder) / "spec.yaml", Path(folder) / "out"
    spec.write_text(f"{_SPEC}sweep: {{inputs.x.seed: {{range: [0, {count}, 1]}}}}\n")
    command = ["run", spec, "--out-dir", out]
    return run(command), run(command)


def main() -> None:
    """Print the least of some measurements for each count, and the ratio to the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in COUNTS}
    for _ in range(repeat):
        for count in COUNTS:
            with tempfile.TemporaryDirectory() as folder:
                fresh, again = sweep(folder, count)
            found[count].append((fresh.seconds, again.seconds))
    print("tasks  fresh s  ratio  keeping s")
    first = min(fresh for fresh, _ in found[COUNTS[0]])
    for count, took in found.items():
        least, keeping = (min(times) for times in zip(*took, strict=True))
        print(f"{count:5}  {least:7.2f}  {least / first:5.1f}  {keeping:9.2f}")


if __name__ == "__main__":
    main()
