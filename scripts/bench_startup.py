"""Times whole processes: each command of jaccli beside the least a program could do instead.

    .venv/bin/python scripts/bench_startup.py [--rounds 21]

Candidates alternate within one run, the order reversed every round, and medians are compared, so
that what else the machine does meets both alike.  Standard library only.
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORECAST = "configs/forecast.yaml"


@dataclass(frozen=True)
class Pair:
    """A command and what it is compared with; `bar` is the ratio it must not exceed."""

    name: str
    command: Sequence[str]
    baseline_name: str
    baseline: Sequence[str]
    bar: float | None


def pairs(folder: Path) -> list[Pair]:
    """Return the comparisons; the last writes `J.npy` and `handwritten.npy` into `folder`."""
    python = sys.executable
    jaccli = str(Path(python).with_name("jaccli"))
    target = ["-o", str(folder / "J.npy"), "--force"]
    handwritten = [python, "scripts/handwritten.py", str(folder / "handwritten.npy")]
    return [
        Pair("--help", [jaccli, "--help"], "import typer", [python, "-c", "import typer"], 3.5),
        Pair("--version", [jaccli, "--version"], "pass", [python, "-c", "pass"], None),
        Pair(
            "validate",
            [jaccli, "validate", FORECAST],
            "import typer, yaml",
            [python, "-c", "import typer, yaml"],
            1.6,
        ),
        Pair(
            "jacobian",
            [jaccli, "jacobian", FORECAST, *target],
            "handwritten.py",
            handwritten,
            1.3,
        ),
    ]


def milliseconds(command: Sequence[str]) -> float:
    """Run the command to its end and return the wall time; stop the program if it fails."""
    devnull = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, devnull, stream) for stream in range(3)]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions)
    _, status = os.waitpid(process, 0)
    elapsed = time.perf_counter() - start
    os.close(devnull)
    if status != 0:
        again = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        sys.exit(
            f"failed ({os.waitstatus_to_exitcode(status)}): {' '.join(command)}\n{again.stderr}"
        )
    return 1000 * elapsed


def measure(compared: Sequence[Pair], rounds: int) -> list[tuple[float, float]]:
    """Return the median times of each pair: the command's, the baseline's."""
    candidates = [
        (index, side, command)
        for index, pair in enumerate(compared)
        for side, command in enumerate((pair.command, pair.baseline))
    ]
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in compared]
    for number in range(-1, rounds):
        for index, side, command in candidates[:: 1 if number % 2 else -1]:
            elapsed = milliseconds(command)
            if number >= 0:  # the first round fills the caches
                times[index][side].append(elapsed)
    return [(statistics.median(ours), statistics.median(theirs)) for ours, theirs in times]


def read_npy(path: Path) -> tuple[float, ...]:
    """Return the entries of a little-endian float32 `.npy` file, as numpy would read them."""
    data = path.read_bytes()
    size = 2 if data[6] == 1 else 4  # the length of the header's length, by format version
    start = 8 + size + int.from_bytes(data[8 : 8 + size], "little")
    header = ast.literal_eval(data[8 + size : start].decode())
    if header["descr"] != "<f4" or header["fortran_order"]:
        sys.exit(f"{path.name}: expected float32 in C order, got {header}")
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])


def check_results(folder: Path) -> None:
    """Stop the program unless both Jacobians are the same to float32's accuracy."""
    ours, theirs = read_npy(folder / "J.npy"), read_npy(folder / "handwritten.npy")
    scale = max(abs(value) for value in theirs)
    worst = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / scale
    if not worst <= 1e-5:
        sys.exit(f"the Jacobians differ by {worst:.1e} of the largest entry")
    print(f"both Jacobians: {len(ours)} entries, agree to {worst:.1e} of the largest")


def main() -> int:
    """Measure, print the table, and return 1 if a ratio exceeds its bar."""
    parser = argparse.ArgumentParser(description="Time jaccli's whole processes.")
    parser.add_argument("--rounds", type=int, default=21, help="repetitions (default 21)")
    rounds = max(1, parser.parse_args().rounds)
    os.chdir(ROOT)
    exceeded = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compared = pairs(folder)
        medians = measure(compared, rounds)
        print(f"medians of {rounds} rounds, whole processes")
        print(f"{'jaccli':<10} {'ms':>7}  {'compared with':<18} {'ms':>7} {'ratio':>6} {'bar':>6}")
        for pair, (ours, theirs) in zip(compared, medians, strict=True):
            ratio = ours / theirs
            over = pair.bar is not None and ratio > pair.bar
            exceeded |= over
            bar = "-" if pair.bar is None else f"{pair.bar:.1f}"
            print(
                f"{pair.name:<10} {ours:>7.1f}  {pair.baseline_name:<18} {theirs:>7.1f}"
                f" {ratio:>6.2f} {bar:>6}{'  EXCEEDED' if over else ''}"
            )
        check_results(folder)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
