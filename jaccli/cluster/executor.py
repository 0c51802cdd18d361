"""The workers of a cluster as a `concurrent.futures.Executor`.

Dask repeats what was lost with a worker on another one.  What is added here: a worker of other
versions gets nothing more, and what dask says of failures becomes an error of this program.

Boundary: knows nothing of what is computed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from typing import Any

from jaccli.cluster import worker
from jaccli.cluster.worker import OtherVersions, WorkerAnswer
from jaccli.errors import ComputationError, JaccliError

_FRESH = 1.0
"""Seconds for which the list of workers is taken for true."""


class ClusterExecutor(Executor):
    """Calls functions on workers; `warn` is told of workers that are refused."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._versions = worker.versions()
        self._lock = threading.Lock()
        self._pending: dict[Future[Any], Any] = {}
        self._refused: dict[str, OtherVersions] = {}
        self._seen: tuple[float, dict[str, int]] = (0.0, {})
        self._closed = False
        self._sender = client.get_executor(pure=False, retries=0)
        self.warn: Callable[[str], None] = lambda message: None

    def workers(self) -> dict[str, int]:
        """Return the addresses of the workers that may be used, each with its threads.

        Raises:
            ComputationError: the scheduler does not answer.
        """
        when, found = self._seen
        if time.monotonic() - when > _FRESH:
            try:
                found = dict(self._client.nthreads())
            except Exception as error:
                raise self._gone() from error
            self._seen = time.monotonic(), found
        return {name: count for name, count in found.items() if name not in self._refused}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker call the function with `args`; keywords are dask's (`workers`)."""
        future: Future[Any] = Future()
        self._send(future, fn, args, kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take back what no worker has begun; what it has begun is not waited for."""
        with self._lock:
            self._closed = True
            pending, self._pending = self._pending, {}
        for future, sent in pending.items():
            if cancel_futures and self._client.status == "running":
                sent.cancel()
            future.cancel()

    def _send(
        self, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...], where: Any
    ) -> None:
        if self._client.status != "running":
            raise self._gone()
        if self._refused:
            where = {"workers": list(self.workers())}
        sent = self._sender.submit(worker.call, self._versions, fn, args, **where)
        with self._lock:
            self._pending[future] = sent
        sent.add_done_callback(lambda sent: self._arrived(future, sent, fn, args))

    def _arrived(
        self, future: Future[Any], sent: Future[WorkerAnswer], fn: Callable[..., Any], args: Any
    ) -> None:
        """Pass on what has come back, or have it sent once more; dask's own thread runs this."""
        with self._lock:
            if self._closed or self._pending.pop(future, None) is None:
                return
        error = CancelledError() if sent.cancelled() else sent.exception()
        if isinstance(error, OtherVersions):
            again = (error, future, fn, args)
            threading.Thread(target=self._refuse, args=again, daemon=True).start()
        elif error is not None:
            future.set_exception(
                error if isinstance(error, JaccliError) else self._explained(error)
            )
        else:
            future.set_result(sent.result().value)

    def _refuse(
        self,
        error: OtherVersions,
        future: Future[Any],
        fn: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        """Take a worker out of use; give its work to another, if there is one."""
        if error.worker not in self._refused:
            self._refused[error.worker] = error
            self.warn(f"{error.problems[0].message} It gets no work.")
        try:
            if not self.workers():
                raise error
            self._send(future, fn, args, {})
        except Exception as failure:
            future.set_exception(failure)

    def _explained(self, error: BaseException) -> Exception:
        """Return dask's error in words of this program."""
        from distributed.scheduler import KilledWorker

        if isinstance(error, KilledWorker):
            return WorkerLost(
                "workers were lost with the same piece of work again and again",
                "Have they enough memory? --memory is the budget of each worker.",
            )
        if isinstance(error, CancelledError):  # by none of us
            return self._gone()
        if isinstance(error, ImportError):
            message = f"a worker cannot load this program: {error}"
            return ComputationError(message, hint="Install the same versions on all workers.")
        reason = str(error).strip().split("\n")[0]
        return ComputationError(f"a worker failed: {type(error).__name__}: {reason}")

    def _gone(self) -> ComputationError:
        message = f"--cluster: the connection to {self._address} is lost."
        return ComputationError(message, hint="What is done is kept: go on with --resume.")


class WorkerLost(Exception):
    """Workers that died of one piece of work; `hint` says what helps."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint
