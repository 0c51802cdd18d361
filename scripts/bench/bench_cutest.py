"""Print the derivatives of five CUTEst problems: jaccli beside asdex and CasADi.

    python scripts/bench/bench_cutest.py [--only CASE ...] [--ways WAY ...] [--size FACTOR]

Each way runs in a process of its own, with at most 12 GiB of address space and 120 seconds.  It
prepares the case (all that is needed before the first evaluation: pattern, coloring, compilation),
and evaluates the vector of the entries: the median, float64, asynchronous dispatch off.  Peak
memory is resident memory of the whole process until then.  Then a few whole columns of the matrix,
zeros included, and its product with a random vector are held against central differences.

`--size 0.1` takes a tenth of each problem's variables.

Needs asdex and casadi: `pip install --constraint constraints.txt '.[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

from measuring import alternate

GIB = 2**30
WAYS = ("jaccli", "asdex", "CasADi")
COLUMNS = 5
"""How many columns are held against differences."""
TOLERANCE = 1e-5
"""Of the largest entry of what is compared: how far differences may be off."""
FIGURES = (
    ("prepare, s", "prepare", 8, 3),
    ("evaluate, ms", "evaluate", 8, 3),
    ("nnz", "nnz", 9, 0),
    ("peak, MiB", "peak", 8, 0),
)
"""Groups of columns: the heading, the figure, the width, and the decimals."""


def prepared(way: str, case: Any) -> Any:
    """Return a case prepared by one of the ways."""
    import jax
    from bench_sparse import Way, by_asdex, by_casadi

    if way == "asdex":
        return by_asdex(case)
    if way == "CasADi":
        return by_casadi(case)
    from jaccli.derivative import sparse

    start = time.perf_counter()
    derivative = sparse.prepare(case.derivative, lambda x, _: case.f(x), case.x)
    run = jax.jit(lambda x: derivative.values(case.f, x)).lower(case.x).compile()
    seconds = time.perf_counter() - start
    x = jax.device_put(case.x)
    rows, columns = divmod(derivative.entries.where, case.x.size)
    return Way(lambda: jax.block_until_ready(run(x)), rows, columns, seconds)


def figures(name: str, way: str, size: float, seconds: float) -> dict[str, Any]:
    """Return what is measured of a case prepared in one way, and how far it is off."""
    import numpy as np
    from cutest_cases import CASES

    build, variables = CASES[name]
    case = build(round(size * variables))
    made = prepared(way, case)
    made.run()
    times = sorted(alternate({way: made.run}, seconds)[way])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flat = np.asarray(made.rows, np.int64) * case.x.size + np.asarray(made.columns, np.int64)
    return {
        "n": case.x.size,
        "prepare": made.seconds,
        "evaluate": 1e3 * times[len(times) // 2],
        "nnz": np.unique(flat).size,
        "peak": peak * (1 if sys.platform == "darwin" else 1 << 10) / 2**20,
        "error": error(case, made),
    }


def error(case: Any, made: Any) -> float:
    """Return how far columns, and the product with a vector, are from central differences."""
    import jax
    import numpy as np
    from bench_sparse import matrix

    f = jax.jit(jax.grad(case.f) if case.derivative == "hessian" else case.f)
    found = matrix(made, (f(case.x).size, case.x.size)).tocsc()
    draw = np.random.default_rng(1)
    # In each variable's own measure: those of SCURLY30 are of very different sizes.
    directions = [(np.abs(case.x) * draw.normal(size=case.x.size), 1e-6)]
    for column in draw.choice(case.x.size, COLUMNS, replace=False):
        direction = np.zeros(case.x.size)
        direction[column] = 1.0
        directions.append((direction, 1e-6 * abs(case.x[column])))
    errors = []
    for direction, step in directions:
        ahead, behind = f(case.x + step * direction), f(case.x - step * direction)
        expected = np.asarray(ahead - behind) / (2 * step)
        scale = np.abs(expected).max() or 1.0  # a variable that nothing depends on
        errors.append(np.abs(found @ direction - expected).max() / scale)
    return float(np.max(errors))  # NaN if one is


def child(name: str, way: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures that a process of its own finds, or the reason that there are none."""
    command = [sys.executable, __file__, "--child", name, way, "--size", str(options.size)]
    command += ["--seconds", str(options.seconds), "--memory", str(options.memory)]
    environment = os.environ | {"JACCLI_NO_CACHE": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=options.limit, env=environment
        )
    except subprocess.TimeoutExpired:
        return {"why": f"takes more than {options.limit:.0f} s"}
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    words = ("MemoryError", "bad_alloc", "RESOURCE_EXHAUSTED", "Out of memory", "Cannot allocate")
    if any(word in done.stderr for word in words):
        return {"why": f"needs more than {options.memory:g} GiB"}
    last = (done.stderr.strip().splitlines() or [""])[-1][:120]
    return {"why": f"ends with code {done.returncode}: {last}"}


def table(options: argparse.Namespace) -> None:
    """Print the figures of every case."""
    ways: list[str] = options.ways
    print(", ".join(f"{way} {version(way.lower())}" for way in (*WAYS[1:], "jax")))
    groups = [(title, (width + 1) * len(ways) - 1) for title, _, width, _ in FIGURES]
    heads = [" ".join(f"{way:>{width}}" for way in ways) for _, _, width, _ in FIGURES]
    titles = "  ".join(f"{title:^{width}}" for title, width in groups)
    print(f"{'case':19} {'n':>8}  {titles}".rstrip())
    print(" " * 30 + "  ".join(heads))
    for name in options.only:
        found = {way: child(name, way, options) for way in ways}
        n = next((f"{each['n']:,}" for each in found.values() if "n" in each), "")
        cells = [
            " ".join(_cell(found[way].get(figure), width, decimals) for way in ways)
            for _, figure, width, decimals in FIGURES
        ]
        print(f"{name:19} {n:>8}  " + "  ".join(cells), flush=True)
        for way, each in found.items():
            if "why" in each:
                print(f"   -- {name}: {way} {each['why']}")
            elif not each["error"] < TOLERANCE:
                print(f"   !! {name}: {way} differs from differences by {each['error']:.1e}")


def _cell(figure: float | None, width: int, decimals: int) -> str:
    return f"{'–':>{width}}" if figure is None else f"{figure:{width},.{decimals}f}"


def main() -> None:
    """Print what was asked for."""
    from cutest_cases import CASES

    parser = argparse.ArgumentParser(description="Measure derivatives of CUTEst problems.")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--size", type=float, default=1.0, help="a factor of the sizes (1)")
    parser.add_argument("--seconds", type=float, default=1.0, help="runs of one case (1)")
    parser.add_argument("--memory", type=float, default=12.0, help="GiB for a process (12)")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for a process (120)")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is None:
        table(options)
        return
    most = int(options.memory * GIB)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    name, way = options.child
    print(json.dumps(figures(name, way, options.size, options.seconds)))


if __name__ == "__main__":
    main()
