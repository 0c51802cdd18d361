"""Names of entries, made only when asked for: `y`, `y[0]`, `w[2,3]`.

A `Names` lists the entries of one array, or of a part of it; a `JoinedNames` those of several parts
of one array.  No values, no shapes but those of the parts that are there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, product
from math import prod


@dataclass(frozen=True, slots=True)
class Names:
    """The entries of an array, or of a part of it, in reading order.

    `indices` holds, for every axis of the whole array, the indices that are there: a range, one
    integer where the axis has been dropped as in numpy's indexing, or None where a name stands
    for the whole axis (`w[0,:]`).
    """

    name: str
    indices: tuple[range | int | None, ...] = ()

    @staticmethod
    def of(name: str, shape: Iterable[int]) -> Names:
        """Return the names of all entries of an array of this shape."""
        return Names(name, tuple(map(range, shape)))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the part that is there, dropped axes left out."""
        return tuple(len(index) for index in self.indices if isinstance(index, range))

    @property
    def width(self) -> int:
        """The characters of the longest name."""
        if not len(self):
            return 0
        ends = [max(len(str(index[0])), len(str(index[-1]))) for index in self._spelled()]
        return len(self.name) + sum(ends) + (len(ends) + 1 if ends else 0)

    def __len__(self) -> int:
        return prod(self.shape)

    def __iter__(self) -> Iterator[str]:
        if not self.indices:
            return iter((self.name,))
        texts = [[str(i) for i in index] for index in self._spelled()]
        return (f"{self.name}[{','.join(index)}]" for index in product(*texts))

    def __getitem__(self, position: int) -> str:
        return self.pick([position])[0]

    def pick(self, positions: Sequence[int]) -> list[str]:
        """Return the names at these positions."""
        picked: list[list[str]] = []
        for index in reversed(self._spelled()):
            size = len(index)
            picked.insert(0, [str(index[position % size]) for position in positions])
            positions = [position // size for position in positions]
        if not picked:
            return [self.name] * len(positions)
        return [f"{self.name}[{','.join(index)}]" for index in zip(*picked, strict=True)]

    def _spelled(self) -> list[Sequence[int | str]]:
        """Return what the names say along every axis."""
        return [
            index if isinstance(index, range) else (":" if index is None else index,)
            for index in self.indices
        ]


@dataclass(frozen=True, slots=True)
class JoinedNames(Names):
    """Several parts of one array, flattened and joined to one axis, in the order of `parts`."""

    parts: tuple[Names, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """`(count,)`: one axis."""
        return (sum(map(len, self.parts)),)

    @property
    def width(self) -> int:
        """The characters of the longest name."""
        return max((part.width for part in self.parts), default=0)

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self.parts)

    def pick(self, positions: Sequence[int]) -> list[str]:
        """Return the names at these positions."""
        starts = list(accumulate(map(len, self.parts), initial=0))
        found = [bisect_right(starts, position) - 1 for position in positions]
        return [
            self.parts[part].pick([position - starts[part]])[0]
            for part, position in zip(found, positions, strict=True)
        ]
