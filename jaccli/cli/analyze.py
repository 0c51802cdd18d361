"""The command `analyze`: the spectrum of a Jacobian or a Hessian, and what it says of the point."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jaccli import startup
from jaccli.choices import MODES, SUFFIXES
from jaccli.cli import console
from jaccli.cli.options import OPTIONS, Option, Values, budget_of, shared, with_options
from jaccli.cli.tasks import Task, check_targets, load_model, tasks
from jaccli.errors import UsageError, expected

if TYPE_CHECKING:
    from jaccli.analyze.problem import SpectralProblem, SpectrumReport
    from jaccli.execute import Progress

_FORMATS = ("table", "plain", "json", "none")
_KINDS = ("jacobian", "hessian")
_WITHOUT = ("resume", "vector", "show", "layout", "fail_on_nonfinite", "storage", "explain")
"""Options of other commands that mean nothing here: every entry counts, and must be finite."""
_OF_FILES = ("specs", "of", "top", "rtol", "gtol", "products", "probes", "seed", "memory", "output",
             "format", "digits", "force", "server", "quiet", "verbose", "debug")  # fmt: skip
"""Options that go with a result file."""
_PANEL = "Spectrum"

SPECTRUM: tuple[Option, ...] = (
    Option("of", ("--of",), "jacobian or hessian (of one scalar output the Hessian).", _PANEL,
           "DERIVATIVE", choices=_KINDS),
    Option("top", ("--top",), "Values of each end, without forming the matrix.", _PANEL, "K",
           type=int),
    Option("rtol", ("--rtol",), "Zero: up to so much of the greatest value (max(M, N)*eps).",
           _PANEL, "R", type=float),
    Option("gtol", ("--gtol",), "Stationary: a gradient norm up to this (sqrt(eps)*max(1, |f|)).",
           _PANEL, "G", type=float),
    Option("products", ("--products",), "Products that Lanczos' method may take, about (600).",
           _PANEL, "N", type=int),
    Option("probes", ("--probes",), "Random vectors for trace and norm, if not formed (20).",
           _PANEL, "N", type=int),
    Option("seed", ("--seed",), "Of random vectors (0).", _PANEL, "N", type=int),
)  # fmt: skip
_LEAST = {"top": (1, None), "products": (1, 600), "probes": (2, 20), "seed": (0, 0)}
"""The least value of each count, and its default."""


_TOP = 5
"""Values of each end, where none is asked for and the matrix is not formed."""


def analyze_command(_: str) -> Callable[..., int | None]:
    """Return `analyze`."""
    return with_options(analyze, (*SPECTRUM, *shared(_WITHOUT, _FORMATS)))


def analyze(values: Values) -> int:
    """Say what there is to say of each spec or file."""
    _check(values)
    files = [name for name in values["specs"] or () if Path(name).suffix.lower() in SUFFIXES]
    if not files:
        return _analyze_specs(values)
    given = [
        option.flags[-1]
        for option in OPTIONS
        if option.name not in _OF_FILES and values[option.name] not in (None, False, [])
    ]
    if given:
        raise UsageError(f"{given[0]}: it concerns a model, and {files[0]} is a result file.")
    if len(files) < len(values["specs"]):
        raise UsageError("result files and specs do not go together.")
    return _analyze_files(files, values)


def _check(values: Values) -> None:
    """Refuse values of the command's own options."""
    if values["of"] is not None and values["of"] not in _KINDS:
        raise UsageError(f"--of: {values['of']!r} has no spectrum.", hint=expected(_KINDS))
    if values["of"] is None and values["mode"] in set(MODES["hessian"]) - set(MODES["jacobian"]):
        values["of"] = "hessian"  # a mode of a Hessian alone says as much
    for name, (least, default) in _LEAST.items():
        if values[name] is None:
            values[name] = default
        elif values[name] < least:
            message = f"--{name}: {values[name]} is too small."
            raise UsageError(message, hint=f"Expected {least} or more.")
    for name in ("rtol", "gtol"):
        if values[name] is not None and not 0 <= values[name] < float("inf"):
            message = f"--{name}: {values[name]} is not a tolerance."
            raise UsageError(message, hint="Expected 0 or more.")
    if values["suffix"] not in (None, ".json"):
        raise UsageError(f"--suffix: {values['suffix']}: analyze writes .json.")
    if values["out_dir"] is not None:
        values["suffix"] = ".json"


