"""What fresh memory costs a large result, and what spares it.

Every line is a process of its own: a compiled call that returns 64 or 256 MiB, in the main thread
and in another, with the allocator set up by environment variables, by `mallopt`, by huge pages,
or with the previous result donated to the next call.  Linux with glibc.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

MALLOC = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "268435456",
}
"""No mapping per large array, nothing given back to the system, growth by 256 MiB."""
_ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
_HUGE = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


class Setup(NamedTuple):
    """Environment variables, and what the process does itself.

    `mallopt` is called, results are donated to the next call, or the result's room is reserved as
    huge pages.
    """

    name: str
    environment: dict[str, str]
    mallopt: bool = False
    donate: bool = False
    reserve: bool = False


SETUPS = (
    Setup("nothing set", {}),
    Setup("MALLOC_*", MALLOC),
    Setup("MALLOC_* and one arena", {**MALLOC, **_ONE_ARENA}),
    Setup("mallopt, one arena", {}, mallopt=True),
    Setup("huge pages", _HUGE),
    Setup("huge pages, MALLOC_*, one arena", {**MALLOC, **_ONE_ARENA, **_HUGE}),
    Setup("huge pages, mallopt, one arena", _HUGE, mallopt=True),
    Setup("mallopt, one arena, madvise", {}, mallopt=True, reserve=True),
    Setup("nothing set, donated", {}, donate=True),
    Setup("huge pages, donated", _HUGE, donate=True),
)


class Call(NamedTuple):
    """Milliseconds and minor faults of one call."""

    milliseconds: float
    faults: int


def without_settings() -> dict[str, str]:
    """Return the environment without settings of the allocator."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}


def report(sizes: tuple[int, ...] = (4096, 8192), calls: int = 15) -> None:
    """Print the table."""
    print("                                              first call          later calls (median)")
    for size in sizes:
        for thread in (False, True):
            where = "another thread" if thread else "main thread"
            print(f"{size**2 * 4 >> 20} MiB, {where}")
            for setup in SETUPS:
                first, *later = _in_a_process(setup, size, thread, calls)
                print(
                    f"  {setup.name:34s} {first.milliseconds:9.1f} ms {first.faults:7d} faults "
                    f"{median(c.milliseconds for c in later):9.1f} ms "
                    f"{int(median(c.faults for c in later)):7d} faults",
                    flush=True,
                )


def _in_a_process(setup: Setup, size: int, thread: bool, calls: int) -> Iterator[Call]:
    request = json.dumps([size, calls, thread, setup.mallopt, setup.donate, setup.reserve])
    done = subprocess.run(
        [sys.executable, os.path.abspath(__file__), request],
        env={**without_settings(), **setup.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return (Call(*call) for call in json.loads(done.stdout))


def _set_allocator() -> None:
    """Do in this process what the variables do: before JAX is imported."""
    libc = ctypes.CDLL(None)
    trim_threshold, top_pad, mmap_max, arena_max = -1, -2, -4, -8  # <malloc.h>
    for option, value in (
        (mmap_max, 0),
        (trim_threshold, 2**31 - 1),
        (top_pad, 256 << 20),
        (arena_max, 1),
    ):
        libc.mallopt(option, value)


def _reserve(size: int) -> None:
    """Let the heap grow by so many bytes of huge pages, none of which is touched yet.

    Only where freed memory stays with the heap, as `_set_allocator` has it.
    """
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    page, huge_pages = os.sysconf("SC_PAGESIZE"), 14  # MADV_HUGEPAGE
    room = libc.malloc(ctypes.c_size_t(size))
    start = -(-room // page) * page
    length = (room + size - start) // page * page
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), huge_pages)
    libc.free(ctypes.c_void_p(room))


def _calls(size: int, count: int, donate: bool, reserve: bool) -> list[Call]:
    """Run the forecast's Jacobian in closed form; every result is freed before the next call."""
    import resource

    import jax
    import jax.numpy as jnp

    jax.config.update("jax_cpu_enable_async_dispatch", False)
    number = jax.jit(lambda n: jnp.sin(jnp.arange(n, dtype=jnp.float32)), static_argnums=0)
    W, x = number(size**2).reshape(size, size), number(size)

    def derivative(x: jax.Array, W: jax.Array) -> jax.Array:
        return (1 - jnp.tanh(W @ x / size) ** 2)[:, None] * W

    def reusing(x: jax.Array, W: jax.Array, old: jax.Array) -> jax.Array:
        return derivative(x, W)

    # the donated array has the result's shape and dtype, so that XLA writes where it stands
    again = jax.jit(reusing, donate_argnums=2, keep_unused=True).lower(x, W, W).compile()
    once = jax.jit(derivative).lower(x, W).compile()
    if reserve:
        _reserve(size**2 * 4 + (8 << 20))
    calls: list[Call] = []
    result = None
    for _ in range(count):
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        start = time.perf_counter()
        result = once(x, W) if result is None else again(x, W, result)
        result.block_until_ready()
        elapsed = time.perf_counter() - start
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        calls.append(Call(1e3 * elapsed, faults))
        if not donate:
            result = None
    return calls


def _child(size: int, count: int, thread: bool, mallopt: bool, donate: bool, reserve: bool) -> None:
    if mallopt:
        _set_allocator()
    import jax  # noqa: F401  (in the main thread, as a program does)

    found: list[Call] = []

    def work() -> None:
        found.extend(_calls(size, count, donate, reserve))

    if thread:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    else:
        work()
    print(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _child(*json.loads(sys.argv[1]))
    else:
        report()
