"""The command `run`: what the specs say themselves, be it a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import groupby
from typing import ClassVar

from jaccli.choices import REPORTED
from jaccli.commands import COMMANDS
from jaccli.commands.derivative import computed
from jaccli.commands.options import (
    CALL,
    COLS,
    HOW,
    PART,
    RESULT,
    ROWS,
    SCALE,
    VECTOR,
    WITH_VALUE,
    ResultRequest,
)
from jaccli.commands.outcome import Outcome
from jaccli.commands.reports import OF_RESULTS, check_honoured
from jaccli.commands.request import option
from jaccli.commands.tasks import Task, check_targets, load_specs, tasks_of
from jaccli.context import Context
from jaccli.errors import UsageError
from jaccli.storage import files

SWEEP = ("dry_run", "fail_fast", "jobs", "junit", "markdown", "table", "no_folder")
"""The options that go with a sweep alone."""


class RunRequest(ResultRequest):
    """What the specs say, compared with their `expect:`."""

    takes_parts = True
    rows: str | None = ROWS
    cols: str | None = COLS
    part: str | None = PART
    vector: tuple[str, ...] = VECTOR
    scale: str = SCALE
    with_value: bool = WITH_VALUE
    performs: ClassVar[tuple[str, ...]] = REPORTED
    # fmt: off
    dry_run: bool = option("--dry-run", help="List a sweep's tasks, bytes and seconds.", panel=CALL)
    fail_fast: bool = option("--fail-fast", help="Stop a sweep at the first task that fails.",
        panel=CALL)
    jobs: int | None = option("--jobs", help="Compute a sweep in N processes (1).", panel=HOW,
        metavar="N", least=1)
    junit: str | None = option("--junit", help="Write a sweep's JUnit report.", panel=RESULT,
        metavar="FILE")
    markdown: str | None = option("--markdown", help="Write a page about a sweep.", panel=RESULT,
        metavar="FILE")
    table: str | None = option("--table", panel=RESULT, metavar="FILE",
        help="Write a sweep's entries as one long table, or draw them.")
    no_folder: bool = option("--no-folder", help="Write the --table alone, and no results folder.",
        panel=RESULT)
    # fmt: on


def run(request: RunRequest, context: Context) -> Iterator[Outcome]:
    """Compute what the specs say, or the tasks of a sweep.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    specs = load_specs(request, None)
    if any(spec.sweep is not None for spec in specs):
        files.require_local("a sweep")
        from jaccli.commands import report_sweep

        if len(specs) == 1 and report_sweep.is_of_report(specs[0]):
            return report_sweep.run(specs[0], request, context)
        from jaccli.commands import run_sweep

        return run_sweep.run(specs, request, context)
    for given, _ in request.given():
        if given.name in SWEEP:
            raise UsageError(f"{given.flag} goes with a sweep, and the spec has none.")
    asked = tasks_of(specs, request, context)
    reported = [task for task in asked if task.derivative in REPORTED]
    if not reported:
        return computed(asked, request, context, expects=True)
    # Beside derivatives, options of results are theirs; a cluster has no part in the report.
    barred = OF_RESULTS if len(reported) == len(asked) else ("cluster",)
    check_honoured(request, barred, reported[0].derivative)
    if all(task.derivative == "propagate" for task in asked):
        check_honoured(request, ("wrt", "vector"), "propagate")
    check_targets(asked, request, context)
    return _mixed(asked, request, context)


def _mixed(asked: list[Task], request: RunRequest, context: Context) -> Iterator[Outcome]:
    """Perform derivatives and reports about them, in the order of the specs."""
    for name, group in groupby(asked, key=lambda task: task.derivative):
        if name in REPORTED:
            yield from import_module(COMMANDS[name].module).reports(list(group), request, context)
        else:
            yield from computed(list(group), request, context, expects=True)
