"""From a request to tasks, and from tasks to plans.

Every spec is read and checked, and every target looked at, before JAX is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jaccli import startup
from jaccli.choices import BUILT_ON, DOCUMENTS, GAUSS_NEWTON, SUFFIXES, TABLE_SUFFIXES, WITH_VECTOR
from jaccli.commands.options import SpecRequest
from jaccli.commands.request import check_choice
from jaccli.commands.shown import Shown, shown_alone
from jaccli.context import Context
from jaccli.errors import Problem, SpecError, UsageError, expected, listed
from jaccli.spec import Override, PythonModel, Spec, load
from jaccli.spec.overrides import option_node
from jaccli.spec.parts import KEYS
from jaccli.storage import files

if TYPE_CHECKING:
    from jaccli.backend import Device
    from jaccli.models import LoadedModel
    from jaccli.plan import Plan
    from jaccli.tune.program_cache import ProgramCache

STDOUT = Path("-")
_PROGRAMS = 16
"""Programs that are kept at most while several specs are computed."""
_PROGRAM_BYTES = 256 << 20
"""Bytes that they may take."""


@dataclass(frozen=True)
class Task:
    """One derivative of one spec, the file its result goes to, and what standard output gets."""

    spec: Spec
    derivative: str
    target: Path | None
    form: str

    @property
    def is_json(self) -> bool:
        """Whether the result is wanted as JSON, which also holds the outputs' values."""
        return self.form == "json" or (
            self.target is not None and self.target.suffix.lower() == ".json"
        )


def tasks(request: SpecRequest, context: Context, derivative: str | None = None) -> list[Task]:
    """Read and check all that is asked; `derivative` None is the spec's own."""
    return tasks_of(load_specs(request, derivative, sweeps=False), request, context)


def tasks_of(specs: Iterable[Spec], request: SpecRequest, context: Context) -> list[Task]:
    """Return what is asked of checked specs.  numpy is imported from here on."""
    startup.import_numpy()
    found = list(_tasks(specs, request, context))
    formats = request.options["format"].choices
    for task in found:
        if task.form not in formats:
            message = f"--format: {task.form!r} is not a format of this command."
            raise UsageError(message, hint=expected(formats))
        if request.digits is not None and task.form != "table" and not _is_document(task.target):
            message = f"--digits: it rounds tables, and the format is {task.form!r}."
            raise UsageError(message, hint="Leave --digits or --format out.")
    return found


def plans(
    tasks: Iterable[Task],
    request: SpecRequest,
    context: Context,
    *,
    holds_result: Callable[[Task], bool] = lambda _: True,
    by_rows: bool = False,
    held: int = 0,
) -> Generator[tuple[Task, Plan, ProgramCache]]:
    """Load the model of each spec and plan its derivatives, one after another as they are used.

    With each plan comes the cache that has, or gets, its program.

    The result of a task that does not hold it may exceed the memory budget.  With `by_rows`,
    batches in large files stay there, and their rows are read when they are needed.  While there
    are several tasks, those that differ in numbers alone share a program.  Of the memory budget,
    `held` bytes are taken by files that were read before.
    """
    tasks = list(tasks)
    foresee_contents(path for task in tasks for path in _read_for(task.spec))
    found = [(spec, list(group)) for spec, group in groupby(tasks, key=lambda task: task.spec)]
    programs: ProgramCache | None = None
    for spec, group in found:
        model, device = load_model(spec, request, context, by_rows=by_rows, held=held)
        warn_of_unused(spec, context)
        from jaccli.execute.preflight import given_pattern  # with JAX, which is there by now

        programs = programs or programs_of(context, several=len(found) > 1)
        given = given_pattern(spec, model)
        for task in group:
            alone = shown_alone(task, model, request) or Shown(spec, model, task.derivative)
            with context.reporter.progress() as progress:
                progress.begin("tracing the model")
                plan = programs.planned(*alone, device, given, holds_result=holds_result(task))
            warn_of_unrolled(plan, context)
            check_formats(task, plan, request.show, looked_at=alone.model is not model)
            yield task, plan, programs


def programs_of(context: Context, *, several: bool) -> ProgramCache:
    """Return the programs that calls share, else those of this call: kept if it has `several`.

    It imports JAX, and is for after `load_model`, which looks first whether JAX can be imported.
    """
    from jaccli.tune.program_cache import ProgramCache

    if context.programs is not None:
        assert isinstance(context.programs, ProgramCache)
        return context.programs
    return ProgramCache(_PROGRAMS, _PROGRAM_BYTES) if several else ProgramCache()


def load_specs(request: SpecRequest, derivative: str | None, *, sweeps: bool = True) -> list[Spec]:
    """Read and check all specs and what is asked of them; without `sweeps`, refuse those."""
    changes = request.overrides()
    if derivative is not None:
        changes.append(Override(("derivative",), option_node("--of", derivative)))
    specs = load_all(request, changes)
    for spec in specs:
        if spec.sweep is not None and not sweeps:
            hint = "`jaccli run` computes all of its tasks."
            raise SpecError(spec.problem("sweep", "this command takes one task.", hint))
        _check(spec, request, derivative)
    return specs


