"""The commands that compute or plan derivatives: tasks → plans → programs → results → output."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from jaccli.cli import console
from jaccli.cli.options import Values
from jaccli.cli.streaming import goes_on, is_streamed, may_be_streamed, planned_stream, stream
from jaccli.cli.tasks import (
    Task,
    check_targets,
    foresee_contents,
    is_complete,
    load_specs,
    plans,
    tasks,
    tasks_of,
    unused,
)
from jaccli.cli.warnings import nonfinite_problems, remarks
from jaccli.errors import ComputationError, VerdictError
from jaccli.spec import Spec

if TYPE_CHECKING:
    from jaccli.plan import Plan
    from jaccli.result import Result, Stored


PLAN_FORMATS = ("table", "plain", "json", "none")
"""What `plan` prints: text, or JSON."""


def run(values: Values, derivative: str) -> int:
    """Compute, write and print the derivative of all specs.

    Returns the exit code.
    """
    return _run(tasks(values, derivative), values, derivative)


def run_spec(values: Values) -> int:
    """Compute what the specs say themselves, be it a sweep."""
    from jaccli.cli import sweep

    specs = load_specs(values, None)
    if sweep.is_experiment(specs, values):
        return sweep.run(specs, values)
    return _run(tasks_of(specs, values), values, None)


def _run(asked: list[Task], values: Values, derivative: str | None) -> int:
    """Compute, write and print tasks; None for a derivative compares with `expect:`."""
    check_targets(asked, values)
    if values["cluster"] is not None:
        from jaccli.cli import cluster

        return cluster.run(asked, values)
    if derivative is None:
        foresee_contents(task.spec.expect.path for task in asked if task.spec.expect is not None)
    code = 0
    made = plans(asked, values, holds_result=_holds_result, by_rows=True)
    with closing(made) as planned:
        for task, plan in planned:
            golden = _expected(plan) if derivative is None else None
            if len(asked) > 1 and task.form in ("table", "plain"):
                console.out(f"# {task.spec.name}: {task.derivative}")
            if values["resume"] and task.target is not None and is_complete(task.target):
                if not values["quiet"]:
                    console.err(f"{task.target}: complete.")
                continue
            going_on = goes_on(task, values)
            if may_be_streamed(task, task.form) and is_streamed(plan, goes_on=going_on):
                stream(task, plan, values)
                continue
            result = _compute(task, plan, values)
            _present(task, result, values)
            if golden is not None:
                code = max(code, _compare(task.spec, result, golden, quiet=values["quiet"]))
    return code


def _holds_result(task: Task) -> bool:
    return not may_be_streamed(task, task.form)


def plan(values: Values, derivative: str | None) -> int:
    """Print the plans of what the options ask for, as text or, with `--format json`, as JSON.

    Candidates are compiled for what XLA says of them; nothing is run.
    """
    asked = tasks(values, derivative, PLAN_FORMATS)
    if values["out_dir"] is None:  # a folder that is not there yet is made by `run`, not here
        check_targets(asked, values)
    parted = [task for task in asked if may_be_streamed(task, "none")]
    planned = plans(asked, values, holds_result=lambda task: task not in parted, by_rows=True)
    for task, made in planned:
        from jaccli.execute import prepare
        from jaccli.plan import as_json, as_text, with_choice
        from jaccli.tune.candidates import Candidate, candidates, names
        from jaccli.tune.render import candidates_as_json, candidates_as_text
        from jaccli.tune.tuned import remembered

        known = remembered(made) if task.spec.mode == "tuned" else None
        target = str(task.target) if task.target is not None else None
        found: list[Candidate] = []
        if task in parted and is_streamed(made):
            made = planned_stream(made)
        else:
            made = prepare(made if known is None else with_choice(made, known)).plan
            found = list(candidates(made)) if len(names(made)) > 1 else []
        form = task.spec.output.format or "plain"  # a target takes nothing from the terminal here
        if form == "json":
            data = as_json(made) | {"candidates": candidates_as_json(found), "output": target}
            console.out(console.json_line(data))
        if form in ("json", "none"):
            continue
        lines = [as_text(made)]
        if target:
            lines.append(f"output   {target}")
        if task.spec.mode == "tuned" and known is None:
            lines.append("tuned    not measured yet: the first call times the candidates")
        if found:
            lines.append(candidates_as_text(found, made.operator))
        console.out("\n".join(lines))
    return 0


def _compute(task: Task, plan: Plan, values: Values) -> Result:
    """Compile and run a plan and write its file; warn of, or refuse, what is not as it seems."""
    from jaccli.execute import run
    from jaccli.plan import as_text
    from jaccli.result import dense, first_nonfinite, summary
    from jaccli.tune.program_cache import compiled, planned

    quiet = bool(values["quiet"])
    with console.progress(quiet=quiet) as progress:
        program = compiled(plan, progress)
        if values["explain"] or values["verbose"]:
            console.err(as_text(program.plan))
        result = run(program, progress)
        if task.is_json:
            blocks = result.blocks
            if plan.derivative != "evaluate":
                made = planned(plan.spec, plan.model, "evaluate", plan.devices)
                blocks = run(compiled(made, progress), progress).blocks
            value = {str(block.output): dense(block.values) for block in blocks}
            result = replace(result, value=value)
    nonfinite = first_nonfinite(result)
    if nonfinite is not None and values["fail_on_nonfinite"]:
        raise ComputationError(*nonfinite_problems(program.plan, nonfinite))
    if not quiet or task.is_json:
        said = remarks(program.plan, nonfinite, debug=bool(values["debug"]))
        result = replace(result, warnings=(*result.warnings, *said))
    warnings = result.warnings
    if plan.spec.unused:  # printed when the model was loaded
        result = replace(result, warnings=(unused(plan.spec), *warnings))
    _write(task, result)
    if not quiet:
        console.err(summary(result))
    for warning in () if quiet else warnings:
        console.warn(warning)
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


def _expected(plan: Plan) -> Stored | None:
    """Read the file of the spec's `expect:`, before anything is computed in vain."""
    from jaccli.result import read

    expect = plan.spec.expect
    return None if expect is None else read(expect.path, limit=plan.budget - plan.input_bytes)


def _compare(spec: Spec, result: Result, golden: Stored, *, quiet: bool) -> int:
    """Compare a result with the spec's `expect:`, print the verdict, and return the exit code."""
    from jaccli.result.compare.compare import compare

    assert spec.expect is not None
    expect = spec.expect
    comparison = compare(result, golden, rtol=expect.rtol, atol=expect.atol)
    if not (quiet and comparison.passed):
        console.err(f"expect {expect.path.name}: {comparison}")
    return 0 if comparison.passed else VerdictError.exit_code
