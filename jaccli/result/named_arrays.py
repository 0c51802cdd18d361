"""What a comparison compares: the arrays of a file or of a result, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from jaccli.result.labels import LabelledAxis
from jaccli.result.matrix import matrix
from jaccli.result.result import Result
from jaccli.result.sparse import Values
from jaccli.result.view import whole


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Arrays as they were stored.

    `layout` says what the keys of `arrays` are: `blocks`, the keys of the result's blocks;
    `matrix`, one array `matrix` in the matrix layout, with the labels of its `rows` and `columns`
    when the file has them; `array`, one array without a name, whose key is empty.  `typed` is
    false for text that does not say whether its numbers were float32 or float64.  `manifest` is
    what the file says of itself, as `Result.manifest`: in part, or not at all.  What was stored
    sparse is `Sparse`.
    """

    arrays: Mapping[str, Values]
    layout: Literal["blocks", "matrix", "array"]
    rows: Sequence[str] | LabelledAxis = ()
    columns: Sequence[str] | LabelledAxis = ()
    typed: bool = True
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """The bytes that the arrays take."""
        return sum(values.nbytes for values in self.arrays.values())


def stored(result: Result, layout: str = "blocks") -> Stored:
    """Return a result as if it had been stored in `.npz` with this layout."""
    if layout != "matrix":
        return Stored({block.key: block.values for block in result.blocks}, "blocks")
    joined = matrix(whole(result))
    rows, columns = (joined.labels.get(side, ()) for side in ("rows", "columns"))
    return Stored({"matrix": joined.values}, "matrix", rows, columns)
