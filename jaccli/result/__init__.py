"""From a `Result` to a table, text, JSON, a file, a verdict.  numpy only, never JAX.

result    the data: `Result`, `Block`
labels, view, show, matrix, panels, notation, numerals     what is shown, and by what name
plain, table, json_text, csv_table → formats               standard output
npy, npz, csv_table, json_text, mtx → files, publish       files, read and written
summary, nonfinite                                         about the numbers
stored → pairing → compare                                 two results
"""

from __future__ import annotations

from jaccli.result.compare import NORMS, Comparison, compare, norm_named
from jaccli.result.files import (
    FORMATS,
    READ_LIMIT,
    check_layout,
    check_target,
    read,
    suffix_of,
    write,
)
from jaccli.result.formats import RENDERERS, default_format, render
from jaccli.result.nonfinite import NonFinite, first_nonfinite
from jaccli.result.publish import publishing
from jaccli.result.result import Block, BlockShape, Result, block_key
from jaccli.result.show import check_show
from jaccli.result.stored import Stored
from jaccli.result.summary import duration, summary

__all__ = [
    "FORMATS",
    "NORMS",
    "READ_LIMIT",
    "RENDERERS",
    "Block",
    "BlockShape",
    "Comparison",
    "NonFinite",
    "Result",
    "Stored",
    "block_key",
    "check_layout",
    "check_show",
    "check_target",
    "compare",
    "default_format",
    "duration",
    "first_nonfinite",
    "norm_named",
    "publishing",
    "read",
    "render",
    "suffix_of",
    "summary",
    "write",
]
