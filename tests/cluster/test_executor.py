"""What comes back from workers: answers, refusals, losses; dask is played by a stand-in."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import pytest

pytest.importorskip("distributed")

from jaccli.cluster import worker
from jaccli.cluster.executor import ClusterExecutor, WorkerLost
from jaccli.cluster.worker import OtherVersions, WorkerAnswer
from jaccli.errors import ComputationError, UsageError


class Dask:
    """A client of workers A and B, of which A has another jax; it is its own executor."""

    status = "running"

    def __init__(self, *workers: str) -> None:
        self.workers = dict.fromkeys(workers, 2)
        self.failure: BaseException | None = None
        self.sent: list[Any] = []
        self.cancelled = 0

    def nthreads(self) -> dict[str, int]:
        return self.workers

    def get_executor(self, **_: Any) -> Dask:
        return self

    def submit(self, call: Any, versions: Any, fn: Any, args: Any, **where: Any) -> Future[Any]:
        self.sent.append(where.get("workers"))
        future: Future[Any] = Future()
        chosen = (where.get("workers") or list(self.workers))[0]
        if self.failure is not None:
            future.set_exception(self.failure)
        elif chosen == "A":
            future.set_exception(OtherVersions("A", versions, {**versions, "jax": "1"}))
        elif fn is not time.sleep:
            future.set_result(WorkerAnswer(chosen, fn(*args)))
        return future


def test_a_worker_of_other_versions_gets_nothing_more_and_another_does_its_work() -> None:
    dask = Dask("A", "B")
    executor = ClusterExecutor(dask, "tcp://head:1")
    warnings: list[str] = []
    executor.warn = warnings.append
    assert executor.submit(int, "7").result(10) == 7
    assert executor.submit(int, "8").result(10) == 8
    assert dask.sent == [None, ["B"], ["B"]]
    assert list(executor.workers()) == ["B"]
    here = worker.versions()["jax"]
    assert warnings == [f"the worker A has jax 1; here it is jax {here}. It gets no work."]


def test_where_all_workers_have_other_versions_there_is_an_error() -> None:
    executor = ClusterExecutor(Dask("A"), "tcp://head:1")
    with pytest.raises(OtherVersions, match="the worker A has jax 1; here it is"):
        executor.submit(int, "7").result(10)


def test_errors_of_this_program_come_as_they_are_and_others_in_one_line() -> None:
    dask = Dask("B")
    executor = ClusterExecutor(dask, "tcp://head:1")
    dask.failure = UsageError("so not.")
    with pytest.raises(UsageError, match=r"^so not\.$"):
        executor.submit(int, "7").result(10)
    dask.failure = ModuleNotFoundError("No module named 'jaccli'")
    with pytest.raises(ComputationError, match="cannot load this program: No module named"):
        executor.submit(int, "7").result(10)
    dask.failure = ZeroDivisionError("division\nmore")
    with pytest.raises(ComputationError, match=r"^a worker failed: ZeroDivisionError: division\.$"):
        executor.submit(int, "7").result(10)


def test_work_that_kills_its_workers_is_given_up() -> None:
    from distributed.scheduler import KilledWorker

    dask = Dask("B")
    dask.failure = KilledWorker("part", None, 3)
    with pytest.raises(WorkerLost, match="lost with the same piece of work"):
        ClusterExecutor(dask, "tcp://head:1").submit(int, "7").result(10)


def test_a_lost_scheduler_is_an_error_and_no_wait() -> None:
    dask = Dask("B")
    executor = ClusterExecutor(dask, "tcp://head:1")
    future = executor.submit(time.sleep, 0)
    (sent,) = executor._pending.values()
    sent.cancel()  # as dask does when the scheduler is gone
    with pytest.raises(ComputationError, match="the connection to tcp://head:1 is lost"):
        future.result(10)
    dask.status = "closed"
    with pytest.raises(ComputationError, match="the connection to tcp://head:1 is lost"):
        executor.submit(int, "7")


def test_what_is_not_begun_is_taken_back() -> None:
    executor = ClusterExecutor(Dask("B"), "tcp://head:1")
    future = executor.submit(time.sleep, 0)
    (sent,) = executor._pending.values()
    executor.shutdown(cancel_futures=True)
    assert sent.cancelled()
    assert future.cancelled()
