"""Sizes of the arrays that creating functions make, before anything is allocated.

Integer arithmetic on shapes and literals; imports neither JAX nor numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any


def _dims(shape: Any) -> tuple[int, ...]:
    """Return a shape that may be given as one integer or as nested tuples."""
    if isinstance(shape, int):
        return (shape,)
    return tuple(dim for part in shape for dim in _dims(part))


def _count(shape: Any) -> int:
    """Return the number of entries of an array of this shape."""
    return math.prod(max(0, dim) for dim in _dims(shape))


def _size(array: Any) -> int:
    """Return the number of entries of an array or a number."""
    return math.prod(getattr(array, "shape", ()))


def length(start: float, stop: float | None, step: float) -> int:
    """Return the number of entries of `arange(start, stop, step)`."""
    start, stop = (0, start) if stop is None else (start, stop)
    if not step or not all(math.isfinite(each) for each in (start, stop, step)):
        raise ValueError("start, stop and step must be finite, and step not 0")
    return max(0, math.ceil((stop - start) / step))


def _padded(x: Any, pad_width: Any, mode: str = "constant") -> int:
    """Return the number of entries of `pad(x, pad_width)`, at least."""
    widths = _dims(pad_width)
    shape = getattr(x, "shape", ())
    if len(widths) == 2 * len(shape):
        both = [before + after for before, after in zip(widths[::2], widths[1::2], strict=True)]
    else:
        both = [2 * widths[0] if len(widths) == 1 else sum(widths)] * len(shape)
    return math.prod(dim + width for dim, width in zip(shape, both, strict=True))


def _grids(xi: Iterable[Any], indexing: str = "xy") -> int:
    """Return the number of entries of all the grids of `meshgrid`."""
    sizes = [_size(x) for x in xi]
    return math.prod(sizes) * len(sizes)


_ENTRIES: dict[str, Callable[..., int]] = {
    "zeros": _count,
    "ones": _count,
    "full": lambda shape, fill_value: _count(shape),
    "eye": lambda N, M=None, k=0: _count((N, N if M is None else M)),
    "tri": lambda N, M=None, k=0: _count((N, N if M is None else M)),
    "identity": lambda n: _count((n, n)),
    "arange": lambda start, stop=None, step=1: length(start, stop, step),
    "linspace": lambda start, stop, num=50, endpoint=True: num * max(_size(start), _size(stop)),
    "logspace": lambda start, stop, num=50, endpoint=True: num * max(_size(start), _size(stop)),
    "vander": lambda x, N=None, increasing=False: _size(x) * (_size(x) if N is None else N),
    "broadcast_to": lambda x, shape: _count(shape),
    "tile": lambda x, reps: _size(x) * _count(reps),
    "repeat": lambda x, repeats, axis=None: _size(x) * max(_dims(repeats), default=0),
    "pad": _padded,
    "meshgrid": _grids,
    "segment_sum": lambda x, segment_ids, num_segments=None: num_segments or 0,
    "diag": lambda x, k=0: (_size(x) + abs(k)) ** 2 if len(getattr(x, "shape", ())) == 1 else 0,
    "toeplitz": lambda c, r=None: _size(c) * (_size(c) if r is None else _size(r)),
    "kron": lambda a, b: _size(a) * _size(b),
    "outer": lambda a, b: _size(a) * _size(b),
    "block_diag": lambda arrays: sum(_size(each) for each in arrays) ** 2,
}


def entries(name: str, arguments: dict[str, Any]) -> int:
    """Return how many entries the call makes, at most; 0 for functions that create nothing.

    `arguments` are the values by parameter name.  Raises TypeError or ValueError for arguments
    that describe no size.
    """
    return _ENTRIES[name](**arguments) if name in _ENTRIES else 0
