"""The command `analyze`: the spectrum of a Jacobian or a Hessian, and what it says of the point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jaccli import startup
from jaccli.choices import MODES, SUFFIXES, SYSTEMS
from jaccli.commands.options import (
    CHUNK,
    DIGITS,
    MODE,
    OUT_DIR,
    STORAGE,
    TargetRequest,
    budget_of,
    suffixes,
)
from jaccli.commands.outcome import Outcome, Report
from jaccli.commands.request import check_choice, option
from jaccli.commands.tasks import (
    Task,
    check_suffix,
    check_targets,
    load_model,
    tasks,
    warn_of_unused,
)
from jaccli.context import Context
from jaccli.errors import UsageError, expected

if TYPE_CHECKING:
    from jaccli.analyze.problem import SpectralProblem, SpectrumReport
    from jaccli.context import Progress

_KINDS = ("jacobian", "hessian")
_OF_MODELS = (
    "expression", "set", "at", "batch", "wrt", "select", "device", "devices", "dtype", "precision",
    "mode", "storage", "chunk", "out_dir", "suffix", "allow_python",
)  # fmt: skip
"""Options that concern a model, and no result file."""
_PANEL = "Spectrum"
_TOP = 5
"""Values of each end, where none is asked for and the matrix is not formed."""


class AnalyzeRequest(TargetRequest):
    """The spectrum of each spec's derivative, or of each result file."""

    # fmt: off
    of: str | None = option("--of", help="jacobian or hessian (of one scalar output the Hessian).",
        panel=_PANEL, metavar="DERIVATIVE", choices=_KINDS, over_http=True)
    top: int | None = option("--top", help="Values of each end, without forming the matrix.",
        panel=_PANEL, metavar="K", least=1, over_http=True)
    rtol: float | None = option("--rtol",
        help="Zero: up to so much of the greatest value (max(M, N)*eps).", panel=_PANEL,
        metavar="R", least=0, over_http=True)
    gtol: float | None = option("--gtol",
        help="Stationary: a gradient norm up to this; an equilibrium: a residual.", panel=_PANEL,
        metavar="G", least=0, over_http=True)
    products: int = option("--products",
        help="Products that Lanczos' method may take, about (600).", panel=_PANEL, metavar="N",
        least=1, default=600, over_http=True)
    probes: int = option("--probes", help="Random vectors for trace and norm, if not formed (20).",
        panel=_PANEL, metavar="N", least=2, default=20, over_http=True)
    seed: int = option("--seed", help="Of random vectors (0).", panel=_PANEL, metavar="N", least=0,
        default=0, over_http=True)
    system: str | None = option("--system",
        help="Kind of equilibrium: of x' = f(x), continuous, or of x <- f(x), discrete.",
        panel=_PANEL, metavar="SYSTEM", choices=SYSTEMS, over_http=True)
    # fmt: on
    mode: str | None = MODE
    storage: str | None = STORAGE
    chunk: int | None = CHUNK
    digits: int | None = DIGITS
    out_dir: str | None = OUT_DIR
    suffix: str | None = suffixes(".json")
    default_suffix = ".json"

    @property
    def kind(self) -> str | None:
        """The derivative in question, if the options say it: a mode of a Hessian alone does."""
        if self.of is None and self.mode in set(MODES["hessian"]) - set(MODES["jacobian"]):
            return "hessian"
        return self.of


