"""Attacks the program in every way that there is a script or a test for, and prints one table.

    scripts/attack [--short] [--only WORD]

A row is an attack: how many times it was made, how many defects it showed, the longest time, and
the most memory where that is what is attacked.  A defect is whatever the program is not to do: a
traceback, an answer that is too late, a file left behind, memory beyond the budget.  What could not
be tried here is said.  The exit code is 1 if there is a defect.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import fuzz_files  # noqa: E402
import hostile  # noqa: E402
import shoot  # noqa: E402
import stall_service  # noqa: E402

MIB = 1 << 20
BUDGET, BASE = 1024, 512
"""MiB that a call asks for, and that Python, JAX and the compiler may have besides."""
PATIENCE = 120.0
"""Seconds after which a call is said to hang."""
PRODUCTS = """\
import jax.numpy as jnp

def products(x):
    y = x
    for k in range(10):
        y = jnp.cumsum(y) * jnp.roll(y, k + 1)
    return jnp.sum(y)
"""


@dataclass
class Row:
    """What an attack showed."""

    kind: str
    attack: str
    count: int = 0
    defects: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory: int | None = None
    note: str = ""

    def __str__(self) -> str:
        memory = "" if self.memory is None else f"{self.memory:,}"
        return (
            f"{self.kind:12} {self.attack:44} {self.count:7,} {len(self.defects):7} "
            f"{self.seconds:8.3f} {memory:>7}  {self.note}"
        ).rstrip()


Attack = Callable[[bool], Iterator[Row]]
"""What makes the attacks of one kind, all of them or (True) the short form."""


# Memory


def memory(short: bool) -> Iterator[Row]:
    """Derivatives without zeros to be found, and archives that inflate."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shoot.prepare(folder)
        (folder / "products.py").write_text(PRODUCTS)
        sums, products = "slow.py:total", "products.py:products"
        calls = {
            "sparse Jacobian of sums": ("jacobian", "slow.py:f", "sparse"),
            "sparse Hessian of sums": ("hessian", sums, "sparse"),
            "sparse Hessian of products": ("hessian", products, "sparse"),
        }
        if not short:
            calls["structured Hessian of products"] = ("hessian", products, "structured")
            calls["plan of a Hessian of products"] = ("plan", products, "auto")
        for title, (command, model, mode) in calls.items():
            row = Row("memory", f"{title}, n = 10,000", memory=0)
            words = [command, "slow.yaml", "--allow-python", "--mode", mode]
            words += ["--set", f"model.python={model}", "--memory", f"{BUDGET}MiB"]
            words += ["--set", "inputs.x={linspace: [0.1, 1, 10000]}"]
            words += ["--of", "hessian"] if command == "plan" else ["--format", "none"]
            yield measured(row, words, folder, BUDGET + BASE, (0, 3))
        size = (256 if short else 2048) * MIB
        for letter in "ab":
            _bomb(folder / f"{letter}.npz", size)
        row = Row("memory", f"compare of two .npz of {size >> 20} MiB, deflated", memory=0)
        words = ["compare", "a.npz", "b.npz", "--memory", f"{3 * size // 2}"]
        yield measured(row, words, folder, BASE, (3,))
    yield tested("memory", "ulimit -v, -n, -f", "tests/cli/test_surroundings.py", "too", short)


