"""Times whole processes: commands of jaccli beside the least a program could do instead.

    .venv/bin/python scripts/bench_start.py [--rounds 15] [NAME...]

Candidates alternate within one run, in another order every round.  The medians of wall and of CPU
time are compared; where a machine is shared, CPU time is the steadier one.  All have bytecode, as
what pip installs has, and cache folders of their own.  Standard library only.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORECAST = "configs/forecast.yaml"
PYTHON = sys.executable
JACCLI = (PYTHON, "-c", "import sys; from jaccli.__main__ import main; sys.exit(main())")
"""The command that pip makes, for the package of this folder."""
SPECS = 100


@dataclass(frozen=True)
class Pair:
    """A command and what it is compared with; `bar` is the ratio it must not exceed.

    With `cold`, its cache folder is emptied before each run.  With `served`, the command has
    JACCLI_SERVER=start, and its first run has started the service.
    """

    name: str
    command: Sequence[str]
    baseline_name: str
    baseline: Sequence[str]
    bar: float
    cold: bool = False
    served: bool = False


def pairs(folder: Path) -> list[Pair]:
    """Return the comparisons; `J.npy` and `handwritten.npy` in `folder` hold what they compute."""
    target = ("-o", str(folder / "J.npy"), "--force")
    jacobian = (*JACCLI, "jacobian", FORECAST, *target)
    by_hand = (PYTHON, "scripts/bench/handwritten.py", FORECAST, str(folder / "handwritten.npy"))
    many = (*JACCLI, "jacobian", *specs(folder), "--out-dir", str(folder / "many"), "--force", "-q")
    validate = (*JACCLI, "validate", FORECAST)
    yaml = (PYTHON, "-c", "import typer, yaml")
    return [
        Pair("--version", (*JACCLI, "--version"), "pass", (PYTHON, "-c", "pass"), 2),
        Pair("--help", (*JACCLI, "--help"), "import typer", (PYTHON, "-c", "import typer"), 3),
        Pair("validate", validate, "import typer, yaml", yaml, 1.5),
        Pair("jacobian, cold", jacobian, "handwritten.py", by_hand, 0.9, cold=True),
        Pair("jacobian, warm", jacobian, "handwritten.py", by_hand, 0.8),
        Pair("jacobian, start", jacobian, "handwritten.py", by_hand, 0.06, served=True),
        Pair(f"{SPECS} specs, cold", many, "handwritten.py", by_hand, 1.5, cold=True),
        Pair(f"{SPECS} specs, warm", many, "handwritten.py", by_hand, 1.5),
    ]


def specs(folder: Path) -> list[str]:
    """Write specs of one structure that differ in their seeds."""
    text = (ROOT / FORECAST).read_text(encoding="utf-8")
    paths = [folder / f"forecast_{number:03}.yaml" for number in range(SPECS)]
    for number, path in enumerate(paths):
        path.write_text(text.replace("seed: 3", f"seed: {100 + number}"), encoding="utf-8")
    return [str(path) for path in paths]


def run(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run to the end; return wall and CPU time in milliseconds.  Stop if the command fails."""
    with open(os.devnull, "r+b") as null:
        actions = [(os.POSIX_SPAWN_DUP2, null.fileno(), stream) for stream in range(3)]
        start = time.perf_counter()
        process = os.posix_spawn(command[0], list(command), environment, file_actions=actions)
        _, status, used = os.wait4(process, 0)
        elapsed = time.perf_counter() - start
    if status != 0:
        again = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        shown = " ".join(command)[:200]
        sys.exit(f"failed ({os.waitstatus_to_exitcode(status)}): {shown}\n{again.stderr}")
    return 1000 * elapsed, 1000 * (used.ru_utime + used.ru_stime)


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of a run with a cache folder."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "XDG_CACHE_HOME": str(cache)}


