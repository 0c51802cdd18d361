"""Decides which arrays of two results are compared with each other, and in which layout.

Blocks meet by key.  A single array without a name (`.npy`) meets a single block whatever its key.
A matrix meets blocks in the matrix layout, for which their shapes have to be split into the axes
of the output and those of the inputs: the one split that gives the matrix its shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod

import numpy as np

from jaccli.result.block_keys import split_keys
from jaccli.result.labels import LabelledAxis
from jaccli.result.named_arrays import Stored
from jaccli.result.sparse import Values, assemble

Shape = tuple[int, ...]
Labels = Sequence[str] | LabelledAxis


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Two arrays to compare and how their entries are called.

    `same_kind` is false where one side has floats and the other integers or booleans, and both
    say so.
    """

    key: str
    a: Values
    b: Values
    rows: Labels = ()
    columns: Labels = ()
    same_kind: bool = True

    def name(self, position: int) -> str:
        """Return the name of the entry at a position: `y.x[2,0]`, or `y[2], x[0]` by labels."""
        shape = self.a.shape
        index = [int(i) for i in np.unravel_index(position, shape)]
        if len(shape) == 2 and (len(self.rows), len(self.columns)) == shape:
            row, column = self.rows[index[0]], self.columns[index[1]]
            return row if shape[1] == 1 and column == "value" else f"{row}, {column}"
        return f"{self.key}[{','.join(map(str, index))}]" if index else self.key


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs, the keys that only one side has, and differences that do not count."""

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def pairs(a: Stored, b: Stored) -> Pairing:
    """Return what is to be compared with what."""
    if "array" in (a.layout, b.layout) and len(a.arrays) == len(b.arrays) == 1:
        if "matrix" not in (a.layout, b.layout):
            (x,), (y,) = a.arrays.values(), b.arrays.values()
            key = next(iter(a.arrays)) or next(iter(b.arrays)) or "array"
            pair = Pair(key, x, y, same_kind=_same_kind(a, b, x, y))
            return Pairing((pair,), notes=_types(key, x, y))
    elif a.layout == b.layout == "blocks":
        common = [key for key in a.arrays if key in b.arrays]
        both = [(key, a.arrays[key], b.arrays[key]) for key in common]
        return Pairing(
            tuple(Pair(key, x, y, same_kind=_same_kind(a, b, x, y)) for key, x, y in both),
            tuple(key for key in a.arrays if key not in b.arrays),
            tuple(key for key in b.arrays if key not in a.arrays),
            tuple(note for key, x, y in both for note in _types(key, x, y)),
        )
    return _matrices(a, b)


def _types(key: str, a: Values, b: Values) -> tuple[str, ...]:
    return () if a.dtype == b.dtype else (f"{key}: the types are {a.dtype} and {b.dtype}",)


def _same_kind(a: Stored, b: Stored, x: Values, y: Values) -> bool:
    """Whether both arrays hold floats, or neither does; text is what the other side makes of it."""
    return not (a.typed and b.typed) or (x.dtype.kind == "f") == (y.dtype.kind == "f")


def _matrices(a: Stored, b: Stored) -> Pairing:
    """Pair two results of which one at least is a matrix, or an array to be taken for one."""
    x, y = _sole(a), _sole(b)
    if a.layout != b.layout:
        # The other side is laid out like the matrix, if it can be: shapes that differ say it all.
        if x is not None and (a.layout == "matrix" or (b.layout, a.layout) == ("blocks", "array")):
            y = as_matrix(b, x.shape, y)
        elif y is not None:
            x = as_matrix(a, y.shape, x)
    if x is None or y is None:
        return Pairing((), _keys(a), _keys(b))
    with np.errstate(over="ignore"):
        # Text is what the other side's type makes of it.
        if not a.typed and y.dtype.kind == "f":
            x = x.astype(y.dtype)
        if not b.typed and x.dtype.kind == "f":
            y = y.astype(x.dtype)
    if x.shape != y.shape and _same_vector(x.shape, y.shape):
        shape = max(x.shape, y.shape, key=len)
        x, y = x.reshape(shape), y.reshape(shape)
    notes = tuple(
        f"the labels of the {side} differ"
        for side, one, other in (("rows", a.rows, b.rows), ("columns", a.columns, b.columns))
        if x.shape == y.shape and one and other and not _same_labels(one, other)
    )
    notes += _types("matrix", x, y)
    labels = (a.rows or b.rows, a.columns or b.columns)
    return Pairing((Pair("matrix", x, y, *labels, _same_kind(a, b, x, y)),), notes=notes)


def _same_labels(a: Labels, b: Labels) -> bool:
    if isinstance(a, LabelledAxis) and isinstance(b, LabelledAxis):
        return a == b  # Those of a large matrix are not spelled out.
    return list(a) == list(b)


def _sole(stored: Stored) -> Values | None:
    return next(iter(stored.arrays.values())) if len(stored.arrays) == 1 else None


def _keys(stored: Stored) -> tuple[str, ...]:
    return tuple(key or "array" for key in stored.arrays)


def _same_vector(a: Shape, b: Shape) -> bool:
    """Whether both shapes are those of a row or a column of the same length."""
    return prod(a) == prod(b) and all(sum(n != 1 for n in shape) <= 1 for shape in (a, b))


def as_matrix(stored: Stored, shape: Shape, otherwise: Values | None) -> Values | None:
    """Join blocks to a matrix of this shape: `otherwise` where no split of their axes does.

    Leading axes of the shape, beyond its last two, have to be leading axes of every block.  A
    vector fits whether it lies or stands.
    """
    lead = shape[:-2]
    cells = _cells(stored.arrays, stored.manifest.get("command"))
    if cells is None or any(values.shape[: len(lead)] != lead for values in cells.values()):
        return otherwise
    first = next(iter(cells.values()))
    for split in range(first.ndim - len(lead) + 1):
        joined = _join(cells, lead, split)
        if joined is not None and (joined.shape == shape or _same_vector(joined.shape, shape)):
            return joined.reshape(shape)
    return otherwise


def _cells(
    arrays: Mapping[str, Values], derivative: object
) -> dict[tuple[str, str], Values] | None:
    """Return the blocks by row and column: output and input, or the two inputs of a Hessian.

    Where the file does not say of which derivative they are, the numbers of names in a key do.
    """
    named = split_keys(arrays, derivative) if isinstance(derivative, str) else None
    if named is not None:
        keys = [
            [*(() if names.output is None else (names.output,)), *names.wrt]
            for names in named.values()
        ]
    else:
        keys = [key.split(".") for key in arrays]
    if len({len(key) for key in keys}) != 1 or len(keys[0]) > 3:
        return None
    if len(keys[0]) == 3 and len({key[0] for key in keys}) > 1:
        return None
    return {
        (key[-2] if len(key) > 1 else "", key[-1]): values
        for key, values in zip(keys, arrays.values(), strict=True)
    }


def _join(cells: dict[tuple[str, str], Values], lead: Shape, split: int) -> Values | None:
    """Join the cells when the first one's axes, after `lead`, are split at `split`."""
    shapes = {cell: values.shape[len(lead) :] for cell, values in cells.items()}
    rows, columns = (list(dict.fromkeys(side)) for side in zip(*cells, strict=True))
    if len(cells) != len(rows) * len(columns):
        return None
    # All other shapes follow from the first cell's: (*out, *in) for every row and column.
    width = len(shapes[rows[0], columns[0]]) - split
    outs = {row: shapes[row, columns[0]][: len(shapes[row, columns[0]]) - width] for row in rows}
    ins = {column: shapes[rows[0], column][split:] for column in columns}
    if any(shapes[row, column] != outs[row] + ins[column] for row, column in cells):
        return None
    heights, widths = [prod(outs[row]) for row in rows], [prod(ins[column]) for column in columns]
    tops, lefts = (list(accumulate(sizes, initial=0)) for sizes in (heights, widths))
    zeros = (0,) * len(lead)
    pieces = [
        ((*zeros, top, left), cells[row, column].reshape((*lead, height, width)))
        for row, top, height in zip(rows, tops, heights, strict=False)
        for column, left, width in zip(columns, lefts, widths, strict=False)
    ]
    return assemble(pieces, (*lead, tops[-1], lefts[-1]))
