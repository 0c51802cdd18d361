"""The results of a whole sweep as one long table: index columns, what varies, then `value`.

The rows come from the results that are stored in the sweep's folder, one task at a time, so that no
more than one of them is in memory.  Columns: `derivative` where there are several, `batch`,
`output`, `wrt` (of Hessians `wrt1` and `wrt2`), the varied paths, and `value`.

Boundary: reads results and writes rows; computes nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from jaccli.choices import DRAWN
from jaccli.errors import SourceError, UsageError
from jaccli.result import Block, Result, Stored, read
from jaccli.result.block_keys import split_keys
from jaccli.result.long import BATCH, LABELS, VALUE, Column, index_columns, long_rows
from jaccli.result.matrix import sides
from jaccli.result.numerals import shortest
from jaccli.result.sparse import Values
from jaccli.result.view import Slot, keeps_output, whole
from jaccli.sweep.task_record import TaskRecord

SUFFIXES = (".csv", ".tsv", ".parquet", *DRAWN)
"""The formats of a sweep's table; figures are drawn by `curves`."""
_DERIVATIVE = "derivative"
_OWN = (_DERIVATIVE, BATCH, *LABELS, VALUE)


class RowWriter(Protocol):
    """What takes the rows of a table: columns by name, all equally long."""

    def add(self, columns: dict[str, Column]) -> None:
        """Write rows; a column that is not there is empty."""


def check_suffix(path: Path) -> None:
    """Refuse, before anything is computed, a name that no table can have.

    Raises:
        UsageError: the suffix is another one, or what it needs is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        hint = f"Expected a name that ends in {', '.join(SUFFIXES)}."
        raise UsageError(f"--table: {path}: this is not the name of a table.", hint=hint)
    if path.suffix.lower() == ".parquet":
        from jaccli.result.io import parquet

        parquet.require()
    if path.suffix.lower() in DRAWN:
        from jaccli.result.figures import style

        style.require(path.suffix.lower()[1:])


def write_results(
    records: Sequence[TaskRecord], folder: Path, stream: BinaryIO, suffix: str, *, limit: int
) -> None:
    """Write the rows of all tasks that are done, reading results of at most `limit` bytes.

    Raises:
        SourceError: a stored result cannot be read back.
    """
    kept = [record for record in records if record.status == "done"]
    paths = list(dict.fromkeys(path for record in records for path in record.values))
    named = {path: f"sweep.{path}" if path in _OWN else path for path in paths}
    several = len({record.derivative for record in records}) > 1
    found = {name for record in kept for name in _index_names(record)}
    index = [name for name in (BATCH, *LABELS) if name in found]
    columns = [*([_DERIVATIVE] if several else []), *index, *named.values(), VALUE]
    # Text or numbers: of a column as a whole.
    varied, types = _typed(
        {named[path]: [record.values.get(path) for record in kept] for path in paths}
    )
    with _writer(stream, suffix, columns, {**types, VALUE: np.dtype(np.float64)}) as rows_out:
        for place, record in enumerate(kept):
            for rows in long_rows(whole(read_result(record, folder, limit))):
                count = len(rows.values)
                constant = {name: [values[place]] * count for name, values in varied.items()}
                if several:
                    constant[_DERIVATIVE] = [record.derivative] * count
                rows_out.add({**rows.columns, **constant, VALUE: rows.values})


def write_rows(rows: Iterable[Sequence[str]], stream: BinaryIO, suffix: str) -> None:
    """Write a table of texts, the first row its header; numbers become numbers in Parquet."""
    header, *body = map(list, rows)
    columns: dict[str, list[Any]] = {
        name: [row[place] for row in body] for place, name in enumerate(header)
    }
    types: dict[str, np.dtype[Any]] = {}
    if suffix == ".parquet":
        numbers = {name: list(map(_number, column)) for name, column in columns.items()}
        columns, types = _typed(numbers)
    with _writer(stream, suffix, header, types) as rows_out:
        rows_out.add({**columns})


def _writer(
    stream: BinaryIO, suffix: str, columns: Sequence[str], types: dict[str, np.dtype[Any]]
) -> AbstractContextManager[RowWriter]:
    """Return what writes a table of this format; columns without a type are texts."""
    if suffix == ".parquet":
        from jaccli.result.io.parquet import ParquetTable

        return ParquetTable(stream, columns, types)
    return _text_table(stream, "\t" if suffix == ".tsv" else ",", columns)


@contextmanager
def _text_table(stream: BinaryIO, separator: str, columns: Sequence[str]) -> Iterator[RowWriter]:
    table = _TextTable(stream, separator, columns)
    table.line([columns])
    yield table


class _TextTable:
    """A table of text; cells are quoted where they have to be."""

    def __init__(self, stream: BinaryIO, separator: str, columns: Sequence[str]) -> None:
        self._stream, self._separator, self._columns = stream, separator, columns

    def add(self, columns: dict[str, Column]) -> None:
        """Write rows; a column that is not there is empty."""
        count = len(next(iter(columns.values())))
        cells = [_texts(columns[name]) if name in columns else [""] * count
                 for name in self._columns]  # fmt: skip
        self.line(zip(*cells, strict=True))

    def line(self, rows: Iterable[Sequence[str]]) -> None:
        """Write some rows."""
        text = io.StringIO()
        csv.writer(text, delimiter=self._separator, lineterminator="\n").writerows(rows)
        self._stream.write(text.getvalue().encode())


def _texts(column: Column) -> Sequence[str]:
    if isinstance(column, np.ndarray):
        return shortest(column)
    return [_cell(value) for value in column]


def _cell(value: Any) -> str:
    """Return a cell as text: numbers in full, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):  # NumPy's too
        return repr(float(value))
    return str(value)


