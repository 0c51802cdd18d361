"""Fair times: candidates in turns, seen with a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from jaccli.derivative.timer import alternating


class Clock:
    """A clock that only the runs move; `log` has their names in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.log: list[str] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def run(self, name: str, seconds: float) -> Callable[[], object]:
        def call() -> None:
            self.log.append(name)
            self.now += seconds

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_times_are_those_of_the_runs(clock: Clock) -> None:
    runs = {"a": clock.run("a", 0.5), "b": clock.run("b", 0.25)}
    found = alternating(runs, seconds=0)
    assert found == {"a": [0.5] * 3, "b": [0.25] * 3}


def test_each_uses_its_share_of_the_time(clock: Clock) -> None:
    runs = {"slow": clock.run("slow", 1.0), "fast": clock.run("fast", 0.125)}
    found = alternating(runs, seconds=8.0)
    assert [len(found[name]) for name in runs] == [4, 32]


@pytest.mark.parametrize(("least", "most", "runs"), [(1, 1, 1), (5, 9, 5), (2, 4, 4)])
def test_runs_are_between_least_and_most(clock: Clock, least: int, most: int, runs: int) -> None:
    seconds = 0.0 if runs == least else 1e9
    found = alternating({"a": clock.run("a", 1.0)}, seconds=seconds, min_runs=least, max_runs=most)
    assert len(found["a"]) == runs


def test_candidates_take_turns_in_an_order_that_changes(clock: Clock) -> None:
    names = "abcd"
    alternating({name: clock.run(name, 1.0) for name in names}, seconds=0, min_runs=20)
    rounds = ["".join(clock.log[i : i + 4]) for i in range(0, 80, 4)]
    assert {"".join(sorted(each)) for each in rounds} == {names}
    assert len(set(rounds)) > 5
    assert {each[0] for each in rounds} == set(names)


def test_it_tells_after_every_run_whose_it_was(clock: Clock) -> None:
    told: list[str] = []
    alternating({n: clock.run(n, 1.0) for n in "ab"}, seconds=0, on_run=told.append)
    assert told == clock.log


def test_nothing_takes_no_time(clock: Clock) -> None:
    assert alternating({}, seconds=1.0) == {}
