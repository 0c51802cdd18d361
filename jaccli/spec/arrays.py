"""Arrays out of files that are not trusted: `.npy`, `.npz` and `.csv`.

What a file declares is compared with what it holds before anything is allocated, and nothing is
unpickled.  Boundary: knows nothing of specs; numpy comes in as an argument.
"""

from __future__ import annotations

import csv
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from jaccli.errors import (
    BudgetError,
    ComputationError,
    SourceError,
    did_you_mean,
    format_bytes,
)

SUFFIXES = (".npy", ".npz", ".csv")


class Unreadable(Exception):
    """The file cannot be read; `kind` is the error that the program raises."""

    def __init__(self, message: str, kind: type[ComputationError] = SourceError) -> None:
        super().__init__(message)
        self.kind = kind


class NotInFile(Exception):
    """The file has no such `entry` (`key`, `column`)."""

    def __init__(self, message: str, entry: str, hint: str) -> None:
        super().__init__(message)
        self.entry, self.hint = entry, hint


def read(np: Any, path: Path, entries: dict[str, Any], budget: int) -> Any:
    """Return the array of a file; `entries` may hold `key`, `column` or `columns`.

    Raises:
        Unreadable: the file is missing, broken, not what its suffix says, or over `budget` bytes.
        NotInFile: it holds no such key or column.
    """
    reader = _READERS[path.suffix.lower()]
    try:
        return reader(np, path, entries, budget)
    except FileNotFoundError as error:
        raise Unreadable("no such file.") from error
    except OSError as error:
        raise Unreadable(f"{(error.strerror or str(error)).lower()}.") from error


def _read_npy(np: Any, path: Path, _: dict[str, Any], budget: int) -> Any:
    with path.open("rb") as file:
        return read_npy(np, file, path.stat().st_size, budget)


def read_npy(np: Any, file: IO[bytes], size: int, budget: int) -> Any:
    """Return the array of an open `.npy` of `size` bytes."""
    shape, _, dtype = read_header(np, file)
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > size:
        message = f"declares {format_bytes(wanted)} of data (shape {shape}), holds {format_bytes(size)}."
        raise Unreadable(message)
    if wanted > budget:
        message = f"holds {format_bytes(wanted)}, more than the memory budget of {format_bytes(budget)}."
        raise Unreadable(message, BudgetError)
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise Unreadable("is truncated.") from error


def read_header(np: Any, file: IO[bytes]) -> tuple[tuple[int, ...], bool, Any]:
    """Return shape, Fortran order and dtype of an open `.npy`, refusing what holds no numbers."""
    try:
        version = np.lib.format.read_magic(file)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if reader is None:
            raise Unreadable(f"is of the .npy version {version}; 1.0 and 2.0 are read.")
        shape, fortran, dtype = reader(file)
    except Unreadable:
        raise
    except Exception as error:  # the header is a Python literal: a broken one raises anything
        raise Unreadable("is not an .npy file, or is truncated.") from error
    if dtype.hasobject:
        raise Unreadable("holds pickled Python objects, which are never loaded.")
    if dtype.kind not in "fiub":
        raise Unreadable(f"holds {dtype}; real numbers are read.")
    return shape, fortran, dtype


def _read_npz(np: Any, path: Path, entries: dict[str, Any], budget: int) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            key = entries.get("key")
            if key is None:
                if len(names) != 1:
                    hint = "Name one with `key`: " + ", ".join(map(repr, names)) + "."
                    raise NotInFile(f"{path.name} holds {len(names)} arrays.", "file", hint)
                key = names[0]
            if key not in names:
                raise NotInFile(
                    f"{path.name} has no array {key!r}.", "key", did_you_mean(key, names)
                )
            member = archive.namelist()[names.index(key)]
            size = archive.getinfo(member).file_size
            with archive.open(member) as file:
                return read_npy(np, file, size, budget)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise Unreadable("is not an .npz file, or is damaged.") from error


def _read_csv(np: Any, path: Path, entries: dict[str, Any], budget: int) -> Any:
    if path.stat().st_size > budget:
        raise Unreadable(
            f"is larger than the memory budget of {format_bytes(budget)}.", BudgetError
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = [name.strip() for name in next(rows, [])]
            wanted = entries.get("columns") or [entries.get("column")]
            if wanted == [None]:
                wanted = header
            for name in wanted:
                if name not in header:
                    entry = "column" if entries.get("column") else "columns"
                    raise NotInFile(
                        f"{path.name} has no column {name!r}.", entry, did_you_mean(name, header)
                    )
            indices = [header.index(name) for name in wanted]
            values = [_numbers(row, indices, header, rows.line_num) for row in rows if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable("is not a CSV file in UTF-8.") from error
    table = np.asarray(values, dtype=np.float64).reshape(len(values), len(indices))
    return table[:, 0] if len(indices) == 1 and not entries.get("columns") else table


def _numbers(row: list[str], indices: list[int], header: list[str], line: int) -> list[float]:
    """Return the wanted cells of a row as numbers."""
    if len(row) != len(header):
        raise Unreadable(f"line {line} has {len(row)} cells, the header {len(header)}.")
    numbers = []
    for index in indices:
        try:
            numbers.append(float(row[index]))
        except ValueError as error:
            message = f"line {line}, column {header[index]!r}: {row[index]!r} is not a number."
            raise Unreadable(message) from error
    return numbers


_READERS: dict[str, Callable[[Any, Path, dict[str, Any], int], Any]] = {
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".csv": _read_csv,
}
