"""Streaming to a file beside its two limits: computing alone, and writing alone.

    python scripts/bench/bench_stream.py [--size N] [--folder DIR] [--peak]

An N×N Jacobian in float64 goes through `jaccli` under a budget of 512 MiB; then the same parts are
computed and dropped, and as many bytes are written and flushed to the disk, both in this process
and one part at a time.  Bar: at least 0.7 of the slower of the two.

With `--peak`, it goes through `jaccli` once, and the bar is its resident memory: the peak of the
whole process stays below 1.2 GiB.  `--size 46341 --peak` is a result of 16 GiB.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from children import Ran, run

PART = 128 << 20
BAR = 0.7
MOST = 1.2
"""GiB of resident memory."""


def command(size: int, target: Path) -> list[str]:
    """Return the arguments: a rank-one Jacobian, of which every entry is computed."""
    vectors = {"a": f"[1, 2, {size}]", "b": f"[2, 3, {size}]", "x": f"[0, 1, {size}]"}
    at = [word for name, of in vectors.items() for word in ("--at", f"{name}={{linspace: {of}}}")]
    model = ["jacobian", "-e", "y = a * sum(b * x**2)", *at, "--wrt", "x", "--memory", "512MiB"]
    return [*model, "-o", str(target), "--force"]


def streamed(size: int, target: Path) -> tuple[float, Ran]:
    """Return the seconds of the parts, as the program says them, and the whole process."""
    ran = run(command(size, target))
    found = re.search(r"run (?:(\d+) min )?([\d.]+) (s|ms)", ran.said)
    if found is None:
        sys.exit(ran.said)
    minutes, number, unit = found.groups()
    return 60 * int(minutes or 0) + float(number) * (1e-3 if unit == "ms" else 1), ran


def computed(size: int, folder: Path) -> float:
    """Return the seconds of the same parts without a file."""
    from jaccli import backend, models
    from jaccli.context import Silent
    from jaccli.execute.stream import prepare_stream
    from jaccli.plan import make
    from jaccli.spec import load
    from jaccli.spec.overrides import from_set

    inputs = f"{{a: {{linspace: [1, 2, {size}]}}, b: {{linspace: [2, 3, {size}]}}, x: {{linspace: [0, 1, {size}]}}}}"  # noqa: E501
    texts = ["model={expressions: {y: a * sum(b * x**2)}}", f"inputs={inputs}", "wrt=x"]
    spec = load(None, [from_set(text) for text in [*texts, "memory=512MiB"]])
    backend.configure(x64=True)
    made = models.load(spec, models.read(spec))
    plan = make(spec, made, "jacobian", backend.find(None), holds_result=False)
    stream = prepare_stream(plan)
    start = time.perf_counter()
    stream.run((), lambda piece: None, Silent())
    return time.perf_counter() - start


def written(size: int, folder: Path) -> float:
    """Return the seconds of a plain write of the same size, flushed part by part."""
    left = size * size * 8
    part = np.random.default_rng(0).random(PART // 8).view(np.uint8).data
    start = time.perf_counter()
    with open(folder / "plain", "wb", buffering=0) as file:
        while left > 0:
            left -= file.write(part[: min(left, PART)])
            os.fdatasync(file.fileno())
    took = time.perf_counter() - start
    (folder / "plain").unlink()
    return took


def main() -> None:
    """Print the rates, or the peak, and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=16_384, help="rows and columns (16384: 2 GiB)")
    parser.add_argument("--folder", type=Path, help="where the file goes (a temporary folder)")
    parser.add_argument("--peak", action="store_true", help="the memory of one run alone")
    options = parser.parse_args()
    total = options.size**2 * 8 / 2**20
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        rounds = []
        if options.peak:
            _, ran = streamed(options.size, folder / "J.npy")
            size, peak = (folder / "J.npy").stat().st_size / 2**30, ran.peak / 2**10
            verdict = "ok" if peak < MOST else "ABOVE"
            print(
                f"{size:.1f} GiB under 512 MiB: {ran.seconds:.0f} s, flushed to the disk; ", end=""
            )
            print(f"peak memory {peak:.2f} GiB (bar: {MOST}: {verdict})")
            sys.exit(peak >= MOST)
        for _ in range(3):  # in turns: disks have moods
            seconds, ran = streamed(options.size, folder / "J.npy")
            (folder / "J.npy").unlink()
            rounds.append((seconds, computed(options.size, folder), written(options.size, folder)))
    streaming, computing, writing = (sorted(times)[1] for times in zip(*rounds, strict=True))
    for what, took in (("streamed", streaming), ("computed", computing), ("written", writing)):
        print(f"{what:10} {took:8.2f} s  {total / took:8.0f} MiB/s")
    share = max(computing, writing) / streaming
    verdict = "ok" if share >= BAR else "BELOW"
    print(
        f"{share:.2f} of the slower (bar: {BAR}: {verdict}); peak memory {ran.peak / 2**10:.2f} GiB"
    )


if __name__ == "__main__":
    main()
