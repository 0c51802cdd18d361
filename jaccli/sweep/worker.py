"""A chunk of a sweep: its tasks computed, their results written, their records returned.

A `TaskChunk` pickles, and another process only calls `compute_chunk`: it writes the results to the
sweep's folder, and touches neither manifest nor journal nor table.

Boundary: starts no process; the caller stores the records.
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
from jaccli.sweep import task_record
from jaccli.sweep.expand import SweepTask
from jaccli.sweep.grouping import Group
from jaccli.sweep.task_record import TaskRecord


@dataclass(frozen=True)
class RunOptions:
    """Options that all tasks share.

    Relative paths are relative to `home`.  `memory_divisor` is the number of processes that share
    the memory budget.
    """

    folder: Path
    suffix: str
    allow_python: bool
    fail_on_nonfinite: bool
    fail_fast: bool
    home: Path
    memory_divisor: int = 1


@dataclass(frozen=True)
class TaskChunk:
    """Consecutive tasks of a group, with the pending record of each.

    `group.tasks` has the tasks of the chunk alone.  `key` is the same for all chunks of a group and
    differs between groups: a process finds the program that it has compiled by it.
    """

    key: str
    group: Group
    records: tuple[TaskRecord, ...]
    options: RunOptions

    def __len__(self) -> int:
        return len(self.records)

    def between(self, start: int, stop: int | None) -> TaskChunk:
        """Return the chunk of the tasks from `start` to `stop`."""
        group = replace(self.group, tasks=self.group.tasks[start:stop])
        return replace(self, group=group, records=self.records[start:stop])


class ChunkDone(NamedTuple):
    """The records of a chunk's first tasks; `rows` tasks are computed in one call.

    `seconds` is the time of a task without compiling: measured, or predicted if none was computed.
    Groups are cut between calls only, so results do not depend on which process computes them.
    """

    records: list[TaskRecord]
    rows: int
    seconds: float


def compute_chunk(chunk: TaskChunk, time_slice: float) -> ChunkDone:
    """Compute the chunk, call after call, until it is done or `time_slice` seconds have passed.

    At least one call is made unless `time_slice` is 0: then the chunk is only planned, which raises
    the errors that concern the whole sweep.

    Raises:
        UsageError: files of that suffix cannot hold the results.
        DeviceError: the device is not there, and the sweep does not set it.
    """
    done: list[TaskRecord] = []
    with _LOCK:
        runner, start = _group_state(chunk).runner, time.monotonic()
        runner.prepare(_tasks(chunk))
        if time_slice == 0:
            return ChunkDone(done, runner.rows, runner.predicted)
        compiling = runner.compiling
        for record in compute_tasks(chunk):
            done.append(record)
            if chunk.options.fail_fast and record.status == "failed":
                break
            if len(done) % runner.rows == 0 and time.monotonic() - start > time_slice:
                break
        elapsed = time.monotonic() - start - (runner.compiling - compiling)
        return ChunkDone(done, runner.rows, elapsed / len(done))


def compute_tasks(chunk: TaskChunk) -> Iterator[TaskRecord]:
    """Compute the chunk in this process; yield each record when its result is written.

    Raises:
        UsageError, DeviceError: as `compute_chunk`.
    """
    yield from _group_state(chunk).records(chunk)


_LOCK = threading.Lock()
"""Held while a chunk is computed: JAX is configured, and the budget divided, for one group."""


class _GroupState:
    """The compiled program and the files that the chunks of one group share."""

    def __init__(self, chunk: TaskChunk) -> None:
        from jaccli.sweep.batching import GroupRunner  # imports JAX

        options = chunk.options
        self.runner = GroupRunner(
            chunk.group,
            options.suffix,
            allow_python=options.allow_python,
            with_value=options.suffix == ".json",
        )
        self.read_expected: Callable[[Path, int], Stored] = cache(_read_file)

    def records(self, chunk: TaskChunk) -> Iterator[TaskRecord]:
        """Yield the record of each task, in the order of the calls."""
        pending = {record.name: record for record in chunk.records}
        for task, outcome in self.runner.results(_tasks(chunk)):
            yield _finished(pending[task.name], task, outcome, chunk.options, self.read_expected)


_latest: LRUCache[str, _GroupState] = LRUCache(1)


def _group_state(chunk: TaskChunk) -> _GroupState:
    """Return the state of a group in this process: the last one if it is of the same group."""
    if chunk.options.home != Path.cwd():
        os.chdir(chunk.options.home)
    state = _latest.get(chunk.key)
    if state is None:
        state = _GroupState(chunk)
        _latest.put(chunk.key, state)
    return state


def forget() -> None:
    """Release the programs and arrays of the last group."""
    _latest.clear()


def _tasks(chunk: TaskChunk) -> list[SweepTask]:
    """Return the chunk's tasks with their share of the memory budget."""
    return [with_memory_share(task, chunk.options.memory_divisor) for task in chunk.group.tasks]


def _read_file(path: Path, limit: int) -> Stored:
    """Read the file with the expected result."""
    return read(path, limit=limit)


def with_memory_share(task: SweepTask, memory_divisor: int) -> SweepTask:
    """Return the task with the memory budget that each of `memory_divisor` processes has."""
    if memory_divisor == 1:
        return task
    budget = memory.budget(task.spec.memory) // memory_divisor
    return replace(task, spec=replace(task.spec, memory=budget))


def _finished(
    record: TaskRecord,
    task: SweepTask,
    outcome: Result | JaccliError,
    options: RunOptions,
    read_expected: Callable[[Path, int], Stored],
) -> TaskRecord:
    """Write a result, compare it with what is expected, and return the record of its task."""
    if isinstance(outcome, JaccliError):
        return task_record.failed(record, outcome)
    expect = task.spec.expect
    try:
        nonfinite = first_nonfinite(outcome) if options.fail_on_nonfinite else None
        if nonfinite is not None:
            raise ComputationError(f"{nonfinite}.")
        expected = (
            None if expect is None else read_expected(expect.path, memory.budget(task.spec.memory))
        )
        write(outcome, options.folder / record.file, layout=task.spec.layout, force=True)
        if expect is None or expected is None:
            return task_record.done(record, outcome, None)
        comparison = compare(outcome, expected, rtol=expect.rtol, atol=expect.atol)
        return task_record.done(record, outcome, comparison)
    except JaccliError as error:
        return task_record.failed(record, error)
