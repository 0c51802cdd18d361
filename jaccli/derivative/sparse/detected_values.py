"""What detection knows of an array: sets of inputs, numbers, or nothing.

Boundary: names the kinds of values; no primitive is known here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jaccli.derivative.constants import is_inexact, is_known
from jaccli.derivative.sparse import index_sets as sets
from jaccli.derivative.sparse.index_sets import Rows

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Detection:
    """How many `columns` sets have, and how many entries all of an array at most."""

    columns: int
    most: int


class Unknown:
    """A value that does not depend on the seeds, and is not known while tracing."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()
Value = Any  # Rows, a numpy array that is known, or UNKNOWN


def is_rows(x: Value) -> bool:
    """Return whether a value depends on the seeds."""
    return not (x is UNKNOWN or is_known(x))


def as_rows(x: Value, aval: Any, columns: int) -> Rows:
    """Return a result's rows: of what does not depend on the seeds, none."""
    return x if is_rows(x) else sets.empty(math.prod(aval.shape), columns)


def shape_of(atom: Any) -> Shape:
    """Return the shape of an equation's operand or result."""
    return tuple(atom.aval.shape)


def none(context: Detection, var: Any) -> Value:
    """Return a result that does not depend on the seeds."""
    if not is_inexact(var.aval.dtype):
        return UNKNOWN
    return sets.empty(math.prod(shape_of(var)), context.columns)
