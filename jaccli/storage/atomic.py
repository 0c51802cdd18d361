"""Files that appear whole or not at all.

What is written goes to a temporary file beside the target, which takes its place once everything
is on the disk.  Devices and pipes are written directly, symbolic links are written through.

Standard library only, and errors are imported where one is raised: see the package.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from jaccli.errors import UsageError

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
"""What file systems without hard links answer."""


class _Unseekable(io.BufferedWriter):
    """A stream that only goes forward: some devices say that they can seek, and do not."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


def is_special(path: str) -> bool:
    """Whether the path is a device, a pipe or a socket: no file that could be replaced."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_writable(path: str, *, force: bool) -> None:
    """Refuse, before anything is computed, a target that `publishing` would refuse."""
    if is_special(path):
        return
    if os.path.isdir(path):
        raise _refused(f"{path}: this is a folder.", "Expected the name of a file.")
    if not force and os.path.lexists(path):
        raise exists_already(path)
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise _refused(f"{path}: there is no folder {folder!r}.", "Create it first.")
    try:
        # Permissions do not tell of read-only and special file systems: only trying does.
        trial = _temporary(os.path.join(folder, os.path.basename(path)))
        _unfinished.add(trial)
        with open(trial, "xb"):
            os.unlink(trial)
        _unfinished.discard(trial)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refused(f"{path}: the folder {folder!r} is not writable: {reason}.") from error


def _temporary(target: str) -> str:
    """Return a name beside the target that nothing has."""
    return os.path.join(os.path.dirname(target), f".jaccli-{os.urandom(8).hex()}.tmp")


def remove_leftovers(folder: str) -> None:
    """Remove the temporary files of a process that was killed; nobody else may be writing there."""
    for name in os.listdir(folder):
        if name.startswith(".jaccli-") and name.endswith(".tmp"):
            _remove(os.path.join(folder, name))


_unfinished: set[str] = set()
"""Temporary files that there may be."""


def remove_unfinished() -> None:
    """Remove what this process has begun to write: a signal may come anywhere."""
    for path in list(_unfinished):
        _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def exists_already(path: str) -> UsageError:
    """Return the error for a target that is there and must not be replaced."""
    hint = "Choose another name, or replace it with --force."
    return _refused(f"{path}: exists already.", hint)


def _refused(message: str, hint: str = "") -> UsageError:
    from jaccli.errors import UsageError

    return UsageError(message, hint=hint)


@contextlib.contextmanager
def publishing(path: str, *, force: bool = False) -> Iterator[BinaryIO]:
    """Open a stream whose content becomes the file `path` when the block ends without an error.

    Without `force` a file that has appeared meanwhile is not replaced.  With it, the new file has
    the permissions of the one it replaces.
    """
    try:
        if is_special(path):
            with _Unseekable(io.FileIO(path, "wb")) as stream:
                yield stream
            return
        target = os.path.realpath(path) if force else path
        temporary = _temporary(target)
        _unfinished.add(temporary)
        try:
            with open(temporary, "xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if force:
                replace(temporary, target)
            else:
                _claim(temporary, target)
        finally:
            _remove(temporary)  # gone already when it has been renamed
            _unfinished.discard(temporary)
    except BrokenPipeError:
        raise
    except OSError as error:
        from jaccli.errors import ComputationError

        reason = error.strerror or str(error)
        raise ComputationError(f"{path}: cannot be written: {reason}.") from error


def replace(temporary: str, target: str) -> None:
    """Give the temporary file the name, and the permissions, of the one it replaces."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
    os.replace(temporary, target)


def _claim(temporary: str, target: str) -> None:
    """Give the temporary file its name, unless something else has it."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise exists_already(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links: take the name with an empty file, then put the full one in its place.
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            raise exists_already(target) from None
        try:
            os.replace(temporary, target)
        except BaseException:
            os.unlink(target)
            raise
