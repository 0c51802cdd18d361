"""What a worker does: it plans a result, computes chunks of it, and writes each into the file.

A worker reads the inputs itself, in the folder that the command was called in, and compiles once;
only numbers of chunks, and what was measured of them, travel.  A chunk that is written twice, by a
worker that was lost and by another, has the same bytes both times.

Boundary: runs in a worker's process; everything that arrives here pickles, and so does the answer.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaccli import backend
from jaccli.errors import ComputationError, UsageError, listed
from jaccli.spec import Spec
from jaccli.storage.lru_cache import LRUCache

if TYPE_CHECKING:
    from jaccli.execute.stream import Stream
    from jaccli.execute.stream_info import Outline
    from jaccli.plan import Plan
    from jaccli.result import Measuring

_TURN = threading.Lock()
"""JAX is set up for one result at a time, and the memory budget is for one."""
_ROOM = threading.BoundedSemaphore(2)
"""One chunk is computed while another is written; a worker may have more threads than that."""
_SHARE = 2
"""The memory budget is a worker's memory over this, where none is given: as on one machine."""


class OtherVersions(ComputationError):
    """A worker has other versions than the command; `worker` is its address."""

    def __init__(self, worker: str, here: Mapping[str, str], there: Mapping[str, str]) -> None:
        self.worker = worker
        names = [name for name in here if here[name] != there.get(name)]
        differing = listed(f"{name} {there.get(name) or 'missing'}" for name in names)
        wanted = listed(f"{name} {here[name]}" for name in names)
        message = f"the worker {worker} has {differing}; here it is {wanted}."
        super().__init__(message, hint="Install the same versions on all workers.")

    def __reduce__(self) -> Any:
        return _restored, (self.worker, self.problems)


def _restored(worker: str, problems: Any) -> OtherVersions:
    """Return an error as it was before it was sent."""
    error = OtherVersions(worker, {}, {})
    error.problems = problems
    error.args = ("\n".join(map(str, problems)),)
    return error


def versions() -> dict[str, str]:
    """Return the versions that all machines must have in common."""
    return {**backend.versions(), "python": ".".join(map(str, sys.version_info[:2]))}


class WorkerAnswer(NamedTuple):
    """What a call has returned, and the worker that it was made on."""

    worker: str
    value: Any


def call(
    wanted: Mapping[str, str], function: Callable[..., Any], args: tuple[Any, ...]
) -> WorkerAnswer:
    """Call the function on a worker that has the versions that are wanted.

    Raises:
        OtherVersions: it has others.
    """
    here = address()
    found = versions()
    if found != wanted:
        raise OtherVersions(here, wanted, found)
    return WorkerAnswer(here, function(*args))


def alone(home: Path, function: Callable[..., Any], *args: Any) -> Any:
    """Call the function in a folder, while nothing else is computed in this process."""
    with _TURN, _at_home(home):
        return function(*args)


@dataclass(frozen=True)
class StreamJob:
    """A result that is computed in chunks; `key` names it among all.

    `home` is what relative paths are relative to; `chunk` is their size, None before they are
    planned: then there are to be `at_least` so many, unless the result exceeds the budget.
    """

    key: str
    spec: Spec
    derivative: str
    target: Path
    home: Path
    allow_python: bool
    finite: bool
    chunk: int | None
    at_least: int

    def packed(self) -> bytes:
        """Return the job as it is sent with every chunk: numbers in a spec compress well."""
        return zlib.compress(pickle.dumps(self), 1)


def unpacked(packed: bytes) -> StreamJob:
    """Return the job that was packed."""
    job: StreamJob = pickle.loads(zlib.decompress(packed))
    return job


class ChunkWritten(NamedTuple):
    """A chunk that is on the disk."""

    number: int
    measuring: Measuring


def outlined(packed: bytes) -> Outline:
    """Plan the result and return what there is to compute.

    Raises:
        UsageError: the result is not one of those that are computed in chunks.
        ComputationError: as `prepare_stream`.
    """
    with _TURN:
        _, outline = _prepared(unpacked(packed))
    return outline


