"""What the process is started with, made usable: standard streams, variables, the shell's limits.

What cannot be made usable is said in one sentence: results that nobody can read, and memory that is
limited (`ulimit -v`) so that libraries would end the process themselves.  Standard library only.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from jaccli import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MIB = 1 << 20
NUMPY = 192 * _MIB
"""Bytes of addresses that numpy takes: its threads' stacks and buffers are most of it."""
JAX = 2048 * _MIB
"""Bytes of addresses that JAX takes for small programs, with few cores: 1.5 GiB are too little."""
_CORES, _CORE = 2, 128 * _MIB
"""How many cores that counts, and what each of the others takes."""


def prepare() -> None:
    """Make the standard streams and the terminal's variables usable."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        _make_writable(stream)
    for name in terminal.SIZES:
        if name in os.environ and terminal.size(os.environ[name]) is None:
            del os.environ[name]  # Typer and rich stumble over it


def _open_closed_streams() -> None:
    """Open standard streams that the caller has closed: files would get their numbers.

    What is printed to standard output fails, as results that go nowhere are an error; what goes to
    standard error nobody wants to read.
    """
    for number, (name, flags) in enumerate(
        (("stdin", os.O_WRONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
    ):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, flags)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)
        if name != "stdin":  # who reads from it says that it is closed
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _make_writable(stream: Any) -> None:
    """Write in UTF-8 where the stream's encoding encodes nothing: PYTHONIOENCODING=undefined."""
    try:
        "jaccli".encode(stream.encoding)
    except (UnicodeError, LookupError):
        with suppress(AttributeError):
            stream.reconfigure(encoding="utf-8", errors=stream.errors)


def address_space() -> int | None:
    """Return how many bytes of addresses this process may have (`ulimit -v`); None for any."""
    try:
        import resource
    except ImportError:  # not Unix
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def needed_by_jax() -> int:
    """Return the bytes of addresses that JAX takes before it computes anything."""
    return JAX + _CORE * max(0, (os.cpu_count() or 1) - _CORES)


def require_addresses(needed: int, library: str) -> None:
    """Refuse to import a library that would not find the addresses it needs, and abort.

    Raises:
        ComputationError: `ulimit -v` allows less.
    """
    limit = address_space()
    if limit is not None and limit < needed:
        from jaccli.errors import ComputationError, format_bytes

        raise ComputationError(
            f"out of memory: addresses are limited to {format_bytes(limit)} (ulimit -v), and "
            f"{library} needs {format_bytes(needed)}.",
            hint="Raise the limit: ulimit -v unlimited.",
        )
