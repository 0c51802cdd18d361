"""A group of tasks → their results, by one compiled program.

Tasks that differ in numbers alone are the rows of a batch: what varies is stacked and becomes a
batched input, so that one call computes many.  Where that is not possible (a batch of the spec's
own, a chunk, sparse storage, nothing that could be stacked), the program is run at one point after
another.
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
from jaccli.plan import Plan, at, make
from jaccli.result import Block, Result, Sparse
from jaccli.sweep.expand import SweepTask
from jaccli.sweep.grouping import Group

ROWS = 64
"""Tasks in one call at most: so many are lost when the process is killed."""
SECONDS = 1.0
"""Predicted seconds of one call, about: groups are cut between calls, and told of after them."""
BYTES = 64 << 20
"""Inputs and results of one call, about: larger tasks gain nothing from company."""
_SHARE = 4
"""The part of the memory budget that inputs and results of one call may take."""

_WRITING = 0.002
"""Seconds of writing a small result, flushed to the disk, and of its account."""
_PER_BYTE = 2e-9
"""Seconds for each byte beyond."""

Outcome = tuple[SweepTask, Result | JaccliError]


class Computer:
    """Computes tasks of a group, at any time: planned at the first task that can be read.

    `rows` tasks are computed in one call, and each is `predicted` to take so many seconds; 1 and 0
    as long as nothing is planned.  `with_value` adds the outputs' values to the results.
    """

    def __init__(
        self, group: Group, suffix: str, *, allow_python: bool, with_value: bool = False
    ) -> None:
        self.group, self.suffix = group, suffix
        self.allow_python, self.with_value = allow_python, with_value
        self.known: dict[str, np.ndarray] = {}
        self.calls: _Calls | None = None
        self.failure: JaccliError | None = None
        self.rows, self.predicted = 1, 0.0

    @property
    def compiling(self) -> float:
        """The seconds that compiling has taken so far."""
        program = None if self.calls is None else self.calls.program
        return 0.0 if program is None else float(program.seconds)

    def prepare(self, tasks: Iterable[SweepTask]) -> None:
        """Plan, if it is still to be done, and compute nothing.

        Raises:
            UsageError: the results do not fit into files of that suffix.
            DeviceError: the device is not there, and the sweep does not set it.
        """
        for task in tasks:
            if self.calls is not None or self.failure is not None:
                return
            try:
                point = models.read(task.spec, self.known)
            except Exception as error:
                _failure(task, error)
                continue
            self._plan(task, point)

    def results(self, tasks: Sequence[SweepTask]) -> Iterator[Outcome]:
        """Yield each task with its result, or with what went wrong, call after call.

        Raises:
            UsageError, DeviceError: as `prepare`.
        """
        self.prepare(tasks)
        # The calls are the same ones whichever of the tasks fail, so the bytes are.
        for start in range(0, len(tasks), self.rows):
            read: list[tuple[SweepTask, Point]] = []
            for task in tasks[start : start + self.rows]:
                try:
                    read.append((task, models.read(task.spec, self.known)))
                except Exception as error:
                    yield task, _failure(task, error)
            if self.calls is not None and read:
                yield from self.calls.run(read)
            elif self.failure is not None:
                yield from ((task, self.failure) for task, _ in read)

    def _plan(self, task: SweepTask, point: Point) -> None:
        shared = (name for name in point.primals if name not in self.group.varying)
        self.known = {name: point.primals[name][...] for name in shared}
        try:
            plan = plan_of(task, point, self.suffix, allow_python=self.allow_python)
            values = None
            if self.with_value:
                # A chunk is of the derivative's rows; the values are computed in one piece.
                made = make(plan.spec, plan.model, "evaluate", plan.devices)
                values = _Calls(self.group, made, rows_of(plan, self.group), None)
            self.calls = _Calls(self.group, plan, rows_of(plan, self.group), values)
            self.rows, self.predicted = self.calls.rows, seconds(plan)
        except Exception as error:  # in what all have in common
            self.failure = _failure(task, error)


def _failure(task: SweepTask, error: Exception) -> JaccliError:
    """Return what a task's failure is recorded as; raise what concerns the whole experiment."""
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
    """Plan one task by itself, and refuse what its file cannot hold."""
    from jaccli.execute.preflight import check_fits, given_pattern

    spec = task.spec
    backend.configure(x64=models.needs_x64(spec, point))
    device = backend.find(spec.device, spec.devices)
    loaded = models.load(spec, point, allow_python=allow_python)
    plan = make(spec, loaded, task.derivative, device, given_pattern(spec, loaded))
    check_fits(plan, suffix)
    return plan


