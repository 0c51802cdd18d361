"""How much memory a call may take, and how it is given back.

Boundary: imports nothing of the package but what it is started with.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from jaccli import context, surroundings

_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LEAST = 64 << 20
"""Bytes that there are at least, whatever `ulimit -v` says: else numpy is not imported."""


def total() -> int:
    """Return the bytes of memory that this process may use at most: machine's or container's."""
    sizes = [_installed()]
    for name in _CGROUP_LIMITS:
        try:
            limit = Path(name).read_text().strip()
        except OSError:
            continue
        if limit.isdecimal():
            sizes.append(int(limit))
    addresses = surroundings.address_space()
    if addresses is not None:
        sizes.append(max(addresses - surroundings.needed_by_jax(), _LEAST))
    return min(sizes)


def _installed() -> int:
    """Return the bytes of memory that the machine has."""
    try:
        return _PAGE * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # macOS need not know the name
        size, length = ctypes.c_uint64(0), ctypes.c_size_t(8)
        ask = ctypes.CDLL(None).sysctlbyname
        ask(b"hw.memsize", ctypes.byref(size), ctypes.byref(length), None, 0)
        return size.value


def budget(asked: int | None) -> int:
    """Return the memory budget of who asks for so many bytes; None asks for half of `total()`.

    It is never more than the context of the call has.
    """
    found = total() // 2 if asked is None else asked
    most = context.current().most_memory
    return found if most is None else min(found, most)


def largest_result() -> int | None:
    """Return the bytes that a result may have, or None."""
    return context.current().most_result


class Exhausted(MemoryError):
    """What is prepared for a derivative takes more than its share of the memory budget."""


_highest: ContextVar[int | None] = ContextVar("highest", default=None)


@contextmanager
def growing_by(most: int) -> Iterator[None]:
    """Let `check_growth` see to it that the process grows by no more bytes in the block.

    What a derivative's structure takes is not known before it is found.  What there is of it when
    it is refused is freed: something else is tried instead, and the error may be held meanwhile.
    """
    token = _highest.set(_resident() + max(most, _LEAST))
    try:
        yield
    except Exhausted as error:
        traceback.clear_frames(error.__traceback__)
        gc.collect()
        _trim()
        raise
    finally:
        _highest.reset(token)


_LEAST = 64 << 20
"""Bytes that any work may take: what JAX holds while it traces is of this size."""


def check_growth(more: int = 0) -> None:
    """Raise `Exhausted` if the process has grown too large, or would with so many bytes more."""
    highest = _highest.get()
    # The peak takes a tenth of the time, and rules most out.
    if highest is not None and _peak() + more > highest and _resident() + more > highest:
        raise Exhausted


def _resident() -> int:
    """Return the bytes of memory that the process has; its peak, where only that is known."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return _peak()


def _peak() -> int:
    """Return the most bytes of memory that the process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


_M_MMAP_THRESHOLD = -3
"""The name that glibc has for it (malloc.h)."""
_LARGE = 4 << 20


def return_freed() -> None:
    """Have the C library give large blocks back to the system as soon as they are freed.

    Of itself glibc soon keeps those below 32 MiB, and chunks' arrays of several sizes leave gaps
    between them that add up: 700 MiB in place of 300 for two inputs of 4 GiB each, in chunks.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _trim() -> None:
    """Have the C library give back what is free now."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
