"""Worker processes: each performs one call at a time, can be killed, and is replaced.

A call that takes too long or too much memory costs its worker, and no other call anything.  Calls
wait in a bounded queue, first come, first served; of free workers, one is taken that has performed
a call like this before and has its program.

Boundary: calls and replies are bytes here.  Runs in one event loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import OrderedDict, deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaccli.errors import format_bytes
from jaccli.service.limits import Limits
from jaccli.service.refusal import Refusal, busy, too_large, unavailable
from jaccli.service.wire import versions
from jaccli.service.worker import BAD, LARGE, LENGTH, READY, REPLY, Settings

_WATCH = 0.05
"""Seconds between two looks at what a busy worker takes."""
_GRACE = 2.0
"""Seconds that a call goes on whose client has left: killing costs more than a short one."""
_START = 120.0
"""Seconds in which a worker must be ready."""
_BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a start, by how many have failed in a row."""
_KNOWN = 256
"""Kinds of calls that are remembered of a worker."""
_BUFFER = 1 << 20
"""Bytes that are read from a worker ahead."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_VERSIONS = versions().encode()
"""Those of this process, which a worker must have too: somebody may upgrade what it is made of."""
_LONGEST_READY = 1 << 10
_ROOT = str(Path(__file__).resolve().parents[2])
_ENDED = "the process that computed this has ended. Ask again."
_WAITED = "no process has become free within {:g} s. Ask again later."
_CODE = "from jaccli.service.worker import main; main({}, {}, {})"


class Gone(Exception):
    """The worker's process has ended."""


class Worker:
    """A process and the stream to it; `base` is the memory that it takes when it is ready."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.base = 0
        self.deadline = 0.0
        self.kinds: OrderedDict[int, None] = OrderedDict()

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
                if await worker._receive(_LONGEST_READY) != READY + _VERSIONS:
                    raise Gone("what is installed has changed; start the service again")
        except BaseException as error:
            await worker.end()
            if isinstance(error, TimeoutError):
                raise Gone from error
            raise
        worker.base = worker.resident()
        return worker

    async def call(self, message: bytes, limits: Limits) -> bytes:
        """Return the reply to a call.

        Raises:
            Refusal: it takes too long, too much memory, or the process ends; in these cases the
                worker must not be used again (`is_alive`).
        """
        loop = asyncio.get_running_loop()
        self.deadline = loop.time() + limits.time
        exchange = asyncio.ensure_future(self._exchange(message, limits.reply + 1))
        try:
            while True:
                left = self.deadline - loop.time()
                done, _ = await asyncio.wait({exchange}, timeout=max(0.0, min(_WATCH, left)))
                if done:
                    return exchange.result()
                if left <= 0:
                    self.process.kill()
                    raise Refusal(422, f"this takes longer than the {limits.time:g} s allowed.")
                if self.resident() - self.base > limits.worker_memory:
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

    async def _exchange(self, message: bytes, longest: int) -> bytes:
        try:
            self.writer.write(len(message).to_bytes(LENGTH, "big"))
            self.writer.write(message)
            await self.writer.drain()
        except OSError as error:
            raise Gone from error
        return await self._receive(longest)

    async def _receive(self, longest: int) -> bytes:
        try:
            length = int.from_bytes(await self.reader.readexactly(LENGTH), "big")
            if not 0 < length <= longest:
                raise Gone
            return await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Gone from error


class Pool:
    """The workers of a service."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
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

    async def call(self, message: bytes, kind: int) -> bytes:
        """Return the reply to a call of a kind, from whichever worker.

        Raises:
            Refusal: there is no room in the queue, or what `Worker.call` raises.
        """
        worker = await self._acquire(kind)
        work = asyncio.ensure_future(self._perform(worker, message, kind))
        self._hold(work)
        try:
            answer = await asyncio.shield(work)
        except asyncio.CancelledError:
            # Nobody waits for it.  A short call is cheaper than another worker.
            loop = asyncio.get_running_loop()
            worker.deadline = min(worker.deadline, loop.time() + _GRACE)
            work.add_done_callback(lambda task: task.cancelled() or task.exception())
            raise
        kind_of_answer, reply = answer[:1], answer[1:]
        if kind_of_answer == BAD:
            raise Refusal(400, "the body is not a call.")
        if kind_of_answer == LARGE:
            allowed = format_bytes(self.limits.reply)
            raise too_large(f"the answer has more than the {allowed} allowed.")
        assert kind_of_answer == REPLY
        return reply

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

    async def _perform(self, worker: Worker, message: bytes, kind: int) -> bytes:
        self.busy.add(worker)
        try:
            answer = await worker.call(message, self.limits)
        except BaseException:
            self.busy.discard(worker)
            self._spawn(self._replace(worker))
            raise
        self.busy.discard(worker)
        worker.kinds[kind] = None
        worker.kinds.move_to_end(kind)
        while len(worker.kinds) > _KNOWN:
            worker.kinds.popitem(last=False)
        if worker.resident() - worker.base > self.limits.worker_memory // 2:
            self._spawn(self._replace(worker))  # it has kept too much
        else:
            self._release(worker)
        return answer

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
