"""`run` for a spec with a sweep: its tasks, listed or computed into a folder, and the reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from jaccli import startup
from jaccli.choices import DOCUMENTS, DRAWN
from jaccli.cluster.address import parse
from jaccli.commands.outcome import Outcome, put
from jaccli.commands.request import check_choice
from jaccli.commands.tasks import warn_of_unused
from jaccli.context import Context
from jaccli.errors import JaccliError, SpecError, UsageError, VerdictError, expected
from jaccli.spec import PythonModel, Spec

if TYPE_CHECKING:
    from jaccli.commands.run import RunRequest
    from jaccli.sweep.runner import SweepJob
    from jaccli.sweep.scheduler import Workers
    from jaccli.sweep.table import Row
    from jaccli.sweep.task_record import TaskRecord

_FOLDER = ".results"
"""What follows a spec's name in that of its folder, where none is given."""
_WHOLE = (None, "full")
"""What `rows`, `cols` and `part` are where no part is picked."""
_TOLD = 5
"""Different failures that are told on standard error at most."""


@dataclass(frozen=True, kw_only=True)
class SweepTable(Outcome):
    """A row for each task: what it would compute, or what it has come to."""

    rows: Sequence[Row]
    digits: int

    def print(self, out: TextIO) -> None:
        """Print the rows."""
        from jaccli.sweep.table import RENDERERS

        if self.form != "none":
            put(RENDERERS[self.form](self.rows, self.digits), out)


def run(specs: Sequence[Spec], request: RunRequest, context: Context) -> Iterator[Outcome]:
    """List or compute the tasks of a sweep."""
    job = _job(_checked(specs, request), request)
    for spec in specs:
        warn_of_unused(spec, context)
    if not request.no_folder:
        yield (_forecast if request.dry_run else _perform)(job, request, context)
        return
    from tempfile import TemporaryDirectory

    # Beside the table, where there is room for it.
    beside = Path(request.table or ".").absolute().parent
    with TemporaryDirectory(prefix=".jaccli-", suffix=".results", dir=beside) as folder:
        outcome = _perform(replace(job, folder=Path(folder)), request, context)
    yield outcome


def _checked(specs: Sequence[Spec], request: RunRequest) -> Spec:
    """Return the one spec, after refusing what does not go with a sweep."""
    if len(specs) > 1:
        raise UsageError("a spec with a sweep is run by itself.", hint="Run one spec at a time.")
    (spec,) = specs
    check_choice(request, "suffix")
    if request.output is not None or spec.output.path is not None:
        hint = "Use --out-dir DIR, and --suffix for the format."
        where = "-o" if request.output is not None else "output.path"
        raise UsageError(f"{where}: a sweep writes a file for each task.", hint=hint)
    for flag, given in (
        ("--show", request.show),
        ("--scale", request.scale != "none"),
        ("--with-value", request.with_value),
    ):
        if given:
            raise UsageError(f"{flag} goes with one result; a sweep has many.")
    if spec.output.format == "npy":
        hint = expected(("table", "plain", "json", "csv", "none"))
        raise UsageError("--format: 'npy' holds a result; a sweep prints a table.", hint=hint)
    if request.jobs is not None and request.cluster is not None:
        hint = "--jobs is for processes on this machine, as is --cluster local:N."
        raise UsageError("--jobs and --cluster do not go together.", hint=hint)
    if request.cluster is not None:
        parse(request.cluster)
    for name in ("junit", "markdown", "table"):
        if request.dry_run and getattr(request, name):
            raise UsageError(f"--{name}: a dry run has nothing to report.")
    _check_overrides(spec, request)
    _check_table(spec, request)
    return spec


