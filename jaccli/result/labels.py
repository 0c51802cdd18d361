"""Labels of the sides of a result: the names of the entries of several arrays, joined.

A `Names` lists the entries of one array, a `LabelledAxis` those of several joined.  No values.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from jaccli.entry_names import JoinedNames, Names

__all__ = ["JoinedNames", "LabelledAxis", "Names"]


@dataclass(frozen=True, slots=True)
class LabelledAxis:
    """The entries of several arrays, flattened and joined: one side of a grid or of a matrix."""

    parts: tuple[Names, ...]

    @property
    def width(self) -> int:
        """The characters of the longest label."""
        return max((names.width for names in self.parts), default=0)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self.parts)

    def __getitem__(self, position: int) -> str:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self.pick([position])[0]

    def pick(self, positions: Sequence[int]) -> list[str]:
        """Return the labels at these positions, which ascend."""
        picked: list[str] = []
        start = first = 0
        for names in self.parts:
            last = bisect_left(positions, start + len(names), first)
            picked += names.pick([position - start for position in positions[first:last]])
            start, first = start + len(names), last
        return picked
