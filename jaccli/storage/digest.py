"""Hashes that identify things: SHA-256, in hexadecimal digits.

`digest` makes the keys of caches.  The others are of texts, files and arrays as they are: results,
sweep folders and partial files of earlier runs have them, and are found again by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SCALARS = (bool, int, float, str)  # a bool is an int: the first one that fits counts


def digest(*values: object) -> str:
    """Return the hash of values: of None, numbers, texts, bytes, arrays, and collections of them.

    Each has its type and its length before it, so that no other values give the same bytes.
    Entries of a mapping count in their order, and so does whether a number is an integer.
    """
    found = hashlib.sha256()
    for part in _framed(values):
        found.update(part)
    return found.hexdigest()


def _framed(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        yield b"list:%d:" % len(value)
        for item in value:
            yield from _framed(item)
    elif isinstance(value, Mapping):
        yield b"map:%d:" % len(value)
        for item in (x for pair in value.items() for x in pair):
            yield from _framed(item)
    elif isinstance(value, bytes):
        yield b"bytes:%d:" % len(value)
        yield value
    elif value is None:
        yield b"none:0:"
    elif hasattr(value, "dtype"):
        yield b"array:%d:" % value.nbytes
        yield from _framed((str(value.dtype), value.shape))
        yield from _numbers(value)
    else:
        kind = next((kind for kind in _SCALARS if isinstance(value, kind)), None)
        if kind is None:
            raise TypeError(f"nothing identifies a {type(value).__name__}")
        text = (value if kind is str else kind.__repr__(value)).encode("utf-8", "surrogatepass")
        yield b"%s:%d:" % (kind.__name__.encode(), len(text))
        yield text


def text_digest(text: str) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the hash of a file's content; of one that cannot be read, `missing`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"


def arrays_digest(arrays: Mapping[str, Any]) -> str:
    """Return the hash of arrays and their names, in the order of the names."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name}{array.dtype}{array.shape}".encode())
        for block in _numbers(array):
            found.update(block)
    return found.hexdigest()


def _numbers(array: Any) -> Iterator[memoryview]:
    """Yield the bytes of an array's numbers, which may be in a file."""
    import numpy as np

    from jaccli.storage.memmap import blocks

    for block in blocks(array):
        yield block.view(np.uint8).data
