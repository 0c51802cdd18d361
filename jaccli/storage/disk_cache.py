"""What is kept in the user's cache folder from one process to the next: JSON, arrays, programs.

The folder is the user's alone (mode 0700, owner checked).  What cannot be read or written is as if
it were not there: a cache never fails a call.  Imports nothing of the package.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

KINDS = {
    "programs": "compiled programs",
    "tuned": "modes that were the fastest",
    "colorings": "colorings of sparse derivatives",
}
"""The folders that there are, and what they hold."""
LIMIT = 256 << 20
"""Bytes of the files of one folder at most.

Those that were used (blobs) or written (others) least recently go."""
_FORGOTTEN = 3600
"""Seconds after which a file that somebody is writing is one that somebody did not finish."""
OFF = "JACCLI_NO_CACHE"
"""The variable that turns the cache off, whatever is in it."""
_PROCESSOR = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")
"""Lines of /proc/cpuinfo that tell which instructions there are, and how code is tuned."""


def home() -> Path | None:
    """Return `$XDG_CACHE_HOME/jaccli`, there or not; None where there is no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if given.startswith("/"):
        return Path(given) / "jaccli"
    try:
        user = Path.home()
    except RuntimeError:
        return None
    # An empty HOME would be the root of the file system.
    return None if user == Path(user.anchor) else user / ".cache" / "jaccli"


def folder(name: str) -> Path | None:
    """Return the folder of that name in `$XDG_CACHE_HOME/jaccli`, made if need be.

    None where it cannot be made, or belongs to somebody else, or the user wants none.
    """
    base = home()
    if base is None or os.environ.get(OFF):
        return None
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        for path in (base, base / name):
            path.mkdir(mode=0o700, exist_ok=True)
            if not _is_own(path):
                return None
            if stat.S_IMODE(path.lstat().st_mode) & 0o077:
                path.chmod(0o700)
    except OSError:
        return None
    return base / name


def _is_own(path: Path) -> bool:
    """Whether this is a folder, not a link to one, and the user's."""
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def read(name: str, key: str) -> dict[str, Any] | None:
    """Return the record of that key (a file name), or None."""
    path = folder(name)
    if path is None:
        return None
    try:
        record = json.loads((path / f"{key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # RecursionError: brackets without end
        return None
    return record if isinstance(record, dict) else None


def write(name: str, key: str, record: dict[str, Any]) -> None:
    """Keep a record under that key; it appears whole or not at all."""
    _keep(name, f"{key}.json", lambda file: file.write(json.dumps(record).encode()))


def read_arrays(name: str, key: str) -> dict[str, Any] | None:
    """Return the numpy arrays of that key (a file name) by name, or None."""
    import numpy as np

    path = folder(name)
    if path is None:
        return None
    try:
        # numpy leaves a damaged file open that it has opened itself.
        with (path / f"{key}.npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except Exception:  # a damaged archive raises whatever its bytes seem to say
        return None


def write_arrays(name: str, key: str, arrays: Mapping[str, Any]) -> None:
    """Keep numpy arrays under that key; they appear whole or not at all."""
    import numpy as np

    _keep(name, f"{key}.npz", lambda file: np.savez(file, **arrays))


def read_blob(name: str, key: str) -> bytes | None:
    """Return the bytes of that key exactly as they were written, or None.

    They may be code, so nobody but the user may have been able to write the file.
    """
    path = folder(name)
    if path is None:
        return None
    try:
        number = os.open(path / f"{key}.bin", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(number, "rb") as file:
            found = os.fstat(number)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                return None
            if found.st_mode & 0o022:
                return None
            digest, content = file.read(hashlib.sha256().digest_size), file.read()
            with suppress(OSError):  # as where nothing can be written
                os.utime(number)  # it was used
    except OSError:
        return None
    return content if hashlib.sha256(content).digest() == digest else None


def write_blob(name: str, key: str, content: bytes) -> bool:
    """Keep bytes under that key, unless they are very many; return whether they are kept."""
    if len(content) > LIMIT // 4:
        return False
    blob = hashlib.sha256(content).digest() + content
    return _keep(name, f"{key}.bin", lambda file: file.write(blob))


def _keep(name: str, file: str, save: Callable[[IO[bytes]], object]) -> bool:
    """Write a file beside its name and rename it; nothing if that fails.  Others may have to go."""
    path = folder(name)
    if path is None:
        return False
    # Hidden, and of a name that no other thread, process or machine takes.
    new = path / f".{file}.{os.urandom(8).hex()}"
    try:
        number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "wb") as stream:
            save(stream)
        new.replace(path / file)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        return False
    finally:
        _prune(path)
    return True


def _prune(path: Path) -> None:
    """Remove the files of a folder beyond the limit, and what others have not finished."""
    now, files = time.time(), list(_files(path))
    finished = [file for file in files if not file.is_unfinished]
    stale = [file for file in files if file.is_unfinished and now - file.used > _FORGOTTEN]
    excess = sum(file.nbytes for file in finished) - LIMIT
    for file in sorted(finished, key=lambda file: file.used):
        if excess <= 0:
            break
        stale.append(file)
        excess -= file.nbytes
    for file in stale:
        with suppress(OSError):
            (path / file.name).unlink(missing_ok=True)


class _File(NamedTuple):
    name: str
    nbytes: int
    used: float

    @property
    def is_unfinished(self) -> bool:
        return self.name.startswith(".")


def _files(path: Path) -> Iterator[_File]:
    """Yield the files of a folder; what else there may be is not from here."""
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    found = entry.stat(follow_symlinks=False)
                    yield _File(entry.name, found.st_size, found.st_mtime)


class Usage(NamedTuple):
    """What a folder of the cache holds."""

    entries: int
    nbytes: int


def usage() -> dict[str, Usage]:
    """Return what there is of each kind, without making a folder."""
    found = {}
    for name in KINDS:
        files = list(_files(path)) if (path := _present(name)) else []
        entries = sum(not file.is_unfinished for file in files)
        found[name] = Usage(entries, sum(file.nbytes for file in files))
    return found


def clear() -> dict[str, Usage]:
    """Remove the files of each kind, and the folders if nothing else is in them; return what went.

    Raises:
        OSError: a file cannot be removed.
    """
    removed = dict.fromkeys(KINDS, Usage(0, 0))
    for name in KINDS:
        path = _present(name)
        if path is None:
            continue
        for file in _files(path):
            (path / file.name).unlink(missing_ok=True)
            entries, nbytes = removed[name]
            removed[name] = Usage(entries + (not file.is_unfinished), nbytes + file.nbytes)
        with suppress(OSError):  # there is something else
            path.rmdir()
    base = home()
    if base is not None:
        with suppress(OSError):
            base.rmdir()
    return removed


def is_refused() -> bool:
    """Whether there is something in the folder's place that is not a folder of the user's own."""
    base = home()
    paths = [] if base is None else [base, *(base / name for name in KINDS)]
    return any(os.path.lexists(path) and not _is_own(path) for path in paths)


def _present(name: str) -> Path | None:
    """Return the folder of that name if it is there, and the user's own."""
    base = home()
    if base is None:
        return None
    try:
        return base / name if _is_own(base) and _is_own(base / name) else None
    except OSError:
        return None


def processor() -> list[str]:
    """Return what tells machines apart that share the folder, for keys: features of the processor.

    And how many cores this process may use: for XLA, the variable NPROC decides.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = [platform.machine(), os.environ.get("NPROC") or str(cores)]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():  # the others are like the first
                    break
                if line.startswith(_PROCESSOR):
                    found.append(line)
    except OSError:  # not Linux
        found.append(platform.processor())
    return found
