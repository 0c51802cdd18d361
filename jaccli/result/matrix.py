"""The matrix layout: outputs and inputs flattened and joined in the order of the blocks.

    derivative             shape of the matrix     labels
    jacobian               (*batch, M, N)          rows (outputs), columns (inputs)
    hessian, scalar        (*batch, N, N)          rows, columns (inputs)
    hessian                (*batch, M, N, N)       outputs, rows, columns
    a trace                (*batch, M)             the outputs
    a diagonal             (*batch, N)             the inputs (Hessian, not scalar: (*batch, M, N))
    evaluate, jvp          (*batch, M)             the outputs
    gradient, vjp, hvp     (*batch, N)             the inputs

`M` counts the entries of all outputs, `N` those of all inputs; a scalar is one of them.  A trace is
that of the joined matrix: the sum of its blocks'.  "scalar" means that there is one output and it
has the shape `()`.  The labels of a matrix with a single labelled axis are its `rows` without a
batch, and its `columns` with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.sparse import Values, assemble, dense
from jaccli.result.view import Slot, View, keeps_output


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """`values` is `(*batch, *sides)`, with the labels of every side."""

    values: Values
    batch: Names | None
    sides: tuple[LabelledAxis, ...]

    @property
    def labels(self) -> dict[str, LabelledAxis]:
        """The labels by the name they have in files: `rows`, `columns`, `outputs`."""
        return by_side(self.sides, batched=self.batch is not None and self.batch.shape != ())


def by_side(axes: Sequence[LabelledAxis], *, batched: bool) -> dict[str, LabelledAxis]:
    """Return the labelled sides of a matrix by the name they have in files."""
    if len(axes) == 1:
        return {"columns" if batched else "rows": axes[0]}
    return dict(zip(("outputs", "rows", "columns")[-len(axes) :], axes, strict=True))


def sides(derivative: str, part: str, slots: Sequence[Slot]) -> tuple[LabelledAxis, ...]:
    """Return the labelled sides of the matrix that these blocks make up."""
    keeps = keeps_output(derivative, part, slots)
    groups = zip(*(_groups(slot, keeps) for slot in slots), strict=True)
    return tuple(LabelledAxis(tuple(dict.fromkeys(group))) for group in groups)


def matrix_shape(
    derivative: str, part: str, slots: Sequence[Slot], batch: Names | None
) -> tuple[int, ...]:
    """Return the shape of the matrix layout, from names alone."""
    batch_shape = () if batch is None else batch.shape
    return (*batch_shape, *map(len, sides(derivative, part, slots)))


def matrix(view: View) -> Matrix:
    """Return the matrix layout of a view; of a single block it shares the values.

    It is sparse where a block is.
    """
    derivative, of = view.result.derivative, view.result.part
    slots = [part.slot for part in view.parts]
    axes = sides(derivative, of, slots)
    shape = (*view.batch_shape, *map(len, axes))
    if len(view.parts) == 1:
        return Matrix(view.parts[0].values.reshape(shape), view.batch, axes)
    offsets = [_offsets(axis.parts) for axis in axes]
    keeps = keeps_output(derivative, of, slots)
    if of == "trace":
        return Matrix(_summed(view, shape), view.batch, axes)
    pieces = []
    for part in view.parts:
        groups = _groups(part.slot, keeps)
        place = [starts[names] for starts, names in zip(offsets, groups, strict=True)]
        box = (*view.batch_shape, *map(len, groups))
        pieces.append(([0] * len(view.batch_shape) + place, part.values.reshape(box)))
    return Matrix(assemble(pieces, shape), view.batch, axes)


def _summed(view: View, shape: tuple[int, ...]) -> Values:
    """Return the traces of the joined matrices: of each output, the sum of its blocks' traces.

    A Jacobian's is of all outputs together.
    """
    sums: dict[object, Values] = {}
    for part in view.parts:
        own = dense(part.values).reshape((*view.batch_shape, -1))
        sums[part.slot.output] = sums.get(part.slot.output, 0) + own
    return np.concatenate(list(sums.values()), axis=-1).reshape(shape)


def _groups(slot: Slot, keep_output: bool) -> tuple[Names, ...]:
    return slot.names if keep_output else slot.wrt


def _offsets(parts: Sequence[Names]) -> dict[Names, int]:
    """Return where each array's entries begin along the side they share."""
    return dict(zip(parts, accumulate(map(len, parts), initial=0), strict=False))