def load_all(request: SpecRequest, changes: Sequence[Override]) -> list[Spec]:
    """Read and check all specs; report the problems of all."""
    names: list[str | None] = list(request.specs or [None])
    if names == [None] and not (request.expression or request.set or request.changes):
        hint = "Expected a YAML file, - for standard input, or -e 'EXPRESSION'."
        raise UsageError("no SPEC is given.", hint=hint)
    if request.allow_python and not files.is_local():
        hint = "Run it without --server, and with JACCLI_SERVER unset."
        raise UsageError("--allow-python: not in the service.", hint=hint)
    for option in ("resume", "cluster"):
        if getattr(request, option):
            files.require_local(f"--{option}")
    files.prefetch(("read", name) for name in names if name is not None)
    specs: list[Spec] = []
    problems: list[Problem] = []
    for name in names:
        try:
            specs.append(load(name, changes))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(*dict.fromkeys(problems))
    for spec in specs:
        if spec.sweep is None:  # else each task has sizes of its own
            spec.check_sizes()
    return specs


def unused(spec: Spec) -> str:
    """Return the warning that names the inputs that the model does not use."""
    names = listed(map(repr, spec.unused))
    noun, their = ("input", "its") if len(spec.unused) == 1 else ("inputs", "their")
    derivative = "derivative is" if len(spec.unused) == 1 else "derivatives are"
    name = "<stdin>" if spec.name == "-" else spec.name
    return f"{name}: the model does not use the {noun} {names}; {their} {derivative} 0."


def warn_of_unused(spec: Spec, context: Context) -> None:
    """Warn of inputs that the model does not use, if there are any."""
    if spec.unused:
        context.reporter.warn(unused(spec))


def warn_of_unrolled(plan: Plan, context: Context) -> None:
    """Warn of a long loop that Python has written out, before it is compiled."""
    if not isinstance(plan.spec.model, PythonModel):
        return
    from jaccli.derivative import unrolled_loops  # with JAX, which is there by now

    loop = unrolled_loops.find(plan.facts.jaxpr.jaxpr)
    if loop is not None:
        context.reporter.warn(loop.note)


def _check(spec: Spec, request: SpecRequest, derivative: str | None) -> None:
    """Refuse what the options ask for in vain."""
    check_parts(spec, request)
    if request.vector and not set(spec.derivative) & set(WITH_VECTOR):
        hint = f"It goes with {', '.join(WITH_VECTOR)}."
        raise UsageError(f"--vector: {spec.derivative[0]} takes no vector.", hint=hint)
    if spec.expect is not None and derivative is None and len(spec.derivative) > 1:
        message = f"one file for {len(spec.derivative)} derivatives."
        raise SpecError(spec.problem("expect", message, "Give each derivative a spec of its own."))


def check_parts(spec: Spec, request: SpecRequest) -> None:
    """Refuse entries of the spec that pick a part, where the command takes the whole."""
    for key in KEYS:
        if getattr(spec, key) not in (None, "full") and not request.takes_parts:
            hint = "It goes with jacobian, gradient, hessian, run and plan; here, leave it out."
            raise SpecError(spec.problem(key, "this command takes the whole derivative.", hint))
    if spec.part != "full" and spec.derivative and getattr(request, "scale", "none") != "none":
        raise UsageError(f"--scale: a {spec.part} has no relative form.", hint="Leave it out.")
    if spec.sparsity is not None and any(getattr(spec, k) not in (None, "full") for k in KEYS):
        message = "a pattern is of the whole derivative, and only a part is asked for."
        raise SpecError(spec.problem("sparsity", message, "Leave out one of the two."))


def _tasks(specs: Iterable[Spec], request: SpecRequest, context: Context) -> Iterator[Task]:
    """Pair each derivative of each spec with its target."""
    specs = list(specs)
    several = len(specs) > 1 or any(len(spec.derivative) > 1 for spec in specs)
    folder, suffix = request.out_dir, request.suffix
    if suffix is not None and folder is None:
        raise UsageError("--suffix goes with --out-dir.")
    if suffix is not None:
        check_choice(request, "suffix")
    if folder is not None and request.output is not None:
        raise UsageError("-o and --out-dir do not go together.")
    if several and request.output not in (None, "-"):
        raise UsageError("-o names one file for several results.", hint="Use --out-dir DIR.")
    for spec in specs:
        for named in _derivatives(spec, request):
            performed = named in request.performs
            task_spec, derivative = (spec, named) if performed else spec.of_derivative(named)
            target = spec.output.path
            if folder is not None:
                stem = "stdin" if spec.name in ("-", "-e") else Path(spec.name).stem
                parts = [stem, named] if len(spec.derivative) > 1 else [stem]
                target = Path(folder) / (".".join(parts) + (suffix or request.default_suffix))
            elif target is not None and target != STDOUT and len(spec.derivative) > 1:
                message = f"{target}: one file for several derivatives."
                raise SpecError(spec.problem("output.path", message, "Use --out-dir DIR."))
            if target == STDOUT:
                target = None
            yield Task(task_spec, derivative, target, _format(spec, target, request, context))


