"""How the work tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told how many steps there are, and when some are done."""

    def start(self, total: int, done: int = 0) -> None:
        """Begin with `total` steps, of which some were `done` before."""
        ...

    def advance(self, steps: int) -> None:
        """Count `steps` more as done."""
        ...


class Silence:
    """Progress that nobody looks at."""

    def start(self, total: int, done: int = 0) -> None:
        """Begin."""

    def advance(self, steps: int) -> None:
        """Go on."""
