"""JSON records and arrays in the user's cache folder, kept from one process to the next.

The folder is the user's alone (mode 0700, owner checked).  What cannot be read or written is as if
it were not there: a cache never fails a call.  Imports nothing of the package.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any


def folder(name: str) -> Path | None:
    """Return the folder of that name in `$XDG_CACHE_HOME/jaccli`, made if need be.

    None where it cannot be made, or belongs to somebody else.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(given) if given.startswith("/") else Path.home() / ".cache"
        base.mkdir(parents=True, exist_ok=True)
        path = base
        for part in ("jaccli", name):
            path = path / part
            path.mkdir(mode=0o700, exist_ok=True)
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                return None
            if stat.S_IMODE(found.st_mode) & 0o077:
                path.chmod(0o700)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    return path


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
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def write_arrays(name: str, key: str, arrays: Mapping[str, Any]) -> None:
    """Keep numpy arrays under that key; they appear whole or not at all."""
    import numpy as np

    _keep(name, f"{key}.npz", lambda file: np.savez(file, **arrays))


def _keep(name: str, file: str, save: Callable[[IO[bytes]], object]) -> None:
    """Write a file beside its name and rename it; nothing if that fails."""
    path = folder(name)
    if path is None:
        return
    new = path / f".{file}.{os.getpid()}"
    try:
        with new.open("wb") as stream:
            save(stream)
        new.replace(path / file)
    except OSError:
        new.unlink(missing_ok=True)
