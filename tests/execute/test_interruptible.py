"""Calls in a thread of their own: their results, their errors, and nothing that stays behind."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import Future

import pytest

from jaccli.execute.interruptible import interruptible


def test_one_thread_makes_one_call_after_another() -> None:
    first, second = (interruptible(threading.current_thread) for _ in range(2))
    assert first is second is not threading.current_thread()
    assert first.daemon


def test_a_call_within_a_call_has_a_thread_of_its_own() -> None:
    outer, inner = interruptible(
        lambda: (threading.current_thread(), interruptible(threading.current_thread))
    )
    assert outer is not inner


def test_errors_are_those_of_the_call() -> None:
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0)
    assert interruptible(lambda: 1) == 1


def test_an_interrupted_call_does_not_hold_up_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def interrupt(self: Future[object]) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupt)
        with pytest.raises(KeyboardInterrupt):
            interruptible(lambda: go_on.wait(60) and ended.set())
    assert interruptible(lambda: 2) == 2
    go_on.set()
    assert ended.wait(60)


def test_nothing_of_a_call_stays_behind() -> None:
    class Large:
        """Something that should go."""

    def call(held: Large) -> None:
        interruptible(lambda: held and None)

    large = Large()
    seen = weakref.ref(large)
    call(large)
    del large
    interruptible(lambda: None)  # the thread has gone on by now
    assert seen() is None
