"""`run` for a spec with a sweep: its tasks, listed or computed into a folder, and the reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jaccli import startup
from jaccli.choices import SUFFIXES
from jaccli.cli import console
from jaccli.cli.options import SWEEP, Values, overrides
from jaccli.cli.tasks import warn_of_unused
from jaccli.cluster.address import parse
from jaccli.errors import JaccliError, UsageError, VerdictError, expected
from jaccli.spec import PythonModel, Spec
from jaccli.storage import files

if TYPE_CHECKING:
    from jaccli.sweep.runner import Request
    from jaccli.sweep.scheduler import Workers
    from jaccli.sweep.table import Row
    from jaccli.sweep.task_record import TaskRecord

_FOLDER = ".results"
"""What follows a spec's name in that of its folder, where none is given."""
_TOLD = 5
"""Different failures that are told on standard error at most."""


def is_experiment(specs: Sequence[Spec], values: Values) -> bool:
    """Whether one of the specs has a sweep; refuse options that go with sweeps alone."""
    if any(spec.sweep is not None for spec in specs):
        files.require_local("a sweep")
        return True
    for option in SWEEP:
        if values[option.name] is not None and values[option.name] is not False:
            raise UsageError(f"{option.flags[0]} goes with a sweep, and the spec has none.")
    return False


def run(specs: Sequence[Spec], values: Values) -> int:
    """List or compute the tasks of a sweep; return the exit code."""
    request = _request(_checked(specs, values), values)
    for spec in specs:
        warn_of_unused(spec, values)
    return (_forecast if values["dry_run"] else _perform)(request, values)


def _checked(specs: Sequence[Spec], values: Values) -> Spec:
    """Return the one spec, after refusing what does not go with a sweep."""
    if len(specs) > 1:
        raise UsageError("a spec with a sweep is run by itself.", hint="Run one spec at a time.")
    (spec,) = specs
    if values["suffix"] is not None and values["suffix"] not in SUFFIXES:
        raise UsageError(f"--suffix: no format {values['suffix']!r}.", hint=expected(SUFFIXES))
    if values["output"] is not None or spec.output.path is not None:
        hint = "Use --out-dir DIR, and --suffix for the format."
        where = "-o" if values["output"] is not None else "output.path"
        raise UsageError(f"{where}: a sweep writes a file for each task.", hint=hint)
    if values["show"]:
        raise UsageError("--show goes with one result; a sweep has many.")
    if spec.output.format == "npy":
        hint = expected(("table", "plain", "json", "csv", "none"))
        raise UsageError("--format: 'npy' holds a result; a sweep prints a table.", hint=hint)
    if values["jobs"] is not None and values["cluster"] is not None:
        hint = "--jobs is for processes on this machine, as is --cluster local:N."
        raise UsageError("--jobs and --cluster do not go together.", hint=hint)
    if values["cluster"] is not None:
        parse(values["cluster"])
    if values["jobs"] is not None and values["jobs"] < 1:
        message = f"--jobs: {values['jobs']} is not a count of processes."
        raise UsageError(message, hint="Expected 1 or more.")
    for name in ("junit", "markdown"):
        if values["dry_run"] and values[name]:
            raise UsageError(f"--{name}: a dry run has nothing to report.")
    _check_overrides(spec, values)
    return spec


def _check_overrides(spec: Spec, values: Values) -> None:
    """Refuse options for entries that the sweep sets: it would win over them."""
    for override in overrides(values):
        path = ".".join(override.path)
        for entry in spec.sweep.get("zip", spec.sweep):
            if path == entry or path.startswith(f"{entry}."):
                flag = override.node.text.name
                hint = f"Give the sweep other values: --set 'sweep={{{entry}: [...]}}'."
                raise UsageError(f"{flag}: the sweep sets {entry!r}.", hint=hint)


def _request(spec: Spec, values: Values) -> Request:
    """Return what is asked for, every task checked."""
    from jaccli.sweep import expand

    tasks = expand(spec)
    startup.import_numpy()
    from jaccli.sweep.runner import Request

    if isinstance(spec.model, PythonModel) and not values["allow_python"]:
        from jaccli.model.python import load_function

        load_function(spec, spec.model, allowed=False)  # refuses
    stem = {"-": "stdin", "-e": "expression"}.get(spec.name, Path(spec.name).stem)
    return Request(
        spec,
        tasks,
        folder=Path(values["out_dir"] or f"{stem}{_FOLDER}"),
        suffix=values["suffix"] or ".npz",
        force=spec.output.force,
        fail_fast=bool(values["fail_fast"]),
        fail_on_nonfinite=bool(values["fail_on_nonfinite"]),
        allow_python=bool(values["allow_python"]),
    )


