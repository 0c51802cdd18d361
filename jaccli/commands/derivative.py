"""The commands that compute a derivative: tasks → plans → programs → results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from jaccli.choices import DRAWN, SCALED
from jaccli.commands.options import (
    APPROXIMATION,
    COLS,
    PART,
    ROWS,
    SCALE,
    VECTOR,
    WITH_VALUE,
    ResultRequest,
)
from jaccli.commands.origin import origin
from jaccli.commands.outcome import Data, Outcome
from jaccli.commands.request import check_choice
from jaccli.commands.shown import is_shown
from jaccli.commands.streaming import goes_on, is_streamed, may_be_streamed, stream
from jaccli.commands.tasks import (
    Task,
    check_targets,
    foresee_contents,
    is_complete,
    plans,
    tasks,
    unused,
)
from jaccli.commands.warnings import nonfinite_problems, remarks
from jaccli.context import Context
from jaccli.errors import BudgetError, ComputationError, UsageError, VerdictError

if TYPE_CHECKING:
    from jaccli.context import Progress
    from jaccli.execute import Program
    from jaccli.plan import Plan
    from jaccli.result import Result, Stored
    from jaccli.tune.program_cache import ProgramCache


_OF_ONE = ("npy", "csv", "tsv", "parquet", "mtx", *(suffix[1:] for suffix in DRAWN))
"""Formats that hold the derivative alone."""


class OneDerivativeRequest(ResultRequest):
    """A derivative of each spec."""

    derivative: ClassVar[str]
    takes_parts = True


class JacobianRequest(OneDerivativeRequest):
    """The Jacobian of each spec."""

    derivative = "jacobian"
    rows: str | None = ROWS
    cols: str | None = COLS
    part: str | None = PART
    with_value: bool = WITH_VALUE
    scale: str = SCALE


class HessianRequest(OneDerivativeRequest):
    """The Hessian of each spec."""

    derivative = "hessian"
    approximation: str | None = APPROXIMATION
    rows: str | None = ROWS
    cols: str | None = COLS
    part: str | None = PART
    with_value: bool = WITH_VALUE


class GradientRequest(OneDerivativeRequest):
    """The gradient of each spec."""

    derivative = "gradient"
    rows: str | None = ROWS
    cols: str | None = COLS
    with_value: bool = WITH_VALUE
    scale: str = SCALE


class JVPRequest(OneDerivativeRequest):
    """The Jacobian times a tangent, of each spec."""

    derivative = "jvp"
    with_value: bool = WITH_VALUE
    vector: tuple[str, ...] = VECTOR


class VJPRequest(OneDerivativeRequest):
    """A cotangent times the Jacobian, of each spec."""

    derivative = "vjp"
    with_value: bool = WITH_VALUE
    vector: tuple[str, ...] = VECTOR


class HVPRequest(OneDerivativeRequest):
    """The Hessian times a tangent, of each spec."""

    derivative = "hvp"
    approximation: str | None = APPROXIMATION
    with_value: bool = WITH_VALUE
    vector: tuple[str, ...] = VECTOR


class EvaluateRequest(OneDerivativeRequest):
    """The outputs of each spec."""

    derivative = "evaluate"


@dataclass(frozen=True, kw_only=True)
class Computed(Outcome):
    """A result; `layout`, `show` and `digits` say how it is shown.

    `heading` is printed before it, where there are several; `outputs` above it, if they are wanted.
    """

    result: Result
    layout: str
    show: str | None = None
    digits: int = 6
    heading: str = ""
    outputs: Result | None = None

    def write(self) -> None:
        """Write the result's file."""
        from jaccli.result import write

        if self.target is not None:
            result, digits = self._as_file(), self.digits
            write(result, self.target, layout=self.layout, force=self.force, digits=digits)

    def print(self, out: TextIO) -> None:
        """Print the result, or the part that `show` picks."""
        from jaccli.result import render

        if self.heading and self.form in ("table", "plain"):
            print(self.heading, file=out)
        show, digits = self.show, self.digits
        if self.outputs is not None and self.form in ("table", "plain"):
            render(self.outputs, self.form, out, digits=digits)
            print(file=out)
        render(self.result, self.form, out, layout=self.layout, show_text=show, digits=digits)
        out.flush()

    def content(self, form: str) -> bytes:
        """Return the result as a file of this format."""
        from jaccli.result import content

        result = self.result if form == "json" else self._as_file()
        return content(result, f".{form}", layout=self.layout)

    def as_data(self) -> Data:
        """Return what a page in a browser shows of it."""
        from jaccli.result.documents.of_result import facts, values_of
        from jaccli.result.render.data import tables
        from jaccli.result.view import whole

        view = whole(self.result)
        beside = None if self.result.derivative == "evaluate" else values_of(view)
        return {
            **super().as_data(),
            "warnings": list(self.result.warnings),
            "derivative": self.result.derivative,
            "values": [] if beside is None else tables(beside),
            "tables": tables(view, self.layout),
            "facts": facts(self.result),
        }

    def _as_file(self) -> Result:
        """Return the result with the outputs' values if they are wanted; JSON has them always."""
        is_json = self.target is not None and self.target.suffix.lower() == ".json"
        wanted = self.outputs is not None or is_json
        return self.result if wanted else replace(self.result, value=None)


