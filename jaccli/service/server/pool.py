"""Worker processes: each performs one call at a time, can be killed, and is replaced.

A call that takes too long or too much memory costs its worker, and no other call anything.  Calls
wait in a bounded queue, first come, first served; of free workers, one is taken that has performed
a call like this before and has its program.

Boundary: calls and replies are bytes here, their bodies in pieces.  Runs in one event loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from jaccli.errors import format_bytes
from jaccli.service.messages import versions
from jaccli.service.server.buffers import PIECE, SMALL, Body, Buffers, Pieces, parts
from jaccli.service.server.http_error import Refusal, busy, too_large, unavailable
from jaccli.service.server.limits import Limits
from jaccli.service.server.worker import LENGTH, READY, Settings
from jaccli.storage.lru_cache import LRUCache

_LOOK = 1.0
"""Seconds between two looks at what idle workers keep."""
_WATCH = 0.05
"""Seconds between two looks at what a busy worker takes."""
_GRACE = 2.0
"""Seconds that a call goes on whose client has left: killing costs more than a short one."""
_START = 120.0
"""Seconds in which a worker must be ready."""
_BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a start, by how many have failed in a row."""
_FAILURES = 3
"""Starts that have failed in a row, after which a service that nobody waits for gives up."""
_KNOWN = 256
"""Kinds of calls that are remembered of a worker."""
_BUFFER = 1 << 20
"""Bytes that are read from a worker ahead."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_VERSIONS = versions().encode()
"""Those of this process, which a worker must have too: somebody may upgrade what it is made of."""
_LONGEST_HEAD = 1 << 16
_ROOT = str(Path(__file__).resolve().parents[3])
_ENDED = "the process that computed this has ended. Ask again."
_WAITED = "no process has become free within {:g} s. Ask again later."
_CODE = "from jaccli.service.server.worker import main; main({}, {}, {})"


class Gone(Exception):
    """The worker's process has ended."""


class WorkerReply(NamedTuple):
    """What a worker says, after so many seconds; the body is None if there was no room for it."""

    head: bytes
    body: Body | None
    seconds: float = 0.0


