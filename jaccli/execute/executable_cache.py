"""Compiled programs kept on disk, so that a later process need not compile, nor even trace, again.

A program is known by what it was made of, and by everything beside it that decides on the machine
code: versions, this package's own files, JAX's settings, the processor.  What is not read back
whole is compiled again.

Boundary: stores and finds; compiles nothing.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jax

from jaccli import backend
from jaccli.backend import Device
from jaccli.storage import disk_cache as disk
from jaccli.storage.digest import digest

Outcome = Literal["hit", "miss", "off"]
"""Found; compiled and kept; neither, because there is no cache or the program cannot be kept."""

_FOLDER = "programs"
_FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")
"""Variables that change what the compiler does."""
_IN_THIS_PROCESS = re.compile(r"custom_call @\w*(callback|Partitioning)")
"""Calls of Python functions, which another process does not have."""


def are_kept() -> bool:
    """Whether there is a cache; JAX logs a false alarm at each program loaded, if it may log."""
    return backend.LOGS_ARE_QUIET and disk.folder(_FOLDER) is not None


def key(device: Device, *parts: str) -> str | None:
    """Return the name of the program that is made of `parts` for a device; None without a cache."""
    if not are_kept():
        return None
    client = device.handle.client
    settings = {name: repr(value) for name, value in sorted(jax.config.values.items())}
    settings |= {name: repr(os.environ.get(name)) for name in _FLAGS}
    device_kind = (device.name, device.handle.device_kind, client.platform_version)
    return digest(_surroundings(), device_kind, settings, parts)


def needs_lowering(text: str) -> bool:
    """Whether a program can be run only where it was lowered: that is what finds its libraries.

    A program with calls of LAPACK that is loaded without crashes the process.
    """
    return "custom_call" in text


def may_be_kept(text: str) -> bool:
    """Whether another process could run a program, given as text."""
    return _IN_THIS_PROCESS.search(text) is None


def load(name: str | None, device: Device) -> Any:
    """Return the compiled program of that name, or None."""
    content = None if name is None else disk.read_blob(_FOLDER, name)
    if content is None:
        return None
    from jax.experimental.serialize_executable import deserialize_and_load

    try:
        # A pickle runs code, as the program itself does: the folder is the user's alone.
        code, in_tree, out_tree = pickle.loads(content)
        return deserialize_and_load(code, in_tree, out_tree, execution_devices=list(device.handles))
    except Exception:  # whatever it is, the program can be compiled
        return None


def save(name: str | None, compiled: Any) -> bool:
    """Keep a compiled program under that name; return whether it is kept."""
    if name is None:
        return False
    from jax.experimental.serialize_executable import serialize

    try:
        content = pickle.dumps(serialize(compiled))
    except Exception:  # some backends cannot
        return False
    return disk.write_blob(_FOLDER, name, content)


@cache
def _surroundings() -> tuple[object, ...]:
    """Return what decides on machine code beside the program and JAX's settings."""
    return backend.versions(), sys.version, _own_files(), disk.processor()


def _own_files() -> list[tuple[str, int, int]]:
    """Return names, sizes and times of this package's modules, which make the programs."""
    root = Path(__file__).parent.parent
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".py"):
                status = os.stat(os.path.join(folder, name))
                where = os.path.relpath(os.path.join(folder, name), root)
                found.append((where, status.st_size, status.st_mtime_ns))
    return sorted(found)
