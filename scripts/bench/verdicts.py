"""Lines of figures with their bars; those that missed are told once more at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Verdicts:
    """Prints lines and remembers which bars they missed."""

    missed: list[str] = field(default_factory=list)
    count: int = 0

    def at_most(self, what: str, ratio: float, bar: float, note: str = "") -> None:
        """Print a ratio that should not exceed its bar."""
        self._tell(what, f"{ratio:8.2f}x", f"≤ {bar:g}x", ratio <= bar, note)

    def at_least(self, what: str, ratio: float, bar: float, note: str = "") -> None:
        """Print a ratio that should reach its bar."""
        self._tell(what, f"{ratio:8.2f}x", f"≥ {bar:g}x", ratio >= bar, note)

    def share(self, what: str, share: float, bar: float, note: str = "") -> None:
        """Print a share that should reach its bar."""
        self._tell(what, f"{share:9.0%}", f"≥ {bar:.0%}", share >= bar, note)

    def shown(self, what: str, ratio: float, note: str = "") -> None:
        """Print a ratio without a bar."""
        print(f"{what:42s} {ratio:8.2f}x{'':18s} {note}", flush=True)

    def _tell(self, what: str, value: str, bar: str, met: bool, note: str) -> None:
        line = f"{what:42s} {value}  {bar:8s} {'met' if met else 'MISSED':8s}"
        print(f"{line} {note}".rstrip(), flush=True)
        self.count += 1
        if not met:
            self.missed.append(line.strip())

    def summary(self) -> None:
        """Print how many bars were met, and the others."""
        print(f"\n{self.count - len(self.missed)} of {self.count} bars met")
        for line in self.missed:
            print(f"  {line}")


Wanted = Callable[[str], bool]
"""Whether the case of that name is measured."""
