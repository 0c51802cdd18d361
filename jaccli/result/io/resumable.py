"""A large `.npy` file that grows chunk by chunk, and is gone on with after whatever stopped it.

Beside the target `J.npy` stand `.J.npy.partial`, the file as it will be, and `.J.npy.journal`: a
line of JSON that says what is being computed, then the number of every chunk that is on the disk.
A chunk is written, flushed, and only then noted, so that a crash at any moment loses chunks that
were not noted and nothing else.  The target appears whole, when the last chunk is there.  A link is
written through: all of this is beside the file that it leads to.

Many processes may write chunks, each through a `ChunkFile` of its own; one `Partial` notes them.
It holds a lock on the journal, which the system releases when the process ends, so that of several
calls with one target the first has it and the others are refused.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from jaccli.errors import ComputationError, SourceError, UsageError, format_bytes
from jaccli.result.result import Array
from jaccli.storage import local_files
from jaccli.storage.atomic import exists_already, replace
from jaccli.storage.files import has_partial, is_local
from jaccli.storage.reading import damaged, undamaged

Shape = tuple[int, ...]
_HINTS = {
    errno.ENOSPC: "Free some space and go on with --resume.",
    errno.EDQUOT: "Free some space and go on with --resume.",
    errno.EFBIG: "Raise the limit of file sizes (ulimit -f).",
}
_AGAIN = "Begin again with --force."
_BLOCK = 512
"""Bytes of what the file system counts."""
_DIGITS = 18
"""Digits of a chunk's number at most."""


def final_of(target: Path) -> Path:
    """Return the file that a target stands for: symbolic links are written through."""
    return Path(os.path.realpath(target))


def data_of(target: Path) -> Path:
    """Return the name of the file as it grows."""
    return Path(local_files.data_of(str(target)))


def journal_of(target: Path) -> Path:
    """Return the name of the account of its chunks."""
    return Path(local_files.journal_of(str(target)))


def begun(target: Path) -> dict[str, Any]:
    """Return what a partial result of this target says that it is; nothing where there is none."""
    try:
        with journal_of(target).open("rb") as file:
            found = json.loads(file.readline())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def check_partial(target: Path, *, resume: bool, force: bool) -> None:
    """Refuse, before anything is computed, to lose what is begun, or to disturb who writes it."""
    if not has_partial(target):
        return
    if is_local():
        with contextlib.suppress(OSError), journal_of(target).open("rb") as journal:
            _lock(journal, target)
    if not (resume or force):
        raise UsageError(
            f"{target}: an earlier run has begun this file.",
            hint="Go on with --resume, or begin again with --force.",
        )


def _lock(journal: BinaryIO, target: Path) -> None:
    """Lock the account of a target's chunks, until it is closed or the process ends.

    Raises:
        ComputationError: another process has it.
    """
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ComputationError(f"{target}: another process is writing it.") from error
    except OSError:
        return  # a file system without locks


class ChunkFile:
    """The growing file of a target that is begun: chunks are written at their places, to the disk.

    Raises `OSError` where the disk does not do what it should: see `told`; `SourceError` where its
    header is damaged.
    """

    def __init__(self, target: Path) -> None:
        self._file: BinaryIO = open(data_of(target), "r+b")  # noqa: SIM115
        try:
            with undamaged():
                np.lib.format.read_magic(self._file)
                self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(self._file)
        except SourceError as error:
            self._file.close()
            problem = error.problems[0].of(data_of(target))
            raise SourceError(problem._replace(hint=_AGAIN)) from error
        self._begins = self._file.tell()
        self.size = os.fstat(self._file.fileno()).st_size - self._begins

    def __enter__(self) -> ChunkFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write_rows(self, start: int, rows: Array) -> None:
        """Write whole rows (along all axes but the leading ones) from the flat position `start`."""
        values = np.ascontiguousarray(rows, self.dtype)
        self._write(values, start)
        os.fdatasync(self._file.fileno())

    def write_columns(self, start: int, width: int, columns: Array) -> None:
        """Write the columns from `start` on of a matrix with rows of `width` numbers."""
        values = np.ascontiguousarray(columns, self.dtype)
        for row, numbers in enumerate(values):
            self._write(numbers, row * width + start)
        os.fdatasync(self._file.fileno())

    def sync(self) -> None:
        """Wait until all of the file is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, as it is."""
        self._file.close()

    def _write(self, values: Array, start: int) -> None:
        view = memoryview(values.reshape(-1).view(np.uint8).data)
        offset = self._begins + start * self.dtype.itemsize
        while view:
            written = os.pwrite(self._file.fileno(), view, offset)
            view, offset = view[written:], offset + written


def chunk_file(target: Path, identity: Mapping[str, Any]) -> ChunkFile:
    """Open the growing file that another process has begun, to write chunks of the same result.

    Raises:
        ComputationError: it is not here, or is something else.
    """
    if not has_partial(target):
        raise ComputationError(
            f"{target}: the file that is begun is not on this machine.",
            hint="Its folder must be on a file system that all machines share.",
        )
    with told(target):
        file = ChunkFile(target)
    differing = _difference(begun(target), identity)
    if differing:
        file.close()
        raise ComputationError(f"{target}: what is begun is not this: {differing}.")
    return file


