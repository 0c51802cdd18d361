"""Groups handed out to an executor: what is cut, what is tried again, what stops.

The executors here call at once, in this process; tests/sweep/test_jobs.py has processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from jaccli.errors import UsageError
from jaccli.spec import load
from jaccli.sweep import expand, scheduler, worker
from jaccli.sweep.runner import SweepJob, SweepSummary, perform
from jaccli.sweep.scheduler import Workers

CUBES = "model: {expression: x**3}\ninputs: {x: 1.0}\n"


class AtOnce(Executor):
    """Makes each call as it is submitted, unless `fails` says that the process is lost then."""

    def __init__(self, fails: Callable[[worker.TaskChunk], bool] = lambda chunk: False) -> None:
        self.fails = fails
        self.sent: list[list[str]] = []
        self.stopped = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        chunk, time_slice = args
        future: Future[Any] = Future()
        if time_slice:
            self.sent.append([record.name for record in chunk.records])
        try:
            if time_slice and self.fails(chunk):
                raise BrokenExecutor("the machine is gone")
            future.set_result(fn(chunk, time_slice))
        except Exception as error:
            future.set_exception(error)
        return future

    def workers(self, slots: int) -> Workers:
        def stop() -> None:
            self.stopped = True

        return Workers(self, lambda: slots, stop)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    worker.forget()


def run(text: str, workers: Workers | None, folder: str = "out", **options: Any) -> SweepSummary:
    Path("s.yaml").write_text(text)
    spec = load("s.yaml")
    job = SweepJob(spec, expand(spec), Path(folder), ".npy", **options)
    return perform(job, lambda record, kept: None, workers)


def statuses(summary: SweepSummary) -> list[str]:
    return [record.status for record in summary.records]


def test_a_slice_holds_whole_calls_and_a_call_as_many_tasks_as_without_processes() -> None:
    executor = AtOnce()
    sweep = f"{CUBES}sweep: {{inputs.x: {{linspace: [1, 2, 150]}}}}\n"
    run(sweep, executor.workers(1))
    assert [len(names) for names in executor.sent] == [50, 50, 50]
    run(sweep, None, "alone")
    results = sorted(Path("alone").glob("*.npy"))
    assert len(results) == 150
    for path in results:
        assert (Path("out") / path.name).read_bytes() == path.read_bytes()


def test_idle_processes_take_halves_where_that_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = f"{CUBES}sweep: {{inputs.x: {{linspace: [1, 2, 250]}}}}\n"
    monkeypatch.setattr(scheduler, "_TIME_SLICE", 1e-6)  # so that each call is a slice
    starts = {}
    for threshold in (1000.0, 0.0):
        monkeypatch.setattr(scheduler, "_MIN_SPLIT_SECONDS", threshold)
        executor = AtOnce()
        summary = run(sweep, executor.workers(2), f"worth {threshold}")
        assert statuses(summary) == ["done"] * 250
        order = [record.name for record in summary.records]
        starts[threshold] = [order.index(names[0]) for names in executor.sent]
    # Calls of 63 tasks, one after another; or those of two halves at a time.
    assert starts[1000.0] == [0, 63, 126, 189]
    assert (starts[0.0][:2], sorted(starts[0.0][2:])) == ([0, 126], [63, 189])


def test_a_slice_that_is_lost_once_is_computed_again() -> None:
    lost = iter([True, False, False, False])
    executor = AtOnce(lambda chunk: next(lost))
    summary = run(f"{CUBES}sweep: {{inputs.x: [1, 2, 3]}}\n", executor.workers(2))
    assert statuses(summary) == ["done"] * 3
    assert executor.sent == [["x=1", "x=2", "x=3"]] * 2


def test_a_task_that_ends_its_process_twice_has_failed_and_the_others_are_done() -> None:
    def fails(chunk: worker.TaskChunk) -> bool:
        return any(record.name == "x=2" for record in chunk.records)

    executor = AtOnce(fails)
    batch = "model: {expression: x**3}\ninputs: {x: [1.0]}\nbatch: [x]\n"  # one after another
    summary = run(f"{batch}sweep: {{inputs.x: [[1], [2], [3]]}}\n", executor.workers(2))
    assert statuses(summary) == ["done", "failed", "done"]
    assert summary.records[1].error == "the machine is gone (two attempts)."
    assert executor.sent == [["x=1", "x=2", "x=3"], ["x=1"], ["x=2"], ["x=3"]]
    assert sorted(os.listdir("out")) == ["manifest.json", "results.csv", "x=1.npy", "x=3.npy"]


def test_the_first_failure_stops_the_processes() -> None:
    executor = AtOnce()
    sweep = "sweep: {model.expression: [x**3, x @ x, x**2, x**4]}\n"
    summary = run(CUBES + sweep, executor.workers(1), fail_fast=True)
    assert statuses(summary) == ["done", "failed", "pending", "pending"]
    assert executor.stopped


def test_what_is_wrong_with_the_whole_is_raised_before_anything_is_written() -> None:
    executor = AtOnce()
    sweep = "model: {expression: x * y}\ninputs: {x: 1.0, y: 2.0}\nsweep: {inputs.x: [1, 2]}\n"
    with pytest.raises(UsageError, match="npy: one array only"):
        run(sweep, executor.workers(2))
    assert executor.stopped
    assert os.listdir() == ["s.yaml"]


def test_the_memory_budget_is_divided() -> None:
    sweep = (
        "model: {expression: x}\ninputs: {x: {ones: 100}}\nmemory: 160KiB\n"
        "sweep: {model.expression: [x, x * 2]}\n"
    )
    assert statuses(run(sweep, AtOnce().workers(1))) == ["done", "done"]
    summary = run(sweep, AtOnce().workers(1)._replace(memory_divisor=4), "shared")
    assert statuses(summary) == ["failed", "failed"]
    assert "more than the memory budget of 40.0 KiB" in summary.records[0].error


def test_no_task_is_lost_where_a_model_cannot_be_batched() -> None:
    Path("m.py").write_text(
        "import jax, numpy\n"
        "def f(x):\n"
        "    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)\n"
        "    return jax.pure_callback(lambda v: numpy.asarray(v) ** 2, shape, x)\n"
    )
    sweep = (
        "model: {python: 'm.py:f'}\ninputs: {x: 1.0}\nderivative: evaluate\n"
        "sweep: {inputs.x: {linspace: [1, 2, 150]}}\n"
    )
    summary = run(sweep, None, allow_python=True)
    assert statuses(summary) == ["done"] * 150
    assert [record.high for record in summary.records] == [
        pytest.approx((1 + i / 149) ** 2) for i in range(150)
    ]