def _check_table(spec: Spec, request: RunRequest) -> None:
    """Refuse a table that cannot be written, and options of a folder that there is not."""
    if request.no_folder:
        if request.table is None:
            raise UsageError("--no-folder goes with --table: nothing would be written.")
        for flag, given in (
            ("--out-dir", request.out_dir),
            ("--suffix", request.suffix),
            ("--resume", request.resume),
            ("--cluster", request.cluster),
        ):
            if given:
                raise UsageError(f"{flag} and --no-folder do not go together.")
    if request.table is not None:
        startup.import_numpy()
        from jaccli.storage.files import check_writable
        from jaccli.sweep.long_table import check_suffix

        parted = next((n for n in ("rows", "cols", "part") if getattr(spec, n) not in _WHOLE), "")
        if parted:
            message = "the table of a sweep names the entries of whole derivatives."
            raise SpecError(
                spec.problem(parted, message, "Leave out --table, or what picks a part.")
            )
        if request.suffix in (*DOCUMENTS, *DRAWN):
            message = f"--suffix: {request.suffix} cannot be read back for the --table."
            raise UsageError(message, hint="Leave --suffix or --table out.")
        check_suffix(Path(request.table))
        check_writable(request.table, force=spec.output.force)


def _check_overrides(spec: Spec, request: RunRequest) -> None:
    """Refuse options for entries that the sweep sets: it would win over them."""
    for override in request.overrides():
        path = ".".join(override.path)
        for entry in spec.sweep.get("zip", spec.sweep):
            if path == entry or path.startswith(f"{entry}."):
                flag = override.node.text.name
                hint = f"Give the sweep other values: --set 'sweep={{{entry}: [...]}}'."
                raise UsageError(f"{flag}: the sweep sets {entry!r}.", hint=hint)


def _job(spec: Spec, request: RunRequest) -> SweepJob:
    """Return what is asked for, every task checked."""
    from jaccli.sweep import expand

    tasks = expand(spec)
    startup.import_numpy()
    from jaccli.sweep.runner import SweepJob

    if isinstance(spec.model, PythonModel) and not request.allow_python:
        from jaccli.models.python import load_function

        load_function(spec, spec.model, allowed=False)  # refuses
    stem = {"-": "stdin", "-e": "expression"}.get(spec.name, Path(spec.name).stem)
    return SweepJob(
        spec,
        tasks,
        folder=Path(request.out_dir or f"{stem}{_FOLDER}"),
        suffix=request.suffix or ".npz",
        # With --resume too, --force is for the table: what is done is kept.
        force=spec.output.force and not (request.resume and request.table),
        fail_fast=request.fail_fast,
        fail_on_nonfinite=request.fail_on_nonfinite,
        allow_python=request.allow_python,
    )


def _forecast(job: SweepJob, request: RunRequest, context: Context) -> Outcome:
    """Report what would be done."""
    from jaccli.sweep import dry_run
    from jaccli.sweep.runner import scan_folder

    _explain(job, request, context)
    jobs = _jobs(job, request)
    rows = dry_run.rows(job, scan_folder(job), jobs)
    line = dry_run.summary_line(rows, str(job.folder), jobs)
    return _table(rows, job, request, context, verdict=line)


def _perform(job: SweepJob, request: RunRequest, context: Context) -> Outcome:
    """Compute the tasks, and write the reports."""
    from jaccli.result import duration
    from jaccli.storage.files import check_writable, publishing
    from jaccli.sweep import ci_reports, table
    from jaccli.sweep.runner import perform

    reports = {"junit": request.junit, "markdown": request.markdown}
    targets = {name: Path(path) for name, path in reports.items() if path}
    for target in targets.values():
        check_writable(target, force=True)
    _explain(job, request, context)
    with _workers(job, request, context) as workers, context.reporter.progress() as progress:
        progress.start(len(job.tasks))
        found = perform(job, lambda record, kept: progress.advance(1), workers)
    records, name = found.records, Path(job.spec.name).stem
    where = request.table if request.no_folder else job.folder
    line = table.summary_line(records, len(found.up_to_date), duration(found.seconds), str(where))
    written = _write_table(records, job, request)
    pages = {
        "junit": lambda: ci_reports.junit(records, name),
        "markdown": lambda: ci_reports.markdown(records, name, line),
    }
    for report, target in targets.items():
        with publishing(target, force=True) as stream:
            stream.write(pages[report]().encode())
    failures = (*_failures(records), *written)
    return _table(
        table.summary(records),
        job,
        request,
        context,
        verdict="\n".join((*failures, *(() if request.quiet else (line,)))),
        exit_code=VerdictError.exit_code if failures else 0,
    )


