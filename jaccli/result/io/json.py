"""JSON: a result as one compact document on one line.

Numbers are in shortest round-trip form, float32 as float32; what is not finite is the string
`"NaN"`, `"Infinity"` or `"-Infinity"`.  In the matrix layout `blocks` is replaced by `matrix` and
the labels of its sides.  With sparse storage an array is

    {"shape": [2, 3], "storage": "sparse", "indices": [[0, 2], [1, 0]], "values": [1.5, -2.0]}

its non-zeros in reading order, with the index of each along all axes.  Of a derivative in part,
`labels` beside a shape are the names of entries along the output's axes, then each input's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np

from jaccli.errors import SourceError
from jaccli.result.matrix import matrix
from jaccli.result.named_arrays import Stored
from jaccli.result.numerals import lines, shortest
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values
from jaccli.result.view import Slot, View
from jaccli.storage.reading import too_large

_CHUNK = 1 << 16
"""Non-zeros that are written at a time."""
_VALUE = 64
"""Bytes that a value takes at most while it is read: its object, and its place in a list."""
_SPELLED = {
    "nan": '"NaN"',
    "inf": '"Infinity"',
    "-inf": '"-Infinity"',
    "True": "true",
    "False": "false",
}


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse nothing: every result fits."""


def json_text(view: View, layout: str = "blocks") -> Iterator[str]:
    """Yield one document in pieces; a line feed ends it."""
    result = view.result
    head = {
        "schema": 1,
        "derivative": result.derivative,
        "mode": result.mode,
        "reason": result.reason,
        "device": result.device,
        "dtype": result.dtype,
        "precision": result.precision,
        "batch": result.batch,
    }
    head |= result.variant()
    head |= result.parts()
    if view.show is not None:
        head["show"] = view.show
    yield json.dumps(head)[:-1]
    if layout == "matrix":
        joined = matrix(view)
        yield ', "matrix": '
        yield from _described(joined.values)
        for name, axis in joined.labels.items():
            yield f", {json.dumps(name)}: {json.dumps(list(axis))}"
    else:
        yield ', "blocks": {'
        for number, part in enumerate(view.parts):
            yield f"{', ' if number else ''}{json.dumps(part.slot.key)}: "
            names = part.slot if result.is_part else None
            yield from _described(part.values, names)
        yield "}"
    if result.value is not None and view.show is None:
        yield ', "value": {'
        for number, (name, values) in enumerate(result.value.items()):
            yield f"{', ' if number else ''}{json.dumps(name)}: "
            yield from nested(values)
        yield "}"
    tail = {
        **({"warnings": result.warnings} if result.warnings else {}),
        "seconds": result.seconds,
        "cache": result.cache,
        "versions": result.versions,
        "spec_sha256": result.spec_sha256,
    }
    yield f", {json.dumps(tail)[1:]}\n"


def _described(values: Values, slot: Slot | None = None) -> Iterator[str]:
    """Yield an array, with the names of its entries where they are not those of whole arrays."""
    yield f'{{"shape": {json.dumps(values.shape)}, '
    if slot is not None:
        yield f'"labels": {json.dumps([list(names) for names in slot.names])}, '
    if isinstance(values, Sparse):
        yield from _coordinates(values)
    else:
        yield '"values": '
        yield from nested(values)
    yield "}"


def _coordinates(values: Sparse) -> Iterator[str]:
    """Yield the indices and the numbers of the non-zeros."""
    starts = range(0, values.nnz, _CHUNK)
    indices = np.stack((*values.indices(),), axis=1) if values.shape else np.empty((values.nnz, 0))
    yield '"storage": "sparse", "indices": ['
    for start in starts:
        chunk = json.dumps(indices[start : start + _CHUNK].tolist())
        yield f"{', ' if start else ''}{chunk[1:-1]}"
    yield '], "values": ['
    for start in starts:
        chunk = ", ".join(_spell(shortest(values.values[start : start + _CHUNK])))
        yield f"{', ' if start else ''}{chunk}"
    yield "]"


