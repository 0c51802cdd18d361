"""The `.npy` format, read without trust: inputs and results, alone or inside an `.npz`.

What a header declares is compared with the bytes there are before anything is allocated, and
nothing is unpickled.
"""

from __future__ import annotations

from math import prod
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from jaccli.errors import SourceError, format_bytes
from jaccli.mapped import Mapped, OpenFile

Array = np.ndarray[Any, np.dtype[Any]]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
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


def read_array(stream: BinaryIO, size: int, limit: int) -> Array:
    """Read one array from a stream of `size` bytes, refusing what is not plain numbers."""
    shape, fortran_order, dtype, declared = _header(stream, size)
    if declared > limit:
        raise too_large("the array needs", declared, limit)
    flat = np.frombuffer(stream.read(declared), dtype) if declared else np.empty(0, dtype)
    try:
        return flat.reshape(shape, order="F" if fortran_order else "C")
    except ValueError as error:
        raise SourceError(f"the array's shape {shape} is not one.") from error


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
    try:
        header = _HEADERS[np.lib.format.read_magic(stream)]
        shape, fortran_order, dtype = header(stream)
    except Exception as error:
        # numpy reads the header as Python: what a damaged one raises is anybody's guess.
        raise SourceError("this is not an .npy array.") from error
    if dtype.hasobject:
        raise SourceError("the array holds Python objects (a pickle), which are never loaded.")
    if any(length < 0 for length in shape):
        raise SourceError(f"the array's shape {shape} is not one.")
    declared = prod(shape) * dtype.itemsize
    there = size - (stream.tell() - start)
    if declared > there:
        raise SourceError(
            f"the array is cut short: its shape {shape} needs {format_bytes(declared)}, and "
            f"{format_bytes(there)} are there."
        )
    return _Header(shape, fortran_order, dtype, declared)


def too_large(what: str, needed: int, limit: int) -> SourceError:
    """Return the error for arrays that need more bytes than the limit."""
    return SourceError(f"{what} {format_bytes(needed)}, more than the limit {format_bytes(limit)}.")