def run(request: OneDerivativeRequest, context: Context) -> Iterator[Outcome]:
    """Compute the derivative of each spec.

    Raises:
        JaccliError: in the spec, the computation or the device, with the place in the user's text.
    """
    return computed(tasks(request, context, request.derivative), request, context)


def computed(
    asked: list[Task], request: ResultRequest, context: Context, *, expects: bool = False
) -> Iterator[Outcome]:
    """Compute tasks; with `expects`, compare results with their specs' `expect:`."""
    check_targets(asked, request, context)
    _check_beside(asked, request)
    if request.cluster is not None:
        from jaccli.commands import on_cluster

        yield from on_cluster.run(asked, request, context)
        return
    if expects:
        foresee_contents(task.spec.expect.path for task in asked if task.spec.expect is not None)
    is_scaled = request.scale != "none"
    parted = not request.with_value and not is_scaled
    made = plans(
        asked,
        request,
        context,
        holds_result=lambda task: not (parted and may_be_streamed(task, task.form)),
        by_rows=not is_scaled,
    )
    with closing(made) as planned:
        for task, plan, programs in planned:
            golden = _expected(plan) if expects else None
            if request.resume and task.target is not None and is_complete(task.target):
                yield Outcome(notes=(f"{task.target}: complete.",))
                continue
            going_on = goes_on(task, request)
            if parted and may_be_streamed(task, task.form) and is_streamed(plan, goes_on=going_on):
                yield stream(task, plan, request, context)
                continue
            outcome = _computed(task, plan, programs, request, context)
            if len(asked) > 1:
                outcome = replace(outcome, heading=f"# {task.spec.name}: {task.derivative}")
            yield outcome if golden is None else _compared(task, outcome, golden)


def _check_beside(asked: list[Task], request: ResultRequest) -> None:
    """Refuse scales and values beside what cannot have them."""
    if "scale" in request.options:
        check_choice(request, "scale")
    is_scaled = request.scale != "none"
    if request.cluster is not None and (is_scaled or request.with_value):
        flag = "--scale" if is_scaled else "--with-value"
        raise UsageError(f"{flag}: not with --cluster, whose workers write the derivative alone.")
    for task in asked:
        if is_scaled and task.derivative not in SCALED:
            hint = f"It goes with {' and '.join(SCALED)}."
            raise UsageError(f"--scale: {task.derivative} has no relative form.", hint=hint)
        suffix = "" if task.target is None else task.target.suffix.lower().lstrip(".")
        alone = next((form for form in (suffix, task.form) if form in _OF_ONE), None)
        if request.with_value and alone is not None:
            message = f"--with-value: {alone} holds the derivative alone."
            raise UsageError(message, hint="Use .npz, .json, or a table.")


