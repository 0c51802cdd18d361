"""One call: seconds to trace, compile and run by each candidate, and by what `auto` takes of them.

    python scripts/bench/bench_oneshot.py measure --set judged --record judged.json
    python scripts/bench/bench_oneshot.py report --record judged.json > docs/benchmarks/oneshot.txt

`measure` goes on where a record ends.  Every candidate is traced, lowered and compiled with empty
caches, without a cache on disk; one that takes longer than `--limit` seconds is stopped and counts
as that long.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

CANDIDATES = {
    "jacobian": ("fwd", "structured-fwd", "rev", "structured-rev"),
    "hessian": ("fwd-fwd", "structured-fwd-fwd", "fwd-rev", "structured-fwd-rev"),
}
"""What `auto` chooses from."""


def main() -> None:
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("measure", "work", "report"))
    parser.add_argument("--set", choices=("fit", "judged"), default="judged")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--limit", type=float, default=15.0, help="seconds for each candidate")
    parser.add_argument("--seconds", type=float, default=200.0, help="then stop, to go on later")
    given = parser.parse_args()
    if given.what == "measure":
        sys.exit(3 if _measure(given) else 0)
    elif given.what == "work":
        _work(given)
    else:
        from oneshot_report import report

        report(cases(given.set), json.loads(given.record.read_text()))


def cases(which: str) -> Iterator[Any]:
    """Yield the cases of a set."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if which == "fit":
        from corpus_made_on import made_on as first
        from corpus_oneshot_fit import fitted as second
    else:
        from corpus_held_out import held_out as first
        from corpus_oneshot_judged import judged as second
    yield from second()
    yield from first()
    if which == "fit":
        from corpus_oneshot_fit import second_derivatives

        yield from second_derivatives((*second(), *first()))


def _small_enough(case: Any) -> bool:
    import jax

    n = sum(leaf.size for leaf in jax.tree.leaves(case.point))
    m = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(case.f, case.point)))
    entries = n * m * (n if case.derivative == "hessian" else 1)
    return not case.batched and entries <= 5e6


def _measure(given: argparse.Namespace) -> bool:
    """Measure what the record lacks; return whether something is left."""
    end = time.monotonic() + given.seconds
    record: dict[str, Any] = json.loads(given.record.read_text()) if given.record.exists() else {}
    while time.monotonic() < end:
        finished = _watched(given, record, end)
        given.record.write_text(json.dumps(record, indent=0))
        if finished:
            return False
    return True


def _watched(given: argparse.Namespace, record: dict[str, Any], end: float) -> bool:
    """Run a worker until it has finished, a candidate takes too long, or the time is over."""
    command = [sys.executable, __file__, "work", "--set", given.set, "--record", given.record]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_listen, args=(child.stdout, lines), daemon=True).start()
        limit = 120.0
        begun: tuple[str, str] | None = None
        try:
            while True:
                line = lines.get(timeout=limit)
                if not line:
                    return True
                name, operator, figures = json.loads(line)
                of_case = record.setdefault(name, {})
                if figures is not None:
                    of_case[operator] = figures
                    begun, limit = None, 120.0
                    if time.monotonic() > end:
                        return False
                else:
                    fastest = min((total(one) for one in of_case.values()), default=given.limit)
                    begun = (name, operator)
                    limit = min(given.limit, max(2.5, 4 * fastest))
        except queue.Empty:
            if begun is not None:
                record[begun[0]][begun[1]] = {"limit": limit}
            return False
        finally:
            child.kill()


def _listen(stream: Any, lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def total(figures: dict[str, float]) -> float:
    """Return the seconds of a candidate, infinite if it cannot be compiled."""
    return math.inf if "error" in figures else sum(figures.values())


def _work(given: argparse.Namespace) -> None:
    """Print what is begun, then its figures, one line each."""
    done = json.loads(given.record.read_text()) if given.record.exists() else {}
    for case in cases(given.set):
        known = done.get(case.name, {})
        missing = [one for one in CANDIDATES[case.derivative] if one not in known]
        if missing and _small_enough(case):
            for operator, figures in _figures(case, missing):
                print(json.dumps([case.name, operator, figures]), flush=True)
    sys.stdout.flush()
    import os

    os._exit(0)


def _figures(case: Any, operators: list[str]) -> Iterator[tuple[str, Any]]:
    import jax

    from jaccli.derivative import structured  # noqa: F401  (its import is not counted)
    from jaccli.derivative.operators import REGISTRIES
    from jaccli.derivative.traced_function import traced

    once = traced(case.f, case.x)
    jax.block_until_ready(jax.jit(lambda x: jax.tree.map(lambda y: 2 * y, x))(case.x))

    def traced_by(operator: str) -> Any:
        made = jax.jit(partial(REGISTRIES[case.derivative][operator], once), keep_unused=True)
        return made.trace(case.x)

    with suppress(Exception):  # the first one would pay for modules that it imports
        traced_by(operators[0]).lower()
    for operator in operators:
        yield operator, None
        jax.clear_caches()
        start = time.perf_counter()
        try:
            trace = traced_by(operator)
            after_trace = time.perf_counter()
            lowered = trace.lower()
            after_lowering = time.perf_counter()
            compiled = lowered.compile()
            after_compiling = time.perf_counter()
            jax.block_until_ready(compiled(case.x))
            end = time.perf_counter()
        except Exception as error:
            yield operator, {"error": str(error)[:80]}
            continue
        seconds = [start, after_trace, after_lowering, after_compiling, end]
        parts = [b - a for a, b in itertools.pairwise(seconds)]
        yield operator, dict(zip(("trace", "lower", "compile", "run"), parts, strict=True))


if __name__ == "__main__":
    main()
