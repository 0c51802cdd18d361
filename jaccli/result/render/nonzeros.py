"""A sparse panel as a list: for each non-zero the labels along every axis, and the number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.render.panels import Panel
from jaccli.result.result import Array
from jaccli.result.sparse import Sparse

_CHUNK = 1 << 16
"""Entries that are named at a time."""


def axes(panel: Panel) -> list[Names | LabelledAxis]:
    """Return the labels along each axis of a panel's values."""
    batch = None if panel.batch is None or panel.batch.shape == () else panel.batch
    every = (batch, panel.entries, panel.rows, panel.columns)
    return [axis for axis in every if axis is not None]


def labels(panel: Panel, where: Array) -> list[Sequence[str]]:
    """Return, for each axis of a panel, the labels of the entries at these flat positions."""
    if not len(where):
        return []
    sides = axes(panel)
    indices = np.unravel_index(where, tuple(map(len, sides)))
    return [_named(axis, index) for axis, index in zip(sides, indices, strict=True)]


def listed(panel: Panel, values: Sparse) -> Iterator[tuple[list[Sequence[str]], Array]]:
    """Yield labels and numbers of all non-zeros, a chunk at a time."""
    for start in range(0, values.nnz, _CHUNK):
        where = values.where[start : start + _CHUNK]
        yield labels(panel, where), values.values[start : start + _CHUNK]


def counted(values: Sparse) -> str:
    """Return `13 non-zeros`."""
    return f"{values.nnz} non-zero{'s' * (values.nnz != 1)}"


def _named(axis: Names | LabelledAxis, index: Array) -> list[str]:
    """Return the labels at these positions, each of them made once."""
    unique, places = np.unique(index, return_inverse=True)
    names = axis.pick(unique.tolist())
    return [names[place] for place in places.tolist()]
