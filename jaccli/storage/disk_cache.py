"""The cache on disk, in the user's cache folder: JSON records, arrays, compiled programs.

The folder is private to the user (mode 0700, owner checked).  Entries that cannot be read or
written are treated as missing: the cache never makes a call fail.  Imports nothing of the package.
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
"""The folders of the cache, with a description of their content."""
LIMIT = 256 << 20
"""Maximum bytes of one folder.

The least recently used blobs, or least recently written files, are evicted first."""
_ABANDONED = 3600
"""Age, in seconds, after which a temporary file is considered abandoned."""
OFF = "JACCLI_NO_CACHE"
"""The environment variable that turns the cache off if it is not empty."""
_PROCESSOR = ("vendor_id", "model name", "flags", "CPU implementer", "CPU part", "Features")
"""Lines of /proc/cpuinfo about instruction sets and the processor's model."""


def home() -> Path | None:
    """Return `$XDG_CACHE_HOME/jaccli`, which may not exist; None without a home folder."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    if configured.startswith("/"):
        return Path(configured) / "jaccli"
    try:
        user = Path.home()
    except RuntimeError:
        return None
    # An empty HOME would be the root of the file system.
    return None if user == Path(user.anchor) else user / ".cache" / "jaccli"


def folder(name: str) -> Path | None:
    """Return a folder of the cache, created if it does not exist.

    None if it cannot be created, belongs to another user, or the cache is turned off.
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
    """Whether this is a folder that the user owns, and no link."""
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def read(name: str, key: str) -> dict[str, Any] | None:
    """Return the record of a key (a file name), or None."""
    path = folder(name)
    if path is None:
        return None
    try:
        record = json.loads((path / f"{key}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # RecursionError: deeply nested brackets
        return None
    return record if isinstance(record, dict) else None


def write(name: str, key: str, record: dict[str, Any]) -> None:
    """Store a record under a key, atomically."""
    _store(name, f"{key}.json", lambda file: file.write(json.dumps(record).encode()))


def read_arrays(name: str, key: str) -> dict[str, Any] | None:
    """Return the numpy arrays of a key (a file name) by name, or None."""
    import numpy as np

    path = folder(name)
    if path is None:
        return None
    try:
        # If numpy opens a damaged file by itself, it does not close it.
        with (path / f"{key}.npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except Exception:  # a damaged archive may raise any exception
        return None


def write_arrays(name: str, key: str, arrays: Mapping[str, Any]) -> None:
    """Store numpy arrays under a key, atomically."""
    import numpy as np

    _store(name, f"{key}.npz", lambda file: np.savez(file, **arrays))


def read_blob(name: str, key: str) -> bytes | None:
    """Return the bytes of a key exactly as they were written, or None.

    They may be code, so files that others can write are rejected.
    """
    path = folder(name)
    if path is None:
        return None
    try:
        descriptor = os.open(path / f"{key}.bin", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
                return None
            if status.st_mode & 0o022:
                return None
            digest, content = file.read(hashlib.sha256().digest_size), file.read()
            with suppress(OSError):  # a read-only file system
                os.utime(descriptor)  # mark as recently used
    except OSError:
        return None
    return content if hashlib.sha256(content).digest() == digest else None


def write_blob(name: str, key: str, content: bytes) -> bool:
    """Store bytes under a key unless they are too many; return whether they were stored."""
    if len(content) > LIMIT // 4:
        return False
    blob = hashlib.sha256(content).digest() + content
    return _store(name, f"{key}.bin", lambda file: file.write(blob))


def _store(name: str, file: str, save: Callable[[IO[bytes]], object]) -> bool:
    """Write a file atomically and evict others; return whether it was written."""
    path = folder(name)
    if path is None:
        return False
    # Hidden, with a name that is unique among threads, processes and machines.
    temporary = path / f".{file}.{os.urandom(8).hex()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as stream:
            save(stream)
        temporary.replace(path / file)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    finally:
        _prune(path)
    return True


def _prune(path: Path) -> None:
    """Evict files beyond the limit, and remove abandoned temporary files."""
    now, files = time.time(), list(_files(path))
    finished = [file for file in files if not file.is_unfinished]
    stale = [file for file in files if file.is_unfinished and now - file.used > _ABANDONED]
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
    """Yield the regular files of a folder."""
    with suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield _File(entry.name, status.st_size, status.st_mtime)


class Usage(NamedTuple):
    """The number of entries and of bytes in a folder of the cache."""

    entries: int
    nbytes: int


def usage() -> dict[str, Usage]:
    """Return the usage of each folder, without creating one."""
    usage_by_kind = {}
    for name in KINDS:
        files = list(_files(path)) if (path := _present(name)) else []
        entries = sum(not file.is_unfinished for file in files)
        usage_by_kind[name] = Usage(entries, sum(file.nbytes for file in files))
    return usage_by_kind


def clear() -> dict[str, Usage]:
    """Remove all files of the cache, and folders that are empty then; return what was removed.

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
        with suppress(OSError):  # not empty
            path.rmdir()
    base = home()
    if base is not None:
        with suppress(OSError):
            base.rmdir()
    return removed


def is_refused() -> bool:
    """Whether a path of the cache exists that is not a folder owned by the user."""
    base = home()
    paths = [] if base is None else [base, *(base / name for name in KINDS)]
    return any(os.path.lexists(path) and not _is_own(path) for path in paths)


def _present(name: str) -> Path | None:
    """Return a folder of the cache if it exists and the user owns it."""
    base = home()
    if base is None:
        return None
    try:
        return base / name if _is_own(base) and _is_own(base / name) else None
    except OSError:
        return None


def processor() -> list[str]:
    """Return the processor's features and usable cores, for keys: machines may share the folder.

    For XLA, the environment variable NPROC decides the number of cores.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    features = [platform.machine(), os.environ.get("NPROC") or str(cores)]
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.strip():  # further processors are the same
                    break
                if line.startswith(_PROCESSOR):
                    features.append(line)
    except OSError:  # not Linux
        features.append(platform.processor())
    return features
