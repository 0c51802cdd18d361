"""The `.npy` format, read from untrusted files: inputs and results, alone or inside an `.npz`.

A sparse matrix of scipy is several arrays in an `.npz`, in one of five formats.

The size that a header declares is compared with the size of the file before anything is allocated,
and nothing is unpickled.
"""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np

from jaccli.errors import SourceError, format_bytes
from jaccli.storage.memmap import MemmapArray, OpenFile
from jaccli.storage.reading import damaged, too_large

Array = np.ndarray[Any, np.dtype[Any]]


def _header_3_0(stream: BinaryIO) -> Any:
    """Read a header of version 3, which differs from version 2 in its encoding, UTF-8."""
    (length,) = struct.unpack("<I", stream.read(4))
    text = stream.read(length).decode("utf-8").encode("latin1", "replace")
    return np.lib.format.read_array_header_2_0(io.BytesIO(struct.pack("<I", len(text)) + text))


_READ_SIZE = 1 << 20
"""Bytes of one read."""
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


def write_arrays(arrays: Mapping[str, Array], stream: BinaryIO) -> None:
    """Write arrays in the format of `numpy.savez`, under a fixed date."""
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key, values in arrays.items():
            member = zipfile.ZipInfo(f"{key}.npy")
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as entry:
                write_array(values, cast(BinaryIO, entry))


class _Header(NamedTuple):
    """The header of an array, checked against the size of the file."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    nbytes: int


def check_array(stream: BinaryIO, size: int, limit: int) -> int:
    """Return the bytes of an array by its header; refuse more than `limit`."""
    return _within(_header(stream, size), limit).nbytes


def _within(header: _Header, limit: int) -> _Header:
    if header.nbytes > limit:
        raise too_large("the array needs", header.nbytes, limit)
    return header


def read_array(stream: BinaryIO, size: int, limit: int) -> Array:
    """Read an array of plain numbers or texts from a stream of `size` bytes."""
    shape, fortran_order, dtype, declared = _within(_header(stream, size), limit)
    flat = _content(stream, declared).view(dtype) if declared else np.empty(0, dtype)
    if dtype.kind == "U" and _codes(flat).max(initial=0) > sys.maxunicode:
        # numpy does not check code points.
        raise damaged("its texts have characters that do not exist")
    try:
        return flat.reshape(shape, order="F" if fortran_order else "C")
    except ValueError as error:
        raise damaged(f"the array's shape {shape} is not one") from error


def _codes(texts: Array) -> Array:
    """Return the code points of texts."""
    return texts.view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))


def _content(stream: BinaryIO, size: int) -> Array:
    """Read `size` bytes in several reads: a compressed stream needs a buffer for each."""
    data = np.empty(size, np.uint8)
    view, done = data.data, 0
    while done < size:
        count = cast(io.BufferedIOBase, stream).readinto(view[done : done + _READ_SIZE])
        if not count:
            raise damaged(f"the array ends after {done} of its {size} bytes")
        done += count
    return data


def map_array(stream: BinaryIO, name: str, size: int, above: int) -> MemmapArray | None:
    """Return the array of a file of `size` bytes unread, if it has more than `above` bytes.

    None also if the stream is not a file, or the numbers are not in row-major order or not in this
    machine's byte order.  The stream's position is unchanged then.
    """
    start = stream.tell()
    shape, fortran_order, dtype, declared = _header(stream, size)
    plain = dtype.kind in "fiub" and dtype.isnative and not (fortran_order and len(shape) > 1)
    try:
        if plain and declared > above:
            file, offset = OpenFile(stream.fileno()), stream.tell()
            return MemmapArray(file, name, offset, shape, dtype, dtype, lambda values: values)
    except OSError:  # no file descriptor, as streams in memory
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
    with warnings.catch_warnings(action="ignore"):  # about files that Python 2 wrote
        shape, fortran_order, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise SourceError("the array holds Python objects (a pickle), which are never loaded.")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise damaged(f"the array's shape {shape} is not one")
    declared = prod(shape) * dtype.itemsize
    available = size - (stream.tell() - start)
    if declared > available:
        raise SourceError(
            f"the array is cut short: its shape {shape} needs {format_bytes(declared)}, and "
            f"{format_bytes(available)} are there."
        )
    return _Header(shape, fortran_order, dtype, declared)


def is_sparse(arrays: Mapping[str, Array]) -> bool:
    """Whether these are the arrays that `scipy.sparse.save_npz` writes."""
    if not {"format", "shape", "data"} <= arrays.keys():
        return False
    return arrays["format"].dtype.kind in "SU" and arrays["format"].shape == ()


def coordinates(arrays: Mapping[str, Array]) -> tuple[tuple[Array, Array], Array, tuple[int, int]]:
    """Return `(rows, columns)`, the values and the shape of a matrix of `scipy.sparse.save_npz`.

    Duplicate entries add up.

    Raises:
        SourceError: the arrays are inconsistent, or their format is not supported.
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


def _coo_entries(arrays: Mapping[str, Array], shape: tuple[int, int]) -> _Entries:
    """Return the entries of the COO format."""
    if "coords" in arrays:
        return (*arrays["coords"], arrays["data"])
    return arrays["row"], arrays["col"], arrays["data"]


def _expanded(arrays: Mapping[str, Array], count: int) -> Array:
    """Return the row (or column) of each entry of `count` compressed rows (or columns)."""
    starts = _integers(arrays["indptr"])
    lengths = np.diff(starts)
    entries = len(arrays["indices"])
    if len(starts) != count + 1 or starts[0] or starts[-1] != entries or lengths.min(initial=0) < 0:
        raise ValueError("indptr")
    return np.repeat(np.arange(count), lengths)


def _integers(array: Array) -> Array:
    return array.astype(np.int64, casting="safe")


def _bsr_entries(arrays: Mapping[str, Array], shape: tuple[int, int]) -> _Entries:
    """Return the entries of the BSR format: compressed rows of dense blocks."""
    blocks = arrays["data"]
    count, height, width = blocks.shape
    if not height or not width or shape[0] % height or shape[1] % width:
        raise ValueError("blocks")
    tops = _expanded(arrays, shape[0] // height) * height
    lefts = _integers(arrays["indices"]) * width
    if not tops.shape == lefts.shape == (count,):
        raise ValueError("lengths")
    rows = np.broadcast_to(tops[:, None, None] + np.arange(height)[:, None], blocks.shape)
    columns = np.broadcast_to(lefts[:, None, None] + np.arange(width), blocks.shape)
    return rows.ravel(), columns.ravel(), blocks.ravel()


def _dia_entries(arrays: Mapping[str, Array], shape: tuple[int, int]) -> _Entries:
    """Return the entries of the DIA format: diagonals, indexed by column."""
    diagonals, offsets = arrays["data"], _integers(arrays["offsets"])
    count, width = diagonals.shape
    if offsets.shape != (count,):
        raise ValueError("offsets")
    columns = np.broadcast_to(np.arange(width), diagonals.shape)
    rows = columns - offsets[:, None]
    inside = (rows >= 0) & (rows < shape[0]) & (columns < shape[1])
    return rows[inside], columns[inside], diagonals[inside]


_COORDINATES: dict[str, Callable[[Mapping[str, Array], tuple[int, int]], _Entries]] = {
    "coo": _coo_entries,
    "csr": lambda a, shape: (_expanded(a, shape[0]), a["indices"], a["data"]),
    "csc": lambda a, shape: (a["indices"], _expanded(a, shape[1]), a["data"]),
    "bsr": _bsr_entries,
    "dia": _dia_entries,
}
"""Readers of the entries of each format."""
