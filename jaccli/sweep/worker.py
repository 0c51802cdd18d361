"""A part of an experiment: its tasks computed, their results written, their accounts returned.

A `TaskBatch` pickles, and `work` is all that another process has to call: it writes the results
where the sweep's folder is, and touches neither manifest nor journal nor table.

Boundary: starts no process and knows of none; whoever hands out parts keeps the accounts.
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
class TaskBatch:
    """Consecutive tasks of a group, with the accounts of each that are still to be completed.

    `group.tasks` are the part's own; `key` is the same for all parts of a group and for no others,
    so that a process need not compile what it has compiled.
    """

    key: str
    group: Group
    accounts: tuple[TaskRecord, ...]
    order: Order

    def __len__(self) -> int:
        return len(self.accounts)

    def between(self, start: int, stop: int | None) -> TaskBatch:
        """Return the part of the tasks from `start` to `stop`."""
        group = replace(self.group, tasks=self.group.tasks[start:stop])
        return replace(self, group=group, accounts=self.accounts[start:stop])


class BatchDone(NamedTuple):
    """What has become of a part's first tasks; `rows` are computed in one call.

    `seconds` are those of each task without compiling: predicted, or measured where there are some.
    A group is only ever cut between calls, so each result is the same whoever computes it.
    """

    records: list[TaskRecord]
    rows: int
    seconds: float


def work(part: TaskBatch, patience: float) -> BatchDone:
    """Compute the part, call after call, until it is done or `patience` seconds are over.

    At least one call is made unless `patience` is 0: then the part is only planned, which raises
    what is wrong with all of the experiment.

    Raises:
        UsageError: the results do not fit into files of that suffix.
        DeviceError: the device is not there, and the sweep does not set it.
    """
    found: list[TaskRecord] = []
    with _ONE_AT_A_TIME:
        computer, start = _bench(part).computer, time.monotonic()
        computer.prepare(_tasks(part))
        if patience == 0:
            return BatchDone(found, computer.rows, computer.predicted)
        compiling = computer.compiling
        for record in records(part):
            found.append(record)
            if part.order.fail_fast and record.status == "failed":
                break
            if len(found) % computer.rows == 0 and time.monotonic() - start > patience:
                break
        took = time.monotonic() - start - (computer.compiling - compiling)
        return BatchDone(found, computer.rows, took / len(found))


def records(part: TaskBatch) -> Iterator[TaskRecord]:
    """Compute the part in this process; yield each account when its result is written.

    Raises:
        UsageError, DeviceError: as `work`.
    """
    yield from _bench(part).records(part)


_ONE_AT_A_TIME = threading.Lock()
"""JAX is set up for one group at a time, and the budget is for one."""


class _Bench:
    """What tasks of a group have in common as they are computed one part after another."""

    def __init__(self, part: TaskBatch) -> None:
        from jaccli.sweep.batching import Computer  # with JAX, where things are computed

        order = part.order
        self.key = part.key
        self.computer = Computer(
            part.group,
            order.suffix,
            allow_python=order.allow_python,
            with_value=order.suffix == ".json",
        )
        self.golden: Callable[[Path, int], Stored] = cache(_golden)

    def records(self, part: TaskBatch) -> Iterator[TaskRecord]:
        """Yield the account of each task, in the order of the calls."""
        pending = {account.name: account for account in part.accounts}
        for task, outcome in self.computer.results(_tasks(part)):
            yield _finished(pending[task.name], task, outcome, part.order, self.golden)


_latest: _Bench | None = None


def _bench(part: TaskBatch) -> _Bench:
    """Return this process's bench for a group: the last one, where it is the same group's."""
    global _latest
    if part.order.home != Path.cwd():
        os.chdir(part.order.home)
    if _latest is None or _latest.key != part.key:
        _latest = _Bench(part)
    return _latest


def forget() -> None:
    """Let go of the programs and arrays of the last group."""
    global _latest
    _latest = None


def _tasks(part: TaskBatch) -> list[SweepTask]:
    """Return the part's tasks with their share of the memory budget."""
    return [sharing(task, part.order.share) for task in part.group.tasks]


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
