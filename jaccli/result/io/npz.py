"""`.npz`: every block under its key, and a `manifest`; not compressed.

A block keeps its key whatever it is called: where one is called `manifest`, the account is under
`.manifest`, which no block can be.  The account names the blocks, so that those called `matrix` or
`data` are read as blocks; files without one are read by what is in them.

In the matrix layout the array is `matrix`, and `rows`, `columns` and `outputs` hold the labels of
its sides (`jaccli.result.matrix` says which there are).  A sparse matrix is written as
`scipy.sparse.save_npz` writes compressed rows; its labels follow from the shapes of the blocks in
the manifest, or stand there as `labels` where entries were picked.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from math import prod
from typing import IO, Any, BinaryIO, cast

import numpy as np

from jaccli.errors import SourceError, UsageError
from jaccli.result.block_keys import split_keys
from jaccli.result.labels import LabelledAxis
from jaccli.result.matrix import matrix, sides
from jaccli.result.named_arrays import Stored
from jaccli.result.notation import shape_text
from jaccli.result.result import Array, BlockShape
from jaccli.result.sparse import Sparse, dense
from jaccli.result.view import Slot, View
from jaccli.storage.npy import coordinates, is_sparse, read_array, write_arrays
from jaccli.storage.reading import damaged, too_large

_LABELS = ("rows", "columns", "outputs")
_MANIFEST = "manifest"
_VALUE = "value."
"""What the keys of outputs begin with, and another dot where a block is called so."""
_OTHERWISE = ".manifest"
"""The key of the account where a block is called `manifest`: no name begins with a dot."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse sparse storage of anything but a matrix."""
    if storage == "sparse" and layout != "matrix":
        raise UsageError(
            "npz: sparse storage holds one matrix.",
            hint="Add --layout matrix, or use .json, or --storage dense.",
        )
    if storage == "sparse" and len(shape) > 2:
        raise UsageError(
            f"npz: two axes at most with sparse storage, and the matrix layout of the result has "
            f"the shape {shape_text(shape)}.",
            hint="Use .json, or --storage dense.",
        )


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write all parts of a view, or their matrix."""
    if layout == "matrix":
        joined = matrix(view)
        if isinstance(joined.values, Sparse):
            arrays = _as_scipy(joined.values)
        else:
            labels = {name: np.array(list(axis), dtype=str) for name, axis in joined.labels.items()}
            arrays = {"matrix": joined.values, **labels}
    else:
        if any(isinstance(part.values, Sparse) for part in view.parts):
            check([], (), layout, "sparse")
        arrays = {part.slot.key: dense(part.values) for part in view.parts}
    for name, values in (view.result.value or {}).items():
        key = f"{_VALUE}{name}"
        arrays[f".{key}" if key in arrays else key] = values
    account = json.dumps(view.result.manifest())
    arrays[_OTHERWISE if _MANIFEST in arrays else _MANIFEST] = np.array(account)
    write_arrays(arrays, stream)


def _as_scipy(values: Sparse) -> dict[str, Array]:
    """Return what `scipy.sparse.save_npz` writes of a matrix; of a vector, a column."""
    check([], values.shape, "matrix", "sparse")
    rows = values.reshape((values.shape[0], prod(values.shape[1:]))).scipy()
    return {
        "indices": rows.indices,
        "indptr": rows.indptr,
        "format": np.array(b"csr"),
        "shape": np.array(rows.shape),
        "data": rows.data,
        "_is_array": np.array(True),
    }


def needed(stream: BinaryIO, size: int, limit: int) -> int:
    """Return the bytes that the arrays need, by the directory; refuse more than `limit`."""
    with zipfile.ZipFile(stream) as archive:
        return _declared(archive, limit)


def _declared(archive: zipfile.ZipFile, limit: int) -> int:
    declared = sum(member.file_size for member in archive.infolist())
    if declared > limit:
        raise too_large("the arrays need", declared, limit)
    return declared


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read every array, and the labels of a matrix; what scipy wrote stays sparse."""
    with zipfile.ZipFile(stream) as archive:
        _declared(archive, limit)
        arrays = {
            member.filename.removesuffix(".npy"): _array(archive, member)
            for member in archive.infolist()
        }
    account = next((key for key in (_OTHERWISE, _MANIFEST) if _is_text(arrays.get(key))), None)
    manifest = _manifest(None if account is None else arrays.pop(account))
    if _is_blocks(manifest, arrays):
        blocks = {key: arrays[key] for key in manifest["blocks"]}
        return Stored(blocks, "blocks", manifest=manifest)
    if is_sparse(arrays):
        values = _from_scipy(arrays)
        rows, columns = _sides(manifest, values.shape)
        return Stored({"matrix": values}, "matrix", rows, columns, manifest=manifest)
    if "matrix" not in arrays:
        return Stored(arrays, "blocks", manifest=manifest)
    labels = {name: _texts(name, arrays[name]) for name in _LABELS if name in arrays}
    rows, columns = labels.get("rows", ()), labels.get("columns", ())
    return Stored({"matrix": arrays["matrix"]}, "matrix", rows, columns, manifest=manifest)


