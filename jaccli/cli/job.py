"""One call of a derivative command, from options to files and output.

Every spec is read and checked, and every target looked at, before JAX is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from jaccli import startup
from jaccli.cli import console
from jaccli.cli.options import Values, overrides
from jaccli.errors import ComputationError, Problem, SpecError, UsageError, VerdictError, expected
from jaccli.spec import Override, Spec, load
from jaccli.spec.overrides import option_node
from jaccli.vocabulary import SUFFIXES, WITH_VECTOR

if TYPE_CHECKING:
    from jaccli.backend import Device
    from jaccli.model import Model
    from jaccli.plan import Plan
    from jaccli.result import Result, Stored

STDOUT = Path("-")


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


def run(values: Values, derivative: str | None) -> int:
    """Compute, write and print what the options ask for; `derivative` None is the spec's own.

    Returns the exit code.
    """
    specs = _load(values, derivative)
    startup.import_numpy()
    from jaccli.plan import as_text

    tasks = list(_tasks(specs, values))
    _check_targets(tasks, values)
    code = 0
    for spec in specs:
        golden = _expected(spec) if derivative is None else None
        model, device = _prepare(spec, values)
        mine = [task for task in tasks if task.spec is spec]
        plans = [_plan(task, model, device, values) for task in mine]
        for task, plan in zip(mine, plans, strict=True):
            if values["explain"] or values["verbose"]:
                console.err(as_text(plan))
            if len(tasks) > 1 and task.form in ("table", "plain"):
                console.out(f"# {spec.name}: {task.derivative}")
            result = _compute(task, plan, values)
            _present(task, result, values)
            if golden is not None:
                code = max(code, _compare(spec, result, golden, quiet=values["quiet"]))
    return code


def plan(values: Values, derivative: str | None) -> int:
    """Print the plans of what the options ask for, as text or, with `--format json`, as JSON."""
    from jaccli.plan import as_json, as_text

    specs = _load(values, derivative)
    startup.import_numpy()
    tasks = list(_tasks(specs, values))
    if values["out_dir"] is None:  # a folder that is not there yet is made by `run`, not here
        _check_targets(tasks, values)
    for spec in specs:
        model, device = _prepare(spec, values)
        for task in (task for task in tasks if task.spec is spec):
            made = _plan(task, model, device, values)
            target = str(task.target) if task.target is not None else None
            as_data = values["format"] == "json"
            console.out(
                console.json_line(as_json(made) | {"output": target})
                if as_data
                else as_text(made) + (f"\noutput   {target}" if target else "")
            )
    return 0


def _load(values: Values, derivative: str | None) -> list[Spec]:
    """Read and check all specs and what the options ask of them."""
    changes = overrides(values)
    if derivative is not None:
        changes.append(Override(("derivative",), option_node("--of", derivative)))
    specs = load_all(values, changes)
    for spec in specs:
        _check(spec, values, derivative)
    return specs


def load_all(values: Values, changes: Sequence[Override]) -> list[Spec]:
    """Read and check all specs; report the problems of all."""
    names: list[str | None] = list(values["specs"] or [None])
    if names == [None] and not values["expression"] and not values["set"]:
        hint = "Expected a YAML file, - for standard input, or -e 'EXPRESSION'."
        raise UsageError("no SPEC is given.", hint=hint)
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
        spec.check_sizes()
    return specs


def _check(spec: Spec, values: Values, derivative: str | None) -> None:
    """Refuse what the options ask for in vain, and what this version does not do yet."""
    if spec.sweep is not None:
        raise SpecError(spec.problem("sweep", "sweeps are not available in this version."))
    if values["vector"] and not set(spec.derivative) & set(WITH_VECTOR):
        hint = f"It goes with {', '.join(WITH_VECTOR)}."
        raise UsageError(f"--vector: {spec.derivative[0]} takes no vector.", hint=hint)
    if spec.expect is not None and derivative is None and len(spec.derivative) > 1:
        message = f"one file for {len(spec.derivative)} derivatives."
        raise SpecError(spec.problem("expect", message, "Give each derivative a spec of its own."))
    digits = values.get("digits")
    if digits is not None and not 1 <= digits <= 17:
        raise UsageError(f"--digits: {digits} is not a count of digits.", hint="Expected 1 to 17.")


def _tasks(specs: Iterable[Spec], values: Values) -> Iterator[Task]:
    """Pair each derivative of each spec with its target."""
    specs = list(specs)
    several = len(specs) > 1 or any(len(spec.derivative) > 1 for spec in specs)
    folder, suffix = values["out_dir"], values["suffix"]
    if suffix is not None and folder is None:
        raise UsageError("--suffix goes with --out-dir.")
    if suffix is not None and suffix not in SUFFIXES:
        raise UsageError(f"--suffix: no format {suffix!r}.", hint=expected(SUFFIXES))
    if folder is not None and values["output"] is not None:
        raise UsageError("-o and --out-dir do not go together.")
    if several and values["output"] not in (None, "-"):
        raise UsageError("-o names one file for several results.", hint="Use --out-dir DIR.")
    for spec in specs:
        for derivative in spec.derivative:
            target = spec.output.path
            if folder is not None:
                stem = "stdin" if spec.name in ("-", "-e") else Path(spec.name).stem
                parts = [stem, derivative] if len(spec.derivative) > 1 else [stem]
                target = Path(folder) / (".".join(parts) + (suffix or ".npz"))
            elif target is not None and target != STDOUT and len(spec.derivative) > 1:
                message = f"{target}: one file for several derivatives."
                raise SpecError(spec.problem("output.path", message, "Use --out-dir DIR."))
            if target == STDOUT:
                target = None
            yield Task(spec, derivative, target, _format(spec, target, values))


def _format(spec: Spec, target: Path | None, values: Values) -> str:
    """Return what standard output gets."""
    if spec.output.format is not None:
        return spec.output.format
    if target is not None and not values["show"]:
        return "none"
    return "table" if sys.stdout.isatty() else "plain"


def _check_targets(tasks: list[Task], values: Values) -> None:
    """Refuse targets that are taken or cannot be written, before anything is computed."""
    targets = [task.target for task in tasks if task.target is not None]
    for index, target in enumerate(targets):
        if target in targets[:index]:
            raise UsageError(f"{target}: two results would go to this file.")
    for form in ("npy", "csv"):
        if len(tasks) > 1 and any(task.form == form for task in tasks):
            hint = "Use --out-dir DIR."
            raise UsageError(f"--format: {form!r} holds one result, not {len(tasks)}.", hint=hint)
    if any(task.form == "npy" for task in tasks) and sys.stdout.isatty():
        hint = "Use -o FILE, or redirect standard output."
        raise UsageError("--format: 'npy' is binary and standard output is a terminal.", hint=hint)
    if not targets:
        return
    from jaccli.result import check_target

    if values["out_dir"] is not None:
        try:
            Path(values["out_dir"]).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out-dir: {values['out_dir']}: {error.strerror}.") from error
    for task in tasks:
        if task.target is not None:
            check_target(task.target, force=task.spec.output.force)


def _prepare(spec: Spec, values: Values) -> tuple[Model, Device]:
    """Read the inputs, then import JAX, load the model and find the device."""
    from jaccli import backend, model

    point = model.read(spec)
    backend.configure(x64=model.needs_x64(spec, point))
    device = backend.find(spec.device)
    return model.load(spec, point, allow_python=bool(values["allow_python"])), device


def _plan(task: Task, model: Model, device: Device, values: Values) -> Plan:
    """Plan a task, and refuse what its formats cannot hold."""
    from jaccli.plan import make
    from jaccli.result import check_layout, check_show, suffix_of

    made = make(task.spec, model, task.derivative, device)
    suffixes = [suffix_of(task.target)] if task.target is not None else []
    if task.form in ("npy", "csv") and not values["show"]:  # what --show picks may fit
        suffixes.append(f".{task.form}")
    for suffix in suffixes:
        check_layout(suffix, task.spec.layout, made.derivative, made.blocks, model.batch_size)
    check_show(values["show"], made.blocks, model.batch_size)
    return made


def _compute(task: Task, plan: Plan, values: Values) -> Result:
    """Execute a plan and write its file; warn of, or refuse, what is not finite."""
    from jaccli.execute import execute
    from jaccli.plan import make
    from jaccli.result import first_nonfinite, summary

    quiet = bool(values["quiet"])
    with console.progress(quiet=quiet) as progress:
        result = execute(plan, progress)
        if task.is_json:
            blocks = result.blocks
            if plan.derivative != "evaluate":
                made = make(plan.spec, plan.model, "evaluate", plan.device)
                blocks = execute(made, progress).blocks
            result = replace(result, value={str(block.output): block.values for block in blocks})
    nonfinite = first_nonfinite(result)
    if nonfinite is not None and values["fail_on_nonfinite"]:
        raise ComputationError(f"{nonfinite}.")
    _write(task, result)
    if not quiet:
        console.err(summary(result))
    if values["verbose"]:
        console.err(", ".join(f"{name} {number}" for name, number in result.versions.items()))
    if nonfinite is not None and not quiet:
        console.warn(f"{nonfinite}.")
    return result


def _write(task: Task, result: Result) -> None:
    """Write the file, if there is to be one: before anything is said of the result."""
    from jaccli.result import write

    if task.target is not None:
        write(result, task.target, layout=task.spec.layout, force=task.spec.output.force)


def _present(task: Task, result: Result, values: Values) -> None:
    """Print to standard output."""
    from jaccli.result import render

    layout = task.spec.layout
    digits = values["digits"] or 6
    render(result, task.form, sys.stdout, layout=layout, show_text=values["show"], digits=digits)
    sys.stdout.flush()


def _expected(spec: Spec) -> Stored | None:
    """Read the file of the spec's `expect:`, before anything is computed in vain."""
    from jaccli.result import read

    return None if spec.expect is None else read(spec.expect.path)


def _compare(spec: Spec, result: Result, golden: Stored, *, quiet: bool) -> int:
    """Compare a result with the spec's `expect:`, print the verdict, and return the exit code."""
    from jaccli.result import compare

    assert spec.expect is not None
    expect = spec.expect
    comparison = compare(result, golden, rtol=expect.rtol, atol=expect.atol)
    if not (quiet and comparison.passed):
        console.err(f"expect {expect.path.name}: {comparison}")
    return 0 if comparison.passed else VerdictError.exit_code
