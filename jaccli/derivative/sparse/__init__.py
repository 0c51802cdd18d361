"""Sparse Jacobians and Hessians: entries alone, from the engine's links or from a coloring.

The order of reading: `entries.py` (where values stand), `linked.py`, `colored.py` with
`remember.py`, `prepare.py` (which of them, and the whole).
"""

from jaccli.derivative.sparse.entries import Entries, Pattern
from jaccli.derivative.sparse.prepare import Sparse, prepare

__all__ = ["Entries", "Pattern", "Sparse", "prepare"]
