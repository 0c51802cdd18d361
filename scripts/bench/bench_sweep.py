"""Times sweeps as whole processes, from the shell's view: of many tasks, and with `--jobs`.

    .venv/bin/python scripts/bench/bench_sweep.py [--repeat N]

The first table is of 10, 100 and 1,000 tasks.  Each is a Jacobian of the dense forecast
y = tanh(W x + b) at a point of its own, written to a file of its own, flushed to the disk.
`keeping` is the same command once more, when all is done.

The second is of one process and of two, in turns: Hessians of 16 shapes, which share no program; of
400 points of one shape; and the 10 tasks of the first table, which gain nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

from children import Ran, run

_SPEC = """\
model: forecast
inputs:
  weight: {random: normal, shape: [16, 31], seed: 1}
  bias: {random: normal, shape: [16], seed: 2}
  x: {random: normal, shape: [31], seed: 3}
"""
COUNTS = (10, 100, 1000)


_HESSIAN = """\
model:
  expressions: {h: tanh(w @ x), y: log(1 + exp(transpose(w) @ h)) * x}
  outputs: y
inputs:
  w: {random: normal, shape: [60, 80], seed: 1}
  x: {random: normal, shape: [80], seed: 2}
wrt: x
derivative: hessian
"""
_SHAPES = range(30, 46)
_SPREAD = {
    "16 shapes": f"{_HESSIAN}sweep:\n  zip:\n"
    f"    inputs.w.shape: {[[n, 40] for n in _SHAPES]}\n"
    f"    inputs.x.shape: {[[40] for _ in _SHAPES]}\n",
    "400 points": f"{_HESSIAN}sweep: {{inputs.x.seed: {{range: [0, 400, 1]}}}}\n",
    "10 points": f"{_SPEC}sweep: {{inputs.x.seed: {{range: [0, 10, 1]}}}}\n",
}


def sweep(folder: str, count: int) -> tuple[Ran, Ran]:
    """Return a fresh sweep, and the same once more."""
    spec, out = Path(folder) / "spec.yaml", Path(folder) / "out"
    spec.write_text(f"{_SPEC}sweep: {{inputs.x.seed: {{range: [0, {count}, 1]}}}}\n")
    command = ["run", spec, "--out-dir", out]
    return run(command), run(command)


def spread_seconds(folder: str, text: str, jobs: str) -> float:
    """Return the seconds of a sweep into a folder, in so many processes."""
    spec, out = Path(folder) / "spec.yaml", Path(folder) / "out"
    spec.write_text(text)
    return run(["run", spec, "--out-dir", out, "--jobs", jobs]).seconds


def many(repeat: int) -> None:
    """Print the least of some measurements for each count, and the ratio to the first."""
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


def spread(repeat: int) -> None:
    """Print the medians with one process and with two, and their ratio."""
    print("sweep       1 job s  2 jobs s  ratio")
    for name, text in _SPREAD.items():
        took: dict[str, list[float]] = {"1": [], "2": []}
        for _ in range(repeat):
            for jobs, times in took.items():
                with tempfile.TemporaryDirectory() as folder:
                    times.append(spread_seconds(folder, text, jobs))
        one, two = map(median, took.values())
        print(f"{name:10}  {one:7.2f}  {two:8.2f}  {two / one:5.2f}")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    many(repeat)
    spread(repeat)


if __name__ == "__main__":
    main()
