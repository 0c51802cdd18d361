"""A `SpectralProblem` from a result file: which array is the matrix, and whether it is a Hessian.

Boundary: reads through `jaccli.result`; a sparse array there becomes a scipy matrix here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaccli.analyze.problem import (
    Labels,
    SpectralProblem,
    as_matrix,
    check_size,
    check_system,
    check_top,
    is_sparse,
)
from jaccli.errors import BudgetError, ComputationError, UsageError, format_bytes, listed
from jaccli.result import Block, NonFinite, Result, Sparse, Stored, read
from jaccli.result.block_keys import split_keys
from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.matrix import matrix as matrix_of
from jaccli.result.notation import shape_text
from jaccli.result.view import whole

_KINDS = ("jacobian", "hessian")
_INDEX = 16
"""Bytes for each row and column of a compressed matrix, and of its transpose."""
_ASYMMETRY = {"float32": 1e-4, "float64": 1e-6}
"""Allowed asymmetry of a Hessian, relative to its largest entry."""


def spectral_problem(
    path: Path, of: str | None, *, memory: int, top: int | None, system: str | None = None
) -> SpectralProblem:
    """Return the matrix of a file; if `of` is None, the file decides, or that there is a `system`.

    The file may name its derivative; otherwise a symmetric matrix is taken for a Hessian.  A third
    axis, in front, is a batch.

    Raises:
        SourceError: the file cannot be read.
        UsageError: it holds no matrix, or not the requested one.
        ComputationError: an entry is not finite.
    """
    stored = read(path, limit=memory)
    derivative = str(stored.manifest.get("command", "")) or None
    if derivative is not None and derivative not in _KINDS:
        message = f"{path}: a {derivative} has no spectrum."
        raise UsageError(message, hint="Expected a Jacobian or a Hessian.")
    _check_indices(path, stored, memory)
    values, rows, columns = _joined(path, stored, derivative)
    check_size(str(path), values.shape)
    _check_finite(path, values, rows, columns)
    square = values.shape[-1] == values.shape[-2]
    asymmetry = _asymmetry(values) if square else np.inf
    allowed = _ASYMMETRY.get(str(values.dtype), 1e-6)
    if system is not None:
        of = of or derivative or "jacobian"
    of = of or derivative or ("hessian" if asymmetry <= allowed else "jacobian")
    check_system(system, str(path), of, (0, 0))
    if of == "hessian" and not square:
        message = f"{path}: a Hessian is square; this matrix is {_size_text(values)}."
        raise UsageError(message, hint="Its singular values: --of jacobian.")
    if of == "hessian" and not asymmetry <= allowed:
        message = f"{path}: a Hessian is symmetric; this matrix differs from its transpose "
        message += f"by {asymmetry:.1e} of its greatest entry."
        raise UsageError(message, hint="Its singular values: --of jacobian.")
    shape = (int(values.shape[-2]), int(values.shape[-1]))
    check_system(system, str(path), of, shape)
    check_top(top, shape, of)
    return SpectralProblem(str(path), of, as_matrix(values, memory, top), rows, columns)


def _check_indices(path: Path, stored: Stored, memory: int) -> None:
    """Refuse a sparse matrix whose empty rows and columns alone exceed the memory."""
    for values in stored.arrays.values():
        needed = _INDEX * sum(values.shape) if isinstance(values, Sparse) else 0
        if needed > memory:
            message = f"{path}: the rows and columns of a sparse matrix of the shape "
            message += f"{shape_text(values.shape)} take {format_bytes(needed)}, more than the "
            raise BudgetError(f"{message}memory budget of {format_bytes(memory)}.",
                              hint="Raise --memory.")  # fmt: skip


def _joined(path: Path, stored: Stored, derivative: str | None) -> tuple[Any, Labels, Labels]:
    """Return the one matrix of a file, `(*batch, M, N)`, with its labels."""
    part = stored.manifest.get("part")
    if part is not None:
        message = f"{path}: it holds the {part} of a {derivative}, which has no spectrum."
        raise UsageError(message, hint="Write the whole derivative: leave out --part.")
    result = _result(stored) if derivative is not None else None
    if result is not None:
        joined = matrix_of(whole(result))
        if len(joined.sides) != 2:
            message = f"{path}: the Hessian of one scalar output has a spectrum."
            raise UsageError(message, hint="Choose the output with --select as it is computed.")
        rows, columns = _picked_labels(stored, joined.sides[0], joined.sides[1])
        return _float(joined.values), rows, columns
    if len(stored.arrays) > 1:
        names = listed(map(repr, stored.arrays))
        message = f"{path}: {len(stored.arrays)} arrays, {names}, where one matrix is expected."
        raise UsageError(message, hint="Write it with --layout matrix.")
    values: Any = next(iter(stored.arrays.values()))
    if len(values.shape) not in (2, 3):
        message = f"{path}: an array of the shape {shape_text(values.shape)} is not a matrix."
        raise UsageError(message, hint="Expected two axes, or three with a batch in front.")
    if hasattr(values, "scipy"):
        values = values.scipy() if len(values.shape) == 2 else values.dense()
    count, width = values.shape[-2:]
    if len(values.shape) == 2 and (len(stored.rows), len(stored.columns)) == (count, width):
        return _float(values), stored.rows, stored.columns
    rows, columns = (
        LabelledAxis((Names.of(name, (size,)),))
        for name, size in (("row", count), ("column", width))
    )
    return _float(values), rows, columns


def _picked_labels(stored: Stored, rows: Labels, columns: Labels) -> tuple[Labels, Labels]:
    """Return the labels that a file of picked entries has; the shapes' own for others."""
    labels = stored.manifest.get("labels")
    if not isinstance(labels, dict):
        return rows, columns
    named = [[str(label) for label in labels.get(side, ())] for side in ("rows", "columns")]
    same = (len(named[0]), len(named[1])) == (len(rows), len(columns))
    return (named[0], named[1]) if same else (rows, columns)


