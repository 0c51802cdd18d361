"""The command `bench`: every mode timed on the user's own model and machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from jaccli.choices import MODES
from jaccli.cli import console
from jaccli.cli.options import BENCH_MODES, OF, REPEAT, Values, shared, with_options
from jaccli.cli.tasks import check_targets, plans, tasks
from jaccli.errors import UsageError, expected

if TYPE_CHECKING:
    from jaccli.plan import Plan


_WITHOUT = ("mode", "out_dir", "suffix", "layout", "show", "digits", "fail_on_nonfinite", "explain",
            "resume")  # fmt: skip
"""Options of results and plans, of which a report has none; every mode is timed."""
_FORMATS = ("table", "plain", "json", "none")


def bench_command(_: str) -> Callable[..., int | None]:
    """Return `bench`."""
    return with_options(bench, (OF, BENCH_MODES, REPEAT, *shared(_WITHOUT, _FORMATS)))


def bench(values: Values) -> int:
    """Measure each spec, print the table or JSON, and write the JSON file."""
    repeat = values["repeat"]
    if repeat is not None and repeat < 1:
        raise UsageError(f"--repeat: {repeat} is not a count of runs.", hint="Expected 1 or more.")
    asked = tasks(values, values["of"], _FORMATS)
    for task in asked:
        if task.target is not None and task.target.suffix.lower() != ".json":
            hint = "Expected a name that ends in .json."
            raise UsageError(f"-o: {task.target}: bench writes JSON.", hint=hint)
    check_targets(asked, values)
    for task, plan in plans(asked, values):
        from jaccli.storage.files import publishing
        from jaccli.tune.bench import measure
        from jaccli.tune.render import report_as_json, report_as_text

        quiet = bool(values["quiet"])
        with console.progress(quiet=quiet) as progress:
            report = measure(plan, _modes(values["modes"], plan), progress, repeat)
        if task.target is not None:
            with publishing(task.target, force=task.spec.output.force) as stream:
                text = json.dumps(report_as_json(report), indent=2)
                stream.write(f"{text}\n".encode())
        if task.form == "json":
            console.out(console.json_line(report_as_json(report)))
        elif task.form != "none":
            console.out(report_as_text(report))
        for row in report.rows:
            if row.difference is not None and not row.difference <= report.tolerance:
                console.warn(
                    f"{row.mode} differs by {row.difference:.1e} of the largest entry "
                    f"(tolerance {report.tolerance:.0e})."
                )
    return 0


def _modes(text: str | None, plan: Plan) -> tuple[str, ...]:
    """Return the modes to time: all, or those of the option."""
    from jaccli.derivative.select_mode import choose
    from jaccli.tune.bench import modes

    every = modes(plan)
    if text is None:
        return every
    if "sparse" in MODES[plan.derivative]:  # detection takes too long to be timed unasked
        every = tuple(dict.fromkeys((*every, "sparse")))
    chosen: list[str] = []
    for name in (word.strip() for word in text.split(",")):
        if name in ("structured", "auto") and name not in every and len(every) > 1:
            name = choose(plan.derivative, plan.facts, name).operator
        if name not in every:
            raise UsageError(
                f"--modes: {plan.derivative} has no mode {name!r}.", hint=expected(every)
            )
        chosen.append(name)
    return tuple(dict.fromkeys(chosen))
