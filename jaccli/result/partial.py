"""A large `.npy` file that grows part by part, and is gone on with after whatever stopped it.

Beside the target `J.npy` stand `.J.npy.partial`, the file as it will be, and `.J.npy.journal`: a
line of JSON that says what is being computed, then the number of every part that is on the disk.
A part is written, flushed, and only then noted, so that a crash at any moment loses parts that were
not noted and nothing else.  The target appears whole, when the last part is there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from jaccli.errors import ComputationError, UsageError, format_bytes
from jaccli.files import is_begun, local
from jaccli.files.publish import exists_already
from jaccli.result.result import Array

Shape = tuple[int, ...]
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def data_of(target: Path) -> Path:
    """Return the name of the file as it grows."""
    return Path(local.data_of(str(target)))


def journal_of(target: Path) -> Path:
    """Return the name of the account of its parts."""
    return Path(local.journal_of(str(target)))


def check_partial(target: Path, *, resume: bool, force: bool) -> None:
    """Refuse, before anything is computed, to lose what an earlier run has begun."""
    if is_begun(target) and not (resume or force):
        raise UsageError(
            f"{target}: an earlier run has begun this file.",
            hint="Go on with --resume, or begin again with --force.",
        )


class Partial:
    """The growing file of a target of `shape` and `dtype`, of which `parts` are written.

    `identity` says what is computed (spec, versions, chunks): only the same is gone on with.

    Raises:
        UsageError: what an earlier run has begun is something else.
        ComputationError: the disk is full, or cannot be written.
    """

    def __init__(
        self, target: Path, shape: Shape, dtype: Any, identity: Mapping[str, Any], *, resume: bool
    ) -> None:
        self.target = target
        self.dtype = np.dtype(dtype)
        self.size = int(np.prod(shape, dtype=object)) * self.dtype.itemsize
        described = {"format": 1, "shape": list(shape), "dtype": self.dtype.str, **identity}
        self._identity = json.loads(json.dumps(described))
        self.done: set[int] = set()
        with self._told():
            if resume and is_begun(target):
                self._go_on()
            else:
                self._begin(shape)

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write_rows(self, number: int, start: int, rows: Array) -> None:
        """Write whole rows (along all axes but the leading ones) from the flat position `start`."""
        with self._told():
            values = np.ascontiguousarray(rows, self.dtype)
            self._write(values, self._begins + start * self.dtype.itemsize)
            self._note(number)

    def write_columns(self, number: int, start: int, width: int, columns: Array) -> None:
        """Write the columns from `start` on of a matrix with rows of `width` numbers."""
        with self._told():
            values = np.ascontiguousarray(columns, self.dtype)
            for row, piece in enumerate(values):
                self._write(piece, self._begins + (row * width + start) * self.dtype.itemsize)
            self._note(number)

    def publish(self, *, force: bool) -> None:
        """Give the file its name; it is on the disk when this returns."""
        with self._told():
            os.fsync(self._data.fileno())
            self.close()
            if not force and os.path.lexists(self.target):
                raise exists_already(str(self.target))
            os.replace(data_of(self.target), self.target)
            journal_of(self.target).unlink()
            folder = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Forget what has been written."""
        self.close()
        for path in (journal_of(self.target), data_of(self.target)):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close both files, as they are."""
        self._data.close()
        self._journal.close()

    def _begin(self, shape: Shape) -> None:
        """Make both files, the account last."""
        journal_of(self.target).unlink(missing_ok=True)
        self._check_room(self.size)
        self._data: BinaryIO = open(data_of(self.target), "wb")  # noqa: SIM115
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._data, header)
        self._data.flush()
        self._begins = self._data.tell()
        os.ftruncate(self._data.fileno(), self._begins + self.size)
        os.fsync(self._data.fileno())
        self._journal: BinaryIO = open(journal_of(self.target), "wb")  # noqa: SIM115
        self._journal.write(json.dumps(self._identity).encode() + b"\n")
        self._flush_journal()

    def _go_on(self) -> None:
        """Open both files, and read which parts are there."""
        text = journal_of(self.target).read_bytes()
        first, *lines = text.split(b"\n")
        if not lines:  # it was stopped while it wrote the first line: nothing is there
            self._begin(tuple(self._identity["shape"]))
            return
        self._check_identity(first)
        # What comes after the last end of line was being written.
        self.done = {int(line) for line in lines[:-1] if line.isdigit()}
        self._data = open(data_of(self.target), "r+b")  # noqa: SIM115
        np.lib.format.read_magic(self._data)
        np.lib.format.read_array_header_1_0(self._data)
        self._begins = self._data.tell()
        if os.fstat(self._data.fileno()).st_size != self._begins + self.size:
            raise UsageError(f"{data_of(self.target)}: damaged.", hint="Begin again with --force.")
        self._journal = open(journal_of(self.target), "r+b")  # noqa: SIM115
        self._journal.truncate(len(text) - len(lines[-1]))
        self._journal.seek(0, os.SEEK_END)

    def _check_identity(self, line: bytes) -> None:
        try:
            found = json.loads(line)
        except ValueError:
            found = {}
        differing = [key for key, value in self._identity.items() if found.get(key) != value]
        if differing:
            key = differing[0]
            raise UsageError(
                f"{self.target}: what an earlier run has begun is not this: {key} was "
                f"{found.get(key)!r} and is {self._identity[key]!r}.",
                hint="Go on with what was given then, or begin again with --force.",
            )

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.target.parent).free
        if free < needed:
            raise ComputationError(
                f"{self.target}: the disk has {format_bytes(free)} free, and the result needs "
                f"{format_bytes(needed)}."
            )

    def _write(self, values: Array, offset: int) -> None:
        view = memoryview(values.reshape(-1).view(np.uint8).data)
        while view:
            written = os.pwrite(self._data.fileno(), view, offset)
            view, offset = view[written:], offset + written

    def _note(self, number: int) -> None:
        """Note a part once it is on the disk."""
        os.fdatasync(self._data.fileno())
        self._journal.write(b"%d\n" % number)
        self._flush_journal()
        self.done.add(number)

    def _flush_journal(self) -> None:
        self._journal.flush()
        os.fsync(self._journal.fileno())

    @contextlib.contextmanager
    def _told(self) -> Any:
        """Say what is kept when the disk does not do what it should."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            count = len(self.done)
            noun = "part is" if count == 1 else "parts are"
            kept = f" {count} {noun} kept." if count else ""
            hint = "Free some space and go on with --resume." if error.errno in _FULL else ""
            raise ComputationError(
                f"{self.target}: cannot be written: {reason.lower()}; the whole needs "
                f"{format_bytes(self.size)}.{kept}",
                hint=hint,
            ) from error
