"""Sparsity patterns in files: where a derivative may be non-zero, without its numbers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from jaccli.errors import SourceError, UsageError
from jaccli.result.io.mtx import write_matrix
from jaccli.result.io.registry import READ_LIMIT, read
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse
from jaccli.storage.files import publishing

Pattern = tuple[Array, Array, tuple[int, int]]


def read_pattern(path: str | os.PathLike[str], *, limit: int = READ_LIMIT) -> Pattern:
    """Return the rows, the columns and the shape of a pattern, in reading order without repeats.

    The file is MatrixMarket (`.mtx`, of any field), or what `scipy.sparse.save_npz` writes
    (`.npz`).  An entry that is stored belongs to the pattern even if it is 0.

    Raises:
        SourceError: the file is something else, cannot be read, or is damaged.
    """
    source = Path(path)
    hint = "Expected .mtx, or .npz as scipy.sparse.save_npz writes it."
    if source.suffix.lower() not in (".mtx", ".npz"):
        raise SourceError(f"{source}: this is not the name of a sparsity pattern.", hint=hint)
    values = read(source, limit=limit).arrays.get("matrix")
    if source.suffix.lower() == ".mtx" and isinstance(values, np.ndarray):
        values = Sparse.from_dense(values)
    if not isinstance(values, Sparse):
        raise SourceError(f"{source}: this is not a sparse matrix.", hint=hint)
    rows, columns = values.indices()
    count, width = values.shape
    return rows, columns, (count, width)


def write_pattern(
    path: str | os.PathLike[str],
    rows: Array,
    columns: Array,
    shape: tuple[int, int],
    *,
    force: bool = False,
) -> None:
    """Write a pattern as MatrixMarket, in reading order; the file appears whole or not at all."""
    target = Path(path)
    if target.suffix.lower() != ".mtx":
        raise UsageError(f"{target}: a sparsity pattern is written as .mtx.")
    pattern = Sparse.from_indices((rows, columns), np.ones(len(rows), np.int8), shape)
    with publishing(target, force=force) as stream:
        write_matrix(pattern, stream, field="pattern")