def measured(row: Row, words: list[str], folder: Path, most: int, codes: tuple[int, ...]) -> Row:
    """Run a command, and add its time and its peak of memory to a row."""
    environment = {**os.environ, "JACCLI_NO_CACHE": "1", "PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "jaccli", *words],
            cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            time.sleep(0.02)
            if time.monotonic() - start > PATIENCE:
                process.kill()
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        said.seek(0)
        text = said.read().decode(errors="replace")
    row.count += 1
    row.seconds = max(row.seconds, time.monotonic() - start)
    row.memory = max(row.memory or 0, ended[2].ru_maxrss >> 10)
    if process.returncode not in codes or "Traceback" in text or "defect" in text:
        row.defects.append(f"{process.returncode}: {text[-300:]}")
    if row.memory > most:
        row.defects.append(f"{row.memory} MiB")
    return row


def _bomb(path: Path, size: int) -> None:
    """Write an archive of an array of zeros, which deflates to a thousandth."""
    import numpy as np

    header = {"descr": "<f8", "fortran_order": False, "shape": (size // 8,)}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("y.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(size // MIB):
            member.write(bytes(MIB))


# Signals


def signals(short: bool) -> Iterator[Row]:
    """Signals at random moments."""
    row = Row("signals", f"SIGTERM, SIGINT, SIGHUP; {len(shoot.COMMANDS)} commands")
    for shot in shoot.shots(6 if short else 60, seed=time.time_ns()):
        row.count += 1
        row.seconds = max(row.seconds, shot.seconds)
        if shot.verdict not in ("ok", "ended before"):
            row.defects.append(f"{shot.command}, {shot.number.name} at {shot.delay:.3f} s: "
                               f"{shot.verdict}")  # fmt: skip
    yield row


# The service


def service(short: bool) -> Iterator[Row]:
    """Hostile clients; the time is that for which others wait."""
    names = list(hostile.ATTACKS)
    names = [name for name in names if name.startswith("header")] if short else names
    for stall in stall_service.stalls(names, 2 if short else stall_service.TIMES):
        row = Row("service", stall.name, 1, [], stall.worst / 1000, stall.grown)
        if not stall.holds:
            row.defects.append(f"others wait for {stall.worst:.0f} ms")
        if stall.status < 0 or (stall.status >= 500 and stall.status != 503):
            row.defects.append(f"answered with {stall.status}" if stall.status > 0 else "no answer")
        yield row
    if not short:
        files = "tests/service/test_hostile.py tests/service/test_security.py"
        yield tested("service", "floods, Host, Upgrade, half-closed", files, "", short)


# Readers, long messages, writers, surroundings


def readers(short: bool) -> Iterator[Row]:
    """Files that are damaged at random, with another seed each time."""
    from tests.result.damage import FORMATS

    first = time.time_ns() // 1000
    for suffix in FORMATS:
        made = fuzz_files.fuzzed(suffix, range(first, first + (100 if short else 2000)))
        row = Row("readers", f"damaged {suffix}", made.count, [], made.slowest)
        row.defects += [f"seed {seed}: {reason}" for seed, reason in made.found.items()]
        row.memory = fuzz_files.peak() >> 20
        yield row


def messages(short: bool) -> Iterator[Row]:
    """Very many names, in specs and tables."""
    yield tested("messages", "20,000 names and more", "tests/spec/test_many.py", "", short)


def writers(short: bool) -> Iterator[Row]:
    """Streams that are closed or full, limits, several writers of one target."""
    files = "tests/cli/test_process.py"
    yield tested("writers", "streams closed or full", files, "streams or closed_pipe", short)
    files = "tests/cli/test_surroundings.py"
    yield tested(
        "writers", "ulimit -f; three writers of a target", files, "small_files or three", short
    )
    files = "tests/result/test_partial.py"
    yield tested("writers", "a full disk, and --resume", files, "disk", short)


def surroundings(short: bool) -> Iterator[Row]:
    """Variables, encodings, caches, no /proc."""
    files, others = "tests/cli/test_surroundings.py", "not too and not three and not small_files"
    yield tested("surroundings", "variables, encodings, caches, no /proc", files, others, short)


class _Reports:
    """What pytest says of each test."""

    def __init__(self, row: Row) -> None:
        self.row, self.skipped = row, list[str]()

    def pytest_runtest_logreport(self, report: object) -> None:
        when, outcome = getattr(report, "when", ""), getattr(report, "outcome", "")
        if when == "call" and outcome != "skipped":
            self.row.count += 1
            self.row.seconds = max(self.row.seconds, getattr(report, "duration", 0.0))
        if outcome == "failed":
            self.row.defects.append(f"{getattr(report, 'nodeid', '')} ({when})")
        if outcome == "skipped":
            _, _, reason = getattr(report, "longrepr", ("", 0, ""))
            self.skipped.append(str(reason).removeprefix("Skipped: "))


def tested(kind: str, attack: str, files: str, chosen: str, short: bool) -> Row:
    """Return the row of the tests that are such attacks: all, or the quick ones."""
    import pytest

    row = Row(kind, attack)
    reports = _Reports(row)
    words = [str(ROOT / name) for name in files.split()]
    words += ["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-k", chosen, "--tb=no"]
    words += ["-m", "not slow"] if short else []
    with tempfile.TemporaryFile("w") as silent:
        out, sys.stdout = sys.stdout, silent
        try:
            code = int(pytest.main(words, plugins=[reports]))
        finally:
            sys.stdout = out
    if code not in (0, 1) or not (row.count or reports.skipped):
        row.defects.append(f"pytest ended with {code}")
    if reports.skipped:
        row.note = f"{len(reports.skipped)} skipped: {reports.skipped[0]}"
    return row


KINDS: dict[str, Attack] = {
    "memory": memory,
    "signals": signals,
    "service": service,
    "readers": readers,
    "messages": messages,
    "writers": writers,
    "surroundings": surroundings,
}


def main() -> int:
    """Attack, print the table, and return 1 if there is a defect."""
    parser = argparse.ArgumentParser(description="Attack the program.")
    parser.add_argument("--short", action="store_true", help="a part of it, in a minute")
    parser.add_argument("--only", default="", help="kinds whose names have this in them")
    asked = parser.parse_args()
    start, rows = time.monotonic(), []
    print(f"{'kind':12} {'attack':44} {'count':>7} {'defects':>7} {'worst s':>8} {'MiB':>7}")
    for kind, attack in KINDS.items():
        if asked.only in kind:
            for row in attack(asked.short):
                rows.append(row)
                print(row, flush=True)
    defects = [f"{row.attack}: {defect}" for row in rows for defect in row.defects]
    total = sum(row.count for row in rows)
    print(f"{total:,} attacks in {time.monotonic() - start:.0f} s, {len(defects)} defects")
    for defect in defects[:30]:
        print(f"defect: {defect}")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
