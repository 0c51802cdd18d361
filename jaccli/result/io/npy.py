"""`.npy`: one array.  The stream need not be a file: a pipe will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from jaccli.errors import UsageError, listed
from jaccli.result.matrix import matrix
from jaccli.result.named_arrays import Stored
from jaccli.result.sparse import dense
from jaccli.result.view import View
from jaccli.storage.npy import check_array, read_array, write_array

DENSE = True
"""Zeros are written too."""


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse several blocks."""
    if len(keys) > 1 and layout == "blocks":
        raise UsageError(
            f"npy: one array only, and the result has {len(keys)} blocks: "
            f"{listed(map(repr, keys))}.",
            hint="Use .npz for all of them, or --layout matrix to join them into one array.",
        )


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write the one array of a view."""
    check([part.slot.key for part in view.parts], (), layout, "dense")
    values = matrix(view).values if layout == "matrix" else view.parts[0].values
    write_array(dense(values), stream)


needed = check_array
"""What a file needs, by its header."""


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read a file of `size` bytes."""
    return Stored({"": read_array(stream, size, limit)}, "array")