def _analyze_specs(values: Values) -> int:
    asked = list(_tasks(values))
    for task in asked:
        _check_suffix(task.target)
    check_targets(asked, values)
    for spec, group in groupby(asked, key=lambda task: task.spec):
        model, device = load_model(spec, values)
        from jaccli.analyze import from_model

        for task in group:
            of = from_model.derivative_of(spec, model, device, task.derivative or None)
            from_model.check_mode(values["mode"], of)
            with console.progress(quiet=bool(values["quiet"])) as progress:
                found, left = from_model.subject(spec, model, device, of, values["top"], progress)
                report = _report(found, left, values, progress)
            _present(report, task.target, task.form, values, force=spec.output.force)
    return 0


def _tasks(values: Values) -> Iterator[Task]:
    """Yield what to look at: `derivative` is empty where the outputs decide."""
    for spec, group in groupby(tasks(values, values["of"], _FORMATS), key=lambda task: task.spec):
        every = list(group)
        chosen = [task for task in every if task.derivative in _KINDS]
        if chosen and (values["of"] is not None or spec.root.get("derivative") is not None):
            yield from chosen
        else:
            yield replace(every[0], derivative="")


def _analyze_files(names: list[str], values: Values) -> int:
    form = values["format"] or _default_format(values)
    if form not in _FORMATS:
        raise UsageError(f"--format: {form!r} is not a format of this command.",
                         hint=expected(_FORMATS))  # fmt: skip
    memory = budget_of(values["memory"])
    target = None
    if values["output"] not in (None, "-"):
        if len(names) > 1:
            raise UsageError("-o names one file for several results.")
        target = Path(values["output"])
        _check_suffix(target)
        from jaccli.result import check_target

        check_target(target, force=bool(values["force"]))
    startup.import_numpy()
    from jaccli.analyze import from_file

    for name in names:
        found = from_file.subject(Path(name), values["of"], memory=memory, top=values["top"])
        with console.progress(quiet=bool(values["quiet"])) as progress:
            report = _report(found, memory, values, progress)
        _present(report, target, form, values, force=bool(values["force"]))
    return 0


def _default_format(values: Values) -> str:
    if values["output"] not in (None, "-"):
        return "none"
    return "table" if sys.stdout.isatty() else "plain"


def _check_suffix(target: Path | None) -> None:
    if target is not None and target.suffix.lower() != ".json":
        hint = "Expected a name that ends in .json."
        raise UsageError(f"-o: {target}: analyze writes JSON.", hint=hint)


def _report(
    subject: SpectralProblem, memory: int, values: Values, progress: Progress
) -> SpectrumReport:
    """Compute the spectrum; Ctrl-C ends it."""
    from jaccli.analyze.iterative import Effort
    from jaccli.analyze.problem import report
    from jaccli.execute.interruptible import interruptible

    top, limit, probes = values["top"] or _TOP, values["products"], values["probes"]
    progress.start(limit + probes)
    effort = Effort(top, limit, probes, values["seed"], memory, progress.advance)
    tolerances = {"rtol": values["rtol"], "gtol": values["gtol"]}
    return interruptible(lambda: report(subject, effort, **tolerances))


def _present(
    report: SpectrumReport, target: Path | None, form: str, values: Values, *, force: bool
) -> None:
    """Write the file and print."""
    from jaccli.analyze.render import as_json, as_text
    from jaccli.storage.files import publishing

    top = values["top"]
    if target is not None:
        with publishing(target, force=force) as stream:
            stream.write(f"{json.dumps(as_json(report, top), indent=2)}\n".encode())
    if form == "json":
        console.out(console.json_line(as_json(report, top)))
    elif form != "none":
        digits = None if form == "plain" else values["digits"] or 6
        console.out(as_text(report, digits=digits, top=top))
