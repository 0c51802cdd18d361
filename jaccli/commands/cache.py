"""The command `cache`: what is kept from one call to the next, and how to be rid of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from jaccli.commands.options import REPORTS, CallRequest
from jaccli.commands.outcome import Data, Outcome, Report
from jaccli.commands.request import argument, check_choice, option
from jaccli.context import Context
from jaccli.errors import ComputationError, UsageError, expected, format_bytes
from jaccli.storage import disk_cache

_ACTIONS = ("show", "clear")


class CacheRequest(CallRequest):
    """What to do with the cache."""

    action: str = argument("show|clear", "What to do.")
    format: str | None = option(
        "--format", metavar="FORMAT", help=f"{', '.join(REPORTS)}.", choices=REPORTS
    )


def run(request: CacheRequest, context: Context) -> Iterator[Outcome]:
    """Show or clear the cache.

    Raises:
        UsageError: the action or the format is unknown.
        ComputationError: the folder is not the user's own, or cannot be cleared.
    """
    action = request.action
    if action not in _ACTIONS:
        raise UsageError(f"cache: unknown action {action!r}.", hint=expected(_ACTIONS))
    check_choice(request, "format")
    _check()
    found = disk_cache.usage() if action == "show" else _cleared()
    yield Report(
        form=request.format or ("table" if context.is_terminal else "plain"),
        text=lambda: _as_text(action, found),
        data=lambda: _as_json(action, found),
    )


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


def _total(found: dict[str, disk_cache.Usage]) -> tuple[int, int]:
    """Return the entries and the bytes of all kinds."""
    entries, nbytes = (sum(each[i] for each in found.values()) for i in (0, 1))
    return entries, nbytes


def _as_json(action: str, found: dict[str, disk_cache.Usage]) -> Data:
    """Return what there is of each kind, or what there was, as plain data."""
    entries, nbytes = _total(found)
    folder = disk_cache.home()
    return {
        "action": action,
        "folder": None if folder is None else str(folder),
        "off": bool(os.environ.get(disk_cache.OFF)),
        "entries": entries,
        "bytes": nbytes,
        "kinds": {name: {"entries": count, "bytes": size} for name, (count, size) in found.items()},
    }


def _as_text(action: str, found: dict[str, disk_cache.Usage]) -> str:
    """Return what there is of each kind, or what there was, as a table."""
    lines = [f"folder     {disk_cache.home() or 'none: there is no home folder'}"]
    if os.environ.get(disk_cache.OFF):
        lines.append(
            f"off        {disk_cache.OFF} is set: nothing is read from it or written to it"
        )
    for name, (count, size) in found.items():
        lines.append(f"{name:10} {_amount(count, size)}  {disk_cache.KINDS[name]}")
    total = "removed" if action == "clear" else "total"
    lines.append(f"{total:10} {_amount(*_total(found))}")
    return "\n".join(line.rstrip() for line in lines)


def _amount(entries: int, nbytes: int) -> str:
    noun = "entry" if entries == 1 else "entries"
    return f"{entries:>6,} {noun:7} {format_bytes(nbytes):>10}"
