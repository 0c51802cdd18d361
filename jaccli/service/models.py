"""Registered models: documents under the hash of their content, the least recently used go first.

Boundary: keeps bytes; whether they are a spec has been seen before.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from jaccli.errors import format_bytes
from jaccli.service.refusal import Refusal, too_large
from jaccli.service.request import Document

_DIGITS = 32
"""Hexadecimal digits of an id: 128 bits of a SHA-256."""


class Models:
    """At most `count` documents of `nbytes` together; `forgotten` is told of those that go."""

    def __init__(self, count: int, nbytes: int, forgotten: Callable[[str], None]) -> None:
        self._count, self._nbytes, self._forgotten = count, nbytes, forgotten
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return len(self._documents)

    def check(self, document: Document) -> None:
        """Refuse a document that is larger than all may be together.

        Raises:
            Refusal: it is.
        """
        if document.nbytes > self._nbytes:
            allowed = format_bytes(self._nbytes)
            raise too_large(f"the model has more than the {allowed} allowed.")

    def add(self, document: Document) -> str:
        """Keep a document and return its id."""
        name = identity(document)
        if name not in self._documents:
            self._documents[name] = document
            self._held += document.nbytes
        self.touch(name)
        while len(self._documents) > self._count or self._held > self._nbytes:
            oldest, gone = self._documents.popitem(last=False)
            self._held -= gone.nbytes
            self._forgotten(oldest)
        return name

    def get(self, name: str) -> Document:
        """Return the document of that id.

        Raises:
            Refusal: there is none, or none any more.
        """
        if name not in self._documents:
            raise Refusal(404, f"no model is registered as {name!r}. Register it again.")
        self.touch(name)
        return self._documents[name]

    def touch(self, name: str) -> bool:
        """Note that a model is in use; return whether it is there still."""
        if name not in self._documents:
            return False
        self._documents.move_to_end(name)
        return True


def identity(document: Document) -> str:
    """Return the id of a document: equal documents have equal ids."""
    digest = hashlib.sha256()
    for part in (document.spec, *(x for f in sorted(document.files.items()) for x in f)):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:_DIGITS]
