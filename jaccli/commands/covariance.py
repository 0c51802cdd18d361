"""The command `covariance`: standard errors of a fit's parameters, from its residuals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from jaccli.choices import SIGMAS
from jaccli.commands.options import (
    STATISTICS,
    ResultRequest,
    names,
)
from jaccli.commands.origin import origin
from jaccli.commands.outcome import Outcome
from jaccli.commands.reports import ReportRequest, TabledReport, check_tasks
from jaccli.commands.request import option
from jaccli.commands.tasks import (
    Task,
    check_targets,
    foresee_contents,
    load_model,
    programs_of,
    tasks,
    unused,
    warn_of_unused,
)
from jaccli.commands.warnings import remarks
from jaccli.context import Context

if TYPE_CHECKING:
    from jaccli.tune.program_cache import ProgramCache
    from jaccli.uncertainty.fit import Fit

NAME = "covariance"


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimated(TabledReport):
    """The covariance of a fit's parameters."""

    fit: Fit


class CovarianceRequest(ReportRequest):
    """The covariance of each spec's parameters, the wrt; the selected outputs are residuals."""

    # fmt: off
    sigma: str | None = option("--sigma",
        help="known: residuals are divided by known standard deviations (estimated).",
        panel=STATISTICS, metavar="SIGMA", choices=SIGMAS, path=("sigma",), over_http=True)
    predict: tuple[str, ...] = option("--predict",
        help="Another output, whose standard error is wanted; no residual.", panel=STATISTICS,
        metavar="NAME", read=names("predict"), over_http=True)
    # fmt: on
    performs: ClassVar[tuple[str, ...]] = (NAME,)


def run(request: CovarianceRequest, context: Context) -> Iterator[Outcome]:
    """Estimate the covariance of each spec's parameters.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    asked = tasks(request, context, NAME)
    check_targets(asked, request, context)
    return reports(asked, request, context)


def reports(
    asked: Sequence[Task], request: CovarianceRequest | ResultRequest, context: Context
) -> Iterator[Estimated]:
    """Report on tasks whose targets are checked."""
    from jaccli.uncertainty.fit import with_predictions

    check_tasks(asked, request)
    foresee_contents(path for task in asked for path in task.spec.input_files())
    programs: ProgramCache | None = None
    for task in asked:
        spec = with_predictions(task.spec)
        model, device = load_model(spec, request, context)
        warn_of_unused(spec, context)
        programs = programs or programs_of(context, several=len(asked) > 1)
        from jaccli.uncertainty.fit import fit

        with context.reporter.progress() as progress:
            found = fit(spec, model, device, programs, progress)
        yield _report(task, found, request, context)


def _report(
    task: Task, found: Fit, request: CovarianceRequest | ResultRequest, context: Context
) -> Estimated:
    from jaccli.plan import as_text
    from jaccli.uncertainty import fit_document, fit_files, fit_text

    if request.explain or request.verbose:
        context.reporter.tell(as_text(found.plan))
    said = (*found.notes, *found.result.warnings)
    if not request.quiet or task.is_json:
        said += remarks(found.plan, None, debug=request.debug)
    every = (*((unused(task.spec),) if task.spec.unused else ()), *said)
    digits = None if task.form == "plain" else request.digits or 6
    return Estimated(
        form=task.form,
        target=task.target,
        force=task.spec.output.force,
        notes=(_summary(found),),
        warnings=said,
        text=partial(fit_text.as_text, found, digits),
        data=partial(fit_files.as_json, found, every),
        rows=partial(fit_files.rows, found),
        table=partial(fit_files.as_csv, found),
        fit=found,
        arrays=partial(fit_files.write_npz, found),
        document=partial(
            fit_document.as_file,
            found,
            origin(task.spec, found.plan.model),
            every,
            request.digits or 6,
        ),
    )


def _summary(found: Fit) -> str:
    """Return the line about how it was computed."""
    from jaccli.result import duration

    p = len(found.labels)
    seconds = duration(sum(found.result.seconds.values()))
    nouns = f"{p:,} parameter{'s' * (p != 1)} of {found.residuals:,} residuals"
    return f"covariance: {nouns}, Jacobian by {found.result.mode}, {seconds}"
