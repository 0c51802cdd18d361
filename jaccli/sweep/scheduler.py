"""Groups of tasks handed out to processes, here or elsewhere, and their accounts collected.

A process takes a chunk of a group, returns the accounts, and takes the next: it has compiled the
program by then.  What is lost when all is killed is one chunk for each process.  An idle process
takes over half of what is left of another's group, if that pays for compiling once more.

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
from jaccli.sweep import task_record as accounts
from jaccli.sweep.process_pool import Processes
from jaccli.sweep.task_record import TaskRecord
from jaccli.sweep.worker import ChunkDone, TaskChunk, forget, records, work

_PATIENCE = 0.5
"""Seconds after which a process returns what it has."""
_MOST = 64
"""Tasks that are sent at once at most, as long as a call does not take more."""
_WORTH = 1.5
"""Seconds of work that an idle process takes over at least: to start and to compile take that."""


class Workers(NamedTuple):
    """Where chunks are computed: `executor` runs `work`, in as many processes as `slots` says.

    `slots` is asked again and again, for there may be more or fewer of them meanwhile.  `share` is
    among how many processes a machine's memory budget is divided.  To know a process again that has
    compiled something is up to the executor: best, the last one that was busy is the next to be.
    After `stop`, which is called in any case, nothing is computed or written any more.
    """

    executor: Executor
    slots: Callable[[], int]
    stop: Callable[[], None]
    share: int = 1


def local(count: int) -> Workers:
    """Return as many processes on this machine, which share its memory."""
    executor = Processes(count)
    stop = partial(executor.shutdown, cancel_futures=True)
    return Workers(executor, slots=lambda: count, stop=stop, share=count)


@dataclass
class _Chain:
    """What is left of a group's tasks, one chunk after another.

    `rows` and `seconds` are of the last chunk (`ChunkDone`), 0 until it is planned.  The next
    `careful` tasks are taken one call at a time, because a process was lost with them.
    """

    rest: TaskChunk
    rows: int = 0
    seconds: float = 0.0
    careful: int = 0
    sent: int = 0

    def send(self, executor: Executor) -> Future[ChunkDone]:
        """Have the next chunk computed; first, the program planned."""
        calls = 1 if self.careful and self.rows else _MOST // max(1, self.rows)
        self.sent = min(len(self.rest), max(1, calls) * max(1, self.rows))
        patience = _PATIENCE if self.rows else 0.0
        return executor.submit(work, self.rest.between(0, self.sent), patience)

    def receive(self, future: Future[ChunkDone]) -> list[TaskRecord]:
        """Go on behind the tasks that are done, and return their accounts.

        Raises:
            UsageError, DeviceError: as `work`.
        """
        try:
            done = future.result()
        except JaccliError:
            raise
        except Exception as error:  # of the executor, which knows why a process is no more
            return self.lose(str(error).strip().split("\n")[0] or type(error).__name__)
        count = len(done.records)
        self.rows, self.seconds = done.rows, done.seconds
        self.careful = max(0, self.careful - count)
        self.rest = self.rest.between(count, None)
        return done.records

    def lose(self, reason: str) -> list[TaskRecord]:
        """Note that the process was lost.  A call that was tried before has failed."""
        if not self.careful:
            self.careful = self.sent
            return []
        error = ComputationError(f"{reason} (two attempts).")
        failed = [accounts.failed(account, error) for account in self.rest.accounts[: self.sent]]
        self.careful -= self.sent
        self.rest = self.rest.between(self.sent, None)
        return failed

    def half(self) -> _Chain | None:
        """Give away the second half of what is left, if it is worth it, cut between two calls."""
        if not self.rows or self.careful:
            return None
        calls = math.ceil(len(self.rest) / self.rows)
        kept = self.rows * math.ceil(calls / 2)
        given = self.rest.between(kept, None)
        if not given or len(given) * self.seconds < _WORTH:
            return None
        self.rest = self.rest.between(0, kept)
        return _Chain(given, self.rows, self.seconds)


def in_turn(groups: Sequence[TaskChunk]) -> Iterator[list[TaskRecord]]:
    """Compute the groups in this process; yield each account by itself, first none, as `spread`.

    Raises:
        UsageError, DeviceError: as `work`.
    """
    try:
        work(groups[0], patience=0.0)
        yield []
        for group in groups:
            for record in records(group):
                yield [record]
    finally:
        forget()


def spread(groups: Sequence[TaskChunk], workers: Workers) -> Iterator[list[TaskRecord]]:
    """Have the groups computed, and yield the accounts as they come in.

    First come none, when the first groups are planned: what is wrong with the whole is known by
    then, and nothing is computed or written yet.  A process that is lost costs its chunk a second
    try; what is lost twice has failed.

    Raises:
        UsageError, DeviceError: as `work`.
    """
    try:
        yield from _spread(groups, workers)
    finally:
        workers.stop()


def _spread(groups: Sequence[TaskChunk], workers: Workers) -> Iterator[list[TaskRecord]]:
    executor, waiting = workers.executor, deque(map(_Chain, groups))
    first = [(chain, chain.send(executor)) for chain in list(waiting)[: workers.slots()]]
    for chain, future in first:
        chain.receive(future)
    yield []
    busy: dict[Future[ChunkDone], _Chain] = {}
    while waiting or busy:
        free = workers.slots() - len(busy)
        while 0 < len(waiting) < free:
            given = max(waiting, key=lambda chain: len(chain.rest) * chain.seconds).half()
            if given is None:
                break
            waiting.append(given)
        for chain in [waiting.popleft() for _ in range(min(free, len(waiting)))]:
            busy[chain.send(executor)] = chain
        for future in wait(busy, return_when=FIRST_COMPLETED).done:
            chain = busy.pop(future)
            if found := chain.receive(future):
                yield found
            if chain.rest:
                waiting.appendleft(chain)  # so that the process that is free now goes on with it
