"""`.npz`: every block under its key, and a `manifest`; not compressed.

In the matrix layout the array is `matrix`, and `rows`, `columns` and `outputs` hold the labels of
its sides (`jaccli.result.matrix` says which there are).
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO, Any, BinaryIO, cast

import numpy as np

from jaccli.arrayfile import read_array, too_large, write_array
from jaccli.errors import SourceError
from jaccli.result.matrix import matrix
from jaccli.result.result import Array
from jaccli.result.stored import Stored
from jaccli.result.view import View

_LABELS = ("rows", "columns", "outputs")


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str) -> None:
    """Refuse nothing: every result fits."""


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write all parts of a view, or their matrix."""
    arrays = {part.slot.key: part.values for part in view.parts}
    if layout == "matrix":
        joined = matrix(view)
        labels = {name: np.array(list(axis), dtype=str) for name, axis in joined.labels.items()}
        arrays = {"matrix": joined.values, **labels}
    arrays["manifest"] = np.array(view.result.manifest_json())
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key, values in arrays.items():
            # A fixed date: only the manifest tells two runs apart.
            member = zipfile.ZipInfo(f"{key}.npy")
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as entry:
                write_array(values, cast(BinaryIO, entry))


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read every array, and the labels of a matrix."""
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            declared = sum(member.file_size for member in members)
            if declared > limit:
                raise too_large("the arrays need", declared, limit)
            arrays = {
                member.filename.removesuffix(".npy"): _array(archive, member) for member in members
            }
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise SourceError("this is not an .npz archive, or it is damaged.") from error
    manifest = _manifest(arrays.pop("manifest", None))
    if {"format", "shape", "data"} <= arrays.keys():
        return Stored({"matrix": _from_sparse(arrays, limit)}, "matrix")
    if "matrix" not in arrays:
        return Stored(arrays, "blocks", manifest=manifest)
    labels = {name: arrays[name].tolist() for name in _LABELS if name in arrays}
    rows, columns = labels.get("rows", ()), labels.get("columns", ())
    return Stored({"matrix": arrays["matrix"]}, "matrix", rows, columns, manifest=manifest)


def _manifest(text: Array | None) -> dict[str, Any]:
    """Return the manifest, or nothing where the file was written by somebody else."""
    try:
        found = json.loads(str(text)) if text is not None else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _from_sparse(arrays: dict[str, Array], limit: int) -> Array:
    """Return the dense matrix of what `scipy.sparse.save_npz` wrote."""
    try:
        kind, data = arrays["format"].item().decode(), arrays["data"]
        count, width = map(int, arrays["shape"])
        if kind == "coo":
            rows, columns = arrays["row"], arrays["col"]
        elif kind in ("csr", "csc"):
            starts = arrays["indptr"]
            rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
            columns = arrays["indices"]
            rows, columns = (rows, columns) if kind == "csr" else (columns, rows)
        else:
            raise SourceError(f"sparse matrices of the format {kind!r} are not supported.")
        needed = count * width * data.dtype.itemsize
        if needed > limit:
            raise too_large("the dense matrix needs", needed, limit)
        if rows.size and min(rows.min(), columns.min()) < 0:
            raise IndexError("negative")
        dense = np.zeros((count, width), data.dtype)
        np.add.at(dense, (rows, columns), data)
        return dense
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise SourceError("this sparse matrix is damaged.") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    entry: IO[bytes]
    with archive.open(member) as entry:
        try:
            return read_array(cast(BinaryIO, entry), member.file_size, member.file_size)
        except SourceError as error:
            raise SourceError(f"{member.filename}: {error}") from error
