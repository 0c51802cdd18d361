"""Registered models: specs under the hash of their content, the least recently used go first.

Boundary: keeps bytes; whether they are a spec, and what their id is, has been seen before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaccli.errors import format_bytes
from jaccli.service.server.buffers import Body
from jaccli.service.server.http_error import Refusal, too_large
from jaccli.storage.lru_cache import LRUCache


class StoredModel(NamedTuple):
    """What a model was registered with."""

    content_type: str
    body: Body


class Models:
    """At most `count` models of `nbytes` together; `forgotten` is told of those that go."""

    def __init__(self, count: int, nbytes: int, forgotten: Callable[[str], None]) -> None:
        self._nbytes = nbytes
        self._models: LRUCache[str, StoredModel] = LRUCache(
            count, nbytes, size=lambda model: len(model.body), on_evict=forgotten
        )

    def __len__(self) -> int:
        return len(self._models)

    def check(self, nbytes: int) -> None:
        """Refuse a model that is larger than all may be together.

        Raises:
            Refusal: it is.
        """
        if nbytes > self._nbytes:
            allowed = format_bytes(self._nbytes)
            raise too_large(f"the model has more than the {allowed} allowed.")

    def add(self, name: str, model: StoredModel) -> None:
        """Keep a model under its id."""
        if not self.touch(name):
            self._models.put(name, model)

    def get(self, name: str) -> StoredModel:
        """Return the model of that id.

        Raises:
            Refusal: there is none, or none any more.
        """
        model = self._models.get(name)
        if model is None:
            raise Refusal(404, f"no model is registered as {name!r}. Register it again.")
        return model

    def touch(self, name: str) -> bool:
        """Note that a model is in use; return whether it is there still."""
        return self._models.get(name) is not None
