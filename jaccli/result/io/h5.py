"""HDF5, `.h5`: a dataset for each block, with attributes; needs h5py, the extra `hdf5`.

`/y.x` has the attributes `output`, `wrt` and `axes`, the file has `manifest`, a JSON text.  In the
matrix layout: `/matrix`, and `/rows` and `/columns` with its labels.  The values of outputs are in
the group `/value`, or `/.value` where an output is called so.  A sparse array is a group with
`coordinates` (nnz, axes), `values` and the attribute `shape`.  Arrays are written some rows at a
time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np

from jaccli.errors import SourceError, install
from jaccli.result import extras
from jaccli.result.matrix import matrix
from jaccli.result.named_arrays import Stored
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values
from jaccli.result.view import Slot, View
from jaccli.storage.reading import too_large

_CHUNK = 1 << 22
"""Entries that are written at a time."""
_SIDES = ("rows", "columns", "outputs")


def require() -> None:
    """Refuse, before anything is computed, where h5py is missing."""
    extras.require("h5", "h5py", "hdf5")


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse it where h5py is missing."""
    require()


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write all parts of a view, or their matrix."""
    import h5py

    # HDF5 goes back in its file, and reads in it.
    direct = stream.seekable() and stream.readable()
    target = stream if direct else io.BytesIO()
    with h5py.File(target, "w", libver=("v110", "v110")) as file:
        if layout == "matrix":
            joined = matrix(view)
            _put(file, "matrix", joined.values)
            for side, axis in joined.labels.items():
                file.create_dataset(side, data=list(axis), dtype=h5py.string_dtype())
        else:
            for part in view.parts:
                made = _put(file, part.slot.key, part.values)
                made.attrs.update(_attributes(part.slot, batched=view.batch_shape != ()))
        taken = any(part.slot.key == "value" for part in view.parts)
        for name, values in (view.result.value or {}).items():
            _put(file.require_group(".value" if taken else "value"), name, values)
        file.attrs["manifest"] = json.dumps(view.result.manifest())
    if not direct:
        assert isinstance(target, io.BytesIO)
        stream.write(target.getbuffer())


def _attributes(slot: Slot, *, batched: bool) -> dict[str, Any]:
    axes = ["batch"] * batched
    axes += ["output"] * (0 if slot.output is None else len(slot.output.shape))
    for number, names in enumerate(slot.wrt, 1):
        axes += [f"wrt{number}" if len(slot.wrt) > 1 else "wrt"] * len(names.shape)
    output = {} if slot.output is None else {"output": slot.output.name}
    return {**output, "wrt": [names.name for names in slot.wrt], "axes": axes}


def _put(group: Any, name: str, values: Values) -> Any:
    """Write an array as a dataset, a few rows at a time; a sparse one as a group."""
    if isinstance(values, Sparse):
        made = group.create_group(name)
        made.create_dataset("coordinates", data=np.stack(values.indices(), axis=-1)
                            if values.shape else np.empty((values.nnz, 0), np.int64))  # fmt: skip
        made.create_dataset("values", data=values.values)
        made.attrs["shape"] = np.array(values.shape, np.int64)
        return made
    made = group.create_dataset(name, values.shape, values.dtype)
    if not values.shape:
        made[()] = values
        return made
    step = max(1, _CHUNK // max(1, prod(values.shape[1:])))
    for start in range(0, values.shape[0], step):
        made[start : start + step] = values[start : start + step]
    return made


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read the arrays at the root; those outside the file, which links may name, are refused.

    Raises:
        SourceError: it is no HDF5 file, has no arrays, or needs more than the limit.
    """
    try:
        import h5py
    except ImportError as error:
        message = f"h5py is needed to read it: {error}."
        raise SourceError(message, hint=install("hdf5")) from error
    try:
        with h5py.File(stream, "r") as file:
            return _Reader(file, limit).stored()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise SourceError(f"not an HDF5 file of a result: {error}") from error


class _Reader:
    """Reads arrays of a file that others may have written, `limit` bytes at most."""

    def __init__(self, file: Any, limit: int) -> None:
        self._file, self._left, self._limit = file, limit, limit

    def stored(self) -> Stored:
        """Return the arrays."""
        import h5py

        texts: dict[str, list[str]] = {}
        arrays: dict[str, Values] = {}
        for name in self._file:
            if not isinstance(self._file.get(name, getlink=True), h5py.HardLink):
                raise SourceError(f"{name}: a link out of the file is not followed.")
            item = self._file[name]
            if isinstance(item, h5py.Group):
                if "coordinates" in item:
                    arrays[name] = self._sparse(item)
            elif name in _SIDES and h5py.check_string_dtype(item.dtype):
                texts[name] = [str(label) for label in item.asstr()[...].tolist()]
            else:
                arrays[name] = self._array(item)
        manifest = self._manifest()
        if list(arrays) == ["matrix"] and (texts or not manifest):
            rows, columns = texts.get("rows", ()), texts.get("columns", ())
            return Stored(arrays, "matrix", rows, columns, manifest=manifest)
        return Stored(arrays, "blocks", manifest=manifest)

    def _array(self, item: Any) -> Array:
        if item.is_virtual or item.external:
            raise SourceError(f"{item.name}: numbers outside the file are not read.")
        needed = prod(item.shape) * item.dtype.itemsize
        if needed > self._left:
            raise too_large("the arrays need", self._limit - self._left + needed, self._limit)
        self._left -= needed
        return np.asarray(item[...])

    def _sparse(self, group: Any) -> Sparse:
        coordinates, values = (self._array(group[name]) for name in ("coordinates", "values"))
        shape = tuple(int(size) for size in group.attrs["shape"])
        return Sparse.from_indices(tuple(coordinates.T), values, shape)

    def _manifest(self) -> dict[str, Any]:
        try:
            found = json.loads(str(self._file.attrs.get("manifest", "{}")))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
