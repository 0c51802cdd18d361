"""Results and sweeps on the workers of a cluster: `--cluster`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from jaccli.cli import console
from jaccli.cli.options import Values
from jaccli.cli.streaming import begun_chunk, grow, may_be_streamed
from jaccli.cli.tasks import Task, is_complete
from jaccli.errors import UsageError

if TYPE_CHECKING:
    from jaccli.cluster.connection import Cluster
    from jaccli.execute.progress import Progress
    from jaccli.result import Measuring, Partial


def run(tasks: Sequence[Task], values: Values) -> int:
    """Have the results of all tasks computed on a cluster; return the exit code."""
    for task in tasks:
        _check(task)
    with connected(values) as cluster:
        for task in tasks:
            if values["resume"] and task.target is not None and is_complete(task.target):
                if not values["quiet"]:
                    console.err(f"{task.target}: complete.")
            else:
                _stream(task, cluster, values)
    return 0


@contextmanager
def connected(values: Values) -> Iterator[Cluster]:
    """Connect to the cluster that the options name.

    Raises:
        UsageError, ComputationError: as `jaccli.cluster.connect`.
    """
    from jaccli.cluster.address import parse
    from jaccli.cluster.connection import connect

    def told(message: str) -> None:
        if not values["quiet"]:
            console.err(message)

    with connect(parse(values["cluster"]), told) as cluster:
        cluster.executor.warn = console.warn
        yield cluster


def _check(task: Task) -> None:
    """Refuse what workers cannot write by themselves."""
    spec = task.spec
    if spec.devices is not None:
        hint = "Leave out --devices: start a worker for each device."
        raise UsageError("--cluster: a worker has one device.", hint=hint)
    if not may_be_streamed(task, task.form):
        raise UsageError(
            f"--cluster: {spec.name}: workers write the {task.derivative} into an .npy file, and "
            "nothing else is done with it.",
            hint="Give -o FILE.npy, without --format, --show and expect:; or leave out --cluster.",
        )


def _stream(task: Task, cluster: Cluster, values: Values) -> None:
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
        allow_python=bool(values["allow_python"]),
        finite=bool(values["fail_on_nonfinite"]),
        chunk=begun_chunk(task.target, values),
        at_least=result_scheduler.PIECES * max(cluster.workers, 1),
    )
    outline = result_scheduler.outlined(cluster, job)

    def compute(partial: Partial, measuring: Measuring, progress: Progress) -> None:
        result_scheduler.computed(cluster, job, outline, partial, measuring, progress, console.err)

    grow(task, outline, compute, values)