def _forecast(request: Request, values: Values) -> int:
    """Print what would be done."""
    from jaccli.sweep import dry_run
    from jaccli.sweep.runner import survey

    _explain(request, values)
    jobs = _jobs(request, values)
    rows = dry_run.rows(request, survey(request), jobs)
    _print(rows, values, request.spec)
    if not values["quiet"]:
        console.err(dry_run.account(rows, str(request.folder), jobs))
    return 0


def _perform(request: Request, values: Values) -> int:
    """Compute the tasks, write the reports, print the table, and return the exit code."""
    from jaccli.result import duration
    from jaccli.storage.files import check_writable, publishing
    from jaccli.sweep import ci_reports, table
    from jaccli.sweep.runner import perform

    targets = {name: Path(values[name]) for name in ("junit", "markdown") if values[name]}
    for target in targets.values():
        check_writable(target, force=True)
    _explain(request, values)
    counting = _counting(len(request.tasks), quiet=bool(values["quiet"]))
    with _workers(request, values) as workers, counting as told:
        found = perform(request, told, workers)
    records, name = found.records, Path(request.spec.name).stem
    line = table.account(records, len(found.kept), duration(found.seconds), str(request.folder))
    pages = {
        "junit": lambda: ci_reports.junit(records, name),
        "markdown": lambda: ci_reports.markdown(records, name, line),
    }
    for report, target in targets.items():
        with publishing(target, force=True) as stream:
            stream.write(pages[report]().encode())
    _print(table.summary(records), values, request.spec)
    _tell(records, line, quiet=bool(values["quiet"]))
    failed = any(record.status == "failed" for record in records)
    return VerdictError.exit_code if failed else 0


def _jobs(request: Request, values: Values) -> int:
    """Return how many processes there will be: no more than tasks."""
    return min(values["jobs"] or 1, len(request.tasks))


def _explain(request: Request, values: Values) -> None:
    """Print the plan of each kind of task."""
    if not (values["explain"] or values["verbose"]):
        return
    from jaccli.plan import as_text
    from jaccli.sweep.dry_run import plans

    for group, plan in plans(request, _jobs(request, values)):
        text = str(plan) if isinstance(plan, JaccliError) else as_text(plan)
        console.err(f"{text}\ntasks    {len(group.tasks)}: {group.tasks[0].name} …")


@contextmanager
def _workers(request: Request, values: Values) -> Iterator[Workers | None]:
    """Yield the processes that share the tasks, here or on a cluster; None for this one."""
    from jaccli.sweep import scheduler

    if values["cluster"] is None:
        jobs = _jobs(request, values)
        yield scheduler.local(jobs) if jobs > 1 else None
        return
    from jaccli.cli.cluster import connected
    from jaccli.cluster import sweep_executor

    with connected(values) as cluster:
        # A budget that is given is each worker's; else those of one machine share its memory.
        share = cluster.address.workers if request.spec.memory is None else 0
        yield sweep_executor.workers(cluster, max(share, 1))


@contextmanager
def _counting(total: int, *, quiet: bool) -> Iterator[Callable[[TaskRecord, bool], None]]:
    """Show how many tasks are done, where a person is watching."""
    import sys

    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda record, kept: None
        return
    bar = console.Bar()
    bar.start(total)
    try:
        yield lambda record, kept: bar.advance(1)
    finally:
        bar.close()


def _print(rows: Sequence[Row], values: Values, spec: Spec) -> None:
    """Print rows to standard output."""
    from jaccli.sweep.table import RENDERERS

    form = spec.output.format or console.default_form()
    if form != "none":
        console.out(RENDERERS[form](rows, values["digits"] or 6))


def _tell(records: Sequence[TaskRecord], line: str, *, quiet: bool) -> None:
    """Print the failures, and what it has come to."""
    failures: dict[str, list[str]] = {}
    for record in records:
        if record.status == "failed":
            failures.setdefault(record.error, []).append(record.name)
    for error, names in list(failures.items())[:_TOLD]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.err(f"failed: {names[0]}{more}: {error}")
    if len(failures) > _TOLD:
        console.err(f"and {len(failures) - _TOLD} other failures: see results.csv")
    if not quiet:
        console.err(line)