def _derivatives(spec: Spec, request: SpecRequest) -> list[str]:
    """Return what the command does of what the spec says, each once.

    What it does not perform itself is built on a derivative: `propagate` on the Jacobian.
    """
    found = dict.fromkeys(spec.derivative)
    apart = {*request.performs, GAUSS_NEWTON, "propagate"}
    return [
        name
        for name in found
        if name in apart or name not in BUILT_ON or BUILT_ON[name] not in found
    ]


def _is_document(target: Path | None) -> bool:
    """Whether a file is a table, which `--digits` rounds."""
    return target is not None and target.suffix.lower() in DOCUMENTS


def _format(spec: Spec, target: Path | None, request: SpecRequest, context: Context) -> str:
    """Return what standard output gets."""
    if spec.output.format is not None:
        return spec.output.format
    if request.digits is not None and not _is_document(target):
        return "table"
    if target is not None and not request.show:
        return "none"
    return "table" if context.is_terminal else "plain"


def check_suffix(tasks: Iterable[Task], suffix: str, what: str) -> None:
    """Refuse targets whose names end in something else than what is written."""
    for task in tasks:
        if task.target is not None and task.target.suffix.lower() != suffix:
            hint = f"Expected a name that ends in {suffix}."
            raise UsageError(f"-o: {task.target}: {what}.", hint=hint)


def check_targets(tasks: list[Task], request: SpecRequest, context: Context) -> None:
    """Refuse targets that are taken or cannot be written, before anything is computed."""
    targets = [task.target for task in tasks if task.target is not None]
    for index, target in enumerate(targets):
        if target in targets[:index]:
            raise UsageError(f"{target}: two results would go to this file.")
    for form in ("npy", "csv", "tsv"):
        if len(tasks) > 1 and any(task.form == form for task in tasks):
            hint = "Use --out-dir DIR."
            raise UsageError(f"--format: {form!r} holds one result, not {len(tasks)}.", hint=hint)
    if any(task.form == "npy" for task in tasks) and context.is_terminal:
        hint = "Use -o FILE, or redirect standard output."
        raise UsageError("--format: 'npy' is binary and standard output is a terminal.", hint=hint)
    if not targets:
        return
    from jaccli.result import check_partial, check_target

    if request.out_dir is not None:
        try:
            files.make_folder(request.out_dir)
        except OSError as error:
            raise UsageError(f"--out-dir: {request.out_dir}: {error.strerror}.") from error
    forced = {str(task.target): task.spec.output.force for task in tasks if task.target}
    writable = [("check_writable", name, force) for name, force in forced.items()]
    files.prefetch([*writable, *(("has_partial", name) for name in forced)])
    for task in tasks:
        if task.target is None or (request.resume and is_complete(task.target)):
            continue
        force = task.spec.output.force
        check_target(task.target, force=force)
        check_partial(task.target, resume=request.resume, force=force)


def is_complete(target: Path) -> bool:
    """Return whether a file is there and nothing of it is begun: `--resume` leaves it alone."""
    return target.exists() and not files.has_partial(target)


def load_model(
    spec: Spec, request: SpecRequest, context: Context, *, by_rows: bool = False, held: int = 0
) -> tuple[LoadedModel, Device]:
    """Read the inputs, then import JAX, load the model and find the device.

    With `by_rows`, batches in large files stay there; `held` bytes have been read before.
    """
    from jaccli import backend, models

    point = models.read(spec, by_rows=by_rows, held=held)
    backend.configure(x64=models.needs_x64(spec, point))
    device = backend.find(spec.device, spec.devices)
    if request.verbose:
        versions = backend.versions().items()
        context.reporter.tell(", ".join(f"{name} {number}" for name, number in versions))
    return models.load(spec, point, allow_python=request.allow_python), device


def foresee_contents(paths: Iterable[Path]) -> None:
    """Say which files will be read whole: those of arrays."""
    suffixed = (path for path in paths if path.suffix.lower() in {*SUFFIXES, *TABLE_SUFFIXES})
    files.prefetch(("content", str(path)) for path in suffixed)


def _read_for(spec: Spec) -> Iterator[Path]:
    """Yield the files that a spec's model is read from."""
    yield from spec.input_files()
    if spec.sparsity is not None:
        yield spec.sparsity


def check_formats(task: Task, plan: Plan, show: str | None, *, looked_at: bool = False) -> None:
    """Refuse what a task's formats cannot hold, and parts that there are not.

    What `--show` picks and is computed alone has been looked at.
    """
    from jaccli.execute.preflight import check_fits
    from jaccli.result import check_long, check_show, suffix_of

    suffixes = [suffix_of(task.target)] if task.target is not None else []
    check_long(task.form, task.spec.layout)
    if task.form in ("npy", "csv", "tsv") and not show:  # what --show picks may fit
        suffixes.append(f".{task.form}")
    for suffix in suffixes:
        check_fits(plan, suffix)
    check_show(None if looked_at else show, plan.blocks, plan.model.batch_size)
