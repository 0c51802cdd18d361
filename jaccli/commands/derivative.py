"""The commands that compute a derivative: tasks → plans → programs → results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TextIO

from jaccli.commands.options import VECTOR, ResultRequest
from jaccli.commands.outcome import Outcome
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
from jaccli.errors import ComputationError, VerdictError

if TYPE_CHECKING:
    from jaccli.plan import Plan
    from jaccli.result import Result, Stored
    from jaccli.result.compare.compare import Comparison
    from jaccli.tune.program_cache import ProgramCache


class OneDerivativeRequest(ResultRequest):
    """A derivative of each spec."""

    derivative: ClassVar[str]


class JacobianRequest(OneDerivativeRequest):
    """The Jacobian of each spec."""

    derivative = "jacobian"


class HessianRequest(OneDerivativeRequest):
    """The Hessian of each spec."""

    derivative = "hessian"


class GradientRequest(OneDerivativeRequest):
    """The gradient of each spec."""

    derivative = "gradient"


class JVPRequest(OneDerivativeRequest):
    """The Jacobian times a tangent, of each spec."""

    derivative = "jvp"
    vector: tuple[str, ...] = VECTOR


class VJPRequest(OneDerivativeRequest):
    """A cotangent times the Jacobian, of each spec."""

    derivative = "vjp"
    vector: tuple[str, ...] = VECTOR


class HVPRequest(OneDerivativeRequest):
    """The Hessian times a tangent, of each spec."""

    derivative = "hvp"
    vector: tuple[str, ...] = VECTOR


class EvaluateRequest(OneDerivativeRequest):
    """The outputs of each spec."""

    derivative = "evaluate"


@dataclass(frozen=True, kw_only=True)
class Computed(Outcome):
    """A result, and what it was compared with; `layout`, `show` and `digits` say how it is shown.

    `heading` is printed before it, where there are several.
    """

    result: Result
    layout: str
    show: str | None = None
    digits: int = 6
    heading: str = ""
    comparison: Comparison | None = None

    def write(self) -> None:
        """Write the result's file."""
        from jaccli.result import write

        if self.target is not None:
            write(self.result, self.target, layout=self.layout, force=self.force)

    def print(self, out: TextIO) -> None:
        """Print the result, or the part that `show` picks."""
        from jaccli.result import render

        if self.heading and self.form in ("table", "plain"):
            print(self.heading, file=out)
        show, digits = self.show, self.digits
        render(self.result, self.form, out, layout=self.layout, show_text=show, digits=digits)
        out.flush()

    def content(self, form: str) -> bytes:
        """Return the result as a file of this format."""
        from jaccli.result import content

        return content(self.result, f".{form}", layout=self.layout)


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
    if request.cluster is not None:
        from jaccli.commands import on_cluster

        yield from on_cluster.run(asked, request, context)
        return
    if expects:
        foresee_contents(task.spec.expect.path for task in asked if task.spec.expect is not None)
    made = plans(asked, request, context, holds_result=_holds_result, by_rows=True)
    with closing(made) as planned:
        for task, plan, programs in planned:
            golden = _expected(plan) if expects else None
            if request.resume and task.target is not None and is_complete(task.target):
                yield Outcome(notes=(f"{task.target}: complete.",))
                continue
            going_on = goes_on(task, request)
            if may_be_streamed(task, task.form) and is_streamed(plan, goes_on=going_on):
                yield stream(task, plan, request, context)
                continue
            outcome = _computed(task, plan, programs, request, context)
            if len(asked) > 1:
                outcome = replace(outcome, heading=f"# {task.spec.name}: {task.derivative}")
            yield outcome if golden is None else _compared(task, outcome, golden)


def _holds_result(task: Task) -> bool:
    return not may_be_streamed(task, task.form)


def _computed(
    task: Task, plan: Plan, programs: ProgramCache, request: ResultRequest, context: Context
) -> Computed:
    """Compile and run a plan; warn of, or refuse, what is not as it seems."""
    from jaccli.execute import run
    from jaccli.plan import as_text
    from jaccli.result import dense, first_nonfinite, summary

    with context.reporter.progress() as progress:
        program = programs.compiled(plan, progress)
        if request.explain or request.verbose:
            context.reporter.tell(as_text(program.plan))
        result = run(program, progress)
        if task.is_json:
            blocks = result.blocks
            if plan.derivative != "evaluate":
                made = programs.planned(plan.spec, plan.model, "evaluate", plan.devices)
                blocks = run(programs.compiled(made, progress), progress).blocks
            value = {str(block.output): dense(block.values) for block in blocks}
            result = replace(result, value=value)
    nonfinite = first_nonfinite(result)
    if nonfinite is not None and request.fail_on_nonfinite:
        raise ComputationError(*nonfinite_problems(program.plan, nonfinite))
    if not request.quiet or task.is_json:
        said = remarks(program.plan, nonfinite, debug=request.debug)
        result = replace(result, warnings=(*result.warnings, *said))
    warnings = result.warnings
    if plan.spec.unused:  # said when the model was loaded
        result = replace(result, warnings=(unused(plan.spec), *warnings))
    return Computed(
        form=task.form,
        target=task.target,
        force=task.spec.output.force,
        notes=(summary(result),),
        warnings=warnings,
        result=result,
        layout=task.spec.layout,
        show=request.show,
        digits=request.digits or 6,
    )


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
    return replace(outcome, comparison=found, verdict=verdict, exit_code=code)
