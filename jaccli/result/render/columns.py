"""Rows of text as aligned columns, for every table that is not of a derivative."""

from __future__ import annotations

from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns, the first to the left; a short row may run over."""
    count = max(map(len, rows))
    widths = [
        max((len(row[c]) for row in rows if len(row) == count), default=0) for c in range(count)
    ]
    widths[0] = max(len(row[0]) for row in rows)
    return "\n".join(
        "  ".join(
            cell.ljust(widths[c]) if c == 0 or len(row) < count else cell.rjust(widths[c])
            for c, cell in enumerate(row)
        ).rstrip()
        for row in rows
    )
