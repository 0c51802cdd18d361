"""An experiment from its tasks to a folder that holds them all.

Boundary: prints nothing; `told` hears of every task.
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
from jaccli.sweep import task_record as accounts_of
from jaccli.sweep.expand import SweepTask
from jaccli.sweep.fingerprint import fingerprints
from jaccli.sweep.grouping import groups
from jaccli.sweep.results_folder import SCHEMA, Folder
from jaccli.sweep.task_record import TaskRecord

if TYPE_CHECKING:
    from jaccli.sweep.scheduler import Workers

Told = Callable[[TaskRecord, bool], None]
"""Told of each task, and whether its result was kept."""


@dataclass(frozen=True)
class Request:
    """What is asked of an experiment: its spec, its tasks, and how they are run."""

    spec: Spec
    tasks: tuple[SweepTask, ...]
    folder: Path
    suffix: str = ".npz"
    force: bool = False
    fail_fast: bool = False
    fail_on_nonfinite: bool = False
    allow_python: bool = False


@dataclass(frozen=True)
class Account:
    """What an experiment has come to; `kept` are the names of tasks that were not run again."""

    records: tuple[TaskRecord, ...]
    kept: frozenset[str]
    seconds: float


class Survey(NamedTuple):
    """What there is: the folder, the accounts of all tasks, and the names of those `kept`."""

    folder: Folder
    records: list[TaskRecord]
    kept: frozenset[str]


def survey(request: Request) -> Survey:
    """Look at the folder as it is, and tell which of its results are those of the tasks.

    Raises:
        UsageError: a file stands where a result should go.
    """
    folder = Folder(request.folder)
    folder.read()
    fingerprint = fingerprints(request.suffix, backend.versions())
    accounts, kept = [], set()
    for task in request.tasks:
        account = accounts_of.pending(task, request.suffix, fingerprint(task))
        known = None if request.force else folder.keeps(account)
        if known is not None:
            # The same result may go by another name in a sweep that has changed.
            account = replace(known, name=task.name, values=account.values)
            kept.add(task.name)
        accounts.append(account)
    folder.check_targets(accounts, force=request.force)
    return Survey(folder, accounts, frozenset(kept))


def perform(request: Request, told: Told, workers: Workers | None = None) -> Account:
    """Compute all tasks that are missing or changed; keep accounts of all.

    Without `workers`, in this process.

    Raises:
        UsageError: the folder is not fit for it, or the results for their files.
        DeviceError: the device is not there.
    """
    start = time.perf_counter()
    folder, found, kept = survey(request)
    by_name = {record.name: record for record in found}
    for name in kept:
        told(by_name[name], True)
    pending = [task for task in request.tasks if task.name not in kept]
    folder.open()
    try:
        computed = _computed(pending, by_name, request, workers)
        next(computed)  # what is wrong with the whole is known by now
        folder.begin(_head(request, by_name.values(), 0.0), found)
        try:
            for records in computed:
                by_name.update((record.name, record) for record in records)
                for record in records:
                    if not record.shapes:
                        folder.discard(record)
                folder.note(records)
                for record in records:
                    told(record, False)
                if request.fail_fast and any(record.status == "failed" for record in records):
                    break
        finally:
            computed.close()
            took = time.perf_counter() - start
            folder.finish(_head(request, by_name.values(), took), list(by_name.values()))
    finally:
        folder.close()
    return Account(tuple(by_name.values()), kept, took)


def _head(request: Request, accounts: Any, seconds: float) -> dict[str, Any]:
    """Return what a manifest says of the experiment as a whole."""
    spec = request.spec
    statuses = [account.status for account in accounts]
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
    request: Request,
    workers: Workers | None,
) -> Generator[list[TaskRecord]]:
    """Compute the tasks, group by group: yield no account when they are planned, then theirs."""
    if not tasks:
        yield []
        return  # without JAX
    from jaccli.sweep import scheduler, worker

    order = worker.Order(
        folder=request.folder.absolute(),
        suffix=request.suffix,
        allow_python=request.allow_python,
        fail_on_nonfinite=request.fail_on_nonfinite,
        fail_fast=request.fail_fast,
        home=Path.cwd(),
        share=1 if workers is None else workers.share,
    )
    run = uuid4().hex
    chunks = [
        worker.TaskChunk(
            f"{run}-{index}", group, tuple(records[t.name] for t in group.tasks), order
        )
        for index, group in enumerate(groups(tasks))
    ]
    yield from scheduler.in_turn(chunks) if workers is None else scheduler.spread(chunks, workers)
