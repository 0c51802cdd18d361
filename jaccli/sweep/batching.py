"""A group of tasks → their results, by one compiled program.

Tasks that differ in numbers alone are the rows of a batch: inputs that vary are stacked to a
batched input, so that one call computes many tasks.  Where that is not possible (the spec has a
batch or a chunk, sparse storage, no varying input), the program runs at one point after another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaccli import backend, models
from jaccli.derivative import cost
from jaccli.errors import ComputationError, DeviceError, JaccliError, SpecError, UsageError
from jaccli.models import LoadedModel, Point
from jaccli.models.parts import source_name
from jaccli.plan import Plan, at, make
from jaccli.result import Block, Result, Sparse
from jaccli.sweep.expand import SweepTask
from jaccli.sweep.grouping import Group

MAX_ROWS = 64
"""Maximum number of tasks in one call, which are lost together if the process is killed."""
CALL_SECONDS = 1.0
"""Target for the predicted seconds of one call; groups are cut between calls."""
CALL_BYTES = 64 << 20
"""Target for the bytes of inputs and results of one call: larger tasks gain nothing by batching."""
_BUDGET_DIVISOR = 4
"""Inputs and results of one call take at most the memory budget divided by this."""

_WRITE_SECONDS = 0.002
"""Seconds for writing a small result, flushed to disk, and its record."""
_SECONDS_PER_BYTE = 2e-9
"""Additional seconds for each byte of a result."""

Outcome = tuple[SweepTask, Result | JaccliError]


class GroupRunner:
    """Computes the tasks of a group; the plan is made from the first task that can be read.

    `rows` tasks are computed in one call, each in about `predicted` seconds; 1 and 0 until the
    group is planned.  With `with_value`, results have the values of the outputs as well.
    """

    def __init__(
        self, group: Group, suffix: str, *, allow_python: bool, with_value: bool = False
    ) -> None:
        self.group, self.suffix = group, suffix
        self.allow_python, self.with_value = allow_python, with_value
        self.shared_inputs: dict[str, np.ndarray] = {}
        self.calls: _GroupProgram | None = None
        self.failure: JaccliError | None = None
        self.rows, self.predicted = 1, 0.0

    @property
    def compiling(self) -> float:
        """The seconds that were spent compiling."""
        program = None if self.calls is None else self.calls.program
        return 0.0 if program is None else float(program.seconds)

    def prepare(self, tasks: Iterable[SweepTask]) -> None:
        """Make the plan unless there is one; compute nothing.

        Raises:
            UsageError: files of that suffix cannot hold the results.
            DeviceError: the device is not there, and the sweep does not set it.
        """
        for task in tasks:
            if self.calls is not None or self.failure is not None:
                return
            try:
                point = models.read(task.spec, self.shared_inputs)
            except Exception as error:
                _failure(task, error)
                continue
            self._plan(task, point)

    def results(self, tasks: Sequence[SweepTask]) -> Iterator[Outcome]:
        """Yield each task with its result or its error, call after call.

        Raises:
            UsageError, DeviceError: as `prepare`.
        """
        self.prepare(tasks)
        # Calls do not depend on which tasks fail, so the bytes of the results do not either.
        for start in range(0, len(tasks), self.rows):
            read: list[tuple[SweepTask, Point]] = []
            for task in tasks[start : start + self.rows]:
                try:
                    read.append((task, models.read(task.spec, self.shared_inputs)))
                except Exception as error:
                    yield task, _failure(task, error)
            if self.calls is not None and read:
                yield from self.calls.run(read)
            elif self.failure is not None:
                yield from ((task, self.failure) for task, _ in read)

    def _plan(self, task: SweepTask, point: Point) -> None:
        varying = self.group.varying
        shared = (name for name in point.primals if source_name(name) not in varying)
        self.shared_inputs = {name: point.primals[name][...] for name in shared}
        try:
            plan = plan_of(task, point, self.suffix, allow_python=self.allow_python)
            values = None
            if self.with_value:
                # A chunk is of the derivative's rows; the values are computed in one piece.
                value_plan = make(plan.spec, plan.model, "evaluate", plan.devices)
                values = _GroupProgram(self.group, value_plan, rows_of(plan, self.group), None)
            self.calls = _GroupProgram(self.group, plan, rows_of(plan, self.group), values)
            self.rows, self.predicted = self.calls.rows, seconds(plan)
        except Exception as error:  # concerns all tasks of the group
            self.failure = _failure(task, error)


def _failure(task: SweepTask, error: Exception) -> JaccliError:
    """Return the error to record for a task; raise errors that concern the whole sweep."""
    if isinstance(error, UsageError) and not isinstance(error, SpecError):
        raise error
    if isinstance(error, DeviceError) and not {"device", "devices"} & task.values.keys():
        raise error
    if isinstance(error, JaccliError):
        return error
    if isinstance(error, MemoryError):
        return ComputationError("out of memory.")
    reason = str(error).strip().split("\n")[0]
    return ComputationError(f"unexpected {type(error).__name__}: {reason}")


def plan_of(task: SweepTask, point: Point, suffix: str, *, allow_python: bool) -> Plan:
    """Return the plan of one task by itself; refuse a result that its file cannot hold."""
    from jaccli.execute.preflight import check_fits, given_pattern

    spec = task.spec
    backend.configure(x64=models.needs_x64(spec, point), everywhere=True)
    device = backend.find(spec.device, spec.devices)
    loaded = models.load(spec, point, allow_python=allow_python)
    plan = make(spec, loaded, task.derivative, device, given_pattern(spec, loaded))
    check_fits(plan, suffix)
    return plan


def rows_of(plan: Plan, group: Group) -> int:
    """Return how many tasks of a group are computed in one call."""
    is_single = plan.model.batch or plan.spec.chunk is not None or plan.storage == "sparse"
    if is_single or not group.varying or group.size == 1:
        return 1
    task_bytes = max(1, plan.input_bytes + plan.result_bytes)
    fitting = min(CALL_BYTES, plan.budget // _BUDGET_DIVISOR) // task_bytes
    most = max(
        1, min(MAX_ROWS, fitting, int(CALL_SECONDS / max(seconds(plan), CALL_SECONDS / MAX_ROWS)))
    )
    return math.ceil(group.size / math.ceil(group.size / most))


def seconds(plan: Plan) -> float:
    """Return the estimated seconds for computing and writing one result, without compiling.

    The estimate comes from a trace, and may be wrong by a factor of 3.
    """
    from jaccli.execute.functions import arguments, whole

    running = cost.estimated(whole(plan), *arguments(plan))
    return running + _WRITE_SECONDS + plan.result_bytes * _SECONDS_PER_BYTE


class _GroupProgram:
    """The program of a group: compiled at the first call, run at `rows` points at a time."""

    def __init__(self, group: Group, plan: Plan, rows: int, values: _GroupProgram | None) -> None:
        self.group, self.plan, self.rows, self.values = group, plan, rows, values
        self.program: Any = None
        self.failure: JaccliError | None = None

    def run(self, points_by_task: Sequence[tuple[SweepTask, Point]]) -> Iterator[Outcome]:
        """Compute the results at these points, at most `rows` of them."""
        results = self._try_batch(points_by_task)
        if results is not None:
            yield from zip((task for task, _ in points_by_task), results, strict=True)
            return
        for task, point in points_by_task:
            yield task, self.failure or self._result_or_failure(task, point)

    def _try_batch(
        self, points_by_task: Sequence[tuple[SweepTask, Point]]
    ) -> Sequence[Result] | None:
        """Return the results of one batched call; None if tasks must be computed one by one."""
        if self.rows == 1:
            return None
        try:
            return self._complete(
                self.compute_batch([point for _, point in points_by_task]), points_by_task
            )
        except Exception:
            # A task fails, or the model cannot be batched: compute them one by one to find out.
            for calls in filter(None, (self, self.values)):
                calls.rows, calls.program = 1, None
            return None

    def _result_or_failure(self, task: SweepTask, point: Point) -> Result | JaccliError:
        """Return one result; a program that cannot be compiled is not tried again."""
        try:
            (result,) = self._complete([self.compute_one(point)], [(task, point)])
        except Exception as error:
            failure = _failure(task, error)
            if self.program is None:
                self.failure = failure
            return failure
        return result

    def _complete(
        self, results: Sequence[Result], points_by_task: Sequence[tuple[SweepTask, Point]]
    ) -> list[Result]:
        """Return the results with the hash of each task's spec, and with the outputs' values."""
        values: Sequence[dict[str, Any] | None] = [None] * len(results)
        if self.values is not None:
            points = [point for _, point in points_by_task]
            value_results = (
                self.values.compute_batch(points)
                if self.rows > 1
                else [self.values.compute_one(point) for point in points]
            )
            values = [
                {str(block.output): block.values for block in result.blocks}
                for result in value_results
            ]
        return [
            replace(result, spec_sha256=task.spec.sha256, value=value)
            for result, (task, _), value in zip(results, points_by_task, values, strict=True)
        ]

    def compute_batch(self, points: Sequence[Point]) -> list[Result]:
        """Compute as a batch, padded to `rows` by repeating the last point."""
        padded = [*points, *[points[-1]] * (self.rows - len(points))]
        stacked = self._stacked(padded)
        if self.program is None:
            plan = self.plan
            batched = make(plan.spec, stacked, plan.derivative, plan.devices, plan.given)
            return _split(self._compile_and_run(batched), len(points))
        return _split(self._run_at(stacked), len(points))

    def compute_one(self, point: Point) -> Result:
        """Compute at one point."""
        here = replace(self.plan.model, primals=point.primals, vectors=point.vectors)
        if self.program is not None and self._is_reusable():
            return self._run_at(here)
        return self._compile_and_run(at(self.plan, here))

    def _is_reusable(self) -> bool:
        """Whether the program takes every value as an argument.

        A tuned sparse program holds precomputed values of the inputs that are not in wrt.
        """
        plan = self.program.plan
        return plan.prepared is None or plan.spec.mode != "tuned"

    def _compile_and_run(self, plan: Plan) -> Result:
        """Compile the plan and run it."""
        from jaccli.context import Silent
        from jaccli.execute import run
        from jaccli.tune.tuned import compiled

        self.program = compiled(plan, Silent())
        return _with_compile_share(run(self.program, Silent()), self.group.size)

    def _run_at(self, point: LoadedModel) -> Result:
        """Run the program at another point."""
        from jaccli.context import Silent
        from jaccli.execute import run
        from jaccli.execute.functions import arguments

        args = arguments(at(self.program.plan, point))
        return _with_compile_share(run(self.program, Silent(), args), self.group.size)

    def _stacked(self, points: Sequence[Point]) -> LoadedModel:
        """Return the model at all points, with the varying inputs stacked to batched ones."""
        first, group = points[0], self.group
        primals = {
            name: np.stack([point.primals[name][...] for point in points])
            if source_name(name) in group.varying
            else array
            for name, array in first.primals.items()
        }
        vectors = first.vectors
        if group.vectors_vary:
            vectors = {name: np.stack([p.vectors[name][...] for p in points]) for name in vectors}
        return replace(
            self.plan.model,
            primals=primals,
            batch={name: 0 for name in primals if source_name(name) in group.varying},
            vectors=vectors,
        )


def _with_compile_share(result: Result, tasks: int) -> Result:
    """Return the result with the compile time divided among the group's tasks."""
    return replace(result, seconds={**result.seconds, "compile": result.seconds["compile"] / tasks})


def _split(result: Result, count: int) -> list[Result]:
    """Return the first `count` rows of a batch as results of their own."""
    seconds = {**result.seconds, "run": result.seconds["run"] / count}

    def row(block: Block, index: int) -> Block:
        assert not isinstance(block.values, Sparse)
        return replace(block, values=block.values[index])

    return [
        replace(
            result,
            blocks=tuple(row(block, index) for block in result.blocks),
            batch=None,
            seconds=seconds,
        )
        for index in range(count)
    ]