def _texts(name: str, array: Array) -> list[str]:
    """Return the labels of a side."""
    if array.ndim != 1:
        raise damaged(f"{name} has the shape {array.shape}, and labels have one axis")
    return [str(label) for label in array.tolist()]


def _is_text(array: Array | None) -> bool:
    """Whether an array is one string."""
    return array is not None and array.dtype.kind in "US" and array.shape == ()


def _is_blocks(manifest: dict[str, Any], arrays: dict[str, Array]) -> bool:
    """Whether the arrays are the blocks that an account names, and no matrix with its labels."""
    blocks = manifest.get("blocks")
    beside = {key for key in arrays if key.lstrip(".").startswith(_VALUE)}
    named = isinstance(blocks, dict) and blocks.keys() | beside == arrays.keys()
    return named and not any(array.dtype.kind in "US" for array in arrays.values())


def _manifest(text: Array | None) -> dict[str, Any]:
    """Return the manifest, or nothing where the file was written by somebody else."""
    try:
        found = json.loads(str(text)) if text is not None else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _from_scipy(arrays: dict[str, Array]) -> Sparse:
    """Return the matrix that `scipy.sparse.save_npz` wrote."""
    try:
        return Sparse.from_indices(*coordinates(arrays))
    except (ValueError, OverflowError) as error:
        raise SourceError("this sparse matrix is damaged.") from error


def _sides(
    manifest: dict[str, Any], shape: tuple[int, ...]
) -> tuple[Sequence[str] | LabelledAxis, Sequence[str] | LabelledAxis]:
    """Return the labels of a matrix as its manifest has them; none if it is not ours."""
    try:
        if "labels" in manifest:  # entries that were picked, whose names no shape tells
            named = [_strings(manifest["labels"][side]) for side in ("rows", "columns")]
            return (named[0], named[1]) if tuple(map(len, named)) == shape else ((), ())
        slots = []
        keys = split_keys(manifest["blocks"], manifest["command"]) or {}
        for key, block in manifest["blocks"].items():
            output, wrt = keys[key]
            ins = tuple(map(tuple, block["in_shapes"]))
            slots.append(Slot.of(BlockShape(output, wrt, tuple(block["out_shape"]), ins)))
        rows, columns = sides(manifest["command"], "full", slots)
        return (rows, columns) if (len(rows), len(columns)) == shape else ((), ())
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return (), ()


def _strings(labels: Any) -> list[str]:
    return [str(label) for label in labels]


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    entry: IO[bytes]
    with archive.open(member) as entry:
        try:
            return read_array(cast(BinaryIO, entry), member.file_size, member.file_size)
        except SourceError as error:
            raise SourceError(error.problems[0].of(member.filename)) from error
