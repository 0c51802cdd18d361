"""From a `Result` to a table, text, JSON, a file, a verdict.  numpy only, never JAX.

sparse, result    the data: `Sparse`, `Result`, `Block`
labels, view, show, matrix, panels, nonzeros, notation, numerals     what is shown, and its names
plain, table, json_text, csv_table → formats               standard output
npy, npz, csv_table, json_text, mtx → files                files, read and written
mtx, npz → pattern                                         the files of sparsity patterns
summary, nonfinite                                         about the numbers
stored → pairing → compare                                 two results

What every call needs is here; `compare`, `pattern`, `picture` are imported where they are used, and
a format when it is (start-up: -2%).
"""

from __future__ import annotations

from jaccli.files import is_begun, publishing
from jaccli.result.files import (
    FORMATS,
    READ_LIMIT,
    check_dense,
    check_layout,
    check_target,
    read,
    read_all,
    suffix_of,
    write,
)
from jaccli.result.formats import RENDERERS, default_format, render
from jaccli.result.nonfinite import NonFinite, first_nonfinite
from jaccli.result.partial import PartFile, Partial, begun, check_partial, part_file, told
from jaccli.result.result import Block, BlockShape, Result, block_key
from jaccli.result.show import check_show
from jaccli.result.sparse import Sparse, dense
from jaccli.result.stored import Stored
from jaccli.result.summary import Measures, Measuring, duration, measure, summary, timings

__all__ = [
    "FORMATS",
    "READ_LIMIT",
    "RENDERERS",
    "Block",
    "BlockShape",
    "Measures",
    "Measuring",
    "NonFinite",
    "PartFile",
    "Partial",
    "Result",
    "Sparse",
    "Stored",
    "begun",
    "block_key",
    "check_dense",
    "check_layout",
    "check_partial",
    "check_show",
    "check_target",
    "default_format",
    "dense",
    "duration",
    "first_nonfinite",
    "is_begun",
    "measure",
    "part_file",
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