def _write_table(
    records: Sequence[TaskRecord], job: SweepJob, request: RunRequest
) -> tuple[str, ...]:
    """Write the long table of all tasks that are done, and return what there is to say of it.

    Where tasks have not been run, there is no table: it would pass for the whole.
    """
    if request.table is None:
        return ()
    pending = sum(record.status == "pending" for record in records)
    if pending:
        tasks = f"{pending} task{'s were' if pending > 1 else ' was'}"
        return (f"{request.table}: not written, since {tasks} not run.",)
    from jaccli import memory
    from jaccli.storage.files import publishing
    from jaccli.sweep.long_table import write_results

    limit = memory.budget(job.spec.memory)
    target = Path(request.table)
    if target.suffix.lower() in DRAWN:
        _draw(records, job, target, limit)
        return ()
    with publishing(target, force=job.spec.output.force) as stream:
        write_results(records, job.folder, stream, target.suffix.lower(), limit=limit)
    return ()


def _draw(records: Sequence[TaskRecord], job: SweepJob, target: Path, limit: int) -> None:
    """Write the figure of all tasks that are done: curves against what varies."""
    from jaccli.result.figures import curves, style
    from jaccli.storage.files import publishing
    from jaccli.sweep.curves import of_records

    title = f"{', '.join(job.spec.derivative)} of {Path(job.spec.name).stem}"
    found = of_records(records, job.folder, limit=limit, title=title)
    with publishing(target, force=job.spec.output.force) as stream:
        style.write(lambda: curves.figure(found), target.suffix.lower(), found.title, stream)


def _table(
    rows: Sequence[Row],
    job: SweepJob,
    request: RunRequest,
    context: Context,
    **rest: Any,
) -> SweepTable:
    form = job.spec.output.format or ("table" if context.is_terminal else "plain")
    return SweepTable(form=form, rows=rows, digits=request.digits or 6, **rest)


def _jobs(job: SweepJob, request: RunRequest) -> int:
    """Return how many processes there will be: no more than tasks."""
    return min(request.jobs or 1, len(job.tasks))


def _explain(job: SweepJob, request: RunRequest, context: Context) -> None:
    """Tell the plan of each kind of task."""
    if not (request.explain or request.verbose):
        return
    from jaccli.plan import as_text
    from jaccli.sweep.dry_run import plans

    for group, plan in plans(job, _jobs(job, request)):
        text = str(plan) if isinstance(plan, JaccliError) else as_text(plan)
        context.reporter.tell(f"{text}\ntasks    {len(group.tasks)}: {group.tasks[0].name} …")


@contextmanager
def _workers(job: SweepJob, request: RunRequest, context: Context) -> Iterator[Workers | None]:
    """Yield the processes that share the tasks, here or on a cluster; None for this one."""
    from jaccli.sweep import scheduler

    if request.cluster is None:
        jobs = _jobs(job, request)
        yield scheduler.local(jobs) if jobs > 1 else None
        return
    from jaccli.cluster import sweep_executor
    from jaccli.commands.on_cluster import connected

    with connected(request, context) as cluster:
        # A budget that is given is each worker's; else those of one machine share its memory.
        share = cluster.address.workers if job.spec.memory is None else 0
        yield sweep_executor.workers(cluster, max(share, 1))


def _failures(records: Sequence[TaskRecord]) -> tuple[str, ...]:
    """Return a line for each kind of failure."""
    failures: dict[str, list[str]] = {}
    for record in records:
        if record.status == "failed":
            failures.setdefault(record.error, []).append(record.name)
    lines = []
    for error, names in list(failures.items())[:_TOLD]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"failed: {names[0]}{more}: {error}")
    if len(failures) > _TOLD:
        lines.append(f"and {len(failures) - _TOLD} other failures: see results.csv")
    return tuple(lines)
