"""A cluster, connected to: its workers, those started here, and the end of both.

Boundary: knows nothing of what is computed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from jaccli.cluster import worker
from jaccli.cluster.address import SchedulerAddress
from jaccli.cluster.executor import ClusterExecutor
from jaccli.cluster.worker import OtherVersions
from jaccli.errors import ComputationError, UsageError

_CONNECT = 10
"""Seconds within which a scheduler answers."""
_CLOSE = 10
"""Seconds within which workers end that were started here."""
_THREADS = 2
"""Threads of a worker that is started here: one computes, the other writes."""
_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "tornado", "tornado.application")


class Cluster:
    """Workers that are connected to, in a `with` block of `connect`."""

    def __init__(self, address: SchedulerAddress, client: Any) -> None:
        self.address, self._client = address, client
        self.executor = ClusterExecutor(client, address.text)

    @property
    def workers(self) -> int:
        """How many workers there are at present."""
        return len(self.executor.workers())

    def forget(self) -> None:
        """Have the workers let go of what they have compiled."""
        with suppress(Exception):  # a worker that is busy or gone has nothing to let go of
            self._client.run(worker.forget, on_error="ignore")

    def check_versions(self) -> None:
        """Compare the versions of all workers that are there with those here.

        Raises:
            OtherVersions: one of them has others.
        """
        here = worker.versions()
        names = [name for name in here if name != "python"]
        for address, found in self._client.get_versions(packages=names)["workers"].items():
            there = dict((found or {}).get("packages", {}))
            there["python"] = ".".join(str(there.get("python", "")).split(".")[:2])
            if any(there.get(name) != version for name, version in here.items()):
                raise OtherVersions(address, here, there)


@contextmanager
def connect(address: SchedulerAddress, told: Callable[[str], None]) -> Iterator[Cluster]:
    """Connect to a scheduler, or start workers here; in the end leave, or stop them.

    `told` is told what the user waits for.

    Raises:
        UsageError: the extra is not installed.
        ComputationError: the scheduler does not answer.
        OtherVersions: a worker has other versions than this process.
    """
    distributed = _imported()
    with ExitStack() as stack:
        scheduler = stack.enter_context(_started(address)) if address.is_local else address.text
        try:
            client = distributed.Client(scheduler, timeout=_CONNECT, set_as_default=False)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            message = f"--cluster: the scheduler {address.text} does not answer: {reason}"
            hint = "Is it running, and does this machine reach it?"
            raise ComputationError(message, hint=hint) from error
        stack.callback(client.close, timeout=_CLOSE)
        cluster = Cluster(address, client)
        stack.callback(cluster.executor.shutdown, cancel_futures=True)
        cluster.check_versions()
        if not cluster.workers:
            told(f"{address.text}: no workers yet; waiting for the first.")
        yield cluster


def _imported() -> Any:
    """Import dask.distributed, and have it keep its logs to itself."""
    try:
        import distributed
    except ImportError as error:
        message = "--cluster: dask.distributed is not installed."
        raise UsageError(message, hint="Install it: pip install 'jaccli[cluster]'.") from error
    for name in _LOGGERS:  # what matters of it is told as an error
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return distributed


@contextmanager
def _started(address: SchedulerAddress) -> Iterator[Any]:
    """Start workers on this machine: processes of their own, which share its cores and memory."""
    import dask

    distributed: Any = _imported()
    threads = max(1, (os.cpu_count() or 1) // address.workers)  # of XLA: see startup.share_cores
    # In place of dask's own: with its MALLOC_TRIM_THRESHOLD_, every large array costs page faults.
    environment = {"NPROC": os.environ.get("NPROC", str(threads)), "OPENBLAS_NUM_THREADS": "1"}
    with (
        _without_interrupts(),
        dask.config.set({"distributed.nanny.pre-spawn-environ": environment}),
    ):
        cluster = distributed.LocalCluster(
            n_workers=address.workers,
            threads_per_worker=_THREADS,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL + 1,
        )
    try:
        yield cluster
    finally:
        cluster.close(timeout=_CLOSE)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back; threads and processes that are started meanwhile never see it.

    A terminal sends it to all of them, but workers are ended by the process that started them.
    """
    # Python's tracker of semaphores would let it through; it takes those of a process that has been
    # ended away, and need not say so.
    sys.warnoptions.append("ignore:resource_tracker")
    resource_tracker.ensure_running()
    sys.warnoptions.pop()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