def compute(packed: bytes, number: int) -> ChunkWritten:
    """Compute a chunk and write it to the disk.

    Raises:
        ComputationError: the file is not here or cannot be written, or the chunk is not finite
            where that is asked for.
    """
    from jaccli.execute.stream_info import measured, put
    from jaccli.result import chunk_file, told

    with _ROOM:
        with _TURN:
            job = unpacked(packed)
            stream, outline = _prepared(job)
            chunk = stream.chunk(number)
        measuring = measured(chunk, job.target, finite=job.finite)
        with chunk_file(job.target, outline.identity) as file, told(job.target, file.size):
            put(chunk, stream.width, file)
    return ChunkWritten(number, measuring)


def forget() -> None:
    """Let go of the program and the arrays of the last result."""
    _latest.clear()


_latest: LRUCache[str, tuple[Stream, Outline]] = LRUCache(1)
"""The last result: all of its chunks share what is compiled."""


def _prepared(job: StreamJob) -> tuple[Stream, Outline]:
    """Return the compiled chunks of a result: what there is, where it is the same result's."""
    latest = _latest.get(job.key)
    if latest is not None and job.chunk in (None, latest[0].plan.chunk):
        return latest
    _latest.clear()  # before there is another: both together may be too much
    from jaccli.execute.stream import prepare_stream
    from jaccli.execute.stream_info import outline as outline_of

    plan = _planned(job)
    fits = plan.input_bytes + plan.result_bytes <= plan.budget
    stream = prepare_stream(plan, job.at_least if fits else 1)
    latest = stream, outline_of(stream)
    _latest.put(job.key, latest)
    return latest


def _planned(job: StreamJob) -> Plan:
    """Read the inputs and plan the derivative, whatever size its result has."""
    from jaccli import models
    from jaccli.execute.preflight import check_fits, given_pattern
    from jaccli.plan import make

    spec = job.spec if job.spec.memory is not None else replace(job.spec, memory=memory_budget())
    with _at_home(job.home):
        point = models.read(spec, by_rows=True)
        backend.configure(x64=models.needs_x64(spec, point), everywhere=True)
        device = backend.find(spec.device)
        loaded = models.load(spec, point, allow_python=job.allow_python)
        given = given_pattern(spec, loaded)
    plan = make(spec, loaded, job.derivative, device, given, holds_result=False)
    check_fits(plan, ".npy")
    _check_chunks(plan)
    return plan if job.chunk is None else replace(plan, chunk=job.chunk)


def _check_chunks(plan: Plan) -> None:
    """Refuse what has no chunks that could be written one after another."""
    hint = "Leave out --cluster."
    if len(plan.blocks) > 1:
        message = f"--cluster: the {plan.derivative} has {len(plan.blocks)} blocks."
        raise UsageError(message, hint=f"Workers write one. Choose one with --wrt. {hint}")
    if plan.storage != "dense":
        raise UsageError("--cluster: workers write dense results.", hint=hint)
    if not plan.chunk_shapes:
        message = f"--cluster: the {plan.derivative} of one point is computed in one piece here."
        raise UsageError(message, hint=hint)


def memory_budget() -> int | None:
    """Return the bytes that a worker may use where none are given, if it has a limit."""
    worker = _worker()
    limit = None if worker is None else worker.memory_manager.memory_limit
    return limit // _SHARE if limit else None


def address() -> str:
    """Return the address of the worker that this process is."""
    worker = _worker()
    return "here" if worker is None else str(worker.address)


def _worker() -> Any:
    """Return dask's worker that this runs on, or None where it runs on none."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_worker()
    except ValueError:
        return None


@contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    """Run in the folder that the command was called in.

    Raises:
        ComputationError: this machine has no such folder.
    """
    before = Path.cwd()
    try:
        os.chdir(folder)
    except OSError as error:
        message = f"the worker {address()} has no folder {str(folder)!r}."
        hint = "It must be on a file system that all machines share."
        raise ComputationError(message, hint=hint) from error
    try:
        yield
    finally:
        os.chdir(before)
