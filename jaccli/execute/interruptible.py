"""Ctrl-C must not wait for compiled code to end: such calls run in a thread of their own."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


def interruptible(call: Callable[[], T]) -> T:
    """Return what `call` returns, from another thread, in which the context is the same."""
    try:
        thread = _idle.pop()
    except IndexError:
        thread = _Thread()
    outcome: Future[T] = Future()
    thread.calls.put((partial(copy_context().run, _as_here(call)), outcome))
    # Interrupted, it is left to its call, and the next one gets another.
    try:
        return outcome.result()
    finally:
        if outcome.done():
            _idle.append(thread)


def _as_here(call: Callable[[], T]) -> Callable[[], T]:
    """Return a call that has in any thread the precision of JAX that it would have in this one."""
    jax = sys.modules.get("jax")  # what computes without it does not wait for its import
    if jax is None:
        return call
    precision = jax.enable_x64(jax.config.jax_enable_x64)

    def there() -> T:
        with precision:
            return call()

    return there


class _Thread:
    """A thread that makes one call after another: to start one for each takes 1 ms."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._perform(*self.calls.get())

    @staticmethod
    def _perform(call: Callable[[], Any], outcome: Future[Any]) -> None:
        """Make one call, of which nothing stays behind in this thread."""
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)


_idle: list[_Thread] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # threads stay behind