def run(request: AnalyzeRequest, context: Context) -> Iterator[Outcome]:
    """Say what there is to say of each spec or file.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    if request.of is not None and request.of not in _KINDS:
        raise UsageError(f"--of: {request.of!r} has no spectrum.", hint=expected(_KINDS))
    check_choice(request, "suffix")
    check_choice(request, "system")
    files = [name for name in request.specs if Path(name).suffix.lower() in SUFFIXES]
    if not files:
        return _analyze_specs(request, context)
    for given, _ in request.given():
        if given.name in _OF_MODELS:
            message = f"{given.flag}: it concerns a model, and {files[0]} is a result file."
            raise UsageError(message)
    if len(files) < len(request.specs):
        raise UsageError("result files and specs do not go together.")
    return _analyze_files(files, request, context)


def _analyze_specs(request: AnalyzeRequest, context: Context) -> Iterator[Outcome]:
    asked = list(_tasks(request, context))
    check_suffix(asked, ".json", "analyze writes JSON")
    check_targets(asked, request, context)
    for spec, group in groupby(asked, key=lambda task: task.spec):
        model, device = load_model(spec, request, context)
        warn_of_unused(spec, context)
        from jaccli.analyze import from_model
        from jaccli.models.gauss_newton import approximated

        for task in group:
            of = from_model.derivative_of(
                spec, model, device, task.derivative or None, request.system
            )
            from_model.check_mode(request.mode, of)
            subject = approximated(spec, model, of)
            with context.reporter.progress() as progress:
                found, left = from_model.spectral_problem(
                    spec, subject, device, of, request.top, progress, request.system
                )
                report = _spectrum(found, left, request, progress)
            yield _report(report, task.form, task.target, request, force=spec.output.force)


def _tasks(request: AnalyzeRequest, context: Context) -> Iterator[Task]:
    """Yield what to look at: `derivative` is empty where the outputs decide."""
    kind = request.kind
    for spec, group in groupby(tasks(request, context, kind), key=lambda task: task.spec):
        every = list(group)
        chosen = [task for task in every if task.derivative in _KINDS]
        if chosen and (kind is not None or spec.root.get("derivative") is not None):
            yield from chosen
        else:
            yield replace(every[0], derivative="")


def _analyze_files(
    names: list[str], request: AnalyzeRequest, context: Context
) -> Iterator[Outcome]:
    check_choice(request, "format")
    memory = budget_of(request.memory)
    target = None
    if request.output not in (None, "-"):
        if len(names) > 1:
            raise UsageError("-o names one file for several results.")
        target = Path(request.output)
        if target.suffix.lower() != ".json":
            hint = "Expected a name that ends in .json."
            raise UsageError(f"-o: {target}: analyze writes JSON.", hint=hint)
        from jaccli.result import check_target

        check_target(target, force=request.force)
    startup.import_numpy()
    from jaccli.analyze import from_file

    form = "none" if target is not None else "table" if context.is_terminal else "plain"
    for name in names:
        found = from_file.spectral_problem(
            Path(name), request.of, memory=memory, top=request.top, system=request.system
        )
        with context.reporter.progress() as progress:
            report = _spectrum(found, memory, request, progress)
        yield _report(report, request.format or form, target, request, force=request.force)


def _spectrum(
    subject: SpectralProblem, memory: int, request: AnalyzeRequest, progress: Progress
) -> SpectrumReport:
    """Compute the spectrum; Ctrl-C ends it."""
    from jaccli.analyze.iterative import Effort
    from jaccli.analyze.problem import report
    from jaccli.execute.interruptible import interruptible

    limit, probes = request.products, request.probes
    progress.start(limit + probes)
    effort = Effort(request.top or _TOP, limit, probes, request.seed, memory, progress.advance)
    return interruptible(
        lambda: report(subject, effort, rtol=request.rtol, gtol=request.gtol, system=request.system)
    )


def _report(
    report: SpectrumReport,
    form: str,
    target: Path | None,
    request: AnalyzeRequest,
    *,
    force: bool,
) -> Report:
    from jaccli.analyze.render import as_json, as_text
    from jaccli.analyze.render_equilibrium import warnings_of

    digits = None if form == "plain" else request.digits or 6
    return Report(
        form=form,
        target=target,
        force=force,
        warnings=() if request.quiet else tuple(warnings_of(report)),
        text=partial(as_text, report, digits=digits, top=request.top),
        data=partial(as_json, report, request.top),
    )
