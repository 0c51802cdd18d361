"""Atomic writes: a file appears with all of its content, or not at all.

Data goes to a temporary file beside the target, which replaces the target once it is on the disk.
Devices and pipes are written directly, and symbolic links are followed.

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
"""Errors of file systems without hard links."""


class _Unseekable(io.BufferedWriter):
    """A stream without seek: some devices claim that they can seek, and cannot."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


def is_special(path: str) -> bool:
    """Whether the path is a device, a pipe or a socket, which cannot be replaced."""
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
        # Permissions do not show read-only and special file systems: only a trial does.
        trial = _temporary(os.path.join(folder, os.path.basename(path)))
        _unfinished.add(trial)
        with open(trial, "xb"):
            os.unlink(trial)
        _unfinished.discard(trial)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _refused(f"{path}: the folder {folder!r} is not writable: {reason}.") from error


def _temporary(target: str) -> str:
    """Return an unused name in the folder of the target."""
    return os.path.join(os.path.dirname(target), f".jaccli-{os.urandom(8).hex()}.tmp")


def remove_leftovers(folder: str) -> None:
    """Remove temporary files of killed processes; no other process may be writing in the folder."""
    for name in os.listdir(folder):
        if name.startswith(".jaccli-") and name.endswith(".tmp"):
            _remove(os.path.join(folder, name))


_unfinished: set[str] = set()
"""Temporary files of this process that may exist."""


def remove_unfinished() -> None:
    """Remove the temporary files of this process, as when a signal ends it."""
    for path in list(_unfinished):
        _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def exists_already(path: str) -> UsageError:
    """Return the error for a target that exists and must not be replaced."""
    hint = "Choose another name, or replace it with --force."
    return _refused(f"{path}: exists already.", hint)


def _refused(message: str, hint: str = "") -> UsageError:
    from jaccli.errors import UsageError

    return UsageError(message, hint=hint)


@contextlib.contextmanager
def publishing(path: str, *, force: bool = False) -> Iterator[BinaryIO]:
    """Open a stream whose content becomes the file `path` when the block ends without an error.

    Without `force`, an existing file is not replaced, even if it was created meanwhile.  With
    `force`, the new file has the permissions of the one that it replaces.
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
            with open(temporary, "x+b") as stream:  # HDF5 reads in the file that it writes
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if force:
                replace(temporary, target)
            else:
                _claim(temporary, target)
        finally:
            _remove(temporary)  # which does not exist any more if it was renamed
            _unfinished.discard(temporary)
    except BrokenPipeError:
        raise
    except OSError as error:
        from jaccli.errors import ComputationError

        reason = error.strerror or str(error)
        raise ComputationError(f"{path}: cannot be written: {reason}.") from error


def replace(temporary: str, target: str) -> None:
    """Rename the temporary file to the target, with the permissions of the file it replaces."""
    with contextlib.suppress(FileNotFoundError):
        os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
    os.replace(temporary, target)


def _claim(temporary: str, target: str) -> None:
    """Rename the temporary file to the target, unless the target exists."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise exists_already(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Without hard links: create the target as an empty file, then replace it.
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            raise exists_already(target) from None
        try:
            os.replace(temporary, target)
        except BaseException:
            os.unlink(target)
            raise
