"""MATLAB's `.mat`, version 5, as scipy, Octave and MATLAB read it.

Each block is a variable.  `y.x` is no name there: what is no letter or digit becomes `_`, and
`names`, a cell array of two columns, has variables and the blocks that they are; `manifest` is the
account, a JSON text.  In the matrix layout: `matrix`, `rows` and `columns`.  Vectors are columns.
A variable has less than 4 GiB.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np

from jaccli.errors import ComputationError, SourceError, UsageError
from jaccli.result.io.account import shapes_of
from jaccli.result.matrix import matrix
from jaccli.result.named_arrays import Stored
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values
from jaccli.result.view import View
from jaccli.storage.reading import too_large

_OWN = ("names", "manifest", "rows", "columns", "outputs")
_LONGEST = 63
_MOST = 1 << 32
_KEYWORDS = ("break", "case", "catch", "classdef", "continue", "else", "elseif", "end", "for",
             "function", "global", "if", "otherwise", "parfor", "persistent", "return", "spmd",
             "switch", "try", "while")  # fmt: skip


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse sparse blocks, of which `.mat` has matrices alone, and what is too large."""
    if storage == "sparse" and (layout != "matrix" or len(shape) > 2):
        hint = "Add --layout matrix, or use .h5 or .json." if len(shape) <= 2 else "Use .h5."
        raise UsageError("mat: sparse storage holds one matrix.", hint=hint)
    alone = layout == "matrix" or len(keys) == 1
    if alone and storage != "sparse" and prod(shape) * 8 >= _MOST:
        message = f"mat: a variable has less than 4 GiB, and {prod(shape):,} entries need more."
        raise UsageError(message, hint="Use .h5 or .npy.")


def variables(keys: Sequence[str]) -> dict[str, str]:
    """Return the name of a variable for each key, valid in MATLAB and Octave, none twice.

    >>> variables(["y.x", "y_x", "α", "end"])
    {'y.x': 'y_x', 'y_x': 'y_x_2', 'α': 'u03b1', 'end': 'end_'}
    """
    found: dict[str, str] = {}
    for key in keys:
        name = re.sub(r"[^A-Za-z0-9_]", _letter, key)
        if not re.match(r"[A-Za-z]", name):
            name = f"v{name}"
        name = f"{name}_" if name in _KEYWORDS else name
        name = name[:_LONGEST]
        taken, number, free = {*found.values(), *_OWN}, 2, name
        while free in taken:
            free = f"{name[: _LONGEST - len(str(number)) - 1]}_{number}"
            number += 1
        found[key] = free
    return found


def _letter(match: re.Match[str]) -> str:
    return "_" if match[0].isascii() else f"u{ord(match[0]):04x}"


def remarks(keys: Sequence[str], layout: str) -> list[str]:
    """Return what is said of names that the file cannot have."""
    if layout == "matrix":
        return []
    changed = [f"{key} is {name}" for key, name in variables(keys).items() if key != name]
    more = len(changed) - 5
    listed = ", ".join(changed[:5]) + (f", and {more} more" if more > 0 else "")
    return [f"variables: {listed}; `names` has all."] if changed else []


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write all parts of a view, or their matrix."""
    from scipy import io as matlab
    from scipy.io.matlab import MatWriteError

    data: dict[str, Any] = {}
    arrays: dict[str, Values]
    if layout == "matrix":
        joined = matrix(view)
        arrays = {"matrix": joined.values}
        data |= {side: _cell(list(axis)) for side, axis in joined.labels.items()}
    else:
        arrays = {part.slot.key: part.values for part in view.parts}
    for name, value in (view.result.value or {}).items():
        key = f"value.{name}"
        arrays[f".{key}" if key in arrays else key] = value
    named = variables(list(arrays))
    for key, values in arrays.items():
        data[named[key]] = _values(values)
    data["names"] = _cell([[name, key] for key, name in named.items()])
    shapes = {key: list(values.shape) for key, values in arrays.items()}
    data["manifest"] = json.dumps({**view.result.manifest(), "shapes": shapes})
    direct = stream.seekable()  # savemat goes back in its stream
    target = stream if direct else io.BytesIO()
    try:
        save: Any = matlab.savemat  # typed for names of files alone
        save(target, data, oned_as="column", long_field_names=True)
    except (MatWriteError, OverflowError) as error:
        raise ComputationError(f"mat: {error}.", hint="Use .h5 or .npz.") from error
    target.seek(0)  # the header says a time: the file is to be the same each time
    target.write(b"MATLAB 5.0 MAT-file, written by jaccli".ljust(116))
    if not direct:
        assert isinstance(target, io.BytesIO)
        stream.write(target.getbuffer())


def _values(values: Values) -> Any:
    if isinstance(values, Sparse):
        count = values.shape[0]
        return values.astype(np.float64).reshape((count, prod(values.shape[1:]))).scipy().tocsc()
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


def _cell(texts: Sequence[Any]) -> Array:
    return np.array(texts, dtype=object).reshape(len(texts), -1)


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read the variables; of a file written here with the names and the shapes of the blocks.

    Raises:
        SourceError: it is no such file, or its numbers need more than the limit.
    """
    from scipy import io as matlab

    content = io.BytesIO(stream.read())
    load: Any = matlab.loadmat
    list_variables: Any = matlab.whosmat
    try:
        sizes = [prod(shape) for _, shape, kind in list_variables(content) if kind != "cell"]
        needed = 8 * sum(sizes)
        if needed > limit:
            raise too_large("the arrays need", needed, limit)
        content.seek(0)
        found = load(content, mat_dtype=True, chars_as_strings=True)
        return _stored(found)
    except SourceError:
        raise
    except Exception as error:  # scipy raises whatever a damaged byte leads to
        hint = "Version 7.3 is HDF5: save it with -v7." if _is_hdf5(content) else ""
        raise SourceError(f"not a .mat file of version 5: {error}", hint=hint) from error


def _is_hdf5(content: io.BytesIO) -> bool:
    return b"HDF" in content.getvalue()[:1024] or b"MATLAB 7.3" in content.getvalue()[:64]


def _stored(found: dict[str, Any]) -> Stored:
    from scipy.sparse import issparse

    sparse: Any = issparse  # which mypy would believe more of than scipy says

    manifest = _manifest(found.pop("manifest", None))
    names = {str(row[0][0]): str(row[1][0]) for row in found.pop("names", [])}
    shapes, blocks = shapes_of(manifest), manifest.get("blocks") or {}
    texts = {side: [str(cell[0]) for cell in found.pop(side).reshape(-1)]
             for side in ("rows", "columns", "outputs") if side in found
             and found[side].dtype == object}  # fmt: skip
    arrays: dict[str, Values] = {}
    values: Any
    for name, values in found.items():
        key = names.get(name, name)
        beside = key.lstrip(".").startswith("value.") and key not in blocks
        if name.startswith("__") or (manifest and beside):
            continue
        if sparse(values):
            coo = values.tocoo()
            arrays[key] = Sparse.from_indices((coo.row, coo.col), coo.data, values.shape)
        elif isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
            shape = shapes.get(key)
            fits = shape is not None and prod(shape) == values.size
            arrays[key] = values.reshape(shape) if fits else values
    if list(arrays) == ["matrix"] and (texts or not manifest):
        rows, columns = texts.get("rows", ()), texts.get("columns", ())
        return Stored(arrays, "matrix", rows, columns, manifest=manifest)
    return Stored(arrays, "blocks", manifest=manifest)


def _manifest(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(str(text[0])) if text is not None else None
    except (ValueError, RecursionError, IndexError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
