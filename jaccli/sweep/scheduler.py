"""Send groups of tasks to processes, here or elsewhere, and collect their records.

A process gets a chunk of a group, returns the records, and gets the next chunk of the same group,
whose program it has compiled.  If everything is killed, one chunk for each process is lost.  An
idle process gets half of the remaining tasks of a group if that outweighs compiling again.

Boundary: processes are behind `concurrent.futures.Executor`; nothing is computed here, and nothing
written.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from jaccli.errors import ComputationError, JaccliError
from jaccli.sweep import task_record
from jaccli.sweep.process_pool import Processes
from jaccli.sweep.task_record import TaskRecord
from jaccli.sweep.worker import ChunkDone, TaskChunk, compute_chunk, compute_tasks, forget

_TIME_SLICE = 0.5
"""Seconds after which a process returns the records of the tasks that it has computed."""
_MAX_TASKS = 64
"""Maximum number of tasks in a chunk, unless a single call takes more."""
_MIN_SPLIT_SECONDS = 1.5
"""Minimum seconds of work for which a group is split: starting and compiling take as long."""


class Workers(NamedTuple):
    """Where chunks are computed: `executor` runs `compute_chunk` in `slots()` processes.

    `slots` is called repeatedly because the number of workers may change.  `memory_divisor` is the
    number of processes that share a machine's memory budget.  The executor decides which process
    gets a chunk; it should prefer the most recently used one, which has the program compiled.
    `stop` is always called; after it, nothing is computed or written.
    """

    executor: Executor
    slots: Callable[[], int]
    stop: Callable[[], None]
    memory_divisor: int = 1


def local(count: int) -> Workers:
    """Return `count` processes on this machine, which share its memory."""
    executor = Processes(count)
    stop = partial(executor.shutdown, cancel_futures=True)
    return Workers(executor, slots=lambda: count, stop=stop, memory_divisor=count)


@dataclass
class _TaskQueue:
    """The remaining tasks of a group, sent one chunk after another.

    `rows` and `seconds` are those of the last `ChunkDone`, 0 until the group is planned.  The next
    `suspects` tasks are computed one call at a time, because a process died while computing them.
    """

    remaining: TaskChunk
    rows: int = 0
    seconds: float = 0.0
    suspects: int = 0
    sent: int = 0

    def send(self, executor: Executor) -> Future[ChunkDone]:
        """Submit the next chunk; the first call only plans the program."""
        calls = 1 if self.suspects and self.rows else _MAX_TASKS // max(1, self.rows)
        self.sent = min(len(self.remaining), max(1, calls) * max(1, self.rows))
        time_slice = _TIME_SLICE if self.rows else 0.0
        return executor.submit(compute_chunk, self.remaining.between(0, self.sent), time_slice)

    def receive(self, future: Future[ChunkDone]) -> list[TaskRecord]:
        """Remove the finished tasks from the queue, and return their records.

        Raises:
            UsageError, DeviceError: as `compute_chunk`.
        """
        try:
            done = future.result()
        except JaccliError:
            raise
        except Exception as error:  # from the executor, which knows how the process ended
            return self.on_worker_lost(str(error).strip().split("\n")[0] or type(error).__name__)
        count = len(done.records)
        self.rows, self.seconds = done.rows, done.seconds
        self.suspects = max(0, self.suspects - count)
        self.remaining = self.remaining.between(count, None)
        return done.records

    def on_worker_lost(self, reason: str) -> list[TaskRecord]:
        """Mark the sent tasks as suspects, or as failed if they were suspects already."""
        if not self.suspects:
            self.suspects = self.sent
            return []
        error = ComputationError(f"{reason} (two attempts).")
        failed = [
            task_record.failed(record, error) for record in self.remaining.records[: self.sent]
        ]
        self.suspects -= self.sent
        self.remaining = self.remaining.between(self.sent, None)
        return failed

    def split_off(self) -> _TaskQueue | None:
        """Remove and return the second half of the tasks; None if that is too little work."""
        if not self.rows or self.suspects:
            return None
        calls = math.ceil(len(self.remaining) / self.rows)
        first = self.rows * math.ceil(calls / 2)
        second = self.remaining.between(first, None)
        if not second or len(second) * self.seconds < _MIN_SPLIT_SECONDS:
            return None
        self.remaining = self.remaining.between(0, first)
        return _TaskQueue(second, self.rows, self.seconds)


def run_sequential(groups: Sequence[TaskChunk]) -> Iterator[list[TaskRecord]]:
    """Compute the groups in this process; yield an empty list first, then each record by itself.

    Raises:
        UsageError, DeviceError: as `compute_chunk`.
    """
    try:
        compute_chunk(groups[0], time_slice=0.0)
        yield []
        for group in groups:
            for record in compute_tasks(group):
                yield [record]
    finally:
        forget()


def run_parallel(groups: Sequence[TaskChunk], workers: Workers) -> Iterator[list[TaskRecord]]:
    """Compute the groups in the workers' processes; yield records as they arrive.

    An empty list comes first, once the first groups are planned: errors that concern the whole
    sweep have been raised by then, before anything is computed or written.  If a process dies, its
    chunk is computed again; tasks with which two processes died have failed.

    Raises:
        UsageError, DeviceError: as `compute_chunk`.
    """
    try:
        yield from _run_parallel(groups, workers)
    finally:
        workers.stop()


def _run_parallel(groups: Sequence[TaskChunk], workers: Workers) -> Iterator[list[TaskRecord]]:
    executor, waiting = workers.executor, deque(map(_TaskQueue, groups))
    first = [(queue, queue.send(executor)) for queue in list(waiting)[: workers.slots()]]
    for queue, future in first:
        queue.receive(future)
    yield []
    busy: dict[Future[ChunkDone], _TaskQueue] = {}
    while waiting or busy:
        idle = workers.slots() - len(busy)
        while 0 < len(waiting) < idle:
            split = max(waiting, key=lambda queue: len(queue.remaining) * queue.seconds).split_off()
            if split is None:
                break
            waiting.append(split)
        for queue in [waiting.popleft() for _ in range(min(idle, len(waiting)))]:
            busy[queue.send(executor)] = queue
        for future in wait(busy, return_when=FIRST_COMPLETED).done:
            queue = busy.pop(future)
            if records := queue.receive(future):
                yield records
            if queue.remaining:
                # Next, so that the process that is idle now continues with it.
                waiting.appendleft(queue)
