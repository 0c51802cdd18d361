"""The arrays of input files that are not trusted: `.npy`, `.npz`, and tables (`spec/tables/`).

numpy is imported when a file is read.  Boundary: knows nothing of specs.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from jaccli.choices import TABLE_SUFFIXES
from jaccli.errors import SourceError, did_you_mean, listed
from jaccli.spec.tables.columns import NotInFile
from jaccli.storage import files
from jaccli.storage.reading import reading, too_large


def read(
    path: Path,
    entries: dict[str, Any],
    limit: int,
    above: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Any:
    """Return the array of a file; `entries` may hold `key`, `column` or `columns`, and how a table
    is written.

    An `.npy` array of more than `above` bytes stays in its file where it can (`MemmapArray`).
    `tell` is called with what is assumed of a table.

    Raises:
        SourceError: the file is missing, broken, not what its suffix says, or over `limit` bytes.
        NotInFile: it holds no such key or column.
    """
    with reading(path) as (stream, size):
        file = _File(path.name, stream, size, tell)
        array = _READERS[path.suffix.lower()](file, entries, max(limit, 0), above)
    if array.dtype.kind not in "fiub":
        raise SourceError(f"holds {array.dtype}; real numbers are read.")
    return array


class _File(NamedTuple):
    """An open file; `size` is in bytes."""

    name: str
    stream: BinaryIO
    size: int
    tell: Callable[[str], None] | None


def _read_npy(file: _File, entries: dict[str, Any], limit: int, above: int | None) -> Any:
    from jaccli.storage.npy import map_array, read_array

    if above is None or file.size <= above:
        return read_array(file.stream, file.size, limit)
    files.require_local(f"{file.name}: a batch that is read row by row")
    mapped = map_array(file.stream, entries["file"], file.size, above)
    return mapped or read_array(file.stream, file.size, limit)


def _read_npz(file: _File, entries: dict[str, Any], limit: int, _: int | None) -> Any:
    from jaccli.storage.npy import read_array

    with zipfile.ZipFile(file.stream) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        key = entries.get("key")
        if key is None and len(members) == 1:
            key = next(iter(members))
        if key is None and {"format", "shape", "data"} <= members.keys():
            return _dense(archive, list(members.values()), limit)
        if not members:
            raise SourceError("there are no arrays in it.")
        if key is None:
            hint = f"Name one with `key`: {listed(map(repr, members))}."
            raise NotInFile(f"{file.name} holds {len(members)} arrays.", "file", hint)
        if key not in members:
            hint = did_you_mean(key, members)
            raise NotInFile(f"{file.name} has no array {key!r}.", "key", hint)
        with archive.open(members[key]) as member:
            return read_array(cast(BinaryIO, member), members[key].file_size, limit)


def _dense(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], limit: int) -> Any:
    """Return the matrix of `scipy.sparse.save_npz` with its zeros."""
    import numpy as np

    from jaccli.storage.npy import coordinates, is_sparse, read_array

    needed = sum(member.file_size for member in members)
    if needed > limit:
        raise too_large("the arrays need", needed, limit)
    arrays = {}
    for member in members:
        with archive.open(member) as entry:
            name = member.filename.removesuffix(".npy")
            arrays[name] = read_array(cast(BinaryIO, entry), member.file_size, limit)
    if not is_sparse(arrays):
        hint = f"Name one with `key`: {listed(map(repr, arrays))}."
        raise NotInFile(f"the file holds {len(arrays)} arrays.", "file", hint)
    where, data, shape = coordinates(arrays)
    needed = shape[0] * shape[1] * data.dtype.itemsize
    if needed > limit:
        raise too_large("the matrix with its zeros needs", needed, limit)
    dense = np.zeros(shape, data.dtype)
    np.add.at(dense, where, data)
    return dense


def _read_table(file: _File, entries: dict[str, Any], limit: int, _: int | None) -> Any:
    from jaccli.spec.tables.read import read as read_table

    return read_table(file.name, file.stream, entries, limit, file.tell)


_READERS: dict[str, Callable[[_File, dict[str, Any], int, int | None], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    **dict.fromkeys(TABLE_SUFFIXES, _read_table),
}
