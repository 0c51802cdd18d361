"""Static index maps (links) in numpy: which far index goes with each near index.

A link of a value with near dims (n_0, ...) is an integer array with as many dims, each either full
or 1 where the map does not depend on it.  -1 says: the value is zero here, whatever the index.

Boundary: numpy only; no JAX, no values.
"""

from __future__ import annotations

import math

import numpy as np

Link = np.ndarray
Shape = tuple[int, ...]


def iota(size: int, axis: int, rank: int) -> Link:
    """Return the map `i_axis`, with `rank` dims."""
    shape = [1] * rank
    shape[axis] = size
    return np.arange(size, dtype=np.int32).reshape(shape)


def varies(link: Link) -> tuple[int, ...]:
    """Return the dims that the map depends on."""
    return tuple(d for d, size in enumerate(link.shape) if size > 1)


def is_iota(link: Link, size: int) -> bool:
    """Return whether the map is `i_d` for its only dim d, over all of 0 … size − 1."""
    if link.size != size or len(varies(link)) > 1:
        return False
    flat = link.ravel()
    return bool(flat[0] == 0 and flat[-1] == size - 1 and np.all(np.diff(flat) == 1))


def narrow(link: Link) -> Link:
    """Return the map with size 1 in each dim that it turns out not to depend on."""
    for axis in varies(link):
        first = link.take([0], axis)
        if link.take([-1], axis).ravel()[0] == first.ravel()[0] and np.all(link == first):
            link = first
    return link


def merged(a: Link, b: Link) -> Link | None:
    """Return the one map that serves where `a` or `b` does, or None if they contradict."""
    if a is b:
        return a
    agree = (a == b) | (a < 0) | (b < 0)
    return np.maximum(a, b) if agree.all() else None


def inverse(link: Link, size: int) -> Link | None:
    """Return for each far index the flat near index that maps to it (-1: none).

    None if two near indices map to the same far one.
    """
    flat = link.ravel()
    used = np.flatnonzero(flat >= 0)
    result = np.full(size, -1, np.int32)
    result[flat[used]] = used
    return result if np.count_nonzero(result >= 0) == used.size else None


def moved(link: Link, shape: Shape, positions: np.ndarray) -> Link:
    """Return the map read at the flat near `positions` (of any shape; -1: zero)."""
    flat = np.broadcast_to(link, shape).ravel()
    return narrow(np.where(positions >= 0, flat[positions], -1).astype(np.int32))


def padded(link: Link, shape: Shape, padding: list[tuple[int, int, int]]) -> Link:
    """Return the map after `lax.pad`, -1 in the new cells; dims without padding stay as they are.

    A dim of size 1 stays 1: there the value alone says what is zero.
    """
    for d, (low, high, interior) in enumerate(padding):
        size = link.shape[d]
        if (low, high, interior) == (0, 0, 0) or (size == 1 and shape[d] != 1):
            continue
        spread = size + max(size - 1, 0) * interior
        wide = max(low, 0) + spread + max(high, 0)
        out = np.full((*link.shape[:d], wide, *link.shape[d + 1 :]), -1, np.int32)
        at: list[slice] = [slice(None)] * link.ndim
        at[d] = slice(max(low, 0), max(low, 0) + spread, interior + 1)
        out[tuple(at)] = link
        at[d] = slice(max(-low, 0), wide - max(-high, 0))
        link = out[tuple(at)]
    return link


def groups(a: Shape, b: Shape) -> list[tuple[int, int, int, int]]:
    """Return the shortest runs `a[i:j]` and `b[k:l]` of equal products, in order.

    >>> groups((2, 6, 5), (2, 2, 3, 5))
    [(0, 1, 0, 1), (1, 2, 1, 3), (2, 3, 3, 4)]
    """
    runs, i, k = [], 0, 0
    while i < len(a) or k < len(b):
        j, last = min(i + 1, len(a)), min(k + 1, len(b))
        while math.prod(a[i:j]) != math.prod(b[k:last]):
            if math.prod(a[i:j]) < math.prod(b[k:last]):
                j += 1
            else:
                last += 1
        runs.append((i, j, k, last))
        i, k = j, last
    return runs


def regrouped(sizes: Shape, a: Shape, b: Shape) -> tuple[Shape, Shape]:
    """Return how an array with dims full or 1 follows a reshape of `a` to `b`.

    First the shape to broadcast it to (a run that is constant stays of ones), then to reshape to.
    """
    wide: list[int] = []
    after: list[int] = []
    for i, j, k, last in groups(a, b):
        constant = all(size == 1 for size in sizes[i:j])
        wide += [1] * (j - i) if constant else a[i:j]
        after += [1] * (last - k) if constant else b[k:last]
    return tuple(wide), tuple(after)
