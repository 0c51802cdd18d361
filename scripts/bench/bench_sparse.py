"""Print sparse derivatives beside asdex and CasADi: preparation and evaluation apart.

    python scripts/bench/bench_sparse.py [--only CASE ...] [--size N ...] [--seconds S] [--shell]

Each way prepares the case once (all that is needed before the first evaluation: pattern, coloring,
compilation), is checked against the others, and then evaluates in turns with them in this process:
medians, float64, asynchronous dispatch off.  What is evaluated is the vector of the entries.
With `--shell`, the large cases are run through the command line instead: seconds and peak memory
of the whole process, and entries against closed forms.

Needs asdex and casadi: `pip install --constraint constraints.txt '.[bench]'`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_cpu_enable_async_dispatch", False)

from measuring import alternate, geometric_mean  # noqa: E402
from sparse_cases import CASES, Case  # noqa: E402


class Way(NamedTuple):
    """What evaluates, where its entries stand (rows, columns), and the seconds of preparation."""

    run: Callable[[], Any]
    rows: Any
    columns: Any
    seconds: float


def ours(case: Case) -> Way:
    """Prepare with jaccli."""
    from jaccli.derivative import sparse

    start = time.perf_counter()
    prepared = sparse.prepare(case.derivative, lambda x, _: case.f(x), case.x)
    prepared = prepared.folded(case.f, case.x)
    (entries,) = prepared.method.entries
    run = jax.jit(lambda x: prepared.values(case.f, x)).lower(case.x).compile()
    seconds = time.perf_counter() - start
    x = jax.device_put(case.x)
    rows, columns = divmod(entries.where, case.x.size)
    return Way(lambda: jax.block_until_ready(run(x)), rows, columns, seconds)


def by_asdex(case: Case) -> Way:
    """Prepare with asdex, compiled."""
    import asdex

    start = time.perf_counter()
    if case.derivative == "hessian":
        coloring = asdex.hessian_coloring(case.f, case.x)
        derivative = asdex.hessian_from_coloring(case.f, coloring)
    else:
        coloring = asdex.jacobian_coloring(case.f, case.x)
        derivative = asdex.jacobian_from_coloring(case.f, coloring)
    run = jax.jit(lambda x: derivative(x).data).lower(case.x).compile()
    seconds = time.perf_counter() - start
    x = jax.device_put(case.x)
    pattern = coloring.sparsity
    return Way(lambda: jax.block_until_ready(run(x)), pattern.rows, pattern.cols, seconds)


def by_casadi(case: Case) -> Way | None:
    """Prepare with CasADi, evaluated through its buffers."""
    import casadi as ca

    if case.casadi is None:
        return None
    start = time.perf_counter()
    x = ca.SX.sym("x", case.x.size)
    y = case.casadi(x)
    matrix = ca.hessian(y, x)[0] if case.derivative == "hessian" else ca.jacobian(y, x)
    function = ca.Function("derivative", [x], [matrix])
    seconds = time.perf_counter() - start
    values = np.zeros(matrix.nnz())
    buffer: Any
    buffer, trigger = function.buffer()
    buffer.set_arg(0, memoryview(case.x))  # type: ignore[arg-type]
    buffer.set_res(0, memoryview(values))  # type: ignore[arg-type]
    rows, columns = matrix.sparsity().get_triplet()

    def run() -> Any:
        trigger()
        return values

    run.keep = buffer  # type: ignore[attr-defined]
    return Way(run, np.asarray(rows), np.asarray(columns), seconds)


WAYS: dict[str, Callable[[Case], Way | None]] = {
    "jaccli": ours,
    "asdex": by_asdex,
    "CasADi": by_casadi,
}


def matrix(way: Way, shape: tuple[int, int]) -> Any:
    """Return the result as a scipy matrix."""
    from scipy.sparse import coo_array

    return coo_array((np.array(way.run()), (way.rows, way.columns)), shape).tocsr()


def measure(
    name: str, size: int, seconds: float, only: list[str]
) -> dict[str, tuple[float, float]]:
    """Return seconds of preparation and of evaluation for each way."""
    case = CASES[name](size)
    made = {way: prepared for way in only if (prepared := WAYS[way](case)) is not None}
    rows = case.x.size if case.derivative == "hessian" else jax.eval_shape(case.f, case.x).size
    reference = None
    for way, prepared in made.items():
        found = matrix(prepared, (rows, case.x.size))
        reference = found if reference is None else reference
        error = abs(found - reference).max() / abs(reference).max()
        if not error < 1e-10:
            print(f"   !! {name}: {way} differs by {error:.1e} of the largest entry")
    times = alternate({way: prepared.run for way, prepared in made.items()}, seconds)
    return {way: (made[way].seconds, float(np.median(times[way]))) for way in made}


def table(names: list[str], sizes: list[int], seconds: float, only: list[str]) -> None:
    """Print the figures of every case and size, and the summary."""
    best: list[float] = []
    worst = 0.0
    print(f"{'case':18} {'n':>9}  {'prepare, s':^26}  {'evaluate, ms':^26}  against the better")
    print(" " * 29 + "  ".join([" ".join(f"{way:>8}" for way in only)] * 2))
    for name in names:
        for size in sizes:
            found = measure(name, size, seconds, only)
            cells = [
                " ".join(
                    f"{found[way][part] * scale:8.3f}" if way in found else f"{'–':>8}"
                    for way in only
                )
                for part, scale in ((0, 1.0), (1, 1e3))
            ]
            others = [run for way, (_, run) in found.items() if way != "jaccli"]
            verdict = ""
            if others and "jaccli" in found:
                ratio = min(others) / found["jaccli"][1]
                best.append(ratio)
                verdict = f"{ratio:6.2f}x faster"
            if "asdex" in found and "jaccli" in found:
                worst = max(worst, found["jaccli"][1] / found["asdex"][1])
            print(f"{name:18} {size:9,}  {cells[0]}  {cells[1]}  {verdict}", flush=True)
    if best:
        print(
            f"\nevaluation, geometric mean: {geometric_mean(best):.2f}x faster than the better of"
        )
        print(f"asdex and CasADi (bar: 1.5x); at worst {worst:.2f}x the time of asdex (bar: 1.1x)")


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description="Measure sparse derivatives.")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    parser.add_argument("--size", nargs="+", type=int, default=[20_000, 100_000], metavar="N")
    parser.add_argument("--seconds", type=float, default=1.0, help="runs of one case (default 1)")
    parser.add_argument("--shell", action="store_true", help="the large cases, from the shell")
    options = parser.parse_args()
    if options.shell:
        import sparse_shell

        sparse_shell.main()
        return
    table(options.only, options.size, options.seconds, options.ways)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
