"""Colorings kept on disk, by the structure of the function: shapes and operations, no inputs.

What a later process finds is checked against the shapes before it is used.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax
import numpy as np

from jaccli.derivative.basis import Tree
from jaccli.derivative.sparse.compressed import Coloring
from jaccli.derivative.sparse.from_structured import Parametric
from jaccli.derivative.sparse.pattern import Pattern
from jaccli.derivative.trace_info import TraceInfo
from jaccli.storage import disk_cache
from jaccli.storage.digest import digest

_FOLDER = "colorings"


def key(derivative: str, f: Parametric, x: Tree, rest: Tree, *more: object) -> str:
    """Return the name under which a coloring is kept.

    It depends on the function's jaxpr with the arrays written in it (an index array decides on the
    pattern), and on versions; not on the numbers of x and rest.
    """
    jaxpr = jax.make_jaxpr(f)(x, rest)
    text, versions = TraceInfo(0, 0, jaxpr=jaxpr).text, list(map(_version, ("jax", "jaccli")))
    return digest(derivative, text, versions, *map(str, more), list(map(_numbers, jaxpr.consts)))


def _numbers(array: Any) -> Any:
    """Return an array in numpy, of random keys what they are made of."""
    if jax.numpy.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    return np.asarray(array)


def recall(name: str, shape: tuple[int, int]) -> Coloring | None:
    """Return the coloring kept under that name, if it is one of a matrix of that shape."""
    found = disk_cache.read_arrays(_FOLDER, name)
    if found is None:
        return None
    try:
        pattern = Pattern(found["rows"], found["columns"], shape)
        coloring = Coloring(
            pattern, found["colors"], int(found["count"]), str(found["way"]), found.get("apart")
        )
    except (KeyError, TypeError, ValueError):
        return None
    return coloring if _fits(coloring) else None


def keep(name: str, coloring: Coloring) -> None:
    """Keep a coloring for later processes."""
    pattern = coloring.pattern
    arrays = {"rows": pattern.rows, "columns": pattern.columns, "colors": coloring.colors}
    if coloring.apart is not None:
        arrays["apart"] = coloring.apart
    disk_cache.write_arrays(
        _FOLDER, name, {**arrays, "count": np.int64(coloring.count), "way": np.str_(coloring.way)}
    )


def _fits(coloring: Coloring) -> bool:
    """Return whether all indices are within the matrix and the colors."""
    pattern, colors = coloring.pattern, coloring.colors
    rows, columns = pattern.shape
    sides = {"fwd": columns, "rev": rows, "hvp": columns, "hvp-rev": columns}
    return (
        pattern.rows.shape == pattern.columns.shape
        and _within(pattern.rows, 0, rows)
        and _within(pattern.columns, 0, columns)
        and sides.get(coloring.way) == colors.size
        and _within(colors, -1, coloring.count)
        and (coloring.apart is None or _rows_fit(coloring))
    )


def _rows_fit(coloring: Coloring) -> bool:
    """Return whether rows that are taken apart have a color each."""
    assert coloring.apart is not None
    rows = coloring.pattern.shape[0]
    return (
        coloring.way == "fwd"
        and coloring.apart.shape == (rows,)
        and _within(coloring.apart, -1, rows)
    )


def _within(array: Any, low: int, high: int) -> bool:
    """Return whether a vector of integers is in [low, high)."""
    whole = array.ndim == 1 and array.dtype.kind == "i"
    return bool(whole and (array.size == 0 or (array.min() >= low and array.max() < high)))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
