"""Processes on this machine, as an executor that outlives the death of one of them.

`ProcessPoolExecutor` breaks as a whole when a process dies, and cannot tell which task
killed it.  Here a thread waits for each process: if the process dies, only its current call fails,
and the next call starts another one.  The most recently used process gets the next call.

Boundary: knows nothing of sweeps.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from jaccli.errors import ComputationError

P = ParamSpec("P")
T = TypeVar("T")

_SPAWN = multiprocessing.get_context("spawn")
"""JAX has threads, so a process with JAX must not be forked."""

_Job = tuple[Future[Any], tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]]


class Processes(Executor):
    """At most `count` processes, started when they are needed.

    Futures raise what the call raised, or `BrokenExecutor` where the process died.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._workers: list[_WorkerProcess] = []
        self._idle: list[_WorkerProcess] = []
        self._waiting: list[_Job] = []
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the call in a process, as soon as one is idle."""
        future: Future[T] = Future()
        job: _Job = (future, (fn, args, kwargs))
        with self._lock:
            if self._closed:
                raise RuntimeError("the processes have been shut down")
            if self._idle:
                self._idle.pop().jobs.put(job)
            elif len(self._workers) < self._count:
                self._workers.append(_WorkerProcess(self._next, self._count))
                self._workers[-1].jobs.put(job)
            else:
                self._waiting.append(job)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the processes end when they are idle; with `cancel_futures`, kill them now."""
        with self._lock:
            self._closed = True
            dropped = self._waiting if cancel_futures else []
            for future, _ in dropped:
                future.cancel()
            dropped.clear()
            for worker in self._idle:
                worker.jobs.put(None)
            self._idle.clear()
        for worker in self._workers:
            if cancel_futures:
                worker.kill()
            if wait:
                worker.thread.join()

    def _next(self, worker: _WorkerProcess) -> None:
        """Give an idle process the next waiting call."""
        with self._lock:
            if self._waiting:
                worker.jobs.put(self._waiting.pop(0))
            elif self._closed:
                worker.jobs.put(None)
            else:
                self._idle.append(worker)


class _WorkerProcess:
    """One of `count` processes, with the thread that sends it calls and waits for results."""

    def __init__(self, is_idle: Callable[[_WorkerProcess], None], count: int) -> None:
        self.count = count
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.is_idle = is_idle
        self.lock = threading.Lock()
        self.killed = False
        self.process: BaseProcess | None = None
        self.connection: Connection | None = None
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def kill(self) -> None:
        """End the process, whatever it does."""
        with self.lock:
            self.killed = True
            if self.process is not None:
                self.process.kill()

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            future, call = job
            if not future.set_running_or_notify_cancel():
                self.is_idle(self)
                continue
            publish: Callable[[], None]
            try:
                publish = partial(future.set_result, self._outcome(call))
            except BaseException as error:
                publish = partial(future.set_exception, error)
            self.is_idle(self)  # before whoever waits for the future hears of it
            publish()
        self._end()

    def _outcome(self, call: Any) -> Any:
        """Return what the call returns in the process, or raise what it raises there."""
        self._start()
        assert self.connection is not None
        assert self.process is not None
        try:
            self.connection.send(call)
            outcome, error = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            reason = _reason(self.process.exitcode)
            self._end()
            raise BrokenExecutor(f"the process that computed it {reason}") from None
        if error is not None:
            raise error
        return outcome

    def _start(self) -> None:
        if self.process is not None:
            return
        with self.lock:
            if self.killed:
                raise BrokenExecutor("the processes have been shut down")
            ours, theirs = _pipe()
            process = _SPAWN.Process(target=_serve, args=(theirs, self.count), daemon=True)
            try:
                process.start()
            except OSError as error:
                ours.close()
                raise _not_started(error) from error
            finally:
                theirs.close()  # so that the end of the process is the end of the pipe
            self.connection, self.process = ours, process

    def _end(self) -> None:
        """Close the connection, which ends the process, and wait for it."""
        if self.process is not None and self.connection is not None:
            self.connection.close()
            self.process.join()
        self.process = self.connection = None


def _pipe() -> tuple[Connection, Connection]:
    """Return the two ends of a pipe.

    Raises:
        ComputationError: there may not be so many open files.
    """
    try:
        return _SPAWN.Pipe()
    except OSError as error:
        raise _not_started(error) from error


def _not_started(error: OSError) -> ComputationError:
    reason = (error.strerror or str(error)).lower()
    hint = "Ask for fewer --jobs, or raise the limit (ulimit -n, ulimit -u)."
    return ComputationError(f"--jobs: a process cannot be started: {reason}.", hint=hint)


def _reason(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code == -signal.SIGKILL:
        return "was killed, perhaps because memory ran out"
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _serve(connection: Connection, count: int) -> None:
    """Run the calls that arrive, as one of `count` processes, until the connection is closed."""
    from jaccli import startup

    startup.begin()
    startup.share_cores(count)
    # Ctrl-C reaches all processes of a terminal: the parent ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            function, args, kwargs = connection.recv()
            answer: tuple[Any, Exception | None]
            try:
                answer = (function(*args, **kwargs), None)
            except Exception as error:
                answer = (None, error)
            connection.send(answer)
    startup.leave(0)


def _end_with_parent() -> None:
    """End this process when its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
