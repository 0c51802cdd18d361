"""Parquet: the long layout in columns, for data frames; needs pyarrow, the extra `parquet`.

Labels are dictionary-encoded texts, `batch` is int64, and `value` has the type of the result.  The
rows are written in groups, so that the table is never held whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from jaccli.errors import SourceError, UsageError, install
from jaccli.result import extras
from jaccli.result.io.long_text import LongBlocks, is_long
from jaccli.result.long import BATCH, VALUE, index_columns, long_rows
from jaccli.result.named_arrays import Stored
from jaccli.result.view import View
from jaccli.storage.reading import too_large

if TYPE_CHECKING:
    from jaccli.result.long import Column

_GROUP = 1 << 18
"""Rows of a row group."""


def require() -> None:
    """Refuse, before anything is computed, where pyarrow is missing."""
    extras.require("parquet", "pyarrow.parquet", "parquet")


def check(keys: Sequence[str], shape: tuple[int, ...], layout: str, storage: str) -> None:
    """Refuse the matrix layout: a table in columns has a row for each entry."""
    if layout == "matrix":
        hint = "Use --layout long, which is the layout of all parquet files here, or .csv."
        raise UsageError("parquet: the layout is long, never matrix.", hint=hint)
    require()


def write(view: View, layout: str, stream: BinaryIO) -> None:
    """Write a view; whatever the layout is, a row for each entry."""
    batched = view.batch is not None
    columns = index_columns([part.slot for part in view.parts], batched=batched)
    dtype = np.result_type(*(part.values.dtype for part in view.parts))
    with ParquetTable(stream, [*columns, VALUE], {VALUE: dtype}) as table:
        for rows in long_rows(view, _GROUP):
            table.add({**rows.columns, VALUE: rows.values})


def read(stream: BinaryIO, size: int, limit: int) -> Stored:
    """Read a long table of one result.

    Raises:
        SourceError: it is not such a table.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        message = f"pyarrow is needed to read it: {error}."
        raise SourceError(message, hint=install("parquet")) from error
    try:
        file = parquet.ParquetFile(stream)
        names = file.schema_arrow.names
        if not is_long(names):
            raise SourceError(
                f"its columns are {', '.join(map(repr, names))}.",
                hint="Expected those of --layout long: output, wrt, value.",
            )
        needed = file.metadata.num_rows * 8
        if needed > limit:
            raise too_large("the values need", needed, limit)
        blocks = LongBlocks(names[:-1], limit)
        for group in file.iter_batches():
            columns = [column.to_pylist() for column in group.columns]
            for *cells, number in zip(*columns, strict=True):
                blocks.add(cells, float(number))
    except (arrow.ArrowException, OSError, ValueError, TypeError) as error:
        raise SourceError(f"not a parquet file of a result: {error}") from error
    return blocks.stored(typed=False)


class ParquetTable:
    """A table that is written to a stream group by group.

    `types` has the numpy types of columns; `batch` is int64, and others are texts.
    """

    def __init__(
        self, stream: BinaryIO, columns: Sequence[str], types: Mapping[str, np.dtype[Any]]
    ) -> None:
        import pyarrow as arrow
        from pyarrow import parquet

        known = {BATCH: np.dtype(np.int64), **types}
        label = arrow.dictionary(arrow.int32(), arrow.string())
        self._schema = arrow.schema([
            (name, arrow.from_numpy_dtype(known[name]) if name in known else label)
            for name in columns
        ])  # fmt: skip
        self._arrow: Any = arrow
        self._writer = parquet.ParquetWriter(stream, self._schema)

    def add(self, columns: Mapping[str, Column]) -> None:
        """Write rows, as a row group; a column that is not there is null."""
        count = len(next(iter(columns.values())))
        arrays = [
            self._arrow.nulls(count, field.type)
            if field.name not in columns
            else self._arrow.array(columns[field.name], field.type)
            for field in self._schema
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def __enter__(self) -> ParquetTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