def nested(values: Array) -> Iterator[str]:
    """Yield an array as nested lists, a 0-d one as its number."""
    if values.size == 0:
        yield json.dumps(values.tolist())
        return
    if values.ndim == 0:
        yield _spell(next(lines(values.reshape(1, 1))))[0]
        return
    # Row by row along the last axis; `opens[i]` is how many rows a bracket of axis i spans.
    opens = [prod(values.shape[axis:-1]) for axis in range(values.ndim - 1)]
    count = prod(values.shape[:-1])
    for number, row in enumerate(lines(values.reshape(count, values.shape[-1]))):
        before = "[" * sum(number % span == 0 for span in opens)
        after = "]" * sum((number + 1) % span == 0 for span in opens)
        comma = ", " if number + 1 < count else ""
        yield f"{before}[{', '.join(_spell(row))}]{after}{comma}"


def number(value: float | None) -> float | str | None:
    """Return one number as `json.dumps` may spell it: a string where it is not finite."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _spell(texts: list[str]) -> list[str]:
    """Return numbers as JSON spells them."""
    if _SPELLED.keys().isdisjoint(texts):
        return texts
    return [_SPELLED.get(text, text) for text in texts]


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write a view as one line of ASCII."""
    for piece in json_text(view, layout):
        stream.write(piece.encode())


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read the numbers of one document."""
    if size > limit:
        raise too_large("the text needs", size, limit)
    text = stream.read()
    needed = size + _VALUE * sum(map(text.count, (b",", b"[", b"{", b":")))
    if needed > limit:
        raise too_large("the values of the text need", needed, limit)
    document = json.loads(text)
    if not isinstance(document, dict):
        raise SourceError("this is not a result: it is no JSON object.")
    dtype = document.get("dtype")
    manifest = {"command": document["derivative"]} if "derivative" in document else {}
    if "matrix" in document:
        rows, columns = (_labels(document.get(name)) for name in ("rows", "columns"))
        arrays = {"matrix": _array("matrix", document["matrix"], dtype)}
        return Stored(arrays, "matrix", rows, columns, dtype is not None, manifest)
    blocks = document.get("blocks")
    if not isinstance(blocks, dict):
        raise SourceError("this is not a result: it has neither 'blocks' nor 'matrix'.")
    arrays = {key: _array(key, described, dtype) for key, described in blocks.items()}
    return Stored(arrays, "blocks", typed=dtype is not None, manifest=manifest)


def _array(key: str, described: Any, dtype: Any) -> Values:
    """Return the array that `{"shape": …, "values": …}` describes, or the sparse one."""
    try:
        shape = tuple(described["shape"])
        array = _numbers(described["values"], dtype)
        if described.get("storage") == "sparse":
            return _from_coordinates(described["indices"], array, shape)
        if array.size and array.shape != shape:
            raise ValueError(f"shape {shape} of {array.shape}")
        return array.reshape(shape)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise SourceError(f"{key}: this is not an array with a shape and values.") from error


def _numbers(values: Any, dtype: Any) -> Array:
    """Return nested lists of numbers as an array."""
    array = np.array(values)
    if array.dtype.kind == "U":
        # Strings are what is not finite.
        array = np.array(values, dtype=np.float64)
    if array.dtype.kind == "f":
        array = array.astype(np.float32 if dtype == "float32" else np.float64)
    if array.dtype == object:
        raise ValueError("no numbers")
    return array


def _from_coordinates(indices: Any, values: Array, shape: tuple[int, ...]) -> Sparse:
    places = np.array(indices).reshape(len(indices), len(shape))
    if values.shape != (len(indices),) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{len(indices)} indices of {values.shape} values")
    if places.size and places.dtype.kind != "i":
        raise ValueError(f"indices of {places.dtype}")
    return Sparse.from_indices(tuple(places.T.astype(np.int64)), values, shape)


def _labels(labels: Any) -> Sequence[str]:
    return [str(label) for label in labels] if isinstance(labels, list) else ()