def rows_of(plan: Plan, group: Group) -> int:
    """Return how many tasks of a group are computed in one call."""
    alone = plan.model.batch or plan.spec.chunk is not None or plan.storage == "sparse"
    if alone or not group.varying or group.size == 1:
        return 1
    each = max(1, plan.input_bytes + plan.result_bytes)
    fitting = min(BYTES, plan.budget // _SHARE) // each
    most = max(1, min(ROWS, fitting, int(SECONDS / max(seconds(plan), SECONDS / ROWS))))
    return math.ceil(group.size / math.ceil(group.size / most))


def seconds(plan: Plan) -> float:
    """Return how long a task may take at one point, by a trace: good for telling 1 from 3.

    That is to compute the result and to write it, once the program is compiled.
    """
    from jaccli.execute.functions import arguments, whole

    running = cost.estimated(whole(plan), *arguments(plan))
    return running + _WRITING + plan.result_bytes * _PER_BYTE


class _Calls:
    """The program of a group: compiled at the first call, run at `rows` points at a time."""

    def __init__(self, group: Group, plan: Plan, rows: int, values: _Calls | None) -> None:
        self.group, self.plan, self.rows, self.values = group, plan, rows, values
        self.program: Any = None
        self.failure: JaccliError | None = None

    def run(self, waiting: Sequence[tuple[SweepTask, Point]]) -> Iterator[Outcome]:
        """Compute the results at these points, at most `rows` of them."""
        together = self._together_if_possible(waiting)
        if together is not None:
            yield from zip((task for task, _ in waiting), together, strict=True)
            return
        for task, point in waiting:
            yield task, self.failure or self._alone_or_why_not(task, point)

    def _together_if_possible(
        self, waiting: Sequence[tuple[SweepTask, Point]]
    ) -> Sequence[Result] | None:
        """Return the results by one call, or None where each must be computed by itself."""
        if self.rows == 1:
            return None
        try:
            return self._named(self.together([point for _, point in waiting]), waiting)
        except Exception:
            # One of them fails, or the model cannot be batched: each by itself will tell.
            for calls in filter(None, (self, self.values)):
                calls.rows, calls.program = 1, None
            return None

    def _alone_or_why_not(self, task: SweepTask, point: Point) -> Result | JaccliError:
        """Return one result; a program that cannot be compiled is not tried again."""
        try:
            (result,) = self._named([self.alone(point)], [(task, point)])
        except Exception as error:
            failure = _failure(task, error)
            if self.program is None:
                self.failure = failure
            return failure
        return result

    def _named(
        self, found: Sequence[Result], waiting: Sequence[tuple[SweepTask, Point]]
    ) -> list[Result]:
        """Return the results with the hashes of their own specs, and their outputs' values."""
        values: Sequence[dict[str, Any] | None] = [None] * len(found)
        if self.values is not None:
            points = [point for _, point in waiting]
            computed = (
                self.values.together(points)
                if self.rows > 1
                else [self.values.alone(point) for point in points]
            )
            values = [
                {str(block.output): block.values for block in result.blocks} for result in computed
            ]
        return [
            replace(result, spec_sha256=task.spec.sha256, value=value)
            for result, (task, _), value in zip(found, waiting, values, strict=True)
        ]

    def together(self, points: Sequence[Point]) -> list[Result]:
        """Compute as a batch; the rows that are missing to a full one repeat the last."""
        padded = [*points, *[points[-1]] * (self.rows - len(points))]
        stacked = self._stacked(padded)
        if self.program is None:
            plan = self.plan
            batched = make(plan.spec, stacked, plan.derivative, plan.devices, plan.given)
            return _split(self._first(batched), len(points))
        return _split(self._again(stacked), len(points))

    def alone(self, point: Point) -> Result:
        """Compute at one point."""
        here = replace(self.plan.model, primals=point.primals, vectors=point.vectors)
        if self.program is not None and self._is_reusable():
            return self._again(here)
        return self._first(at(self.plan, here))

    def _is_reusable(self) -> bool:
        """Whether the program takes every value as an argument.

        The measured sparse program has computed beforehand what does not depend on wrt.
        """
        plan = self.program.plan
        return plan.prepared is None or plan.spec.mode != "tuned"

    def _first(self, plan: Plan) -> Result:
        """Compile the plan and run it."""
        from jaccli.context import Silent
        from jaccli.execute import run
        from jaccli.tune.tuned import compiled

        self.program = compiled(plan, Silent())
        return _shared(run(self.program, Silent()), self.group.size)

    def _again(self, point: LoadedModel) -> Result:
        """Run the program at another point."""
        from jaccli.context import Silent
        from jaccli.execute import run
        from jaccli.execute.functions import arguments

        given = arguments(at(self.program.plan, point))
        return _shared(run(self.program, Silent(), given), self.group.size)

    def _stacked(self, points: Sequence[Point]) -> LoadedModel:
        """Return the model at all points, what varies as batched inputs."""
        first, group = points[0], self.group
        primals = {
            name: np.stack([point.primals[name][...] for point in points])
            if name in group.varying
            else array
            for name, array in first.primals.items()
        }
        vectors = first.vectors
        if group.vectors_vary:
            vectors = {name: np.stack([p.vectors[name][...] for p in points]) for name in vectors}
        return replace(
            self.plan.model,
            primals=primals,
            batch=dict.fromkeys(group.varying, 0),
            vectors=vectors,
        )


def _shared(result: Result, tasks: int) -> Result:
    """Return a result whose task has its share of the seconds of compiling."""
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
