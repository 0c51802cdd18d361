"""Result files: which suffix is which format, and what can be refused before computing.

A new format is one module with `check`, `write` and `read`, and one entry in `FORMATS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from jaccli.errors import BudgetError, SourceError, UsageError, format_bytes
from jaccli.files import check_writable, is_special, publishing
from jaccli.files.reading import reading
from jaccli.result.labels import Axis
from jaccli.result.matrix import matrix_shape
from jaccli.result.result import Result, Shaped
from jaccli.result.stored import Stored
from jaccli.result.view import Slot, View, batch_names, whole

READ_LIMIT = 4 << 30
"""Bytes that the arrays of a file may need unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class FileFormat:
    """How one format is written and read.

    `check(keys, matrix_shape, layout, storage)` refuses results that do not fit, `write(view,
    layout, stream)` writes one, and `read(stream, size, limit)` reads one back.  `dense` says that
    zeros are written too.
    """

    check: Callable[[Sequence[str], tuple[int, ...], str, str], None]
    write: Callable[[View, str, BinaryIO], None]
    read: Callable[[BinaryIO, int, int], Stored]
    dense: bool = False


def _of(module: str, *, dense: bool = False) -> FileFormat:
    """Return the format of a module of this package, which is imported when it is used."""

    def function(name: str) -> Callable[..., Any]:
        return lambda *args: getattr(import_module(f"jaccli.result.{module}"), name)(*args)

    return FileFormat(function("check"), function("write"), function("read"), dense)


FORMATS: dict[str, FileFormat] = {
    ".npy": _of("npy", dense=True),
    ".npz": _of("npz"),
    ".csv": _of("csv_table", dense=True),
    ".json": _of("json_text"),
    ".mtx": _of("mtx"),
}


def check_target(path: str | os.PathLike[str], *, force: bool = False) -> None:
    """Refuse, before computing, a target that cannot or must not be written."""
    target = Path(path)
    _format(target)
    check_writable(target, force=force)


def check_layout(
    suffix: str,
    layout: str,
    derivative: str,
    blocks: Sequence[Shaped],
    batch: int | None,
    *,
    storage: str = "dense",
) -> None:
    """Refuse, before computing, a result that does not fit into the format of `suffix`."""
    slots = [Slot.of(block) for block in blocks]
    shape = matrix_shape(derivative, slots, batch_names(batch))
    FORMATS[suffix].check([slot.key for slot in slots], shape, layout, storage)


def check_dense(suffix: str, nbytes: int, budget: int) -> None:
    """Refuse, before computing, sparse storage in a dense format that needs too much memory.

    `nbytes` is what the dense form of all blocks takes, `budget` the memory budget.

    Raises:
        BudgetError: it takes more.
    """
    if FORMATS[suffix].dense and nbytes > budget:
        raise BudgetError(
            f"{suffix[1:]}: this format is dense, and the dense form of the result takes "
            f"{format_bytes(nbytes)}, more than the memory budget of {format_bytes(budget)}.",
            hint="Use .mtx, .json, or .npz with --layout matrix; or raise --memory.",
        )


def write(
    result: Result,
    path: str | os.PathLike[str],
    *,
    layout: str = "blocks",
    force: bool = False,
) -> None:
    """Write a result to a file that appears whole or not at all."""
    target = Path(path)
    form = _format(target)
    check_layout(
        suffix_of(target),
        layout,
        result.derivative,
        result.blocks,
        result.batch,
        storage=result.storage,
    )
    with publishing(target, force=force) as stream:
        form.write(whole(result), layout, stream)


def read(path: str | os.PathLike[str], *, limit: int = READ_LIMIT) -> Stored:
    """Read a result file whose arrays need at most `limit` bytes."""
    source = Path(path)
    if source.suffix.lower() not in FORMATS:
        raise SourceError(f"{source}: this is not the name of a result file.", hint=_accepted())
    try:
        with reading(source) as (stream, size):
            stored = FORMATS[source.suffix.lower()].read(stream, size, max(limit, 0))
            _check_texts(stored)
        _check_numbers(stored)
    except SourceError as error:
        raise SourceError(error.problems[0].of(source)) from error
    return stored


def _check_texts(stored: Stored) -> None:
    """Raise what Python raises of texts that are none, as a lone surrogate in JSON."""
    for texts in (stored.arrays, stored.rows, stored.columns):
        if not isinstance(texts, Axis):  # those follow from names
            "".join(texts).encode()


def _check_numbers(stored: Stored) -> None:
    if not stored.arrays:
        raise SourceError("there are no arrays in it.")
    for key, values in stored.arrays.items():
        if values.dtype.kind not in "biuf":
            raise SourceError(f"{key}: {values.dtype} is not a type of real numbers.".lstrip(": "))


def suffix_of(target: Path) -> str:
    """Return the suffix that decides the format; a device without one is written as `.npz`."""
    suffix = target.suffix.lower()
    return ".npz" if suffix not in FORMATS and is_special(target) else suffix


def _format(target: Path) -> FileFormat:
    suffix = suffix_of(target)
    if suffix not in FORMATS:
        what = f"unknown suffix {target.suffix!r}" if target.suffix else "the name has no suffix"
        raise UsageError(f"{target}: {what}.", hint=_accepted())
    return FORMATS[suffix]


def _accepted() -> str:
    return f"Expected one of {', '.join(FORMATS)}."
