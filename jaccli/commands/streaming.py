"""A result larger than the memory budget, computed and written chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jaccli.commands.options import DerivativeRequest, ResultRequest
from jaccli.commands.outcome import Outcome
from jaccli.commands.tasks import Task
from jaccli.context import Context
from jaccli.storage import files

if TYPE_CHECKING:
    from jaccli.context import Progress
    from jaccli.execute.stream_info import Outline
    from jaccli.plan import Plan
    from jaccli.result import Measuring, Partial


def may_be_streamed(task: Task, form: str) -> bool:
    """Return whether a task's result may go to its file in chunks: nothing else is done with it."""
    npy = task.target is not None and task.target.suffix.lower() == ".npy"
    return npy and form == "none" and task.spec.expect is None


def goes_on(task: Task, request: DerivativeRequest) -> bool:
    """Return whether there is something begun, and it is to be gone on with."""
    from jaccli.result import has_partial

    return request.resume and task.target is not None and has_partial(task.target)


def is_streamed(plan: Plan, *, goes_on: bool = False) -> bool:
    """Return whether a result that may be streamed is: it does not fit the budget, or is begun.

    Raises:
        BudgetError: it does not fit, and has no chunks that could be written one after another.
    """
    from jaccli.plan import check_result

    if plan.input_bytes + plan.result_bytes <= plan.budget and not goes_on:
        return False
    if plan.part != "full":  # its chunks are no rows of it
        check_result(plan)
        return False
    if len(plan.blocks) > 1 or plan.storage != "dense" or not plan.chunk_shapes:
        check_result(plan)
    files.require_local("a result larger than the memory budget")
    return True


def planned_stream(plan: Plan) -> Plan:
    """Return the plan as it would be streamed, with its chunk."""
    from jaccli.execute.stream import prepare_stream

    return prepare_stream(plan).plan


def stream(task: Task, plan: Plan, request: ResultRequest, context: Context) -> Outcome:
    """Compute a plan in chunks and write each to the target's file; go on with what is begun."""
    from jaccli.execute.stream import ComputedChunk, prepare_stream
    from jaccli.execute.stream_info import measured, outline, put
    from jaccli.plan import check_result

    target = task.target
    assert target is not None
    if files.is_special(target):  # chunks go anywhere in a file, which no pipe or device has
        check_result(plan)
    chunk = begun_chunk(target, request)
    made = prepare_stream(plan if chunk is None else replace(plan, chunk=plan.chunk or chunk))
    finite = request.fail_on_nonfinite

    def compute(partial: Partial, measuring: Measuring, progress: Progress) -> None:
        def write(piece: ComputedChunk) -> None:
            measuring.join(measured(piece, target, finite=finite))
            partial.write(piece.number, lambda file: put(piece, made.width, file))

        made.run(frozenset(partial.done), write, progress)

    return grow(task, outline(made), compute, request, context)


def begun_chunk(target: Path, request: DerivativeRequest) -> int | None:
    """Return the chunk of what is gone on with: its size stays, whatever the budget is now."""
    from jaccli.result import begun

    return begun(target).get("chunk") if request.resume else None


def grow(
    task: Task,
    made: Outline,
    compute: Callable[[Partial, Measuring, Progress], None],
    request: ResultRequest,
    context: Context,
) -> Outcome:
    """Have the chunks of a result computed into the target's file."""
    from jaccli.result import Measuring, Partial

    target, reporter = task.target, context.reporter
    assert target is not None
    if request.explain or request.verbose:
        reporter.tell(made.plan)
    measuring = Measuring()
    resume, force = request.resume, task.spec.output.force
    with Partial(
        target, made.shape, made.dtype, made.identity, resume=resume, force=force
    ) as partial:
        before = len(partial.done)
        start = time.perf_counter()
        try:
            with reporter.progress() as progress:
                compute(partial, measuring, progress)
        except KeyboardInterrupt:
            kept = f"{len(partial.done)} of {made.count} chunks are kept"
            reporter.tell(f"{target}: {kept}; go on with --resume.")
            raise
        took = time.perf_counter() - start
        partial.publish(force=force)
    return Outcome(notes=(made.summary(measuring, took, before),))
