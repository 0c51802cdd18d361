"""A sweep's tasks as rows, and rows as text: aligned, CSV or JSON.

Boundary: numbers come from the records; computes nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jaccli.result.io.json import number
from jaccli.result.numerals import significant
from jaccli.result.render.columns import columns as aligned_columns
from jaccli.sweep.results_folder import columns, shapes
from jaccli.sweep.task_record import TaskRecord

Row = dict[str, Any]

_SHOWN = 40
"""Maximum number of rows shown to a person; the middle of a longer table is left out."""


_DROPPABLE = ("shapes", "condition", "min", "max", "norm")
"""Columns that a narrow terminal goes without, in this order."""


def swept_values(records: Sequence[TaskRecord]) -> list[Row]:
    """Return the swept values of each task by short name, and its derivative if there are two."""
    short_names = columns(records)
    many_derivatives = len({record.derivative for record in records}) > 1
    return [
        {name: record.values.get(path) for path, name in short_names.items()}
        | ({"derivative": record.derivative} if many_derivatives else {})
        for record in records
    ]


def summary(records: Sequence[TaskRecord]) -> list[Row]:
    """Return a row for each task: its swept values, its status, and the numbers of its result."""
    rows = [
        values
        | {
            "status": record.status,
            "shapes": shapes(record),
            "norm": record.norm,
            "min": record.low,
            "max": record.high,
            "condition": record.condition,
            "expect": record.verdict or None,
        }
        for values, record in zip(swept_values(records), records, strict=True)
    ]
    return _without_empty(rows, ("condition", "expect"))


def _without_empty(rows: list[Row], names: Iterable[str]) -> list[Row]:
    """Return the rows without those of the named columns that are empty in every row."""
    empty = {name for name in names if all(row[name] is None for row in rows)}
    return [{name: cell for name, cell in row.items() if name not in empty} for row in rows]


def as_text(rows: Sequence[Row], digits: int | None = None) -> str:
    """Return rows as aligned columns: every number in full, or for a person to `digits`.

    For a person, the middle of a long table is left out.
    """
    if not rows:
        return ""
    shown = list(rows)
    left_out = len(rows) - _SHOWN
    if digits is not None and left_out > 0:
        shown = [*rows[: _SHOWN // 2], *rows[-_SHOWN // 2 :]]
    cells = [[text_of(cell, digits) for cell in row.values()] for row in shown]
    lines = [list(rows[0]), *cells]
    aligned = aligned_columns(lines, droppable=_DROPPABLE, left=True).split("\n")
    if len(shown) < len(rows):
        aligned.insert(1 + _SHOWN // 2, f"… {left_out} more …")
    return "\n".join(aligned)


def text_of(cell: Any, digits: int | None) -> str:
    """Return a cell as text: a number in full, or to `digits` significant digits."""
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, float):
        return repr(cell) if digits is None else significant(cell, digits)
    if isinstance(cell, bool | dict | list):
        return json.dumps(cell)
    return str(cell)


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0] if rows else [])
    writer.writerows(
        ["" if c in (None, "") else text_of(c, None) for c in row.values()] for row in rows
    )
    return text.getvalue().rstrip("\n")


def as_json(rows: Sequence[Row]) -> str:
    """Return rows as one line of JSON."""
    plain = [{k: number(c) if isinstance(c, float) else c for k, c in row.items()} for row in rows]
    return json.dumps({"tasks": plain}, ensure_ascii=False)


RENDERERS: dict[str, Callable[[Sequence[Row], int], str]] = {
    "table": as_text,
    "plain": lambda rows, _: as_text(rows),
    "csv": lambda rows, _: as_csv(rows),
    "json": lambda rows, _: as_json(rows),
}


def summary_line(records: Sequence[TaskRecord], kept: int, elapsed: str, folder: str) -> str:
    """Return one line: the number of tasks by status, the elapsed time, and the folder."""
    counts = [
        f"{count} {word}"
        for word, count in (
            ("done", sum(r.status == "done" for r in records) - kept),
            ("kept", kept),
            ("failed", sum(r.status == "failed" for r in records)),
            ("not run", sum(r.status == "pending" for r in records)),
        )
        if count
    ]
    noun = "task" if len(records) == 1 else "tasks"
    return f"{len(records)} {noun}: {', '.join(counts)} · {elapsed} · {folder}"
