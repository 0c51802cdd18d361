"""The command `bench`: every mode timed on the user's own model and machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from jaccli.choices import MODES
from jaccli.commands.options import CHUNK, HOW, OF, STORAGE, VECTOR, TargetRequest
from jaccli.commands.outcome import Outcome, Report
from jaccli.commands.request import option
from jaccli.commands.tasks import check_suffix, check_targets, plans, tasks
from jaccli.context import Context
from jaccli.errors import UsageError, expected

if TYPE_CHECKING:
    from jaccli.plan import Plan
    from jaccli.tune.bench import BenchReport


class BenchRequest(TargetRequest):
    """The times of each spec's modes."""

    # fmt: off
    of: str | None = OF
    modes: str | None = option("--modes", help="Which modes, with commas (all).", panel=HOW,
        metavar="MODE,...")
    repeat: int | None = option("--repeat",
        help="Runs of every mode (as many as half a second holds).", panel=HOW, metavar="N",
        least=1)
    # fmt: on
    storage: str | None = STORAGE
    chunk: int | None = CHUNK
    vector: tuple[str, ...] = VECTOR


def run(request: BenchRequest, context: Context) -> Iterator[Outcome]:
    """Measure each spec.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    asked = tasks(request, context, request.of)
    check_suffix(asked, ".json", "bench writes JSON")
    check_targets(asked, request, context)
    for task, plan, _ in plans(asked, request, context):
        from jaccli.tune.bench import measure
        from jaccli.tune.render import report_as_json, report_as_text

        with context.reporter.progress() as progress:
            report = measure(plan, _modes(request.modes, plan), progress, request.repeat)
        yield Report(
            form=task.form,
            target=task.target,
            force=task.spec.output.force,
            text=partial(report_as_text, report),
            data=partial(report_as_json, report),
            warnings=tuple(_differences(report)),
        )


def _differences(report: BenchReport) -> Iterator[str]:
    """Yield what there is to say of modes that do not agree with the others."""
    for row in report.rows:
        if row.difference is not None and not row.difference <= report.tolerance:
            yield (
                f"{row.mode} differs by {row.difference:.1e} of the largest entry "
                f"(tolerance {report.tolerance:.0e})."
            )


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