@contextlib.contextmanager
def told(target: Path, size: int = 0, kept: int = 0) -> Iterator[None]:
    """Say what is needed and what is kept when the disk does not do what it should.

    `size` are the bytes of the whole, `kept` counts the chunks that are there.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        noun = "chunk is" if kept == 1 else "chunks are"
        remains = f" {kept} {noun} kept." if kept else ""
        needed = f"; the whole needs {format_bytes(size)}." if size else "."
        raise ComputationError(
            f"{target}: cannot be written: {reason.lower()}{needed}{remains}",
            hint=_HINTS.get(error.errno or 0, ""),
        ) from error


def _difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return in words what was begun otherwise than is wanted; nothing where all is the same."""
    for key, value in json.loads(json.dumps(wanted)).items():
        if found.get(key) != value:
            return f"{key} was {found.get(key)!r} and is {value!r}"
    return ""


class Partial:
    """The growing file of a target of `shape` and `dtype`, of which `chunks` are written.

    `identity` says what is computed (spec, versions, chunks): only the same is gone on with.

    Raises:
        UsageError: what an earlier run has begun is something else, or without `force` the target
            is there by now.
        ComputationError: the disk is full, or cannot be written; another process is writing.
    """

    def __init__(
        self,
        target: Path,
        shape: Shape,
        dtype: Any,
        identity: Mapping[str, Any],
        *,
        resume: bool,
        force: bool = True,
    ) -> None:
        self.target = target
        self._final = final_of(target)
        self.dtype = np.dtype(dtype)
        self.size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize
        described = {"format": 1, "shape": list(shape), "dtype": self.dtype.str, **identity}
        self._identity = json.loads(json.dumps(described))
        self.done: set[int] = set()
        self._files = contextlib.ExitStack()
        with self._told():
            self._journal = self._files.enter_context(self._locked())
            try:
                if not force and os.path.lexists(target):
                    raise exists_already(str(target))
                if resume and has_partial(target):
                    self._go_on()
                else:
                    self._begin(shape)
            except BaseException:
                self._leave()
                raise

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, number: int, put: Callable[[ChunkFile], None]) -> None:
        """Have a chunk `put` into the file, and note it."""
        with self._told():
            put(self._data)
        self.note(number)

    def note(self, *numbers: int) -> None:
        """Note chunks that are on the disk, whoever wrote them."""
        with self._told():
            self._append(b"".join(b"%d\n" % number for number in numbers))
        self.done.update(numbers)

    def publish(self, *, force: bool) -> None:
        """Give the file its name; it is on the disk when this returns."""
        with self._told():
            self._data.sync()
            if not force and os.path.lexists(self.target):
                raise exists_already(str(self.target))
            replace(str(data_of(self._final)), str(self._final))
            journal_of(self._final).unlink()
            self.close()  # who waits for the lock sees that the journal is gone
            folder = os.open(self._final.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Forget what has been written."""
        for path in (data_of(self._final), journal_of(self._final)):
            with contextlib.suppress(OSError):  # a folder has that name, say: it is not ours
                path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close both files, as they are."""
        self._files.close()

    def _locked(self) -> io.FileIO:
        """Open the account, or make it, for this process alone."""
        path = journal_of(self._final)
        while True:
            journal = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666), "r+b")
            try:
                _lock(journal, self.target)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(journal.fileno()), path.stat()):
                        return journal
            except BaseException:
                journal.close()
                raise
            journal.close()  # who had it has published the file meanwhile

    def _leave(self) -> None:
        """Close the files, and take away what could not be gone on with."""
        if os.fstat(self._journal.fileno()).st_size:
            self.close()
        else:
            self.discard()

    def _begin(self, shape: Shape) -> None:
        """Make both files: without its first line, the account is of nothing."""
        self._check_room(self.size)
        self._journal.truncate(0)
        # A new file: who still writes chunks of an earlier one must not reach this.
        data_of(self._final).unlink(missing_ok=True)
        with open(data_of(self._final), "wb") as file:
            header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + self.size)
        self._data = self._files.enter_context(ChunkFile(self._final))
        self._data.sync()
        self._append(json.dumps(self._identity).encode() + b"\n")

    def _go_on(self) -> None:
        """Open both files, and read which chunks are there."""
        text = self._journal.readall()
        _, *lines = text.split(b"\n")
        if not lines:  # it was stopped while it wrote the first line: nothing is there
            self._begin(tuple(self._identity["shape"]))
            return
        differing = _difference(begun(self.target), self._identity)
        if differing:
            message = f"{self.target}: what an earlier run has begun is not this: {differing}."
            hint = "Go on with what was given then, or begin again with --force."
            raise UsageError(message, hint=hint)
        # What comes after the last end of line was being written.
        self.done = {int(line) for line in lines[:-1] if line.isdigit() and len(line) <= _DIGITS}
        self._data = self._files.enter_context(ChunkFile(self._final))
        found = self._data.shape, self._data.dtype, self._data.size
        if found != (tuple(self._identity["shape"]), self.dtype, self.size):
            problem = damaged("it is not what its journal says").problems[0]
            raise SourceError(problem.of(data_of(self._final))._replace(hint=_AGAIN))
        self._journal.truncate(len(text) - len(lines[-1]))

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._final.parent).free
        with contextlib.suppress(OSError):  # what will be removed
            free += data_of(self._final).stat().st_blocks * _BLOCK
        if free < needed:
            raise ComputationError(
                f"{self.target}: the disk has {format_bytes(free)} free, and the result needs "
                f"{format_bytes(needed)}."
            )

    def _append(self, text: bytes) -> None:
        """Write to the end of the journal; it is on the disk when this returns."""
        while text:
            text = text[os.write(self._journal.fileno(), text) :]
        os.fsync(self._journal.fileno())

    def _told(self) -> contextlib.AbstractContextManager[None]:
        return told(self.target, self.size, len(self.done))
