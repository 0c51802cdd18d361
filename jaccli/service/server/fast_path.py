"""Small requests that are answered in the process that receives them, by a compiled program.

A request for a registered model with a bare `.npy` body is like an earlier one if its method, path,
query, what it accepts and says of its body, and the header of its array are the same bytes.  The
first goes to a worker.  If that was quick, and the result is small, a thread compiles the program
here too; it is kept only if it gives the worker's answer, byte for byte, in less than a
millisecond.  From then on such a request costs a look-up, a call and a copy.

Boundary: never traces or compiles in the event loop; what it runs there, a worker has run before.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from jaccli.context import Context, using
from jaccli.service.server.buffers import SMALL, Body, parts
from jaccli.service.server.limits import Limits, MiB
from jaccli.service.server.middleware import BODY, HEADERS, Application, Receive, Scope, Send
from jaccli.service.server.model_store import StoredModel
from jaccli.service.server.operations import NPY
from jaccli.service.server.translate import DocumentFiles, RequestJob, document
from jaccli.storage.lru_cache import LRUCache

if TYPE_CHECKING:
    from jaccli.service.server import inline_program

_QUICK = 2.0
"""Seconds that a worker may have taken, compiling included."""
_SHORT = 1e-3
"""Seconds that a call may take."""
_MODEL = 16 * MiB
"""Bytes of a model."""
_HELD = 16 * MiB
"""Bytes that a program may need."""
_WAITING = 16
"""Programs that may wait to be compiled."""
_REFUSED = 1024
"""Requests that are remembered as not for here."""
_TRIALS = 5
_MAGIC = b"\x93NUMPY\x01\x00"

Key = tuple[str, str, bytes, bytes | None, bytes | None, int]
"""The method, the path, the query, what is accepted, the body's media type and its length."""


class Answered(NamedTuple):
    """A request that a worker has answered, in `seconds`.

    `given` is the registered model, of the id `model`; `body` the `.npy` of the input.
    """

    model: str
    given: StoredModel
    job: RequestJob
    body: bytes
    answer: Body
    seconds: float


class FastProgram(NamedTuple):
    """A compiled program: `answer` makes the body of a response of that of a request.

    `head` are the bytes that a body begins with.
    """

    model: str
    head: bytes
    answer: Callable[[bytes], bytes]
    headers: list[tuple[bytes, bytes]]
    nbytes: int

    def takes(self, body: bytes) -> bool:
        """Whether a body of the right length is an array of the shape and dtype that it takes."""
        return body.startswith(self.head)


class Fast:
    """The programs of this process.  The oldest go first.

    `used` is told of models in use, and says whether they are there still.
    """

    def __init__(self, limits: Limits, used: Callable[[str], bool]) -> None:
        self._used = used
        self._context = Context(most_memory=limits.memory, most_result=limits.result)
        self._programs: LRUCache[Key, FastProgram] = LRUCache(
            limits.programs, limits.programs_memory, size=lambda program: program.nbytes
        )
        self._refused: LRUCache[tuple[Key, bytes], bool] = LRUCache(_REFUSED)
        self._thread = ThreadPoolExecutor(1, "compiler")
        self._waiting: set[Key] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._programs)

    def start(self) -> None:
        """Import JAX, before there is anybody to wait for it."""
        from jaccli import backend

        backend.configure(x64=True)
        from jaccli.service.server import inline_program

        inline_program.warm()
        gc.collect()
        gc.freeze()  # looking through all of JAX for garbage would take a tenth of a second

    def close(self) -> None:
        """Compile no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def before(self, app: Application) -> Application:
        """Return the application, with what can be answered here answered here."""
        programs = self._programs

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            key = _key(scope)
            program = programs.peek(key)
            if program is None or not program.takes(scope[BODY]):
                await app(scope, receive, send)
                return
            body = program.answer(scope[BODY])
            await send({"type": "http.response.start", "status": 200, "headers": program.headers})
            await send({"type": "http.response.body", "body": body})
            self._touch(key, program)

        return answered

    def consider(self, scope: Scope, asked: Answered) -> None:
        """Compile a request's program here, in a thread, if it is a small one."""
        key, body = _key(scope), asked.body
        head = _head(body)
        large = max(len(body), len(asked.answer)) > SMALL or len(asked.given.body) > _MODEL
        if not head or large or asked.seconds > _QUICK or (key, head) in self._refused:
            return
        with self._lock:
            if key in self._waiting or len(self._waiting) >= _WAITING:
                return
            self._waiting.add(key)
        self._thread.submit(self._compile, key, asked)

    def _compile(self, key: Key, asked: Answered) -> None:
        """Compile and try a program, and keep it or remember that it is none for here."""
        from jaccli.service.server import inline_program

        job, body, answer = asked.job, asked.body, b"".join(parts(asked.answer))
        head = _head(body)
        try:
            given = document(job.content_type, b"".join(parts(asked.given.body)))
            with using(self._context.replace(files=DocumentFiles(given, body))):
                found = inline_program.program(job, body, len(head), _HELD)
            if found is not None and not _is_right(found.compute, body, answer):
                found = None
        except Exception as error:  # a worker has answered, so the request is not at fault
            print(f"jaccli: not inline: {type(error).__name__}: {error}", file=sys.stderr)
            found = None
        with self._lock:
            self._waiting.discard(key)
            if found is None:
                self._refused.put((key, head), True)
                return
            before = answer[: len(answer) - found.result_bytes]
            self._programs.put(key, _program(asked.model, head, before, found))

    def forget(self, model: str) -> None:
        """Drop the programs of a model."""
        with self._lock:
            for key in list(self._programs):
                program = self._programs.peek(key)
                if program is not None and program.model == model:
                    self._programs.remove(key)

    def _touch(self, key: Key, program: FastProgram) -> None:
        with self._lock:
            there = self._programs.get(key) is not None
            if there and not self._used(program.model):  # forgotten while it was compiled
                self._programs.remove(key)


def _program(model: str, head: bytes, before: bytes, found: inline_program.Inline) -> FastProgram:
    """Return what answers requests like one whose answer began with `before`."""
    compute = found.compute
    headers = [
        (b"content-type", NPY.encode()),
        (b"content-length", str(len(before) + found.result_bytes).encode()),
    ]
    return FastProgram(
        model,
        head,
        lambda body: b"".join((before, compute(body))),
        headers,
        found.nbytes,
    )


def _is_right(compute: Callable[[bytes], memoryview], body: bytes, answer: bytes) -> bool:
    """Whether a program gives the bytes that a worker gave, and is quick."""
    times = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        result = compute(body)
        times.append(time.perf_counter() - start)
    return answer.endswith(bytes(result)) and min(times) <= _SHORT


def _key(scope: Scope) -> Key:
    headers = scope[HEADERS]
    return (
        scope["method"],
        scope["path"],
        scope["query_string"],
        headers.get(b"accept"),
        headers.get(b"content-type"),
        len(scope[BODY]),
    )


def _head(body: bytes) -> bytes:
    """Return the header of an `.npy` file, nothing if that is not one of version 1."""
    if not body.startswith(_MAGIC):
        return b""
    length = len(_MAGIC) + 2 + int.from_bytes(body[len(_MAGIC) : len(_MAGIC) + 2], "little")
    return body[:length]
