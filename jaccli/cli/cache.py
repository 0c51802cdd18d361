"""The command `cache`: what is kept from one call to the next, and how to be rid of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

import typer

from jaccli.cli import console
from jaccli.errors import ComputationError, UsageError, expected, format_bytes
from jaccli.storage import disk_cache

_ACTIONS = ("show", "clear")
_FORMATS = ("table", "plain", "json", "none")


def cache_command(_: str) -> Callable[..., int | None]:
    """Return `cache`."""

    def command(
        action: Annotated[str, typer.Argument(metavar="show|clear", help="What to do.")],
        form: Annotated[
            str | None, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(_FORMATS)}.")
        ] = None,
        debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
    ) -> int:
        if action not in _ACTIONS:
            raise UsageError(f"cache: unknown action {action!r}.", hint=expected(_ACTIONS))
        if form is not None and form not in _FORMATS:
            raise UsageError(f"--format: unknown value {form!r}.", hint=expected(_FORMATS))
        _check()
        if action == "show":
            _present(action, disk_cache.usage(), form or console.default_form())
        else:
            _present(action, _cleared(), form or console.default_form())
        return 0

    return command


def _check() -> None:
    """Refuse a folder that is not the user's own: its content is not ours."""
    if disk_cache.is_refused():
        raise ComputationError(
            f"{disk_cache.home()}: not a folder of your own, so that nothing is kept there.",
            hint="Move it away, or set XDG_CACHE_HOME to another folder.",
        )


def _cleared() -> dict[str, disk_cache.Usage]:
    try:
        return disk_cache.clear()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ComputationError(f"{error.filename}: cannot be removed: {reason}.") from error


def _present(action: str, found: dict[str, disk_cache.Usage], form: str) -> None:
    """Print what there is of each kind, or what there was."""
    off = bool(os.environ.get(disk_cache.OFF))
    folder = disk_cache.home()
    entries, nbytes = (sum(each[i] for each in found.values()) for i in (0, 1))
    if form == "json":
        kinds = {name: {"entries": n, "bytes": size} for name, (n, size) in found.items()}
        where = None if folder is None else str(folder)
        data = {"action": action, "folder": where, "off": off, "entries": entries, "bytes": nbytes}
        console.out(console.json_line(data | {"kinds": kinds}))
    elif form != "none":
        lines = [f"folder     {folder or 'none: there is no home folder'}"]
        if off:
            lines.append(
                f"off        {disk_cache.OFF} is set: nothing is read from it or written to it"
            )
        for name, (count, size) in found.items():
            lines.append(f"{name:10} {_amount(count, size)}  {disk_cache.KINDS[name]}")
        total = "removed" if action == "clear" else "total"
        lines.append(f"{total:10} {_amount(entries, nbytes)}")
        console.out("\n".join(line.rstrip() for line in lines))


def _amount(entries: int, nbytes: int) -> str:
    noun = "entry" if entries == 1 else "entries"
    return f"{entries:>6,} {noun:7} {format_bytes(nbytes):>10}"
