"""Compile candidates, check them against each other, and run them in turns.

Ratios are meant between candidates of one call: they run alternately in random order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np

Function = Callable[..., Any]
TOLERANCE = 2e-3
"""Of the largest entry: how far results in float32 may be apart."""
LEAST, LEAST_SLOW, MOST = 11, 3, 1000
"""How often a candidate runs."""


class Figure(NamedTuple):
    """Seconds to trace, lower and compile, and the median seconds of a run."""

    compile: float
    run: float


def measure(
    name: str, candidates: Mapping[str, Function], x: Any, seconds: float, compiles: int = 1
) -> dict[str, Figure]:
    """Return the figures of the candidates that exist; the first one is what others must equal.

    Each is compiled `compiles` times, in different orders, and the fastest counts: the first to be
    compiled pays for what JAX then knows.
    """
    runs: dict[str, Function] = {}
    compile_times: dict[str, list[float]] = {}
    order = np.random.default_rng(0)
    for _ in range(compiles):
        for way in order.permutation(list(candidates)):
            start = time.perf_counter()
            try:
                runs[way] = jax.jit(_fresh(candidates[way])).lower(x).compile()
            except (TypeError, ValueError, NotImplementedError) as error:
                if way not in compile_times:
                    print(f"   -- {name}: no {way}: {_first_line(error)}")
                compile_times.setdefault(way, [])
                continue
            compile_times.setdefault(way, []).append(time.perf_counter() - start)
    existing = {way: runs[way] for way in candidates if way in runs}
    check(name, existing, x)
    times = alternate({way: _waiting(run, x) for way, run in existing.items()}, seconds)
    return {way: Figure(min(compile_times[way]), median(times[way])) for way in existing}


def check(name: str, runs: Mapping[str, Function], x: Any) -> None:
    """Print which results differ from the first one's."""
    reference: list[Any] = []
    for way, run in runs.items():
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(run(x))]
        if not reference:
            reference = leaves
            scale = max((float(np.abs(leaf).max(initial=0)) for leaf in leaves), default=0) or 1.0
        elif [leaf.size for leaf in leaves] != [leaf.size for leaf in reference]:
            print(f"   !! {name}: {way} has {_sizes(leaves)} numbers, not {_sizes(reference)}")
        else:
            pairs = zip(leaves, reference, strict=True)
            errors = [np.abs(a.ravel() - b.ravel()).max(initial=0) for a, b in pairs]
            error = float(np.max(errors, initial=0))  # NaN if one is
            if not error <= TOLERANCE * scale:
                print(f"   !! {name}: {way} differs by {error / scale:.1e} of the largest entry")


def alternate(runs: Mapping[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Return the times of each, run in turns until each has had its share of the seconds.

    Slow ones take their turns after the others, whose memory and caches they would disturb.
    """
    share = seconds / max(1, len(runs))
    first = {name: _seconds(run) for name, run in runs.items()}
    limit = max(share / LEAST_SLOW, 3 * min(first.values(), default=0))
    quick = {name: run for name, run in runs.items() if first[name] <= limit}
    slow = {name: run for name, run in runs.items() if first[name] > limit}
    return {**_in_turns(quick, share, LEAST), **_in_turns(slow, share, LEAST_SLOW)}


def _in_turns(
    runs: Mapping[str, Callable[[], object]], share: float, least: int
) -> dict[str, list[float]]:
    order = np.random.default_rng(1)
    times: dict[str, list[float]] = {name: [] for name in runs}

    def unfinished(name: str) -> bool:
        count = len(times[name])
        return count < least or (count < MOST and sum(times[name]) < share)

    while waiting := [name for name in runs if unfinished(name)]:
        for name in order.permutation(waiting):  # whose buffers are warm differs by turn
            times[name].append(_seconds(runs[name]))
    return times


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def geometric_mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean, NaN of none."""
    logs = [float(np.log(ratio)) for ratio in ratios]
    return float(np.exp(np.mean(logs))) if logs else float("nan")


def exponent(sizes: Iterable[float], seconds: Iterable[float]) -> float:
    """Return the slope of the line of least squares through the logarithms."""
    return float(np.polyfit(np.log(list(sizes)), np.log(list(seconds)), 1)[0])


def _fresh(f: Function) -> Function:
    """Return f as a function that JAX has not seen, so that compiling it starts anew."""
    return lambda x: f(x)


def _waiting(run: Function, x: Any) -> Callable[[], object]:
    return lambda: jax.block_until_ready(run(x))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:100]


def _sizes(leaves: Iterable[Any]) -> str:
    return "+".join(str(leaf.size) for leaf in leaves)
