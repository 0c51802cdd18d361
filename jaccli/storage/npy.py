"""The `.npy` format, read without trust: inputs and results, alone or inside an `.npz`.

A sparse matrix of scipy's is several arrays in an `.npz`, of one of five formats.

What a header declares is compared with the bytes there are before anything is allocated, and
nothing is unpickled.
"""

from __future__ import annotations

import io
import struct
import sys
import warnings
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from jaccli.errors import SourceError, format_bytes
from jaccli.storage.memmap import Mapped, OpenFile
from jaccli.storage.reading import damaged, too_large

Array = np.ndarray[Any, np.dtype[Any]]


def _header_3_0(stream: BinaryIO) -> Any:
    """Read a header of version 3: one of version 2 in UTF-8, for the names of fields."""
    (length,) = struct.unpack("<I", stream.read(4))
    text = stream.read(length).decode("utf-8").encode("latin1", "replace")
    return np.lib.format.read_array_header_2_0(io.BytesIO(struct.pack("<I", len(text)) + text))


_PART = 1 << 20
"""Bytes that are read at a time."""
_HEADERS: dict[tuple[int, int], Callable[[BinaryIO], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): _header_3_0,
}


def write_array(values: Array, stream: BinaryIO) -> None:
    """Write an array of any shape in the format of `numpy.save`."""
    values = np.asarray(values, order="C")
    header = np.lib.format.header_data_from_array_1_0(values)
    np.lib.format.write_array_header_1_0(stream, header)
    if values.size:
        stream.write(values.reshape(-1).view(np.uint8).data)


