"""Run a sweep: its tasks computed, and their results and records stored in a folder.

Boundary: prints nothing; `on_task` is called for each task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from jaccli import backend
from jaccli.spec import Spec
from jaccli.sweep import task_record
from jaccli.sweep.expand import SweepTask
from jaccli.sweep.fingerprint import fingerprints
from jaccli.sweep.grouping import groups
from jaccli.sweep.results_folder import SCHEMA, Folder
from jaccli.sweep.task_record import TaskRecord

if TYPE_CHECKING:
    from jaccli.sweep.scheduler import Workers

OnTask = Callable[[TaskRecord, bool], None]
"""Called with the record of each task, and whether its result was up to date."""


@dataclass(frozen=True)
class SweepJob:
    """A sweep to run: its spec, its tasks, and the options of the run."""

    spec: Spec
    tasks: tuple[SweepTask, ...]
    folder: Path
    suffix: str = ".npz"
    force: bool = False
    fail_fast: bool = False
    fail_on_nonfinite: bool = False
    allow_python: bool = False


@dataclass(frozen=True)
class SweepSummary:
    """The records of all tasks; `up_to_date` are the names of those that were not run again."""

    records: tuple[TaskRecord, ...]
    up_to_date: frozenset[str]
    seconds: float


class FolderState(NamedTuple):
    """A results folder, the records of all tasks, and the names of those that are `up_to_date`."""

    folder: Folder
    records: list[TaskRecord]
    up_to_date: frozenset[str]


def scan_folder(job: SweepJob) -> FolderState:
    """Return the state of the results folder: which tasks have their result there already.

    Raises:
        UsageError: a file stands where a result should go.
    """
    folder = Folder(job.folder)
    folder.read()
    fingerprint = fingerprints(job.suffix, backend.versions())
    records, up_to_date = [], set()
    for task in job.tasks:
        record = task_record.pending(task, job.suffix, fingerprint(task))
        earlier = None if job.force else folder.up_to_date(record)
        if earlier is not None:
            # The same result may go by another name in a sweep that has changed.
            record = replace(earlier, name=task.name, values=record.values)
            up_to_date.add(task.name)
        records.append(record)
    folder.check_targets(records, force=job.force)
    return FolderState(folder, records, frozenset(up_to_date))


def perform(job: SweepJob, on_task: OnTask, workers: Workers | None = None) -> SweepSummary:
    """Compute all tasks that are missing or changed, in this process if `workers` is None.

    Raises:
        UsageError: the folder cannot be used, or a file format cannot hold its result.
        DeviceError: the device is not there.
    """
    start = time.perf_counter()
    folder, all_records, up_to_date = scan_folder(job)
    by_name = {record.name: record for record in all_records}
    for name in up_to_date:
        on_task(by_name[name], True)
    pending = [task for task in job.tasks if task.name not in up_to_date]
    folder.open()
    try:
        computed = _computed(pending, by_name, job, workers)
        next(computed)  # raises errors that concern all tasks, before anything is written
        folder.begin(_head(job, by_name.values(), 0.0), all_records)
        try:
            for records in computed:
                by_name.update((record.name, record) for record in records)
                for record in records:
                    if not record.shapes:
                        folder.discard(record)
                folder.note(records)
                for record in records:
                    on_task(record, False)
                if job.fail_fast and any(record.status == "failed" for record in records):
                    break
        finally:
            computed.close()
            elapsed = time.perf_counter() - start
            folder.finish(_head(job, by_name.values(), elapsed), list(by_name.values()))
    finally:
        folder.close()
    return SweepSummary(tuple(by_name.values()), up_to_date, elapsed)


def _head(job: SweepJob, records: Any, seconds: float) -> dict[str, Any]:
    """Return the entries of the manifest about the sweep as a whole."""
    spec = job.spec
    statuses = [record.status for record in records]
    return {
        "schema": SCHEMA,
        "spec": spec.name,
        "resolved": spec.resolved,
        "sha256": spec.sha256,
        "versions": backend.versions(),
        "seconds": seconds,
        "counts": {name: statuses.count(name) for name in ("done", "failed", "pending")},
    }


def _computed(
    tasks: Sequence[SweepTask],
    records: Mapping[str, TaskRecord],
    job: SweepJob,
    workers: Workers | None,
) -> Generator[list[TaskRecord]]:
    """Yield an empty list once the first groups are planned, then the records of finished tasks."""
    if not tasks:
        yield []
        return  # without JAX
    from jaccli.sweep import scheduler, worker

    options = worker.RunOptions(
        folder=job.folder.absolute(),
        suffix=job.suffix,
        allow_python=job.allow_python,
        fail_on_nonfinite=job.fail_on_nonfinite,
        fail_fast=job.fail_fast,
        home=Path.cwd(),
        memory_divisor=1 if workers is None else workers.memory_divisor,
    )
    run = uuid4().hex
    chunks = [
        worker.TaskChunk(
            f"{run}-{index}", group, tuple(records[t.name] for t in group.tasks), options
        )
        for index, group in enumerate(groups(tasks))
    ]
    yield from (
        scheduler.run_sequential(chunks)
        if workers is None
        else scheduler.run_parallel(chunks, workers)
    )
