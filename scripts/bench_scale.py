"""Time and peak memory against size: batches, dense Jacobians, sweeps.

    python scripts/bench_scale.py [--rounds N] [--folder DIR] [--part batch|dense|sweep]

Whole processes, from the shell's view: start-up, compiling, reading, computing, writing, and the
flush to the disk.  The sizes of a part run in turns, and the median of the rounds counts.  Memory
budgets are small, so that what is large is streamed.  Bars: a row costs at most 1.5 times as much
in the largest batch as in one of a tenth of it; peak memory stays within the budget beside what the
start-up takes, and does not grow with what is streamed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "bench"))
import bench_sweep
from children import Ran, run

OUT, IN = 33, 31
ROWS = (1, 1_000, 10_000, 100_000, 1_000_000)
"""The first is the start-up."""
EXTRAPOLATED = 10_000_000
SIDES = ((5_000, "float64"), (10_000, "float64"), (20_000, "float64"), (20_000, "float32"))
BUDGET = 128
"""MiB."""
PER_ROW, GROWTH = 1.5, 1.15
"""Bars: of the time per row, and of the peak, from one streamed size to the next."""


def in_turns(rounds: int, cases: Mapping[str, Callable[[], Ran]]) -> dict[str, Ran]:
    """Return the medians of each case's seconds and peaks."""
    found: dict[str, list[Ran]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            found[name].append(case())
    return {
        name: Ran(median(ran.seconds for ran in all_), median(ran.peak for ran in all_), "")
        for name, all_ in found.items()
    }


def batch(rounds: int, folder: Path) -> None:
    """A batch of the dense forecast, read from a file, its Jacobians written to another."""
    for rows in ROWS:
        points(folder / f"x{rows}.npy", rows)
    (folder / "forecast.yaml").write_text(
        "model: forecast\n"
        "inputs:\n"
        f"  weight: {{random: normal, shape: [{OUT}, {IN}], seed: 1}}\n"
        f"  bias: {{random: normal, shape: [{OUT}], seed: 2}}\n"
        "  x: {file: x1.npy}\n"
        "batch: [x]\n"
        "wrt: x\n"
        "dtype: float32\n"
    )

    def case(rows: int) -> Ran:
        target = folder / "J.npy"
        inputs = ["--set", f"inputs.x.file={folder}/x{rows}.npy", "--memory", f"{BUDGET}MiB"]
        ran = run(["jacobian", folder / "forecast.yaml", *inputs, "-o", target])
        target.unlink()
        return ran

    found = in_turns(rounds, {str(rows): partial(case, rows) for rows in ROWS})
    startup = found[str(ROWS[0])].seconds
    print(f"batch Jacobian of the {IN} -> {OUT} forecast, float32, to .npy, --memory {BUDGET}MiB")
    print(f"{'rows':>10} {'MiB':>7} {'s':>7} {'- start':>8} {'us/row':>7} {'peak MiB':>9}")
    per_row = {}
    for rows in ROWS:
        ran = found[str(rows)]
        own = ran.seconds - startup
        per_row[rows] = own / rows
        size = rows * OUT * IN * 4 / 2**20
        each = f"{1e6 * per_row[rows]:7.2f}" if rows > ROWS[0] else " " * 7
        print(f"{rows:10,} {size:7.0f} {ran.seconds:7.2f} {own:8.2f} {each} {ran.peak:9.0f}")
    *_, second, last = ROWS
    seconds = startup + EXTRAPOLATED * per_row[last]
    size = EXTRAPOLATED * OUT * IN * 4 / 2**20
    print(f"{EXTRAPOLATED:10,} {size:7.0f} {seconds:7.0f} (extrapolated from the last)")
    verdict("time per row, last / one before", per_row[last] / per_row[second], PER_ROW)
    verdict("peak, last / one before", found[str(last)].peak / found[str(second)].peak, GROWTH)
    beside = max(ran.peak for ran in found.values()) - found[str(ROWS[0])].peak
    verdict("peak beside the start-up's, of the budget", beside / BUDGET, 1)


def points(path: Path, rows: int) -> None:
    """Write a batch of points a stretch at a time: a child's peak counts what its parent held."""
    draw = np.random.default_rng(3)
    x = np.lib.format.open_memmap(path, "w+", np.float32, (rows, IN))
    for start in range(0, rows, 1 << 16):
        x[start : start + (1 << 16)] = draw.standard_normal((min(1 << 16, rows - start), IN))


def dense(rounds: int, folder: Path) -> None:
    """A square Jacobian of rank one, of which every entry is computed."""

    def case(side: int, dtype: str) -> Ran:
        vectors = {"a": f"[1, 2, {side}]", "b": f"[2, 3, {side}]", "x": f"[0, 1, {side}]"}
        at = [w for name, of in vectors.items() for w in ("--at", f"{name}={{linspace: {of}}}")]
        target = folder / "J.npy"
        how = ["--wrt", "x", "--dtype", dtype, "--memory", f"{BUDGET}MiB", "-o", target]
        ran = run(["jacobian", "-e", "y = a * sum(b * x**2)", *at, *how])
        target.unlink()
        return ran

    found = in_turns(rounds, {f"{n} {t}": partial(case, n, t) for n, t in SIDES})
    print(f"dense Jacobian, to .npy, --memory {BUDGET}MiB")
    print(f"{'rows':>10} {'dtype':>8} {'MiB':>7} {'s':>7} {'MiB/s':>7} {'peak MiB':>9}")
    for side, dtype in SIDES:
        ran = found[f"{side} {dtype}"]
        size = side**2 * np.dtype(dtype).itemsize / 2**20
        rate = size / ran.seconds
        print(f"{side:10,} {dtype:>8} {size:7.0f} {ran.seconds:7.2f} {rate:7.0f} {ran.peak:9.0f}")
    peaks = [found[f"{side} {dtype}"].peak for side, dtype in SIDES if dtype == "float64"]
    verdict("peak, last / one before", peaks[-1] / peaks[-2], GROWTH)


def sweep(rounds: int, folder: Path) -> None:
    """Tasks of the same structure, each with a file of its own."""

    def case(count: int) -> Ran:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            return bench_sweep.sweep(name, count)[0]

    counts = bench_sweep.COUNTS
    found = in_turns(rounds, {str(count): partial(case, count) for count in counts})
    print("sweep, a result in a file of its own for each task")
    print(f"{'tasks':>10} {'s':>7} {'ms/task':>8} {'peak MiB':>9}")
    for count in counts:
        ran = found[str(count)]
        each = 1e3 * ran.seconds / count
        print(f"{count:10,} {ran.seconds:7.2f} {each:8.2f} {ran.peak:9.0f}")
    first, *_, last = (found[str(count)] for count in counts)
    verdict("time, last / first", last.seconds / first.seconds, 8)
    verdict("peak, last / first", last.peak / first.peak, GROWTH)


def verdict(what: str, found: float, bar: float) -> None:
    """Print a ratio beside its bar."""
    print(f"{what}: {found:.2f} (bar: {bar}: {'ok' if found <= bar else 'ABOVE'})")


PARTS: dict[str, Callable[[int, Path], None]] = {"batch": batch, "dense": dense, "sweep": sweep}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where files go (a temporary folder)")
    parser.add_argument("--part", choices=PARTS, action="append", help="repeatable; default: all")
    options = parser.parse_args()
    for number, name in enumerate(options.part or PARTS):
        if number:
            print()
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            PARTS[name](options.rounds, Path(folder))


if __name__ == "__main__":
    main()
