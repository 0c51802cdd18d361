"""`run` for a sweep of `propagate`: a table of the outputs' uncertainty against what varies."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaccli import startup
from jaccli.commands.outcome import Data, Outcome, Report
from jaccli.commands.propagate import NAME, reports
from jaccli.commands.reports import FORMATS, OF_RESULTS
from jaccli.commands.tasks import Task, warn_of_unused
from jaccli.context import Context, Silent
from jaccli.errors import SpecError, UsageError, expected
from jaccli.spec import Spec

if TYPE_CHECKING:
    from jaccli.commands.run import RunRequest
    from jaccli.sweep.expand import SweepTask
    from jaccli.uncertainty.propagation import Propagation

_REFUSED = (*OF_RESULTS, "output", "out_dir", "suffix", "jobs", "junit", "markdown", "dry_run",
            "fail_fast", "no_folder")  # fmt: skip
"""Options of results, and of sweeps that write files or share the work."""


def is_of_propagate(spec: Spec) -> bool:
    """Return whether a spec's sweep is of `propagate`.

    Raises:
        SpecError: it is of derivatives too.
    """
    if NAME not in spec.derivative:
        return False
    if len(spec.derivative) > 1:
        message = "a sweep of propagate is of nothing besides."
        raise SpecError(spec.problem("derivative", message, "Give each a spec of its own."))
    return True


def run(spec: Spec, request: RunRequest, context: Context) -> Iterator[Outcome]:
    """Propagate in each of a sweep's tasks, and yield one table of all.

    Raises:
        JaccliError: in a task, with the place in the user's text.
    """
    for given, _ in request.given():
        if given.name in _REFUSED:
            raise UsageError(f"{given.flag}: a sweep of propagate prints one table.")
    if request.table is not None:
        startup.import_numpy()
        from jaccli.storage.files import check_writable
        from jaccli.sweep.long_table import check_suffix

        check_suffix(Path(request.table))
        check_writable(request.table, force=spec.output.force)
    form = spec.output.format or ("table" if context.is_terminal or request.digits else "plain")
    if form not in FORMATS:
        message = f"--format: {form!r} is not a format of propagate."
        raise UsageError(message, hint=expected(FORMATS))
    from jaccli.sweep import expand

    tasks = expand(spec)
    warn_of_unused(spec, context)
    startup.import_numpy()
    found: list[Propagation] = []
    warnings: dict[str, None] = {}
    with context.reporter.progress() as progress:
        progress.start(len(tasks))
        each = [Task(task.spec, NAME, None, "none") for task in tasks]
        for outcome in reports(each, request, context.replace(reporter=Silent())):
            found.append(outcome.propagation)
            warnings.update(dict.fromkeys(outcome.warnings))
            progress.advance(1)
    digits = None if form in ("plain", "csv") else request.digits or 6
    text = _as_csv if form == "csv" else _as_text
    if request.table is not None:
        _write_table(tasks, found, Path(request.table), force=spec.output.force)
    yield Report(
        form=form,
        notes=(f"propagate: {len(tasks)} tasks",),
        warnings=tuple(warnings),
        text=partial(text, tasks, found, digits),
        data=partial(_as_json, tasks, found),
    )


def _write_table(
    tasks: Sequence[SweepTask], found: Sequence[Propagation], target: Path, *, force: bool
) -> None:
    """Write the table to a file, every number in full."""
    from jaccli.storage.files import publishing
    from jaccli.sweep.long_table import write_rows

    with publishing(target, force=force) as stream:
        write_rows(_rows(tasks, found, None), stream, target.suffix.lower())


def _rows(
    tasks: Sequence[SweepTask], found: Sequence[Propagation], digits: int | None
) -> list[list[str]]:
    """Return a row for each output entry of each task, with a header."""
    from math import isnan

    from jaccli.result.numerals import significant

    def number(value: Any) -> str:
        return repr(float(value)) if digits is None else significant(float(value), digits)

    paths = list(dict.fromkeys(path for task in tasks for path in task.values))
    batch = ["row"] if any(one.batch is not None for one in found) else []
    rows = [[*paths, *batch, "output", "value", "u", "dof", "k", "U"]]
    for task, one in zip(tasks, found, strict=True):
        varied = [_shown(task.values.get(path)) for path in paths]
        for row in range(one.batch or 1):
            lead = () if one.batch is None else (row,)
            for place, name in enumerate(one.rows):
                at = (*lead, place)
                dof = one.first.dof[at]
                numbers = (one.value[at], one.first.u[at])
                rows.append([
                    *varied, *map(str, lead), name, *map(number, numbers),
                    "-" if isnan(dof) else number(dof), number(one.k[at]),
                    number(one.expanded[at]),
                ])  # fmt: skip
    return rows


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _as_text(tasks: Sequence[SweepTask], found: Sequence[Propagation], digits: int | None) -> str:
    from jaccli.result.render.columns import columns

    return columns(_rows(tasks, found, digits))


def _as_csv(tasks: Sequence[SweepTask], found: Sequence[Propagation], digits: int | None) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_rows(tasks, found, digits))
    return text.getvalue().rstrip("\n")


def _as_json(tasks: Sequence[SweepTask], found: Sequence[Propagation]) -> Data:
    from jaccli.uncertainty.propagation_files import as_json

    each = [
        {"name": task.name, "values": task.values, **as_json(one)}
        for task, one in zip(tasks, found, strict=True)
    ]
    return {"schema": 1, "derivative": NAME, "tasks": each}
