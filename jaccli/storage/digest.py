"""SHA-256 hashes, in hexadecimal digits.

`digest` makes the keys of caches.  The others hash the bytes of texts, files and arrays as they
are: they are stored in results, sweep folders and partial files, and compared by later runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_SCALARS = (bool, int, float, str)  # a bool is an int: the first type that matches counts


def digest(*values: object) -> str:
    """Return the hash of None, numbers, texts, bytes, arrays, and nested collections of them.

    Type and length precede each value, so that different values give different bytes.  The order of
    a mapping's entries matters, and so does whether a number is an integer.
    """
    sha256 = hashlib.sha256()
    for data in _framed(values):
        sha256.update(data)
    return sha256.hexdigest()


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
    """Return the hash of a file's content, or `missing` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"


def arrays_digest(arrays: Mapping[str, Any]) -> str:
    """Return the hash of named arrays, in the order of their names."""
    sha256 = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        sha256.update(f"{name}{array.dtype}{array.shape}".encode())
        for data in _numbers(array):
            sha256.update(data)
    return sha256.hexdigest()


def _numbers(array: Any) -> Iterator[memoryview]:
    """Yield the bytes of an array, which may be memory-mapped."""
    import numpy as np

    from jaccli.storage.memmap import blocks

    for block in blocks(array):
        yield block.view(np.uint8).data
