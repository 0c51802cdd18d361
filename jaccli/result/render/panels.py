"""Splits a view into panels: labelled grids that fit what is shown, for tables and plain text.

Blocks whose outputs are all scalars share rows, and blocks whose inputs are all scalars share
columns; otherwise a block is a panel of its own.  A panel is a stack of grids: one for each batch
row, and in a Hessian for each entry of the output.  Values and vectors are lists, or grids when
their array has two or more axes or a batch.  A sparse panel is a list of its non-zeros
(`jaccli.result.render.nonzeros`) and has no grids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from jaccli.result import notation
from jaccli.result.labels import JoinedNames, LabelledAxis, Names
from jaccli.result.matrix import matrix
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values
from jaccli.result.view import ShownPart, View


class RowNames(Protocol):
    """The labels of a grid's rows."""

    @property
    def width(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> str: ...

    def __iter__(self) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """One labelled grid, `(rows, columns)`, or a list `(rows,)` with `columns` None."""

    entry: str | None
    batch_row: int | None
    values: Array
    rows: RowNames
    columns: LabelledAxis | None


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """A stack of grids with the same labels: `values` is `(*batch, *entries, rows, columns)`.

    `output` and `wrt` say what was differentiated with respect to what, and `shape` is the shape
    of that derivative without its batch axis.  `entries` names what is stacked besides the batch.
    """

    derivative: str
    output: str
    wrt: tuple[str, ...]
    shape: tuple[int, ...]
    values: Values
    batch: Names | None
    entries: Names | LabelledAxis | None
    rows: LabelledAxis
    columns: LabelledAxis | None
    part: str = "full"

    def __len__(self) -> int:
        rows = 1 if self.batch is None else len(self.batch)
        return rows * (1 if self.entries is None else len(self.entries))

    def __getitem__(self, position: int) -> Grid:
        sides = (self.rows,) if self.columns is None else (self.rows, self.columns)
        assert not isinstance(self.values, Sparse)
        values = self.values.reshape(len(self), *map(len, sides))[position]
        entry, batch_row = self.place(position)
        return Grid(entry, batch_row, values, self.rows, self.columns)

    def place(self, position: int) -> tuple[str | None, int | None]:
        """Return the name of what is stacked at a position, and its batch row."""
        entry = batch_row = None
        if self.entries is not None:
            position, which = divmod(position, len(self.entries))
            entry = self.entries[which]
        if self.batch is not None:
            index = self.batch.indices[0]
            batch_row = index[position] if isinstance(index, range) else index
        return entry, batch_row

    def title(self, grid: Grid | None = None, *, ascii_only: bool = False) -> str:
        """Return `∂y/∂x  (16, 16)`, of the whole panel or of one of its grids."""
        output, suffix, shape = self.output, "", self.shape
        if grid is not None and grid.entry is not None:
            shape = grid.values.shape
            if self.derivative in ("evaluate", "hessian"):
                output = grid.entry
            else:
                suffix = f": {grid.entry}"
        row = "" if grid is None or grid.batch_row is None else f"  batch row {grid.batch_row}"
        name = notation.title(self.derivative, output, self.wrt, ascii_only=ascii_only)
        name = name if self.part == "full" else f"{self.part} of {name}"
        return f"{name}{suffix}  {notation.shape_text(shape)}{row}"


def panels(view: View, layout: str = "blocks") -> list[Panel]:
    """Return the panels of a view, one for everything with the layout `matrix`."""
    return [_panel(view)] if layout == "matrix" else [_block_panel(view) for view in _split(view)]


def _split(view: View) -> list[View]:
    """Return the parts that share a panel, each such group as a view."""
    slots = [part.slot for part in view.parts]
    rows_join = view.result.derivative in ("evaluate", "jvp", "jacobian") and all(
        slot.output is not None and slot.output.shape == () for slot in slots
    )
    columns_join = all(names.shape == () for slot in slots for names in slot.wrt)
    groups: dict[object, list[ShownPart]] = {}
    for part in view.parts:
        key = (
            None if rows_join else part.slot.output,
            None if columns_join else part.slot.wrt,
            part.slot.whole,
        )
        groups.setdefault(key, []).append(part)
    return [View(view.result, tuple(group), view.batch, view.show) for group in groups.values()]


def _block_panel(view: View) -> Panel:
    """Return the panel of one group: an array of two or more axes keeps its own grid."""
    slot = view.parts[0].slot
    derivative = view.result.derivative
    if view.result.part != "full":
        return _panel(view)
    names = slot.output if derivative in ("evaluate", "jvp") else slot.wrt[0]
    values = view.parts[0].values
    listed = (
        derivative in ("jacobian", "hessian")
        or isinstance(values, Sparse)
        or isinstance(names, JoinedNames)
    )
    if len(view.parts) > 1 or listed or names is None or len(names.shape) < 2:
        return _panel(view)
    *stacked, row, column = (i for i, index in enumerate(names.indices) if isinstance(index, range))
    return Panel(
        derivative,
        slot.output.name if slot.output is not None else "",
        tuple(entries.name for entries in slot.wrt),
        names.shape,
        values,
        view.batch,
        _standing_for(names, (row, column)) if stacked else None,
        LabelledAxis((_standing_for(names, (*stacked, column)),)),
        LabelledAxis((_standing_for(names, (*stacked, row)),)),
    )


def _standing_for(names: Names, axes: Sequence[int]) -> Names:
    """Return names that each stand for all of these axes: `w[0,:]`."""
    return Names(
        names.name, tuple(None if i in axes else index for i, index in enumerate(names.indices))
    )


def _panel(view: View) -> Panel:
    """Return the panel of blocks that are joined, or of one."""
    joined = matrix(view)
    slots = [part.slot for part in view.parts]
    outputs = LabelledAxis(
        tuple(dict.fromkeys(slot.output for slot in slots if slot.output is not None))
    )
    groups = zip(*(slot.wrt for slot in slots), strict=True)
    inputs = [LabelledAxis(tuple(dict.fromkeys(group))) for group in groups]
    output = notation.group(outputs) if outputs.parts else ""
    wrt = tuple(map(notation.group, inputs))
    if view.result.part != "full":
        output, wrt = notation.joined([slot.whole for slot in slots])
    batch, sides = joined.batch, joined.sides
    rows: LabelledAxis
    columns: LabelledAxis | None
    if len(sides) > 1:
        rows, columns = sides[-2:]
    elif batch is not None and batch.shape:
        rows, columns, batch = LabelledAxis((batch,)), sides[0], None
    else:
        rows, columns = sides[0], None
    return Panel(
        view.result.derivative,
        output,
        wrt,
        _shape(view, tuple(map(len, sides))),
        joined.values,
        batch,
        sides[0] if len(sides) > 2 else None,
        rows,
        columns,
        view.result.part,
    )


def _shape(view: View, joined: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape that a title names: a single block's own, or that of the joined matrix."""
    if len(view.parts) > 1:
        return joined
    names = view.parts[0].slot.names
    return tuple(size for entries in names for size in entries.shape)
