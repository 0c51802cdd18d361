"""The chunks of one result handed to the workers, and noted when they are on the disk.

Boundary: plans and computes nothing; that is the workers'.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from jaccli.cluster import worker
from jaccli.cluster.connection import Cluster
from jaccli.cluster.executor import WorkerLost
from jaccli.cluster.worker import ChunkWritten, StreamJob
from jaccli.errors import ComputationError
from jaccli.execute.stream_info import Outline
from jaccli.result import Measuring, Partial

if TYPE_CHECKING:
    from jaccli.context import Progress

_T = TypeVar("_T")
_AHEAD = 2
"""Chunks that are sent at a time for each thread of a worker: one computed, one waiting."""
_PATIENCE = 5.0
"""Seconds after which somebody looks whether there are workers at all."""
PIECES = 4
"""Chunks for each worker at least, where the budget alone would ask for fewer."""


def outlined(cluster: Cluster, job: StreamJob) -> Outline:
    """Have a worker plan the result.

    Raises:
        UsageError, ComputationError: what the worker finds wrong with it.
    """
    planned: Future[Outline] = cluster.executor.submit(worker.outlined, job.packed())
    return _result(planned)


def computed(
    cluster: Cluster,
    job: StreamJob,
    outline: Outline,
    partial: Partial,
    measuring: Measuring,
    progress: Progress,
    told: Callable[[str], None],
) -> None:
    """Have the workers compute all chunks but those that are done; note each as it comes in.

    `told` is told when there are no workers.

    Raises:
        ComputationError: a chunk has failed, or the scheduler is gone.
    """
    packed = replace(job, chunk=outline.identity["chunk"]).packed()
    progress.start(sum(outline.new))
    progress.advance(sum(outline.new[number] for number in partial.done))
    waiting = iter([number for number in range(outline.count) if number not in partial.done])
    pending: set[Future[ChunkWritten]] = set()
    deserted = False
    while True:
        workers = cluster.executor.workers()
        room = _AHEAD * max(sum(workers.values()), 1) - len(pending)
        for number in islice(waiting, max(room, 0)):
            pending.add(cluster.executor.submit(worker.compute, packed, number))
        if not pending:
            break
        if not workers and not deserted:
            told(f"{cluster.address.text}: no workers left; waiting for others.")
        deserted = not workers
        finished, pending = wait(pending, timeout=_PATIENCE, return_when=FIRST_COMPLETED)
        written = [future.result() for future in finished if not future.exception()]
        if written:
            partial.note(*(chunk.number for chunk in written))
        for future in finished:
            done = _result(future)
            measuring.join(done.measuring)
            progress.advance(outline.new[done.number])
    cluster.forget()


def _result(future: Future[_T]) -> _T:
    """Return what a worker has answered."""
    try:
        return future.result()
    except WorkerLost as error:
        raise ComputationError(f"--cluster: {error}.", hint=error.hint) from error