def _typed(
    columns: dict[str, list[Any]],
) -> tuple[dict[str, list[Any]], dict[str, np.dtype[Any]]]:
    """Return columns with the types of those that hold numbers alone; others become texts.

    Lists and mappings are JSON.  None is an empty cell of any type.
    """
    found: dict[str, list[Any]] = {}
    types: dict[str, np.dtype[Any]] = {}
    for name, values in columns.items():
        kinds = {type(value) for value in values if value is not None}
        if kinds == {int} and all(abs(value) < 2**63 for value in values if value is not None):
            types[name] = np.dtype(np.int64)
        elif kinds and kinds <= {int, float}:
            types[name] = np.dtype(np.float64)
            values = [None if value is None else float(value) for value in values]
        else:
            values = [
                value if value is None or isinstance(value, str) else json.dumps(value)
                for value in values
            ]
        found[name] = values
    return found, types


def _number(cell: str) -> Any:
    """Return a cell as the number that it is the text of, else as it is; None for an empty one."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return None if cell in ("", "-") else cell


# Stored results


def _index_names(record: TaskRecord) -> tuple[str, ...]:
    slots = [Slot.of(block) for block in _blocks(record)]
    return index_columns(slots, batched=record.batch is not None)


def _blocks(record: TaskRecord) -> list[Block]:
    """Return the blocks of a record, empty: their names and shapes.

    Raises:
        SourceError: the record is of a version that did not keep them.
    """
    keys = split_keys(record.blocks, record.derivative)
    if not record.blocks or keys is None:
        raise SourceError(
            f"{record.file}: the record of this task does not say what its result holds.",
            hint="An earlier version has computed it: run the sweep again with --force.",
        )
    found = []
    for key, info in record.blocks.items():
        output, wrt = keys[key]
        out_shape = tuple(map(int, info["out_shape"]))
        in_shapes = tuple(tuple(map(int, shape)) for shape in info["in_shapes"])
        found.append(Block(output, wrt, np.empty(0), out_shape, in_shapes))
    return found


def read_result(record: TaskRecord, folder: Path, limit: int) -> Result:
    """Read the stored result of a task, in whichever format it is."""
    path = folder / record.file
    stored = read(path, limit=limit)
    blocks = _blocks(record)
    shapes = [_shape(block, record.batch) for block in blocks]
    arrays = _arrays(stored, record, blocks)
    if arrays is None or any(
        values.size != np.prod(shape) for values, shape in zip(arrays, shapes, strict=True)
    ):
        raise SourceError(f"{path}: this is not the result of the task {record.name}.")
    filled = tuple(
        Block(b.output, b.wrt, values.reshape(shape), b.out_shape, b.in_shapes)
        for b, values, shape in zip(blocks, arrays, shapes, strict=True)
    )
    return Result(record.derivative, filled, record.batch, "", "", "", "", "", {}, {}, "")


def _shape(block: Block, batch: int | None) -> tuple[int, ...]:
    lead = () if batch is None else (batch,)
    return (*lead, *block.out_shape, *sum(block.in_shapes, ()))


def _arrays(stored: Stored, record: TaskRecord, blocks: list[Block]) -> list[Values] | None:
    """Return the values of each block, of any shape; None if they are not there."""
    if stored.layout == "blocks":
        keys = [block.key for block in blocks]
        return [stored.arrays[key] for key in keys] if set(keys) <= set(stored.arrays) else None
    (values,) = stored.arrays.values()
    if len(blocks) == 1:
        return [values]
    return _apart(values, record, blocks)


def _apart(values: Values, record: TaskRecord, blocks: list[Block]) -> list[Values] | None:
    """Return the blocks of a matrix layout: what `result.matrix` joins."""
    slots = [Slot.of(block) for block in blocks]
    axes = sides(record.derivative, "full", slots)
    lead = () if record.batch is None else (record.batch,)
    shape = (*lead, *map(len, axes))
    if values.size != np.prod(shape):
        return None
    joined = values.reshape(shape)
    keeps = keeps_output(record.derivative, "full", slots)
    found: list[Values] = []
    for slot in slots:
        cut: list[slice] = [slice(None)] * len(lead)
        for axis, names in zip(axes, slot.names if keeps else slot.wrt, strict=True):
            start = sum(len(part) for part in axis.parts[: axis.parts.index(names)])
            cut.append(slice(start, start + len(names)))
        found.append(joined[tuple(cut)])
    return found
