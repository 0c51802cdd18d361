"""An experiment from its tasks to a folder that holds them all.

Boundary: prints nothing; `told` hears of every task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaccli import backend
from jaccli.errors import ComputationError, JaccliError
from jaccli.experiment import record as records
from jaccli.experiment.expand import Task
from jaccli.experiment.fingerprint import fingerprints
from jaccli.experiment.folder import SCHEMA, Folder
from jaccli.experiment.group import groups
from jaccli.experiment.record import Record
from jaccli.result import Result, Stored, first_nonfinite, read, write
from jaccli.result.compare import compare
from jaccli.spec import Spec

if TYPE_CHECKING:
    from jaccli.experiment.compute import Outcome

Told = Callable[[Record, bool], None]
"""Told of each task, and whether its result was kept."""


@dataclass(frozen=True)
class Request:
    """What is asked of an experiment: its spec, its tasks, and how they are run."""

    spec: Spec
    tasks: tuple[Task, ...]
    folder: Path
    suffix: str = ".npz"
    force: bool = False
    fail_fast: bool = False
    fail_on_nonfinite: bool = False
    allow_python: bool = False


@dataclass(frozen=True)
class Account:
    """What an experiment has come to; `kept` are the names of tasks that were not run again."""

    records: tuple[Record, ...]
    kept: frozenset[str]
    seconds: float


class Survey(NamedTuple):
    """What there is: the folder, the accounts of all tasks, and the names of those `kept`."""

    folder: Folder
    records: list[Record]
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
        account = records.pending(task, request.suffix, fingerprint(task))
        known = None if request.force else folder.keeps(account)
        if known is not None:
            # The same result may go by another name in a sweep that has changed.
            account = replace(known, name=task.name, values=account.values)
            kept.add(task.name)
        accounts.append(account)
    folder.check_targets(accounts, force=request.force)
    return Survey(folder, accounts, frozenset(kept))


def perform(request: Request, told: Told) -> Account:
    """Compute all tasks that are missing or changed; keep accounts of all.

    Raises:
        UsageError: the folder is not fit for it, or the results for their files.
        DeviceError: the device is not there.
    """
    start = time.perf_counter()
    folder, accounts, kept = survey(request)
    by_name = {account.name: account for account in accounts}
    for name in kept:
        told(by_name[name], True)
    pending = [task for task in request.tasks if task.name not in kept]
    folder.open()
    try:
        outcomes = _outcomes(pending, request)
        first = next(outcomes, None)  # what is wrong with the whole is known by now
        folder.begin(_head(request, by_name.values(), 0.0), accounts)
        try:
            golden = cache(read)
            for task, outcome in chain(filter(None, [first]), outcomes):
                finished = _finished(by_name[task.name], task, outcome, request, golden)
                by_name[task.name] = finished
                if not finished.shapes:
                    folder.discard(finished)
                folder.note([finished])
                told(finished, False)
                if request.fail_fast and finished.status == "failed":
                    break
        finally:
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


def _outcomes(tasks: Sequence[Task], request: Request) -> Iterator[Outcome]:
    """Compute the tasks, group by group."""
    if not tasks:
        return  # without JAX
    from jaccli.experiment.compute import results

    for group in groups(tasks):
        yield from results(
            group,
            request.suffix,
            allow_python=request.allow_python,
            with_value=request.suffix == ".json",
        )


def _finished(
    account: Record,
    task: Task,
    outcome: Result | JaccliError,
    request: Request,
    golden: Callable[[Path], Stored],
) -> Record:
    """Write a result, compare it with what is expected, and return the account of its task."""
    if isinstance(outcome, JaccliError):
        return records.failed(account, outcome)
    expect = task.spec.expect
    try:
        nonfinite = first_nonfinite(outcome) if request.fail_on_nonfinite else None
        if nonfinite is not None:
            raise ComputationError(f"{nonfinite}.")
        expected = None if expect is None else golden(expect.path)
        path = request.folder / account.file
        write(outcome, path, layout=task.spec.layout, force=True)
        if expect is None or expected is None:
            return records.done(account, outcome, None)
        comparison = compare(outcome, expected, rtol=expect.rtol, atol=expect.atol)
        return records.done(account, outcome, comparison)
    except JaccliError as error:
        return records.failed(account, error)
