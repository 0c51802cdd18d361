"""`.mtx`: MatrixMarket coordinates of the matrix layout, 2-D only, without its zeros.

One labelled side makes a matrix of one column.  Small matrices carry their labels in comments.
Reading knows the variants that other programs write: coordinates or arrays, real, integer or
pattern, general, symmetric or skew-symmetric.  scipy formats and reads coordinates.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import prod
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from jaccli.errors import SourceError, UsageError
from jaccli.result.matrix import matrix
from jaccli.result.named_arrays import Stored
from jaccli.result.notation import shape_text
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values, nonzeros
from jaccli.result.view import View
from jaccli.storage.reading import damaged, too_large

Field = Literal["real", "pattern"]
_COMMENTED = 1000
"""Labels that a file carries at most."""
_ELSE = {"dense": ".npz or .json", "sparse": ".json, or .npz with --storage dense"}
"""The formats of more axes."""
_NUMERIC = b"0123456789+-.eEdD \t\r\nnaifntyNAIFNTY"
"""The characters of numbers, `nan` and `infinity` among them."""
_EXPONENTS = bytes.maketrans(b"dD", b"eE")
"""Fortran writes double precision as `1.5D+03`."""
_BLANKS = (b" ", b"\n", b"\t", b"\r")
_PART = 1 << 20
"""Bytes that are read at a time."""
_LONGEST = 200
"""Characters of a line that is looked at, at most: comments may be longer."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse a matrix layout of more than two axes."""
    if len(shape) > 2:
        raise UsageError(
            f"mtx: two axes at most, and the matrix layout of the result has the shape "
            f"{shape_text(shape)}.",
            hint=f"Use {_ELSE[storage]}.",
        )


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write the non-zeros of a view's matrix layout, row by row."""
    joined = matrix(view)
    values = joined.values
    check([], values.shape, "matrix", "sparse" if isinstance(values, Sparse) else "dense")
    labels = []
    if sum(map(len, joined.sides)) <= _COMMENTED:
        for name, axis in joined.labels.items():
            side = name.removesuffix("s")
            labels += [f"{side} {number}: {label}" for number, label in enumerate(axis, 1)]
    write_matrix(values.reshape((values.shape[0], prod(values.shape[1:]))), stream, labels)


def write_matrix(
    values: Values, stream: BinaryIO, comments: Sequence[str] = (), field: Field = "real"
) -> None:
    """Write the non-zeros of a matrix; with the field `pattern` only where they are."""
    count, width = values.shape
    nnz = values.nnz if isinstance(values, Sparse) else np.count_nonzero(values)
    head = [f"%%MatrixMarket matrix coordinate {field} general", *(f"% {c}" for c in comments)]
    stream.write("".join(f"{line}\n" for line in (*head, f"{count} {width} {nnz}")).encode())
    for where, numbers in nonzeros(values):
        rows, columns = np.divmod(where, width)
        if numbers.dtype == bool:
            numbers = numbers.astype(np.int8)
        stream.write(_entries(rows, columns, numbers, field))


def _entries(rows: Array, columns: Array, numbers: Array, field: Field) -> bytes:
    """Return a line for each entry, its number in shortest round-trip form."""
    from scipy.io import mmwrite
    from scipy.sparse import coo_array

    if not len(rows):
        return b""
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    entries = coo_array((numbers, (rows, columns)), shape=shape)
    text = io.BytesIO()
    mmwrite(text, entries, field=None if field == "real" else field, symmetry="general")
    text.seek(0)
    while text.readline().startswith(b"%"):
        pass  # The last line that is left out is the one of the sizes.
    return text.read()