def _computed(
    task: Task, plan: Plan, programs: ProgramCache, request: ResultRequest, context: Context
) -> Computed:
    """Compile and run a plan; warn of, or refuse, what is not as it seems."""
    from jaccli.execute import run
    from jaccli.plan import as_text
    from jaccli.result import dense, first_nonfinite, summary
    from jaccli.result.scale import scaled

    with context.reporter.progress() as progress:
        program = programs.compiled(plan, progress)
        if request.explain or request.verbose:
            context.reporter.tell(as_text(program.plan))
        result = outputs = run(program, progress)
        if request.show is not None and is_shown(task, plan):
            result = replace(result, rows=None, cols=None, shown=True)
            if plan.model.whole is not None and first_nonfinite(result) is not None:
                plan, program, result = _of_whole(task, plan, programs, progress, result, program)
        shows = result.shown and request.scale != "log"  # and no values beside it
        if (task.is_json and not shows) or request.with_value or request.scale == "log":
            if plan.derivative != "evaluate":
                made = programs.planned(plan.spec, plan.model, "evaluate", plan.devices)
                outputs = run(programs.compiled(made, progress), progress)
            value = {str(block.output): dense(block.values) for block in outputs.blocks}
            result = replace(result, value=value)
    nonfinite = first_nonfinite(result)
    if nonfinite is not None and request.fail_on_nonfinite:
        raise ComputationError(*nonfinite_problems(program.plan, nonfinite))
    if request.scale != "none":
        result = scaled(result, request.scale, _point(plan), result.value or {})
        worse = first_nonfinite(result) if nonfinite is None else None
        if worse is not None and request.fail_on_nonfinite:
            raise ComputationError(f"{worse}.", *result.warnings)
    if not request.quiet or task.is_json:
        said = remarks(program.plan, nonfinite, debug=request.debug)
        result = replace(result, warnings=(*result.warnings, *said))
    warnings = result.warnings
    result = replace(result, origin=origin(plan.spec, plan.model))
    if plan.spec.unused:  # said when the model was loaded
        result = replace(result, warnings=(unused(plan.spec), *warnings))
    return Computed(
        form=task.form,
        target=task.target,
        force=task.spec.output.force,
        notes=(summary(result), *_of_file(task, result)),
        warnings=warnings,
        result=result,
        layout=task.spec.layout,
        show=request.show,
        digits=request.digits or 6,
        outputs=outputs if request.with_value else None,
    )


def _of_file(task: Task, result: Result) -> list[str]:
    """Return what is to be said of the file."""
    from jaccli.result.io.registry import remarks

    return [] if task.target is None else remarks(result, task.target, layout=task.spec.layout)


def _of_whole(
    task: Task,
    plan: Plan,
    programs: ProgramCache,
    progress: Progress,
    result: Result,
    program: Program,
) -> tuple[Plan, Program, Result]:
    """Return the whole derivative in place of a part that is not finite, where it fits the budget.

    A row by itself has 0 inf = NaN beside a singularity, where the whole has a structural zero.
    """
    from jaccli.execute import run

    assert plan.model.whole is not None
    try:
        whole = programs.planned(task.spec, plan.model.whole, task.derivative, plan.devices)
        made = programs.compiled(whole, progress)
        return made.plan, made, run(made, progress)
    except BudgetError:
        return plan, program, result


def _point(plan: Plan) -> dict[str, Any]:
    """Return the inputs that are differentiated, with their batch axes first."""
    import numpy as np

    primals, batch = plan.model.primals, plan.model.batch
    return {
        name: np.moveaxis(np.asarray(primals[name]), batch[name], 0) if name in batch
        else np.asarray(primals[name])
        for name in plan.model.wrt
    }  # fmt: skip


def _expected(plan: Plan) -> Stored | None:
    """Read the file of the spec's `expect:`, before anything is computed in vain."""
    from jaccli.result import read

    expect = plan.spec.expect
    return None if expect is None else read(expect.path, limit=plan.budget - plan.input_bytes)


def _compared(task: Task, outcome: Computed, golden: Stored) -> Computed:
    """Compare a result with the spec's `expect:`."""
    from jaccli.result.compare.compare import compare

    expect = task.spec.expect
    assert expect is not None
    found = compare(outcome.result, golden, rtol=expect.rtol, atol=expect.atol)
    verdict = f"expect {expect.path.name}: {found}"
    code = 0 if found.passed else VerdictError.exit_code
    return replace(outcome, verdict=verdict, exit_code=code)
