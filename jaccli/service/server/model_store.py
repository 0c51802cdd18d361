"""Registered models: specs under the hash of their content, the least recently used go first.

Boundary: keeps bytes; whether they are a spec, and what their id is, has been seen before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from jaccli.errors import format_bytes
from jaccli.service.server.buffers import Body
from jaccli.service.server.http_error import Refusal, too_large


class StoredModel(NamedTuple):
    """What a model was registered with."""

    content_type: str
    body: Body


class Models:
    """At most `count` models of `nbytes` together; `forgotten` is told of those that go."""

    def __init__(self, count: int, nbytes: int, forgotten: Callable[[str], None]) -> None:
        self._count, self._nbytes, self._forgotten = count, nbytes, forgotten
        self._models: OrderedDict[str, StoredModel] = OrderedDict()
        self._held = 0

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
        if name not in self._models:
            self._models[name] = model
            self._held += len(model.body)
        self.touch(name)
        while len(self._models) > self._count or self._held > self._nbytes:
            oldest, gone = self._models.popitem(last=False)
            self._held -= len(gone.body)
            self._forgotten(oldest)

    def get(self, name: str) -> StoredModel:
        """Return the model of that id.

        Raises:
            Refusal: there is none, or none any more.
        """
        if name not in self._models:
            raise Refusal(404, f"no model is registered as {name!r}. Register it again.")
        self.touch(name)
        return self._models[name]

    def touch(self, name: str) -> bool:
        """Note that a model is in use; return whether it is there still."""
        if name not in self._models:
            return False
        self._models.move_to_end(name)
        return True
