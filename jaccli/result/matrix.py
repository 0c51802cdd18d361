"""The matrix layout: outputs and inputs flattened and joined in the order of the blocks.

    derivative             shape of the matrix     labels
    jacobian               (*batch, M, N)          rows (outputs), columns (inputs)
    hessian, scalar        (*batch, N, N)          rows, columns (inputs)
    hessian                (*batch, M, N, N)       outputs, rows, columns
    evaluate, jvp          (*batch, M)             the outputs
    gradient, vjp, hvp     (*batch, N)             the inputs

`M` counts the entries of all outputs, `N` those of all inputs; a scalar is one of them.  "scalar"
means that there is one output and it has the shape `()`.  The labels of a matrix with a single
labelled axis are its `rows` without a batch, and its `columns` with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from jaccli.result.labels import Axis, Names
from jaccli.result.result import Array
from jaccli.result.view import Slot, View, keeps_output


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """`values` is `(*batch, *sides)`, with the labels of every side."""

    values: Array
    batch: Names | None
    sides: tuple[Axis, ...]

    @property
    def labels(self) -> dict[str, Axis]:
        """The labels by the name they have in files: `rows`, `columns`, `outputs`."""
        if len(self.sides) == 1:
            return {"rows" if self.values.ndim == 1 else "columns": self.sides[0]}
        names = ("outputs", "rows", "columns")[-len(self.sides) :]
        return dict(zip(names, self.sides, strict=True))


def sides(derivative: str, slots: Sequence[Slot]) -> tuple[Axis, ...]:
    """Return the labelled sides of the matrix that these blocks make up."""
    groups = zip(*(_groups(slot, keeps_output(derivative, slots)) for slot in slots), strict=True)
    return tuple(Axis(tuple(dict.fromkeys(group))) for group in groups)


def matrix_shape(derivative: str, slots: Sequence[Slot], batch: Names | None) -> tuple[int, ...]:
    """Return the shape of the matrix layout, from names alone."""
    batch_shape = () if batch is None else batch.shape
    return (*batch_shape, *map(len, sides(derivative, slots)))


def matrix(view: View) -> Matrix:
    """Return the matrix layout of a view; of a single block it shares the values."""
    derivative = view.result.derivative
    slots = [part.slot for part in view.parts]
    axes = sides(derivative, slots)
    shape = (*view.batch_shape, *map(len, axes))
    if len(view.parts) == 1:
        return Matrix(view.parts[0].values.reshape(shape), view.batch, axes)
    values = np.zeros(shape, np.result_type(*(part.values for part in view.parts)))
    offsets = [_offsets(axis.parts) for axis in axes]
    for part in view.parts:
        groups = _groups(part.slot, keeps_output(derivative, slots))
        place = tuple(where[names] for where, names in zip(offsets, groups, strict=True))
        box = (*view.batch_shape, *map(len, groups))
        values[(*(slice(None),) * len(view.batch_shape), *place)] = part.values.reshape(box)
    return Matrix(values, view.batch, axes)


def _groups(slot: Slot, keep_output: bool) -> tuple[Names, ...]:
    return slot.names if keep_output else slot.wrt


def _offsets(parts: Iterable[Names]) -> dict[Names, slice]:
    """Return where each array's entries lie along the side they share."""
    found, start = {}, 0
    for names in parts:
        found[names] = slice(start, start + prod(names.shape))
        start += prod(names.shape)
    return found