@dataclass(frozen=True, slots=True)
class _Head:
    """What a file says of itself; `stated` is the number of entries that follow.

    `text` is this head, as many lines long, without the comments.
    """

    kind: str
    symmetry: str
    count: int
    width: int
    stated: int
    text: str


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read a matrix whose entries need at most `limit` bytes; coordinates stay sparse."""
    head = _head(stream)
    # An entry takes two indices, or one number, and at least as many blanks.
    least = 2 * head.stated * (2 if head.kind == "coordinate" else 1)
    if least > size + 1:
        raise SourceError(f"the file is too short for {head.stated} entries.")
    entries = head.stated * (1 if head.symmetry == "general" else 2)
    needed = entries * 24 if head.kind == "coordinate" else head.count * head.width * 8
    if needed > limit:
        raise too_large(f"{head.stated} entries need", needed, limit)
    if head.symmetry != "general" and head.count != head.width:
        raise SourceError("a symmetric matrix must be square.")
    values = _array(head, stream) if head.kind == "array" else _coordinates(head, stream)
    return Stored({"matrix": values}, "matrix", typed=False)


def _head(stream: BinaryIO) -> _Head:
    """Read up to the line of the sizes."""
    lines = _lines(stream)
    banner = next(lines).lower().split()
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
    comments, line = 0, next(lines)
    while line.startswith("%") or line.isspace():
        comments, line = comments + 1, next(lines)
    words = line.split()
    # Only ASCII digits: int() would also read 1_000.
    if len(words) != (2 if kind == "array" else 3) or not all(
        word.isascii() and word.isdigit() and len(word) < 20 for word in words
    ):
        raise SourceError(f"{line.strip()!r} does not give the matrix's size.")
    count, width, *rest = map(int, words)
    if max(count, width) > np.iinfo(np.int64).max:
        raise SourceError(f"{line.strip()!r} does not give the matrix's size.")
    stated = rest[0] if rest else count * width
    if kind == "array" and symmetry != "general":
        # Only the lower triangle is stored.
        stated = count * (count + (1 if symmetry == "symmetric" else -1)) // 2
    first = f"%%MatrixMarket matrix {kind} {field} {symmetry}"
    text = "\n".join((first, *["%"] * comments, " ".join(words), ""))
    return _Head(kind, symmetry, count, width, stated, text)


def _lines(stream: BinaryIO) -> Iterator[str]:
    """Yield the beginnings of the lines; empty ones without end after the last."""
    while True:
        line = stream.readline(_LONGEST)
        beginning = line
        while line and not line.endswith(b"\n"):
            line = stream.readline(1 << 16)
        try:
            yield beginning.decode()
        except UnicodeDecodeError as error:
            if not beginning.startswith(b"%"):
                raise SourceError("this is not a MatrixMarket file.") from error
            yield "%"


def _array(head: _Head, stream: BinaryIO) -> Array:
    """Read the entries of a dense matrix, which are stored column by column."""
    data = np.fromiter(map(float, _words(stream)), np.float64)
    if len(data) != head.stated:
        raise SourceError(f"{len(data)} entries where {head.stated} are needed.")
    if head.symmetry == "general":
        return data.reshape(head.width, head.count).T
    # Only the lower triangle is stored, and of a skew-symmetric one not the diagonal.
    sign = 1 if head.symmetry == "symmetric" else -1
    columns, rows = np.triu_indices(head.count, 0 if sign > 0 else 1)
    dense = np.zeros((head.count, head.width))
    dense[columns, rows] = sign * data
    dense[rows, columns] = data
    return dense


def _words(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the numbers of a text, part by part: it may be one line."""
    rest = b""
    while part := stream.read(_PART):
        text = rest + part
        end = max(map(text.rfind, _BLANKS)) + 1
        rest = text[end:]
        if len(rest) > _LONGEST:
            raise damaged("its entries are not numbers")
        yield from text[:end].translate(_EXPONENTS).split()
    yield from rest.translate(_EXPONENTS).split()


class _Clean:
    """A file for scipy to read, with a known head and nothing but numbers after it.

    Other characters, and a last line without an end, lead scipy's parser beyond its buffer.
    """

    def __init__(self, head: str, stream: BinaryIO) -> None:
        self._parts = chain(iter(lambda: stream.read(_PART), b""), [b"\n"])
        self._part = io.BytesIO(head.encode())

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end."""
        found = self._part.read(size)
        if found:
            return found
        part = next(self._parts, b"")
        strange = part.translate(None, _NUMERIC)
        if strange:
            raise ValueError(f"{strange[:1].decode('ascii', 'replace')!r} in its numbers")
        self._part = io.BytesIO(part.translate(_EXPONENTS))
        return self._part.read(size)


def _coordinates(head: _Head, stream: BinaryIO) -> Sparse:
    """Read the entries of a sparse matrix."""
    from scipy.io import mmread

    found: Any = mmread(cast(BinaryIO, _Clean(head.text, stream)), spmatrix=False)
    return Sparse.from_indices(found.coords, found.data, found.shape)
