"""What renderers draw: the blocks of a result, or the part of them that `--show` picked.

    Slot   the names along the axes of one block
    Part   a slot with its values
    View   the parts of a result

A view of a whole result shares its arrays; a picked one holds numpy views of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaccli.result.labels import Names
from jaccli.result.result import Result, Shaped, block_key
from jaccli.result.sparse import Values


@dataclass(frozen=True, slots=True)
class Slot:
    """One block by name: its key, the entries of its output and those of its inputs.

    A diagonal or a trace has the axes of fewer arrays than it is of: `whole` names them, the
    output and the inputs.
    """

    key: str
    output: Names | None
    wrt: tuple[Names, ...]
    whole: tuple[str, tuple[str, ...]] | None = None

    @staticmethod
    def of(block: Shaped) -> Slot:
        """Return the slot of a whole block."""
        if block.entries is not None:
            output, wrt = block.entries
            fewer = len(wrt) < len(block.wrt) or (output is None and block.output is not None)
            whole = (block.output or "", block.wrt) if fewer else None
            return Slot(block_key(block), output, wrt, whole)
        output = None if block.output is None else Names.of(block.output, block.out_shape)
        wrt = tuple(map(Names.of, block.wrt, block.in_shapes))
        return Slot(block_key(block), output, wrt)

    @property
    def names(self) -> tuple[Names, ...]:
        """The names along `(*out, *in1, *in2)`, one for each group of axes."""
        return (*(() if self.output is None else (self.output,)), *self.wrt)


@dataclass(frozen=True, slots=True, eq=False)
class ShownPart:
    """A slot with its values, `(*batch, *out, *in1, *in2)`."""

    slot: Slot
    values: Values


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The parts of a result; `batch` names the rows of its batch, or is None without one.

    A batch of which one row was picked has a `batch` of shape `()`, and the parts have no batch
    axis.  `show` is the text that picked the parts, or None for everything.  `digits` are the
    significant digits of tables in documents.
    """

    result: Result
    parts: tuple[ShownPart, ...]
    batch: Names | None
    show: str | None = None
    digits: int = 6

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """`(rows,)`, or `()` without a batch axis."""
        return () if self.batch is None else self.batch.shape


def whole(result: Result) -> View:
    """Return the view of everything."""
    parts = tuple(ShownPart(Slot.of(block), block.values) for block in result.blocks)
    batch = batch_names(result.batch)
    if result.batch_rows is not None:
        batch = Names("batch", (result.batch_rows,))
    return View(result, parts, batch)


def batch_names(batch: int | None) -> Names | None:
    """Return the names of the batch rows, `batch[0]` …, or None without a batch."""
    return None if batch is None else Names.of("batch", (batch,))


def keeps_output(derivative: str, part: str, slots: Sequence[Slot]) -> bool:
    """Whether the outputs are an axis of the matrix layout.

    One scalar output counts as a row in a Jacobian, and has no axis in a gradient or a Hessian.
    """
    outputs = {slot.output for slot in slots}
    if None in outputs:
        return False
    if part == "trace":
        return True
    if derivative in ("gradient", "hessian", "hvp") and len(outputs) == 1:
        return any(output is not None and output.shape != () for output in outputs)
    return True
