"""The arrays of input files that are not trusted: `.npy`, `.npz` and `.csv`.

numpy is imported when a file is read.  Boundary: knows nothing of specs.
"""

from __future__ import annotations

import csv
import zipfile
from array import array
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from jaccli.errors import SourceError, did_you_mean, listed
from jaccli.storage import files
from jaccli.storage.reading import lines, reading, too_large


class NotInFile(SourceError):
    """The file has no such `entry` (`key`, `column`)."""

    def __init__(self, message: str, entry: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.entry = entry


def read(path: Path, entries: dict[str, Any], limit: int, above: int | None = None) -> Any:
    """Return the array of a file; `entries` may hold `key`, `column` or `columns`.

    An `.npy` array of more than `above` bytes stays in its file where it can (`MemmapArray`).

    Raises:
        SourceError: the file is missing, broken, not what its suffix says, or over `limit` bytes.
        NotInFile: it holds no such key or column.
    """
    with reading(path) as (stream, size):
        file = _File(path.name, stream, size)
        array = _READERS[path.suffix.lower()](file, entries, max(limit, 0), above)
    if array.dtype.kind not in "fiub":
        raise SourceError(f"holds {array.dtype}; real numbers are read.")
    return array


class _File(NamedTuple):
    """An open file; `size` is in bytes."""

    name: str
    stream: BinaryIO
    size: int


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


def _read_csv(file: _File, entries: dict[str, Any], limit: int, _: int | None) -> Any:
    import numpy as np

    rows = csv.reader(lines(file.stream, limit), strict=True)
    header = [name.strip() for name in next(rows, [])]
    _check_header(header)
    places = {name: place for place, name in enumerate(header)}
    indices = [places[name] for name in _wanted(file, entries, places)]
    numbers, count = array("d"), 0
    for row in filter(None, rows):
        numbers.extend(_numbers(row, indices, header, rows.line_num))
        count += 1
        if (needed := numbers.itemsize * len(numbers)) > limit:
            raise too_large(f"the first {count} rows need", needed, limit)
    table = (np.frombuffer(numbers) if numbers else np.empty(0)).reshape(count, len(indices))
    return table[:, 0] if len(indices) == 1 and not entries.get("columns") else table


def _check_header(header: list[str]) -> None:
    """Refuse a table whose first line does not name its columns, each by a name of its own."""
    if not header:
        raise SourceError("the file is empty.")
    counts = Counter(header)
    if len(counts) < len(header):
        repeated = next(name for name in header if counts[name] > 1)
        raise SourceError(f"the header names the column {repeated!r} twice.")
    if all(_is_number(name) for name in header):
        raise SourceError(f"the first line names no columns: {listed(header, 3)}.")


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, as CSV writes them: `1_0` is none."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _wanted(file: _File, entries: dict[str, Any], header: Collection[str]) -> list[str]:
    """Return the columns that are asked for: all of them where none is named."""
    entry = "columns" if entries.get("columns") else "column"
    named = entries.get(entry)
    wanted = list(header if named is None else [named] if isinstance(named, str) else named)
    for name in wanted:
        if name not in header:
            message = f"{file.name} has no column {name!r}."
            raise NotInFile(message, entry, did_you_mean(name, header))
    return wanted


def _numbers(row: list[str], indices: list[int], header: list[str], line: int) -> list[float]:
    """Return the wanted cells of a row as numbers."""
    if len(row) != len(header):
        raise SourceError(f"line {line} has {len(row)} cells, the header {len(header)}.")
    numbers = []
    for index in indices:
        if not _is_number(row[index]):
            raise SourceError(
                f"line {line}, column {header[index]!r}: {row[index]!r} is not a number."
            )
        numbers.append(float(row[index]))
    return numbers


_READERS: dict[str, Callable[[_File, dict[str, Any], int, int | None], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
}
