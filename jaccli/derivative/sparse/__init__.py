"""Sparse Jacobians and Hessians: entries alone, from the engine's links or from a coloring.

The order of reading: `entries.py` (where values stand), `linked.py`, `colored.py` with
`remember.py`, `prepare.py` (which of them, and the whole).
"""

from jaccli.derivative.sparse.colored import Coloring, color
from jaccli.derivative.sparse.entries import Entries, Pattern, joined, split
from jaccli.derivative.sparse.linked import TooManyEntries
from jaccli.derivative.sparse.prepare import Prepared, prepare, prepared_if_colored

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
