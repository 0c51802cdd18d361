"""Sparse Jacobians and Hessians: entries alone, from the engine's links or from a coloring.

The order of reading: `pattern.py` (where values stand), `from_structured.py`, `compressed.py` with
`coloring_cache.py`, `sparse_derivative.py` (which of them, and the whole).
"""

from jaccli.derivative.sparse.compressed import Coloring, color
from jaccli.derivative.sparse.from_structured import TooManyEntries
from jaccli.derivative.sparse.pattern import Entries, Pattern, joined, split
from jaccli.derivative.sparse.sparse_derivative import Prepared, prepare, prepared_if_colored

__all__ = [
    "Coloring",
    "Entries",
    "Pattern",
    "Prepared",
    "TooManyEntries",
    "color",
    "joined",
    "prepare",
    "prepared_if_colored",
    "split",
]
