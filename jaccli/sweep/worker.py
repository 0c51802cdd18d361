"""A chunk of a sweep: its tasks computed, their results written, their accounts returned.

A `TaskChunk` pickles, and `work` is all that another process has to call: it writes the results
where the sweep's folder is, and touches neither manifest nor journal nor table.

Boundary: starts no process and knows of none; whoever hands out chunks keeps the accounts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from jaccli import memory
from jaccli.errors import ComputationError, JaccliError
from jaccli.result import Result, Stored, first_nonfinite, read, write
from jaccli.result.compare.compare import compare
from jaccli.storage.lru_cache import LRUCache
from jaccli.sweep import task_record as accounts
from jaccli.sweep.expand import SweepTask
from jaccli.sweep.grouping import Group
from jaccli.sweep.task_record import TaskRecord


@dataclass(frozen=True)
class Order:
    """What is asked of all tasks alike.

    `home` is what relative paths are relative to.  `share` is among how many the memory budget is
    divided.
    """

    folder: Path
    suffix: str
    allow_python: bool
    fail_on_nonfinite: bool
    fail_fast: bool
    home: Path
    share: int = 1


@dataclass(frozen=True)
class TaskChunk:
    """Consecutive tasks of a group, with the accounts of each that are still to be completed.

    `group.tasks` are the chunk's own; `key` is the same for all chunks of a group and for no
    others, so that a process need not compile what it has compiled.
    """

    key: str
    group: Group
    accounts: tuple[TaskRecord, ...]
    order: Order

    def __len__(self) -> int:
        return len(self.accounts)

    def between(self, start: int, stop: int | None) -> TaskChunk:
        """Return the chunk of the tasks from `start` to `stop`."""
        group = replace(self.group, tasks=self.group.tasks[start:stop])
        return replace(self, group=group, accounts=self.accounts[start:stop])


class ChunkDone(NamedTuple):
    """What has become of a chunk's first tasks; `rows` are computed in one call.

    `seconds` are those of each task without compiling: predicted, or measured where there are some.
    A group is only ever cut between calls, so each result is the same whoever computes it.
    """

    records: list[TaskRecord]
    rows: int
    seconds: float


def work(chunk: TaskChunk, patience: float) -> ChunkDone:
    """Compute the chunk, call after call, until it is done or `patience` seconds are over.

    At least one call is made unless `patience` is 0: then the chunk is only planned, which raises
    what is wrong with all of the sweep.

    Raises:
        UsageError: the results do not fit into files of that suffix.
        DeviceError: the device is not there, and the sweep does not set it.
    """
    found: list[TaskRecord] = []
    with _ONE_AT_A_TIME:
        computer, start = _bench(chunk).computer, time.monotonic()
        computer.prepare(_tasks(chunk))
        if patience == 0:
            return ChunkDone(found, computer.rows, computer.predicted)
        compiling = computer.compiling
        for record in records(chunk):
            found.append(record)
            if chunk.order.fail_fast and record.status == "failed":
                break
            if len(found) % computer.rows == 0 and time.monotonic() - start > patience:
                break
        took = time.monotonic() - start - (computer.compiling - compiling)
        return ChunkDone(found, computer.rows, took / len(found))


def records(chunk: TaskChunk) -> Iterator[TaskRecord]:
    """Compute the chunk in this process; yield each account when its result is written.

    Raises:
        UsageError, DeviceError: as `work`.
    """
    yield from _bench(chunk).records(chunk)


_ONE_AT_A_TIME = threading.Lock()
"""JAX is set up for one group at a time, and the budget is for one."""


class _Bench:
    """What tasks of a group have in common as they are computed one chunk after another."""

    def __init__(self, chunk: TaskChunk) -> None:
        from jaccli.sweep.batching import Computer  # with JAX, where things are computed

        order = chunk.order
        self.computer = Computer(
            chunk.group,
            order.suffix,
            allow_python=order.allow_python,
            with_value=order.suffix == ".json",
        )
        self.golden: Callable[[Path, int], Stored] = cache(_golden)

    def records(self, chunk: TaskChunk) -> Iterator[TaskRecord]:
        """Yield the account of each task, in the order of the calls."""
        pending = {account.name: account for account in chunk.accounts}
        for task, outcome in self.computer.results(_tasks(chunk)):
            yield _finished(pending[task.name], task, outcome, chunk.order, self.golden)


_latest: LRUCache[str, _Bench] = LRUCache(1)


def _bench(chunk: TaskChunk) -> _Bench:
    """Return this process's bench for a group: the last one, where it is the same group's."""
    if chunk.order.home != Path.cwd():
        os.chdir(chunk.order.home)
    bench = _latest.get(chunk.key)
    if bench is None:
        bench = _Bench(chunk)
        _latest.put(chunk.key, bench)
    return bench


def forget() -> None:
    """Let go of the programs and arrays of the last group."""
    _latest.clear()


def _tasks(chunk: TaskChunk) -> list[SweepTask]:
    """Return the chunk's tasks with their share of the memory budget."""
    return [sharing(task, chunk.order.share) for task in chunk.group.tasks]


def _golden(path: Path, limit: int) -> Stored:
    """Read what results are compared with."""
    return read(path, limit=limit)


def sharing(task: SweepTask, share: int) -> SweepTask:
    """Return the task with the memory budget that each of `share` processes has."""
    if share == 1:
        return task
    budget = memory.budget(task.spec.memory) // share
    return replace(task, spec=replace(task.spec, memory=budget))


def _finished(
    account: TaskRecord,
    task: SweepTask,
    outcome: Result | JaccliError,
    order: Order,
    golden: Callable[[Path, int], Stored],
) -> TaskRecord:
    """Write a result, compare it with what is expected, and return the account of its task."""
    if isinstance(outcome, JaccliError):
        return accounts.failed(account, outcome)
    expect = task.spec.expect
    try:
        nonfinite = first_nonfinite(outcome) if order.fail_on_nonfinite else None
        if nonfinite is not None:
            raise ComputationError(f"{nonfinite}.")
        expected = None if expect is None else golden(expect.path, memory.budget(task.spec.memory))
        write(outcome, order.folder / account.file, layout=task.spec.layout, force=True)
        if expect is None or expected is None:
            return accounts.done(account, outcome, None)
        comparison = compare(outcome, expected, rtol=expect.rtol, atol=expect.atol)
        return accounts.done(account, outcome, comparison)
    except JaccliError as error:
        return accounts.failed(account, error)
