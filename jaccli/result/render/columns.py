"""Rows of text as aligned columns, for every table that is not of a derivative.

On a terminal a table is no wider than that: columns are left out by their rank, never wrapped.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaccli import terminal

_GAP = "  "
_MORE = "…"


def columns(
    rows: Sequence[Sequence[str]], *, droppable: Sequence[str] = (), left: bool = False
) -> str:
    """Return rows as aligned columns, below the header that is their first.

    The first column is set to the left, with `left` all are; a short row may run over.  Where the
    table is wider than the terminal, the columns that `droppable` names go, in that order, then
    others from the right; a … in the header says so.
    """
    kept = _fitting(rows, droppable)
    count = max(map(len, rows))
    if len(kept) < count:
        rows = [
            [*(row[c] for c in kept), *([_MORE] if number == 0 else [""])]
            if len(row) == count
            else row
            for number, row in enumerate(rows)
        ]
    widths = _widths(rows)
    count = len(widths)
    return "\n".join(
        _GAP.join(
            cell.ljust(widths[c]) if c == 0 or left or len(row) < count else cell.rjust(widths[c])
            for c, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    count = max(map(len, rows))
    widths = [
        max((len(row[c]) for row in rows if len(row) == count), default=0) for c in range(count)
    ]
    widths[0] = max(len(row[0]) for row in rows)
    return widths


def _fitting(rows: Sequence[Sequence[str]], droppable: Sequence[str]) -> list[int]:
    """Return the columns that are shown."""
    widths = _widths(rows)
    kept = list(range(len(widths)))
    room = terminal.room()
    if room is None:
        return kept
    header = list(rows[0])
    ranked = [header.index(name) for name in droppable if name in header]
    ranked += [c for c in reversed(kept[1:]) if c not in ranked]
    more = len(_GAP + _MORE)
    while (
        ranked
        and sum(widths[c] + len(_GAP) for c in kept)
        - len(_GAP)
        + (more if len(kept) < len(widths) else 0)
        > room
    ):
        kept.remove(ranked.pop(0))
    return kept
