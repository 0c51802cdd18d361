"""JAX is set up here and nowhere else: versions, precision of arrays, devices.

`configure` runs before any array exists.  Boundary: knows nothing of specs or derivatives.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from jaccli import startup, surroundings
from jaccli.errors import ComputationError, DeviceError, listed

MISCOMPILING = {
    "0.10.2": "jax-ml/jax#39103: wrong numbers in batched Hessians on the CPU",
    "0.11.0": "jax-ml/jax#39257: crashes in compiled programs on the CPU",
}
"""Versions of jax and jaxlib that are known to give wrong results."""


def configure(*, x64: bool, everywhere: bool = False) -> None:
    """Import JAX and set it up: 64-bit arrays or not, in this thread or `everywhere`.

    Raises:
        ComputationError: this version of JAX is known to miscompile.
    """
    for package in ("jax", "jaxlib"):
        found = _version(package)
        if found in MISCOMPILING:
            message = f"{package} {found} gives wrong results ({MISCOMPILING[found]})."
            raise ComputationError(message, hint="Install jax 0.10.1: pip install jax==0.10.1")
    surroundings.require_addresses(surroundings.needed_by_jax(), "JAX")
    import jax

    startup.imported()
    if everywhere:  # a program that one thread has compiled is run by another
        jax.config.update("jax_enable_x64", x64)
    if not everywhere or threading.current_thread() is threading.main_thread():
        # Entered and never left: a caller's own setting comes back with the block that it is in.
        jax.enable_x64(x64).__enter__()
    # One result is waited for at a time, so dispatch to another thread only costs (46 → 17 µs).
    jax.config.update("jax_cpu_enable_async_dispatch", False)


@contextmanager
def own_precision() -> Iterator[None]:
    """Leave JAX's 64-bit switch as it was before the block: the process is a user's."""
    import jax

    with jax.enable_x64(jax.config.read("jax_enable_x64")):
        yield


LOGS_ARE_QUIET = "jax" not in sys.modules or "TF_CPP_MIN_LOG_LEVEL" in os.environ
"""Whether JAX's logs can be quieted: it looks once, and may have been imported before."""


def set_environment() -> None:
    """Set the variables that JAX reads when it is imported, unless the user has: a GPU's memory
    is not preallocated, and logs are quiet.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # Without this, JAX's C++ logs on standard error what it also raises, and a false alarm whenever
    # a compiled program is loaded: of processor features that only its compiler knows.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


set_environment()  # whatever imports JAX imports this module before


@dataclass(frozen=True)
class Device:
    """What computes: one of JAX's devices, or several of one platform that share the work."""

    handles: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The name in messages and results: `gpu:1`; of several `cpu:0-3`, or `gpu:0,2`."""
        ids = [handle.id for handle in self.handles]
        in_a_row = ids == list(range(ids[0], ids[0] + len(ids))) and len(ids) > 1
        numbers = f"{ids[0]}-{ids[-1]}" if in_a_row else ",".join(map(str, ids))
        return f"{self.handle.platform}:{numbers}"

    @property
    def handle(self) -> Any:
        """JAX's object of the only one, or of the first."""
        return self.handles[0]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.handles)

    @property
    def pooled(self) -> int:
        """How many of them take from one memory: those of a CPU all do."""
        return self.count if self.handle.platform == "cpu" else 1

    def first(self, count: int) -> Device:
        """Return the first of them, `count` at most."""
        return Device(self.handles[:count])


def find(name: str | None, count: int | str | None = None) -> Device:
    """Return the device of that name (`gpu`, `gpu:1`), or JAX's first one.

    `count` asks for so many of the platform, or for `all` of them.

    Raises:
        DeviceError: it is not there, or they are not; never others in their place.
    """
    import jax

    platform, _, number = (name or devices()[0].handle.platform).partition(":")
    try:
        handles = tuple(jax.devices(platform))
    except _NO_BACKEND as error:
        raise _absent(f"no device {name!r}") from error
    if isinstance(count, int) and count > len(handles):
        several = f"JAX_NUM_CPU_DEVICES={count} makes so many of one CPU." * (platform == "cpu")
        raise _absent(f"fewer than {count} {platform} devices", several)
    if count is not None:
        return Device(handles[: len(handles) if count == "all" else int(count)])
    index = int(number or 0)
    if index >= len(handles):
        raise _absent(f"no device {name!r}")
    return Device((handles[index],))


def devices() -> list[Device]:
    """Return all devices of all platforms, JAX's first one first.

    Raises:
        DeviceError: there is none, because JAX_PLATFORMS names others.
    """
    import jax

    try:
        handles = list(jax.devices())
    except _NO_BACKEND as error:
        named = os.environ.get("JAX_PLATFORMS")
        hint = f"JAX_PLATFORMS is {named!r}; unset it, or name what is here."
        raise DeviceError("JAX finds no device.", hint=hint) from error
    if handles[0].platform != "cpu":
        with suppress(*_NO_BACKEND):  # JAX_PLATFORMS may leave the CPU out
            handles += jax.devices("cpu")
    return [Device((handle,)) for handle in handles]


_NO_BACKEND = (RuntimeError, AssertionError)
"""What JAX raises where a platform is missing; the second where JAX_PLATFORMS names only such."""


def _absent(what: str, remedy: str = "") -> DeviceError:
    present = listed(device.name for device in devices())
    return DeviceError(f"{what} here.", hint=f"Available: {present}. {remedy}".rstrip())


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {name: _version(name) for name in ("jaccli", "jax", "jaxlib", "numpy")}


@cache
def _version(package: str) -> str:
    """Read what is installed: 2 ms, which each of many results would pay."""
    return version(package)
