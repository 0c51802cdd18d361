"""Interleaved timing: candidates run in turns within one process, in random order.

Boundary: knows nothing of derivatives.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping


def alternating(
    runs: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    min_runs: int = 3,
    max_runs: int = 1_000,
    on_run: Callable[[str], None] = lambda name: None,
) -> dict[str, list[float]]:
    """Return the times in seconds of every run; each run must wait for its own result.

    Every candidate runs at least `min_runs` and at most `max_runs` times, in between until it has
    used its share of `seconds`.  The order is random in each round, so that cached buffers favor
    none.  `on_run` is called with the name after every run.
    """
    order = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in runs}
    seconds_each = seconds / max(len(runs), 1)

    def is_unfinished(name: str) -> bool:
        taken = times[name]
        return len(taken) < min_runs or (sum(taken) < seconds_each and len(taken) < max_runs)

    while unfinished := [name for name in runs if is_unfinished(name)]:
        order.shuffle(unfinished)
        for name in unfinished:
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
            on_run(name)
    return times