def served(cache: Path) -> dict[str, str]:
    """Return the variables of a command that starts a service in a folder, or is served by it."""
    cache.mkdir(exist_ok=True)
    return {"XDG_RUNTIME_DIR": str(cache), "JACCLI_SERVER": "start"}


def stop(compared: Sequence[Pair], folder: Path) -> None:
    """End the services that commands have started."""
    for index, pair in enumerate(compared):
        if pair.served:
            cache = folder / f"cache-{index}"
            run((*JACCLI, "serve", "--stop"), environment(cache) | served(cache))


def measure(
    compared: Sequence[Pair], rounds: int, folder: Path
) -> Iterator[tuple[Pair, tuple[float, ...], tuple[float, ...]]]:
    """Yield each pair with the medians of both: wall and CPU time in milliseconds."""
    times: dict[tuple[int, bool], list[tuple[float, float]]] = {}
    order = random.Random(0)
    for number in range(-1, rounds):
        turns = [(index, side) for index in range(len(compared)) for side in (True, False)]
        for index, is_ours in order.sample(turns, len(turns)):
            pair = compared[index]
            cache = folder / f"cache-{index}"
            if pair.cold:
                shutil.rmtree(cache, ignore_errors=True)
            variables = environment(cache)
            if is_ours and pair.served:
                variables |= served(cache)
            taken = run(pair.command if is_ours else pair.baseline, variables)
            if number < 0 and is_ours and pair.served:  # it has started the service: await it
                run((*JACCLI, "serve", "--status"), variables)
            if number >= 0:  # the first round writes bytecode, and fills the caches
                times.setdefault((index, is_ours), []).append(taken)
    for index, pair in enumerate(compared):
        ours, theirs = (
            tuple(statistics.median(each) for each in zip(*times[index, side], strict=True))
            for side in (True, False)
        )
        yield pair, ours, theirs


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


@contextmanager
def without_bytecode() -> Iterator[None]:
    """Take away the bytecode that runs have written, where the caller wants none."""
    before = set(ROOT.joinpath("jaccli").rglob("__pycache__"))
    try:
        yield
    finally:
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            for path in set(ROOT.joinpath("jaccli").rglob("__pycache__")) - before:
                shutil.rmtree(path)


def main() -> int:
    """Measure, print the table, and return 1 if a ratio of CPU times exceeds its bar."""
    parser = argparse.ArgumentParser(description="Time jaccli's whole processes.")
    parser.add_argument("--rounds", type=int, default=15, help="repetitions (default 15)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only those that begin so")
    options = parser.parse_args()
    rounds = max(1, options.rounds)
    os.chdir(ROOT)
    exceeded = False
    with tempfile.TemporaryDirectory() as name, without_bytecode():
        folder = Path(name)
        wanted = tuple(options.names) or ("",)
        compared = [pair for pair in pairs(folder) if pair.name.startswith(wanted)]
        print(f"medians of {rounds} rounds, whole processes, milliseconds")
        times = f"{'wall':>7} {'CPU':>7}"
        print(
            f"{'':<16} {times}  {'compared with':<18} {times}   {'wall':>5} {'CPU':>5}  {'bar':>4}"
        )
        try:
            for pair, ours, theirs in measure(compared, rounds, folder):
                wall, cpu = (a / b for a, b in zip(ours, theirs, strict=True))
                over = cpu > pair.bar
                exceeded |= over
                print(
                    f"{pair.name:<16} {ours[0]:>7.1f} {ours[1]:>7.1f}"
                    f"  {pair.baseline_name:<18} {theirs[0]:>7.1f} {theirs[1]:>7.1f}"
                    f"   {wall:>4.2f}x {cpu:>4.2f}x {pair.bar:>4.2f}x{'  EXCEEDED' * over}"
                )
        finally:
            stop(compared, folder)
        if (folder / "J.npy").exists():
            check_results(folder)
    return 1 if exceeded else 0


if __name__ == "__main__":
    sys.exit(main())
