"""Results and sweeps on the workers of a cluster: `--cluster`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from jaccli.commands.options import ResultRequest
from jaccli.commands.outcome import Outcome
from jaccli.commands.streaming import begun_chunk, grow, may_be_streamed
from jaccli.commands.tasks import Task, is_complete
from jaccli.context import Context
from jaccli.errors import UsageError

if TYPE_CHECKING:
    from jaccli.cluster.connection import Cluster
    from jaccli.context import Progress
    from jaccli.result import Measuring, Partial


def run(tasks: Sequence[Task], request: ResultRequest, context: Context) -> Iterator[Outcome]:
    """Have the results of all tasks computed on a cluster."""
    for task in tasks:
        _check(task)
    with connected(request, context) as cluster:
        for task in tasks:
            if request.resume and task.target is not None and is_complete(task.target):
                yield Outcome(notes=(f"{task.target}: complete.",))
            else:
                yield _stream(task, cluster, request, context)


@contextmanager
def connected(request: ResultRequest, context: Context) -> Iterator[Cluster]:
    """Connect to the cluster that is asked for.

    Raises:
        UsageError, ComputationError: as `jaccli.cluster.connect`.
    """
    from jaccli.cluster.address import parse
    from jaccli.cluster.connection import connect

    assert request.cluster is not None
    with connect(parse(request.cluster), context.reporter.note) as cluster:
        cluster.executor.warn = context.reporter.warn
        yield cluster


def _check(task: Task) -> None:
    """Refuse what workers cannot write by themselves."""
    spec = task.spec
    if spec.devices is not None:
        hint = "Leave out --devices: start a worker for each device."
        raise UsageError("--cluster: a worker has one device.", hint=hint)
    if spec.part != "full":
        hint = "Leave out --cluster; a sweep of such tasks can have one."
        raise UsageError(f"--cluster: a {spec.part} is computed in one piece.", hint=hint)
    if not may_be_streamed(task, task.form):
        raise UsageError(
            f"--cluster: {spec.name}: workers write the {task.derivative} into an .npy file, and "
            "nothing else is done with it.",
            hint="Give -o FILE.npy, without --format, --show and expect:; or leave out --cluster.",
        )


def _stream(task: Task, cluster: Cluster, request: ResultRequest, context: Context) -> Outcome:
    """Have one result computed in parts, by a plan that a worker makes."""
    from jaccli.cluster import result_scheduler
    from jaccli.cluster.worker import StreamJob

    assert task.target is not None
    job = StreamJob(
        key=uuid4().hex,
        spec=task.spec,
        derivative=task.derivative,
        target=task.target.absolute(),
        home=Path.cwd(),
        allow_python=request.allow_python,
        finite=request.fail_on_nonfinite,
        chunk=begun_chunk(task.target, request),
        at_least=result_scheduler.PIECES * max(cluster.workers, 1),
    )
    outline = result_scheduler.outlined(cluster, job)

    def compute(partial: Partial, measuring: Measuring, progress: Progress) -> None:
        told = context.reporter.note
        result_scheduler.computed(cluster, job, outline, partial, measuring, progress, told)

    return grow(task, outline, compute, request, context)
