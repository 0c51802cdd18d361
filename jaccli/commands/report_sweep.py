"""`run` for a sweep of a report: one table, as of the outputs' uncertainty against what varies."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jaccli import startup
from jaccli.choices import DRAWN, REPORTED
from jaccli.commands import COMMANDS
from jaccli.commands.outcome import Data, Outcome, Report
from jaccli.commands.reports import FORMATS, OF_RESULTS, TabledReport
from jaccli.commands.tasks import Task, programs_of, warn_of_unused
from jaccli.context import Context, Silent
from jaccli.errors import (
    JaccliError,
    SpecError,
    UsageError,
    VerdictError,
    expected,
    listed,
)
from jaccli.spec import Spec

if TYPE_CHECKING:
    from jaccli.commands.run import RunRequest
    from jaccli.sweep.expand import SweepTask

_REFUSED = (*OF_RESULTS, "output", "out_dir", "suffix", "jobs", "junit", "markdown", "dry_run",
            "fail_fast", "no_folder")  # fmt: skip
"""Options of results, and of sweeps that write files or share the work."""


def is_of_report(spec: Spec) -> bool:
    """Return whether a spec's sweep is of a report.

    Raises:
        SpecError: it is of something else too.
    """
    reported = [name for name in spec.derivative if name in REPORTED]
    if reported and len(spec.derivative) > 1:
        message = f"a sweep of {reported[0]} is of nothing besides."
        raise SpecError(spec.problem("derivative", message, "Give each a spec of its own."))
    return bool(reported)


def run(spec: Spec, request: RunRequest, context: Context) -> Iterator[Outcome]:
    """Make the report of each of a sweep's tasks, and yield one table of all.

    Raises:
        JaccliError: in a task, with the place in the user's text.
    """
    (name,) = spec.derivative
    for given, _ in request.given():
        if given.name in _REFUSED or (given.name == "wrt" and name == "propagate"):
            hint = "--table FILE writes it; --format is for standard output."
            raise UsageError(f"{given.flag}: a sweep of {name} is one table.", hint=hint)
    if request.table is not None:
        startup.import_numpy()
        from jaccli.storage.files import check_writable
        from jaccli.sweep.long_table import check_suffix

        check_suffix(Path(request.table))
        check_writable(request.table, force=spec.output.force)
    form = spec.output.format or ("table" if context.is_terminal or request.digits else "plain")
    if form not in FORMATS:
        message = f"--format: {form!r} is not a format of {name}."
        raise UsageError(message, hint=expected(FORMATS))
    from jaccli.sweep import expand

    tasks = expand(spec)
    warn_of_unused(spec, context)
    startup.import_numpy()
    done: list[tuple[SweepTask, TabledReport]] = []
    failures: dict[str, list[str]] = {}
    warnings: dict[str, None] = {}
    quiet = context.replace(reporter=Silent())
    reports = import_module(COMMANDS[name].module).reports
    with context.reporter.progress() as progress:
        progress.start(len(tasks))
        for task in tasks:
            try:
                (report,) = reports([Task(task.spec, name, None, "none")], request, quiet)
            except JaccliError as error:
                failures.setdefault(str(error), []).append(task.name)
            else:
                done.append((task, report))
                warnings.update(dict.fromkeys(report.warnings))
                quiet = quiet.replace(programs=programs_of(quiet, several=True))
            progress.advance(1)
    for message, names in failures.items():
        context.reporter.tell(f"failed: {listed(names, 3)}: {message}")
    tasks, found = tuple(task for task, _ in done), [report for _, report in done]
    digits = None if form in ("plain", "csv") else request.digits or 6
    text = _as_csv if form == "csv" else _as_text
    if request.table is not None:
        _write_table(spec, tasks, found, Path(request.table))
    yield Report(
        form=form,
        notes=(f"{name}: {len(tasks)} tasks",),
        exit_code=VerdictError.exit_code if failures else 0,
        warnings=tuple(warnings),
        text=partial(text, tasks, found, digits),
        data=partial(_as_json, name, tasks, found),
    )


def _write_table(
    spec: Spec, tasks: Sequence[SweepTask], found: Sequence[TabledReport], target: Path
) -> None:
    """Write the table to a file, every number in full; or draw its uncertainties."""
    from jaccli.storage.files import publishing
    from jaccli.sweep.long_table import write_rows

    suffix = target.suffix.lower()
    with publishing(target, force=spec.output.force) as stream:
        if suffix in DRAWN:
            _draw(spec, tasks, found, suffix, stream)
        else:
            write_rows(_rows(tasks, found, None), stream, suffix)


_DRAWN = {"propagate": ("u", ("output", "row")), "covariance": ("standard_error", ("parameter",))}
"""The column that is drawn of each report, and those that name its curves."""


def _draw(
    spec: Spec,
    tasks: Sequence[SweepTask],
    found: Sequence[TabledReport],
    suffix: str,
    stream: BinaryIO,
) -> None:
    """Draw a report's uncertainties against what varies."""
    from jaccli.result.figures import curves, style
    from jaccli.sweep.curves import of_rows

    (name,) = spec.derivative
    y, names = _DRAWN[name]
    each = []
    for one in found:
        header, *rows = one.rows(lambda value: repr(float(value)))
        each.append([dict(zip(header, row, strict=True)) for row in rows])
    title = f"{name} of {Path(spec.name).stem}"
    values = [task.values for task in tasks]
    shown = of_rows(values, each, y=y, names=names, title=title)
    style.write(lambda: curves.figure(shown), suffix, shown.title, stream)


def _rows(
    tasks: Sequence[SweepTask], found: Sequence[TabledReport], digits: int | None
) -> list[list[str]]:
    """Return the rows of all tasks' reports, after what varies, with a header."""
    from jaccli.uncertainty.text_pieces import rounded

    number = rounded(digits)
    paths = list(dict.fromkeys(path for task in tasks for path in task.values))
    header: dict[str, None] = {}
    each = []
    for task, one in zip(tasks, found, strict=True):
        names, *rows = one.rows(number)
        header.update(dict.fromkeys(names))
        varied = [_shown(task.values.get(path)) for path in paths]
        each += [(varied, dict(zip(names, row, strict=True))) for row in rows]
    lines = [[*varied, *(row.get(name, "") for name in header)] for varied, row in each]
    return [[*paths, *header], *lines]


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _as_text(tasks: Sequence[SweepTask], found: Sequence[TabledReport], digits: int | None) -> str:
    from jaccli.result.render.columns import columns

    return columns([[cell or "-" for cell in row] for row in _rows(tasks, found, digits)])


def _as_csv(tasks: Sequence[SweepTask], found: Sequence[TabledReport], digits: int | None) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_rows(tasks, found, digits))
    return text.getvalue().rstrip("\n")


def _as_json(name: str, tasks: Sequence[SweepTask], found: Sequence[TabledReport]) -> Data:
    each = [
        {"name": task.name, "values": task.values, **one.data()}
        for task, one in zip(tasks, found, strict=True)
    ]
    return {"schema": 1, "derivative": name, "tasks": each}