class Worker:
    """A process and the stream to it; `base` is the memory that it takes when it is ready."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.base = 0
        self.deadline = 0.0
        self.kinds: LRUCache[int, bool] = LRUCache(_KNOWN)

    @classmethod
    async def start(cls, limits: Limits) -> Worker:
        """Start a process and wait until it is ready.

        Raises:
            Gone: it ends, does not become ready, or has other versions than this process.
        """
        ours, theirs = socket.socketpair()
        settings = list(Settings.of(limits))
        code = _CODE.format(theirs.fileno(), os.getpid(), settings)
        # Not from the current folder: a module there must not take the place of one of ours.
        paths = [_ROOT, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd="/",
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths))},
                pass_fds=(theirs.fileno(),),
            )
        worker = cls(process)
        worker.reader, worker.writer = await asyncio.open_connection(sock=ours, limit=_BUFFER)
        try:
            async with asyncio.timeout(_START):
                if (await worker._receive(SMALL, Buffers(0))).head != READY + _VERSIONS:
                    raise Gone("what is installed has changed; start the service again")
        except BaseException as error:
            await worker.end()
            if isinstance(error, TimeoutError):
                raise Gone from error
            raise
        worker.base = worker.resident()
        return worker

    async def call(self, call: Sequence[Body], limits: Limits, buffers: Buffers) -> WorkerReply:
        """Return the reply to a call, which consists of so many bodies.

        Raises:
            Refusal: it takes too long, too much memory, or the process ends; in these cases the
                worker must not be used again (`is_alive`).
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        self.deadline = start + limits.time
        exchange = asyncio.ensure_future(self._exchange(call, limits.reply, buffers))
        try:
            while True:
                left = self.deadline - loop.time()
                done, _ = await asyncio.wait({exchange}, timeout=max(0.0, min(_WATCH, left)))
                if done:
                    return exchange.result()._replace(seconds=loop.time() - start)
                if left <= 0:
                    self.process.kill()
                    raise Refusal(422, f"this takes longer than the {limits.time:g} s allowed.")
                if self.grown > limits.worker_memory:
                    self.process.kill()
                    allowed = format_bytes(limits.worker_memory)
                    raise too_large(f"this takes more than the {allowed} of memory allowed.")
        except Gone:
            self.process.kill()
            raise unavailable(_ENDED) from None
        finally:
            exchange.cancel()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs and can be used."""
        return self.process.poll() is None and not self.reader.at_eof()

    @property
    def grown(self) -> int:
        """The bytes of memory that the process has beside those of its start."""
        return self.resident() - self.base

    def resident(self) -> int:
        """Return the bytes of memory that the process has, 0 where that cannot be known."""
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except (OSError, IndexError):
            return 0

    async def end(self) -> None:
        """Kill the process and wait for its end."""
        self.process.kill()
        self.writer.close()
        await asyncio.to_thread(self.process.wait)

    async def _exchange(self, call: Sequence[Body], longest: int, buffers: Buffers) -> WorkerReply:
        try:
            for body in call:
                self.writer.write(len(body).to_bytes(LENGTH, "big"))
                for piece in parts(body):
                    self.writer.write(piece)
                    await self.writer.drain()
                    await asyncio.sleep(0)  # draining is no rest while the worker reads on
        except OSError as error:
            raise Gone from error
        return await self._receive(longest, buffers)

    async def _receive(self, longest: int, buffers: Buffers) -> WorkerReply:
        try:
            head = await self.reader.readexactly(await self._length(_LONGEST_HEAD))
            length = await self._length(longest)
            if length <= SMALL:
                return WorkerReply(head, await self.reader.readexactly(length))
            return WorkerReply(head, await self._pieces(length, buffers))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Gone from error

    async def _length(self, longest: int) -> int:
        length = int.from_bytes(await self.reader.readexactly(LENGTH), "big")
        if length > longest:
            raise Gone
        return length

    async def _pieces(self, length: int, buffers: Buffers) -> Pieces | None:
        """Read so many bytes, and throw them away if there is no room for them."""
        try:
            found = Pieces(buffers, length)
        except Refusal:
            found = None
        while length:
            piece = await self.reader.read(min(length, PIECE))
            if not piece:
                raise Gone
            length -= len(piece)
            if found is not None:
                found.append(piece)
        return found


class Pool:
    """The workers of a service."""

    def __init__(self, limits: Limits, buffers: Buffers | None = None) -> None:
        self.limits, self.buffers = limits, buffers or Buffers(limits.buffers)
        self.idle: list[Worker] = []
        self.busy: set[Worker] = set()
        self.waiting: deque[tuple[asyncio.Future[Worker], int]] = deque()
        self.failures = 0
        self.replaced = 0
        self.closed = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Start all workers; calls may wait for them."""
        for _ in range(self.limits.workers):
            self._spawn(self._add())
        self._spawn(self._watch())

    async def ready(self) -> None:
        """Wait until a worker is free.

        Raises:
            Gone: so many could not be started that none ever will, most likely.
        """
        while not self.idle:
            if self.failures >= _FAILURES:
                raise Gone
            await asyncio.sleep(_WATCH)

    async def call(self, call: Sequence[Body], kind: int) -> tuple[bytes, Body, float]:
        """Return the reply to a call of a kind, from whichever worker, and its seconds of work.

        Raises:
            Refusal: there is no room in the queue, or for the reply, or what `Worker.call` raises.
        """
        worker = await self._acquire(kind)
        work = asyncio.ensure_future(self._perform(worker, call, kind))
        self._hold(work)
        try:
            reply = await asyncio.shield(work)
        except asyncio.CancelledError:
            # Nobody waits for it.  A short call is cheaper than another worker.
            loop = asyncio.get_running_loop()
            worker.deadline = min(worker.deadline, loop.time() + _GRACE)
            work.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise
        if reply.body is None:
            raise self.buffers.full()
        return reply.head, reply.body, reply.seconds

    async def close(self) -> None:
        """End all workers, whatever they do."""
        self.closed = True
        workers = [*self.idle, *self.busy]
        for future, _ in self.waiting:
            future.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in workers))
        self.idle.clear()
        self.busy.clear()

    def kill(self) -> None:
        """Kill all processes at once, and wait for nothing."""
        for worker in (*self.idle, *self.busy):
            worker.process.kill()

    async def _acquire(self, kind: int) -> Worker:
        while self.idle:
            worker = next((w for w in self.idle if kind in w.kinds), self.idle[0])
            self.idle.remove(worker)
            if worker.is_alive:
                return worker
            self._spawn(self._replace(worker))
        if len(self.waiting) >= self.limits.queue:
            raise busy(f"{self.limits.queue} requests are waiting already. Ask again later.")
        future: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        entry = (future, kind)
        self.waiting.append(entry)
        try:
            async with asyncio.timeout(self.limits.time):
                return await future
        except (asyncio.CancelledError, TimeoutError) as error:
            if future.done() and not future.cancelled():
                self._release(future.result())  # it came in the same moment
            else:
                with suppress(ValueError):
                    self.waiting.remove(entry)
            if isinstance(error, TimeoutError):
                raise unavailable(_WAITED.format(self.limits.time)) from None
            raise

    async def _perform(self, worker: Worker, call: Sequence[Body], kind: int) -> WorkerReply:
        self.busy.add(worker)
        try:
            reply = await worker.call(call, self.limits, self.buffers)
        except BaseException:
            self.busy.discard(worker)
            self._spawn(self._replace(worker))
            raise
        self.busy.discard(worker)
        worker.kinds.put(kind, True)
        if worker.grown > self.limits.worker_memory // 2:
            self._spawn(self._replace(worker))  # too little is left for the next call
        else:
            self._release(worker)
        return reply

    async def _watch(self) -> None:
        """Replace idle workers that keep too much, one at a time."""
        while True:
            await asyncio.sleep(_LOOK)
            grown = [w for w in self.idle if w.grown > self.limits.idle_memory]
            if grown and len(self.idle) + len(self.busy) == self.limits.workers:
                self.idle.remove(grown[0])
                self._spawn(self._replace(grown[0]))

    def _release(self, worker: Worker) -> None:
        """Give a free worker to who waits longest, or keep it."""
        while self.waiting:
            future, _ = self.waiting.popleft()
            if not future.done():
                future.set_result(worker)
                return
        self.idle.append(worker)

    async def _replace(self, worker: Worker) -> None:
        self.replaced += 1
        await asyncio.shield(asyncio.ensure_future(worker.end()))
        await self._add()

    async def _add(self) -> None:
        """Start a worker, again and again if need be."""
        while not self.closed:
            await asyncio.sleep(_BACKOFF[min(self.failures, len(_BACKOFF) - 1)])
            try:
                worker = await Worker.start(self.limits)
            except (Gone, OSError) as error:
                self.failures += 1
                why = str(error) or "its process has ended"
                print(f"jaccli: a worker cannot be started: {why}.", file=sys.stderr, flush=True)
                continue
            self.failures = 0
            self._release(worker)
            return

    def _spawn(self, work: object) -> None:
        if not self.closed:
            self._hold(asyncio.ensure_future(work))  # type: ignore[call-overload]

    def _hold(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
