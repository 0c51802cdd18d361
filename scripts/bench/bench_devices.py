"""One device against several of the same machine: how much sooner a derivative is there.

    python scripts/bench/bench_devices.py [--devices N] [--seconds S]

The CPU is N devices (2).  Each derivative is compiled for one of them and for all, and both
programs run in turns in this process; a ratio below 1 is a gain.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

NORMAL = "{{random: normal, shape: {}, seed: 1, std: 0.1}}"
CASES: dict[str, tuple[str, ...]] = {
    "batch of 100,000 forecasts 31 -> 33, float32": (
        "model={expressions: {y: tanh(w @ x + b)}}",
        f"inputs={{w: {NORMAL.format('[33, 31]')}, b: {NORMAL.format('33')},"
        f" x: {NORMAL.format('[100000, 31]')}}}",
        "wrt=x", "batch=[x]", "dtype=float32",
    ),
    "batch of 2,000 two-layer networks, wrt weights": (
        "model={expressions: {y: v @ tanh(w @ x)}}",
        f"inputs={{w: {NORMAL.format('[64, 32]')}, v: {NORMAL.format('[8, 64]')},"
        f" x: {NORMAL.format('[2000, 32]')}}}",
        "wrt=[w, v]", "batch=[x]",
    ),
    "batch of 20,000 scalar chains of elementary functions": (
        "model={expressions: {y: 'exp(sin(x) * cos(x)) / (1 + tanh(x * sum(sin(x)))**2)'}}",
        f"inputs={{x: {NORMAL.format('[20000, 24]')}}}", "batch=[x]",
    ),
    "one Jacobian 3,000 x 3,000, two dense layers": (
        "model={expressions: {y: tanh(v @ tanh(w @ x))}}",
        f"inputs={{w: {NORMAL.format('[1000, 3000]')}, v: {NORMAL.format('[3000, 1000]')},"
        f" x: {NORMAL.format('3000')}}}",
        "wrt=x",
    ),
    "one Jacobian 5,000 x 5,000 without matrix products": (
        "model={expressions: {y: a * sum(b * x**2) + sin(a * sum(x))}}",
        "inputs={a: {linspace: [1, 2, 5000]}, b: {linspace: [2, 3, 5000]},"
        " x: {linspace: [0, 1, 5000]}}",
        "wrt=x",
    ),
    "one Hessian of 600 inputs": (
        "model={expression: sum(tanh(w @ x)**2)}",
        f"inputs={{w: {NORMAL.format('[2000, 600]')}, x: {NORMAL.format('600')}}}",
        "wrt=x", "derivative=hessian",
    ),
}  # fmt: skip


def program(entries: tuple[str, ...], devices: int) -> Any:
    """Return the compiled plan of a spec with these entries."""
    from jaccli import backend, models
    from jaccli.execute import prepare
    from jaccli.plan import make
    from jaccli.spec import load
    from jaccli.spec.overrides import from_set

    spec = load(None, [from_set(text) for text in (*entries, f"devices={devices}")])
    point = models.read(spec)
    backend.configure(x64=models.needs_x64(spec, point))
    found = backend.find(spec.device, spec.devices)
    return prepare(make(spec, models.load(spec, point), spec.derivative[0], found), repeated=True)


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that a call takes, and those of all cores."""
    start, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start, time.process_time() - cpu


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    os.environ["JAX_NUM_CPU_DEVICES"] = str(asked.devices)

    from jaccli.context import Silent
    from jaccli.execute.compile_plan import settings

    print(f"{'':52} one device  {asked.devices} devices  ratio  of core time")
    for name, entries in CASES.items():
        both = [program(entries, count) for count in (1, asked.devices)]
        assert both[1].plan.device.count == asked.devices
        times: list[list[tuple[float, float]]] = [[], []]
        start = time.perf_counter()
        while len(times[0]) < 5 or time.perf_counter() - start < asked.seconds:
            for made, taken in zip(both, times, strict=True):
                with settings(made.plan):
                    taken.append(timed(partial(made.run, Silent())))
        wall = [statistics.median(wall for wall, _ in taken) for taken in times]
        cores = [statistics.median(cores for _, cores in taken) for taken in times]
        print(
            f"{name:52} {wall[0] * 1e3:7.1f} ms {wall[1] * 1e3:8.1f} ms  "
            f"{wall[1] / wall[0]:5.2f}  {cores[1] / cores[0]:12.2f}"
        )


if __name__ == "__main__":
    main()
