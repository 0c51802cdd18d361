"""How a streamed result grows faster with workers, and where that ends.

    python scripts/bench/bench_cluster.py [--rows N] [--rounds N] [--folder DIR]

Measures on this machine, each worker with one thread of XLA:

- calls that do nothing, a second: what the scheduler, and the one process that hands out and notes
  parts, can do;
- calls that wait a tenth of a second, on 1, 2 and 4 workers: how the handing out scales by itself;
- a Jacobian in float64 of many products for each number, in one process and on 1, 2 and 4 workers,
  in turns: the seconds of all parts, compiling on each worker included, starting it not, and the
  seconds of CPU that it costs in all;
- plain writes flushed to the disk, part by part.

From these follows a model of larger clusters: `nodes` compute at a rate each, until the file system
is full or parts come in faster than they can be handed out.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import wait
from pathlib import Path

import numpy as np

WORKERS = (0, 1, 2, 4)
HIDDEN, COLUMNS, CHUNK = 1_000, 4_000, 200
PART = 128 << 20
"""Bytes of a part of a large result."""
SHARED = (1 << 30, 10 << 30, 100 << 30)
"""Bytes a second that a shared file system may take."""
CALLS = 1_000


def command(rows: int, target: Path, workers: int) -> list[str]:
    """Return the command on so many workers, or in a process of its own."""
    shapes = {"v": (rows, HIDDEN), "w": (HIDDEN, COLUMNS), "x": (COLUMNS,)}
    at = [
        f"--at={name}={{random: normal, shape: {list(shape)}, seed: {seed}, std: 0.03}}"
        for seed, (name, shape) in enumerate(shapes.items())
    ]
    # Less than inputs and result take, so that it is streamed without a cluster, too.
    memory = 8 * (rows * HIDDEN + HIDDEN * COLUMNS + COLUMNS + rows * COLUMNS) - 1
    model = ["jacobian", "-e", "y = tanh(v @ tanh(w @ x))", *at, "--wrt", "x", "--mode", "rev"]
    where = ["--cluster", f"local:{workers}"] if workers else []
    how = ["--chunk", str(CHUNK), "--memory", f"{memory}B", "-o", str(target), "--force"]
    return [sys.executable, "-m", "jaccli", *model, *how, *where]


def seconds(rows: int, target: Path, workers: int) -> tuple[float, float]:
    """Return the seconds of the parts, as the program says them, and those of CPU of it all."""
    environment = {**os.environ, "NPROC": "1"}
    arguments = command(rows, target, workers)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    found = re.search(r"run (?:(\d+) min )?([\d.]+) (s|ms)", said)
    if status or found is None or " parts" not in said:
        sys.exit(said)
    minutes, number, unit = found.groups()
    took = 60 * int(minutes or 0) + float(number) * (1e-3 if unit == "ms" else 1)
    return took, usage.ru_utime + usage.ru_stime


def calls_a_second(workers: int, wait_for: float, count: int) -> float:
    """Return how many calls come back a second that do nothing but wait."""
    from jaccli.cluster.address import parse
    from jaccli.cluster.connection import connect

    with connect(parse(f"local:{workers}"), print) as cluster:
        wait([cluster.executor.submit(time.sleep, 0) for _ in range(50)])  # connections, imports
        start = time.perf_counter()
        wait([cluster.executor.submit(time.sleep, wait_for) for _ in range(count)])
        return count / (time.perf_counter() - start)


def written(size: int, folder: Path) -> float:
    """Return the bytes a second of a plain write, flushed part by part."""
    part = np.random.default_rng(0).random(CHUNK * COLUMNS).view(np.uint8).data
    left, start = size, time.perf_counter()
    with open(folder / "plain", "wb", buffering=0) as file:
        while left > 0:
            left -= file.write(part[: min(left, len(part))])
            os.fdatasync(file.fileno())
    rate = size / (time.perf_counter() - start)
    (folder / "plain").unlink()
    return rate


def model(rate: float, calls: float) -> None:
    """Print how many nodes a shared file system and a scheduler feed, at `rate` bytes a second."""
    mib = 2**20
    print(f"\nmodel: a node computes {rate / mib:.0f} MiB/s, parts of {PART // mib} MiB:")
    print("nodes until the scheduler is busy:", f"{calls * PART / rate:,.0f}")
    for shared in SHARED:
        nodes = shared / rate
        print(f"nodes until {shared >> 30:4d} GiB/s are full: {nodes:8,.0f}")
    print(f"\n{'nodes':>8} " + " ".join(f"{shared >> 30:>4d} GiB/s" for shared in SHARED))
    for nodes in (1, 4, 16, 64, 256, 1024, 4096):
        speeds = [min(nodes * rate, shared, calls * PART) / rate for shared in SHARED]
        print(f"{nodes:8d} " + " ".join(f"{speed:9,.0f}x" for speed in speeds))


def main() -> None:
    """Print what is measured, and what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=8_000, help="rows (8000: 244 MiB)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the file goes (a temporary folder)")
    options = parser.parse_args()
    size = 8 * options.rows * COLUMNS
    times: dict[int, list[tuple[float, float]]] = {count: [] for count in WORKERS}
    plain = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for _ in range(options.rounds):  # in turns: machines have moods
            for count in WORKERS:
                times[count].append(seconds(options.rows, Path(name) / "J.npy", count))
            plain.append(written(size, Path(name)))
        same = {}
        for count in (0, 2):
            seconds(options.rows, Path(name) / f"{count}.npy", count)
            same[count] = (Path(name) / f"{count}.npy").read_bytes()
    print(f"{os.cpu_count()} cores; {size / 2**20:.0f} MiB in {options.rows // CHUNK} parts")
    print(f"bytes of a run here and of one on workers: {'same' if same[0] == same[2] else 'OTHER'}")
    rates = {}
    for count, found in times.items():
        took, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        rates[count] = size / took
        who = f"{count} worker{'s' * (count > 1)}" if count else "no cluster"
        print(f"{who:12} {took:7.2f} s {rates[count] / 2**20:7.0f} MiB/s {cpu:7.1f} s of CPU")
    print(f"{'plain write':12} {'':9} {statistics.median(plain) / 2**20:7.0f} MiB/s")
    for count in WORKERS[1:]:
        rate = calls_a_second(count, 0.1, 40 * count)
        print(f"calls that wait 0.1 s, {count} worker{'s' * (count > 1)}: {rate:.1f} a second")
    calls = calls_a_second(2, 0.0, CALLS)
    print(f"calls that do nothing, 2 workers: {calls:.0f} a second")
    model(rates[1], calls)


if __name__ == "__main__":
    main()
