"""The workers of a cluster as a sweep takes them: each computes one chunk of it at a time.

Boundary: what a chunk is, and which is next, is the sweep's.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from jaccli.cluster import worker
from jaccli.cluster.connection import Cluster
from jaccli.sweep.scheduler import Workers
from jaccli.sweep.worker import TaskChunk


def workers(cluster: Cluster, memory_divisor: int = 1) -> Workers:
    """Return the workers; a machine's memory budget is divided among `memory_divisor` of them."""
    stop = partial(cluster.executor.shutdown, cancel_futures=True)
    return Workers(
        _Placed(cluster),
        slots=lambda: max(cluster.workers, 1),
        stop=stop,
        memory_divisor=memory_divisor,
    )


class _Placed(Executor):
    """Gives a chunk to an idle worker, if it can to one that has compiled the same group."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._latest: dict[str, str] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        chunk: TaskChunk = args[0]
        there = self._cluster.executor.workers()
        with self._lock:
            place = min(there, key=lambda name: self._rank(name, chunk.key), default=None)
            if place is not None:
                self._busy[place] += 1
                self._latest[place] = chunk.key
        where = {} if place is None else {"workers": [place], "allow_other_workers": True}
        executor = self._cluster.executor
        future = executor.submit(worker.alone, chunk.options.home, fn, *args, **where)
        future.add_done_callback(lambda _: self._idle(place))
        return future

    def _rank(self, name: str, key: str) -> tuple[int, bool, bool]:
        return self._busy[name], self._latest.get(name) != key, name in self._latest

    def _idle(self, place: str | None) -> None:
        with self._lock:
            if place is not None:
                self._busy[place] -= 1