class _Header(NamedTuple):
    """What the header of an array says, checked against the bytes that follow it."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    nbytes: int


def check_array(stream: BinaryIO, size: int, limit: int) -> int:
    """Return the bytes of an array, by its header alone; refuse one of more than `limit`."""
    return _within(_header(stream, size), limit).nbytes


def _within(header: _Header, limit: int) -> _Header:
    if header.nbytes > limit:
        raise too_large("the array needs", header.nbytes, limit)
    return header


def read_array(stream: BinaryIO, size: int, limit: int) -> Array:
    """Read one array from a stream of `size` bytes, refusing what is not plain numbers."""
    shape, fortran_order, dtype, declared = _within(_header(stream, size), limit)
    flat = _content(stream, declared).view(dtype) if declared else np.empty(0, dtype)
    if dtype.kind == "U" and _codes(flat).max(initial=0) > sys.maxunicode:
        # numpy makes texts of any numbers, and Python takes them for characters.
        raise damaged("its texts have characters that do not exist")
    try:
        return flat.reshape(shape, order="F" if fortran_order else "C")
    except ValueError as error:
        raise damaged(f"the array's shape {shape} is not one") from error


def _codes(texts: Array) -> Array:
    """Return the numbers of the characters of texts."""
    return texts.view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))


def _content(stream: BinaryIO, size: int) -> Array:
    """Read so many bytes, in parts: a compressed stream takes as much again for each."""
    found = np.empty(size, np.uint8)
    view, done = found.data, 0
    while done < size:
        count = cast(io.BufferedIOBase, stream).readinto(view[done : done + _PART])
        if not count:
            raise damaged(f"the array ends after {done} of its {size} bytes")
        done += count
    return found


def map_array(stream: BinaryIO, name: str, size: int, above: int) -> Mapped | None:
    """Return the array of a file of `size` bytes unread, if it has more than `above` bytes.

    None also where the stream is no file, or its numbers do not stand as numpy has them in memory:
    in row-major order, in this machine's order of bytes.  It is then where it was.
    """
    start = stream.tell()
    shape, fortran_order, dtype, declared = _header(stream, size)
    plain = dtype.kind in "fiub" and dtype.isnative and not (fortran_order and len(shape) > 1)
    try:
        if plain and declared > above:
            file, offset = OpenFile(stream.fileno()), stream.tell()
            return Mapped(file, name, offset, shape, dtype, dtype, lambda values: values)
    except OSError:  # it has no number, as streams in memory
        pass
    stream.seek(start)
    return None


def _header(stream: BinaryIO, size: int) -> _Header:
    """Read the header of an array, and refuse one that the stream cannot hold."""
    start = stream.tell()
    magic = stream.read(np.lib.format.MAGIC_LEN)
    prefix, version = magic[:-2], tuple(magic[-2:])
    if prefix != np.lib.format.MAGIC_PREFIX or version not in _HEADERS:
        raise SourceError("this is not an .npy array.")
    with warnings.catch_warnings(action="ignore"):  # of what Python 2 has written
        shape, fortran_order, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise SourceError("the array holds Python objects (a pickle), which are never loaded.")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise damaged(f"the array's shape {shape} is not one")
    declared = prod(shape) * dtype.itemsize
    there = size - (stream.tell() - start)
    if declared > there:
        raise SourceError(
            f"the array is cut short: its shape {shape} needs {format_bytes(declared)}, and "
            f"{format_bytes(there)} are there."
        )
    return _Header(shape, fortran_order, dtype, declared)


def is_sparse(arrays: Mapping[str, Array]) -> bool:
    """Whether these are the arrays that `scipy.sparse.save_npz` writes."""
    if not {"format", "shape", "data"} <= arrays.keys():
        return False
    return arrays["format"].dtype.kind in "SU" and arrays["format"].shape == ()


def coordinates(arrays: Mapping[str, Array]) -> tuple[tuple[Array, Array], Array, tuple[int, int]]:
    """Return the indices and the numbers of a matrix of `scipy.sparse.save_npz`, and its shape.

    Entries that stand there twice add up.

    Raises:
        SourceError: the arrays do not fit each other, or their format is not known.
    """
    try:
        kind = arrays["format"].item()
        kind = kind.decode() if isinstance(kind, bytes) else kind
        count, width = map(int, arrays["shape"])
        if kind not in _COORDINATES:
            raise SourceError(f"sparse matrices of the format {kind!r} are not supported.")
        rows, columns, data = _COORDINATES[kind](arrays, (count, width))
        if not rows.shape == columns.shape == data.shape == (data.size,):
            raise ValueError("lengths")
        if {rows.dtype.kind, columns.dtype.kind} - set("iu") or min(count, width) < 0:
            raise ValueError("indices")
        for index, size in ((rows, count), (columns, width)):
            if len(index) and not 0 <= index.min() <= index.max() < size:
                raise ValueError("indices")
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise SourceError("this sparse matrix is damaged.") from error
    return (rows, columns), data, (count, width)


_Entries = tuple[Array, Array, Array]
"""Rows, columns and numbers."""


def _listed(arrays: Mapping[str, Array], shape: tuple[int, int]) -> _Entries:
    """Return the entries of coordinates."""
    if "coords" in arrays:
        return (*arrays["coords"], arrays["data"])
    return arrays["row"], arrays["col"], arrays["data"]


def _major(arrays: Mapping[str, Array], count: int) -> Array:
    """Return the number of the row, or column, of each entry of `count` compressed ones."""
    starts = _whole(arrays["indptr"])
    lengths = np.diff(starts)
    entries = len(arrays["indices"])
    if len(starts) != count + 1 or starts[0] or starts[-1] != entries or lengths.min(initial=0) < 0:
        raise ValueError("indptr")
    return np.repeat(np.arange(count), lengths)


def _whole(array: Array) -> Array:
    return array.astype(np.int64, casting="safe")


def _blocks(arrays: Mapping[str, Array], shape: tuple[int, int]) -> _Entries:
    """Return the entries of compressed rows of dense blocks."""
    blocks = arrays["data"]
    count, height, width = blocks.shape
    if not height or not width or shape[0] % height or shape[1] % width:
        raise ValueError("blocks")
    tops = _major(arrays, shape[0] // height) * height
    lefts = _whole(arrays["indices"]) * width
    if not tops.shape == lefts.shape == (count,):
        raise ValueError("lengths")
    rows = np.broadcast_to(tops[:, None, None] + np.arange(height)[:, None], blocks.shape)
    columns = np.broadcast_to(lefts[:, None, None] + np.arange(width), blocks.shape)
    return rows.ravel(), columns.ravel(), blocks.ravel()


def _diagonals(arrays: Mapping[str, Array], shape: tuple[int, int]) -> _Entries:
    """Return the entries of diagonals, each of which is stored by the columns that it crosses."""
    diagonals, offsets = arrays["data"], _whole(arrays["offsets"])
    count, width = diagonals.shape
    if offsets.shape != (count,):
        raise ValueError("offsets")
    columns = np.broadcast_to(np.arange(width), diagonals.shape)
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    return rows[inside], columns[inside], diagonals[inside]


_COORDINATES: dict[str, Callable[[Mapping[str, Array], tuple[int, int]], _Entries]] = {
    "coo": _listed,
    "csr": lambda a, shape: (_major(a, shape[0]), a["indices"], a["data"]),
    "csc": lambda a, shape: (a["indices"], _major(a, shape[1]), a["data"]),
    "bsr": _blocks,
    "dia": _diagonals,
}
"""How the entries of each format are found."""
