"""The cache of bounded size."""

from __future__ import annotations

from jaccli.storage.lru_cache import LRUCache


def test_the_least_recently_used_goes_first() -> None:
    gone: list[str] = []
    cache: LRUCache[str, int] = LRUCache(2, on_evict=gone.append)
    cache.put("a", 1)
    cache.put("b", 2)
    assert (cache.peek("a"), cache.get("a"), cache.get("z")) == (1, 1, None)
    cache.put("c", 3)
    assert (list(cache), gone) == (["a", "c"], ["b"])
    assert cache.peek("a") == 1  # and its turn stays
    cache.put("d", 4)
    assert (list(cache), gone) == (["c", "d"], ["b", "a"])


def test_bytes_are_those_of_what_is_there() -> None:
    cache: LRUCache[str, bytes] = LRUCache(9, 10, size=len)
    cache.put("a", bytes(6))
    cache.put("a", bytes(4))
    cache.put("b", bytes(6))
    assert list(cache) == ["a", "b"]
    cache.remove("a")
    cache.remove("a")
    cache.put("c", bytes(4))
    assert list(cache) == ["b", "c"]
    cache.put("d", bytes(1))
    assert list(cache) == ["c", "d"]


def test_what_is_larger_than_all_may_be_is_not_kept() -> None:
    cache: LRUCache[str, bytes] = LRUCache(9, 10, size=len)
    cache.put("a", bytes(11))
    assert (len(cache), "a" in cache) == (0, False)
    none: LRUCache[str, int] = LRUCache(0)
    none.put("a", 1)
    assert len(none) == 0
