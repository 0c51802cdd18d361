"""Result files: which suffix is which format, and what can be refused before computing.

A new format is one module with `check`, `write` and `read`, called as its suffix, and that suffix
in `choices.SUFFIXES`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from jaccli.choices import DOCUMENTS, DRAWN, LONG, SUFFIXES
from jaccli.errors import BudgetError, SourceError, UsageError, format_bytes
from jaccli.result.labels import LabelledAxis
from jaccli.result.matrix import matrix_shape
from jaccli.result.named_arrays import Stored
from jaccli.result.result import Result, Shaped
from jaccli.result.view import Slot, View, batch_names, whole
from jaccli.storage.files import check_writable, is_special, publishing
from jaccli.storage.reading import reading

READ_BACK = tuple(name for name in SUFFIXES if name not in (*DOCUMENTS, *DRAWN))
"""The formats that hold numbers to read back."""
READ_LIMIT = 4 << 30
"""Bytes that the arrays of a file may need unless the caller says otherwise."""


class FileFormat(Protocol):
    """What the module of a format has; it is imported when it is used.

    `check(keys, matrix_shape, layout, storage)` refuses results that do not fit, `write(view,
    layout, stream)` writes one, and `read(stream, size, limit)` reads one back.  Some have
    `needed(stream, size, limit)` too: it returns the bytes that a file's arrays need, where it says
    so before it is read, and refuses more than the limit; `DENSE`, if zeros are written too; and
    `remarks(keys, layout)`, which returns what people are told of the file.
    """

    def check(
        self, keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str, /
    ) -> None: ...
    def write(self, view: View, layout: str, stream: BinaryIO, /) -> None: ...
    def read(self, stream: BinaryIO, size: int, limit: int, /) -> Stored: ...


def format_of(suffix: str) -> FileFormat:
    """Return the module of a format by its suffix, one of `SUFFIXES`."""
    found: Any = import_module(f"jaccli.result.io.{suffix[1:]}")
    checked: FileFormat = found
    return checked


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
    part: str = "full",
) -> None:
    """Refuse, before computing, a result that does not fit into the format of `suffix`."""
    check_long(suffix[1:], layout)
    slots = [Slot.of(block) for block in blocks]
    shape = matrix_shape(derivative, part, slots, batch_names(batch))
    format_of(suffix).check([slot.key for slot in slots], shape, layout, storage)


def check_long(form: str, layout: str) -> None:
    """Refuse the long layout for a format that does not have it.

    Raises:
        UsageError: it has not.
    """
    if layout == "long" and form not in (*LONG, "none"):
        hint = f"Expected one of {', '.join(map(repr, LONG))}."
        raise UsageError(f"{form}: this format has no long layout.", hint=hint)


def check_dense(suffix: str, nbytes: int, budget: int) -> None:
    """Refuse, before computing, sparse storage in a dense format that needs too much memory.

    `nbytes` is what the dense form of all blocks takes, `budget` the memory budget.

    Raises:
        BudgetError: it takes more.
    """
    if getattr(format_of(suffix), "DENSE", False) and nbytes > budget:
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
    digits: int = 6,
) -> None:
    """Write a result to a file that appears whole or not at all.

    `digits` are those of tables in documents (`.md`, `.tex`); other files have every digit.
    """
    target = Path(path)
    form = _format(target)
    check_layout(
        suffix_of(target),
        layout,
        result.derivative,
        result.blocks,
        result.batch,
        storage=result.storage,
        part=result.part,
    )
    with publishing(target, force=force) as stream:
        form.write(replace(whole(result), digits=digits), layout, stream)


def remarks(result: Result, path: str | os.PathLike[str], *, layout: str = "blocks") -> list[str]:
    """Return what is to be said of a file of a result: names that its format changes."""
    found = getattr(format_of(suffix_of(Path(path))), "remarks", None)
    said: list[str] = [] if found is None else found(result.keys(), layout)
    return said


def content(result: Result, suffix: str, *, layout: str = "blocks") -> bytes:
    """Return what a file of that suffix holds."""
    stream = io.BytesIO()
    derivative, blocks, storage = result.derivative, result.blocks, result.storage
    check_layout(
        suffix, layout, derivative, blocks, result.batch, storage=storage, part=result.part
    )
    format_of(suffix).write(whole(result), layout, stream)
    return stream.getvalue()


def read_all(*paths: str | os.PathLike[str], limit: int = READ_LIMIT) -> list[Stored]:
    """Read result files whose arrays need at most `limit` bytes together.

    What their headers say is added up before any is read.
    """
    left = limit
    for path in paths:
        left -= _needed(Path(path), left)
    found: list[Stored] = []
    for path in paths:
        found.append(read(path, limit=limit - sum(stored.nbytes for stored in found)))
    return found


def _needed(source: Path, limit: int) -> int:
    """Return the bytes that a file says it needs, 0 where it does not say."""
    needed = getattr(_result_format(source), "needed", None)
    if needed is None:
        return 0
    with _opened(source) as (stream, size):
        count: int = needed(stream, size, limit)
        return count


def read(path: str | os.PathLike[str], *, limit: int = READ_LIMIT) -> Stored:
    """Read a result file whose arrays need at most `limit` bytes."""
    source = Path(path)
    form = _result_format(source)
    with _opened(source) as (stream, size):
        stored = form.read(stream, size, max(limit, 0))
        _check_texts(stored)
        _check_numbers(stored)
    return stored


def _result_format(source: Path) -> FileFormat:
    if source.suffix.lower() not in SUFFIXES:
        hint = f"Expected one of {', '.join(READ_BACK)}."
        raise SourceError(f"{source}: this is not the name of a result file.", hint=hint)
    return format_of(source.suffix.lower())


@contextmanager
def _opened(source: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file to read; errors name it."""
    try:
        with reading(source) as opened:
            yield opened
    except SourceError as error:
        raise SourceError(error.problems[0].of(source)) from error


def _check_texts(stored: Stored) -> None:
    """Raise what Python raises of texts that are none, as a lone surrogate in JSON."""
    for texts in (stored.arrays, stored.rows, stored.columns):
        if not isinstance(texts, LabelledAxis):  # those follow from names
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
    return ".npz" if suffix not in SUFFIXES and is_special(target) else suffix


def _format(target: Path) -> FileFormat:
    suffix = suffix_of(target)
    if suffix not in SUFFIXES:
        what = f"unknown suffix {target.suffix!r}" if target.suffix else "the name has no suffix"
        raise UsageError(f"{target}: {what}.", hint=_accepted())
    return format_of(suffix)


def _accepted() -> str:
    return f"Expected one of {', '.join(SUFFIXES)}."
