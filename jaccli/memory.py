"""How much memory this machine or container has.  Imports nothing of the package."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def total() -> int:
    """Return the bytes of memory that this process may use at most: machine's or container's."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _CGROUP_LIMITS:
        try:
            limit = Path(name).read_text().strip()
        except OSError:
            continue
        if limit.isdecimal():
            sizes.append(int(limit))
    return min(sizes)


def default_budget() -> int:
    """Return the memory budget in bytes where none is given: half of `total()`."""
    return total() // 2
