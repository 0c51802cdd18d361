"""From a `Result` to a table, text, JSON, a file, a verdict.  numpy only, never JAX.

result, sparse, named_arrays             the data: `Result`, `Block`, `Sparse`, arrays as read
block_keys                               the names in a block's key
labels, view, matrix, selection          what is looked at of it, and the names of its entries
summary, nonfinite                       about the numbers
numerals, notation                       numbers, shapes and derivatives as text, for all below
render                                   standard output: a module for each format
io                                       files: a module for each format
compare                                  two results

What every call needs is here; a format, `compare` and what else few calls need is imported where
it is used (start-up: -2%).
"""

from __future__ import annotations

from jaccli.result.io.registry import (
    READ_LIMIT,
    check_dense,
    check_layout,
    check_long,
    check_target,
    content,
    read,
    read_all,
    suffix_of,
    write,
)
from jaccli.result.io.resumable import ChunkFile, Partial, begun, check_partial, chunk_file, told
from jaccli.result.named_arrays import Stored
from jaccli.result.nonfinite import NonFinite, first_nonfinite
from jaccli.result.render.registry import RENDERERS, default_format, render
from jaccli.result.result import Block, BlockShape, Result, block_key
from jaccli.result.selection import check_show, picks_of
from jaccli.result.sparse import Sparse, dense
from jaccli.result.summary import Measures, Measuring, duration, measure, summary, timings
from jaccli.storage.files import has_partial, publishing

__all__ = [
    "READ_LIMIT",
    "RENDERERS",
    "Block",
    "BlockShape",
    "ChunkFile",
    "Measures",
    "Measuring",
    "NonFinite",
    "Partial",
    "Result",
    "Sparse",
    "Stored",
    "begun",
    "block_key",
    "check_dense",
    "check_layout",
    "check_long",
    "check_partial",
    "check_show",
    "check_target",
    "chunk_file",
    "content",
    "default_format",
    "dense",
    "duration",
    "first_nonfinite",
    "has_partial",
    "measure",
    "picks_of",
    "publishing",
    "read",
    "read_all",
    "render",
    "suffix_of",
    "summary",
    "timings",
    "told",
    "write",
]
