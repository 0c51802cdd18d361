"""Fair times: candidates in turns within one process, in random order.

Boundary: calls what it is given; knows nothing of derivatives.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping


def alternating(
    runs: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    least: int = 3,
    most: int = 1_000,
    each: Callable[[str], None] = lambda name: None,
) -> dict[str, list[float]]:
    """Return the times in seconds of every run, each of which waits for its own result.

    Every candidate takes part in at least `least` and at most `most` rounds, and in between until
    it has used its share of `seconds`.  The order changes from round to round: whose buffers are
    still in the cache must not matter.  `each` is told the name after every run.
    """
    order = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in runs}
    share = seconds / max(len(runs), 1)

    def goes_on(name: str) -> bool:
        taken = times[name]
        return len(taken) < least or (sum(taken) < share and len(taken) < most)

    while going := [name for name in runs if goes_on(name)]:
        order.shuffle(going)
        for name in going:
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
            each(name)
    return times
