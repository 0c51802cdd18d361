"""A cache of bounded size that evicts the least recently used entries first.

Boundary: takes no lock; callers that share a cache between threads must.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LRUCache(Generic[K, V]):
    """At most `count` entries, of at most `nbytes` together by `size` (None: no limit).

    `on_evict` is called with the key of each evicted entry.
    """

    def __init__(
        self,
        count: int,
        nbytes: int | None = None,
        *,
        size: Callable[[V], int] = lambda _: 0,
        on_evict: Callable[[K], object] = lambda _: None,
    ) -> None:
        self.count, self.nbytes = count, nbytes
        self._size, self._on_evict = size, on_evict
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._size_sum = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def peek(self, key: K) -> V | None:
        """Return the value of a key or None, without marking it as used."""
        return self._entries.get(key)

    def get(self, key: K) -> V | None:
        """Return the value of a key or None, and mark it as most recently used."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: K, value: V) -> None:
        """Set the value of a key, and evict entries beyond the limits."""
        self.remove(key)
        self._entries[key] = value
        self._size_sum += self._size(value)
        while len(self) > self.count or (self.nbytes is not None and self._size_sum > self.nbytes):
            oldest = next(iter(self))
            self.remove(oldest)
            self._on_evict(oldest)

    def clear(self) -> None:
        """Remove all entries."""
        for key in list(self):
            self.remove(key)

    def remove(self, key: K) -> None:
        """Remove an entry, if it exists."""
        if key in self._entries:
            self._size_sum -= self._size(self._entries.pop(key))
