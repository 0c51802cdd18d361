"""`.mtx`: MatrixMarket coordinates of the matrix layout, 2-D only, without its zeros.

One labelled side makes a matrix of one column.  Small matrices carry their labels in comments.
Reading knows the variants that other programs write: coordinates or arrays, real, integer or
pattern, general, symmetric or skew-symmetric.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from math import prod
from typing import BinaryIO

import numpy as np

from jaccli.arrayfile import too_large
from jaccli.errors import SourceError, UsageError
from jaccli.result.matrix import matrix
from jaccli.result.notation import shape_text
from jaccli.result.numerals import shortest
from jaccli.result.result import Array
from jaccli.result.stored import Stored
from jaccli.result.view import View

_COMMENTED = 1000
"""Labels that a file carries at most."""
_CHUNK = 1 << 16
"""Entries that are looked at together."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str) -> None:
    """Refuse a matrix layout of more than two axes."""
    if len(shape) > 2:
        raise UsageError(
            f"mtx: two axes at most, and the matrix layout of the result has the shape "
            f"{shape_text(shape)}.",
            hint="Use .npz or .json.",
        )


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write the nonzeros of a view's matrix layout, row by row."""
    for line in mtx_lines(view):
        stream.write(line.encode())


def mtx_lines(view: View) -> Iterator[str]:
    """Yield the text of a view in pieces that end with a line."""
    joined = matrix(view)
    check([], joined.values.shape, "matrix")
    values = joined.values.reshape(len(joined.values), prod(joined.values.shape[1:]))
    yield "%%MatrixMarket matrix coordinate real general\n"
    if sum(map(len, joined.sides)) <= _COMMENTED:
        for name, axis in joined.labels.items():
            for number, label in enumerate(axis, 1):
                yield f"% {name.removesuffix('s')} {number}: {label}\n"
    count, width = values.shape
    yield f"{count} {width} {np.count_nonzero(values)}\n"
    step = max(1, _CHUNK // max(1, width))
    for start in range(0, count, step):
        chunk = values[start : start + step]
        rows, columns = np.nonzero(chunk)
        numbers = chunk[rows, columns]
        texts = shortest(numbers.astype(np.int8) if numbers.dtype == bool else numbers)
        places = zip((rows + start + 1).tolist(), (columns + 1).tolist(), texts, strict=True)
        yield "".join(f"{row} {column} {text}\n" for row, column, text in places)


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read a matrix of at most `limit` bytes as a dense array."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline=None)
    try:
        return Stored({"matrix": _read(text, size, limit)}, "matrix", typed=False)
    except UnicodeDecodeError as error:
        raise SourceError("this is not a MatrixMarket file.") from error
    finally:
        text.detach()


def _read(text: io.TextIOWrapper, size: int, limit: int) -> Array:
    banner = text.readline(200).lower().split()
    if len(banner) != 5 or banner[:2] != ["%%matrixmarket", "matrix"]:
        raise SourceError("this is not a MatrixMarket file: it has no %%MatrixMarket line.")
    kind, field, symmetry = banner[2:]
    if (
        kind not in ("coordinate", "array")
        or field not in ("real", "double", "integer", "pattern")
        or symmetry not in ("general", "symmetric", "skew-symmetric")
        or (kind == "array" and field == "pattern")
    ):
        raise SourceError(f"MatrixMarket {' '.join(banner[2:])!r} is not supported.")
    line = "%"
    while line.startswith("%") or line == "\n":
        line = text.readline()
    try:
        sizes = [int(item) for item in line.split()]
        count, width = sizes[:2]
        stated = count * width if kind == "array" else sizes[2]
    except (ValueError, IndexError):
        raise SourceError(f"{line.strip()!r} does not give the matrix's size.") from None
    if min(sizes) < 0 or len(sizes) != (2 if kind == "array" else 3):
        raise SourceError(f"{line.strip()!r} does not give the matrix's size.")
    if count * width * 8 > limit:
        raise too_large(f"a dense {count} x {width} matrix needs", count * width * 8, limit)
    across = 1 if kind == "array" else 2 if field == "pattern" else 3
    data = _numbers(text, across)
    if kind == "array":
        return _from_array(data[:, 0], count, width, symmetry)
    if len(data) != stated:
        raise SourceError(f"{len(data)} entries where the size line announces {stated}.")
    return _from_coordinates(data, count, width, symmetry)


def _numbers(text: io.TextIOWrapper, across: int) -> Array:
    """Return the rest of the file as `(entries, across)` numbers."""
    try:
        numbers = np.fromiter((float(item) for line in text for item in line.split()), np.float64)
        return numbers.reshape(-1, across)
    except ValueError:
        raise SourceError(f"the entries are not lines of {across} numbers.") from None


def _from_coordinates(data: Array, count: int, width: int, symmetry: str) -> Array:
    rows, columns = data[:, 0] - 1, data[:, 1] - 1
    inside = (rows >= 0) & (rows < count) & (columns >= 0) & (columns < width)
    if not np.all(inside & (rows % 1 == 0) & (columns % 1 == 0)):
        raise SourceError(f"an entry lies outside the {count} x {width} matrix.")
    place = (rows.astype(np.intp), columns.astype(np.intp))
    dense = np.zeros((count, width))
    np.add.at(dense, place, data[:, 2] if data.shape[1] == 3 else 1.0)
    return _mirrored(dense, symmetry)


def _from_array(data: Array, count: int, width: int, symmetry: str) -> Array:
    # Arrays are stored column by column; of a symmetric one only the lower triangle.
    if symmetry == "general":
        if len(data) != count * width:
            raise SourceError(f"{len(data)} entries where {count * width} are needed.")
        return data.reshape(width, count).T
    columns, rows = np.triu_indices(count, 1 if symmetry == "skew-symmetric" else 0)
    if count != width or len(data) != len(rows):
        raise SourceError(f"{len(data)} entries where {len(rows)} are needed.")
    dense = np.zeros((count, width))
    dense[rows, columns] = data
    return _mirrored(dense, symmetry)


def _mirrored(dense: Array, symmetry: str) -> Array:
    if symmetry == "general":
        return dense
    if dense.shape[0] != dense.shape[1]:
        raise SourceError("a symmetric matrix must be square.")
    below = np.tril(dense, -1).T
    return dense + (below if symmetry == "symmetric" else -below)
