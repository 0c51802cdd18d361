"""A cache of bounded size, from which the least recently used entries go first.

Boundary: takes no lock; who shares one between threads does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LRUCache(Generic[K, V]):
    """At most `count` entries, of `nbytes` together by `size`; `evicted` is told of those that go.

    None for `nbytes` stands for no limit.
    """

    def __init__(
        self,
        count: int,
        nbytes: int | None = None,
        *,
        size: Callable[[V], int] = lambda _: 0,
        evicted: Callable[[K], object] = lambda _: None,
    ) -> None:
        self.count, self.nbytes = count, nbytes
        self._size, self._evicted = size, evicted
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def peek(self, key: K) -> V | None:
        """Return the value of a key, None if there is none; its turn to go stays."""
        return self._entries.get(key)

    def get(self, key: K) -> V | None:
        """Return the value of a key, None if there is none; it is the last to go now."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: K, value: V) -> None:
        """Set the value of a key, and evict what is too much."""
        self.remove(key)
        self._entries[key] = value
        self._held += self._size(value)
        while len(self) > self.count or (self.nbytes is not None and self._held > self.nbytes):
            oldest = next(iter(self))
            self.remove(oldest)
            self._evicted(oldest)

    def clear(self) -> None:
        """Remove all entries."""
        for key in list(self):
            self.remove(key)

    def remove(self, key: K) -> None:
        """Remove an entry, if it is there."""
        if key in self._entries:
            self._held -= self._size(self._entries.pop(key))