def _result(stored: Stored) -> Result | None:
    """Return a file whose manifest has the shapes of its blocks as a result; None for others."""
    block_infos = stored.manifest.get("blocks")
    if stored.layout != "blocks" or not isinstance(block_infos, Mapping):
        return None
    derivative = str(stored.manifest["command"])
    try:
        blocks = []
        keys = split_keys(stored.arrays, derivative) or {}
        for key, values in stored.arrays.items():
            output, wrt = keys[key]
            out_shape = tuple(map(int, block_infos[key]["out_shape"]))
            in_shapes = tuple(tuple(map(int, shape)) for shape in block_infos[key]["in_shapes"])
            blocks.append(Block(output, wrt, values, out_shape, in_shapes))
        batch = stored.manifest["batch"]
        result = Result(derivative, tuple(blocks), batch, "", "", "", "", "", {}, {}, "")
        matrix_of(whole(result))
    except (KeyError, TypeError, ValueError):  # not written by jaccli
        return None
    return result


def _float(values: Any) -> Any:
    """Return the array with a dtype that LAPACK supports."""
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _check_finite(path: Path, values: Any, rows: Labels, columns: Labels) -> None:
    """Refuse NaN and infinities, and name the first."""
    entries = values.data if is_sparse(values) else values
    bad = ~np.isfinite(entries)
    count = int(np.count_nonzero(bad))
    if not count:
        return
    if is_sparse(values):
        coordinates = values.tocoo()
        first = int(np.argmax(~np.isfinite(coordinates.data)))
        index: tuple[int, ...] = (int(coordinates.row[first]), int(coordinates.col[first]))
        number = coordinates.data[first]
    else:
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        number = values[index]
    kind = "NaN" if np.isnan(number) else str(number)
    where = f" at batch row {index[0]}" if len(index) == 3 else ""
    name = f"{rows[index[-2]]}, {columns[index[-1]]}{where}"
    total = int(np.prod(values.shape))
    raise ComputationError(f"{path}: {NonFinite(name, kind, count, total)}.")


def _asymmetry(values: Any) -> float:
    """Return `max|A − Aᵀ|` relative to `max|A|`."""
    transposed = values.T if is_sparse(values) else values.swapaxes(-1, -2)
    greatest = float(abs(values).max())
    return float(abs(values - transposed).max()) / greatest if greatest else 0.0


def _size_text(values: Any) -> str:
    return " x ".join(map(str, values.shape[-2:]))
