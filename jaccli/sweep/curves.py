"""The figure of a sweep: entries, norms or uncertainties against what varies.

Against the varied path whose values are numbers, of several the one with the most values; the
others tell curves apart.  Where no path has numbers, against the tasks by name.

Boundary: reads results and returns curves; computes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaccli.result import notation
from jaccli.result.figures.curves import MOST, Curve, Curves
from jaccli.result.nonfinite import entry_name
from jaccli.result.numerals import floats
from jaccli.result.result import Block, Result
from jaccli.result.sparse import dense
from jaccli.result.summary import Measuring
from jaccli.sweep.long_table import read_result
from jaccli.sweep.task_record import TaskRecord

Values = dict[str, Any]


@dataclass(frozen=True)
class Abscissa:
    """Where each task stands: `path` is what varies along the axis, or empty with `names`."""

    path: str
    x: list[float]
    groups: list[str]
    names: list[str]

    @staticmethod
    def of(tasks: Sequence[Values]) -> Abscissa:
        """Return the places of tasks by what varies in them."""
        paths = list(dict.fromkeys(path for values in tasks for path in values))
        found = {path: [values.get(path) for values in tasks] for path in paths}
        numeric = [path for path in paths if all(map(_is_number, found[path]))]
        counts = {path: len(set(found[path])) for path in numeric}
        if not numeric or max(counts.values()) < 2:
            names = [
                ", ".join(_named(path, values.get(path)) for path in paths) for values in tasks
            ]
            return Abscissa("", list(map(float, range(len(tasks)))), [""] * len(tasks), names)
        path = max(numeric, key=lambda name: counts[name])
        x = [float(value or 0) for value in found[path]]
        others = [name for name in paths if name != path and len(set(map(str, found[name]))) > 1]
        groups = [", ".join(_named(name, values.get(name)) for name in others) for values in tasks]
        if len(set(groups)) == len(groups):  # those that vary together with it
            groups = [""] * len(tasks)
        return Abscissa(path, x, groups, [])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _named(path: str, value: Any) -> str:
    name = path.removeprefix("inputs.")
    return f"{name}={value if isinstance(value, int | float | str) else json.dumps(value)}"


def of_rows(tasks: Sequence[Values], rows: Sequence[Sequence[dict[str, str]]], *, y: str,
            names: Sequence[str], title: str) -> Curves:  # fmt: skip
    """Return curves of a report's column `y`: for each task, rows by column name.

    `names` are the columns that say which row is which.
    """
    where = Abscissa.of(tasks)
    points: dict[str, list[tuple[float, float]]] = {}
    for x, group, each in zip(where.x, where.groups, rows, strict=True):
        for row in each:
            own = " row ".join(row[name] for name in names if row.get(name))
            points.setdefault(_joined(own, group), []).append((x, _float(row.get(y, ""))))
    return _curves(where, points, y=y.replace("_", " "), title=title)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def of_records(records: Sequence[TaskRecord], folder: Path, *, limit: int, title: str) -> Curves:
    """Return curves of the results that are done: of single entries where they are few, or norms.

    Raises:
        SourceError: a stored result cannot be read back.
    """
    kept = [record for record in records if record.status == "done"]
    where = Abscissa.of([record.values for record in kept])
    several = len({record.derivative for record in kept}) > 1
    groups = len(set(where.groups))
    points: dict[str, list[tuple[float, float]]] = {}
    single = True
    for number, record in enumerate(kept):
        result = read_result(record, folder, limit)
        if number == 0:
            single = _size(result) * groups <= MOST
        for name, value in _numbers(result, single=single):
            name = f"{record.derivative} {name}" if several and not single else name
            own = _joined(name, where.groups[number])
            points.setdefault(own, []).append((where.x[number], value))
    failed = len(records) - len(kept)
    notes = [f"{failed} of {len(records)} tasks failed and are missing."] if failed else []
    y = "entry" if single else "Euclidean norm"
    return _curves(where, points, y=y, title=title, notes=notes)


def _size(result: Result) -> int:
    return sum(block.values.size for block in result.blocks)


def _numbers(result: Result, *, single: bool) -> list[tuple[str, float]]:
    if not single:
        return [(_norm_name(result, block), _norm(block)) for block in result.blocks]
    found = []
    for block in result.blocks:
        for place, value in enumerate(dense(block.values).reshape(-1).tolist()):
            found.append((entry_name(result, block, place), float(value)))
    return found


def _norm_name(result: Result, block: Block) -> str:
    title = notation.title(result.derivative, block.output or "", block.wrt)
    return f"‖{title}‖"


def _norm(block: Block) -> float:
    found = Measuring()
    for chunk in floats(block.values):
        if len(chunk):
            found.add(chunk)
    measures = found.measures
    if measures.nans or measures.infinities:
        return math.nan
    return measures.norm or 0.0


def _joined(name: str, group: str) -> str:
    return f"{name}, {group}" if group and name else name or group


def _curves(where: Abscissa, points: dict[str, list[tuple[float, float]]], *, y: str, title: str,
            notes: Sequence[str] = ()) -> Curves:  # fmt: skip
    curves = []
    for name, found in points.items():
        found = sorted(found, key=lambda point: point[0]) if where.path else found
        curves.append(Curve(name, [x for x, _ in found], [value for _, value in found]))
    if len(curves) == 1:
        title = f"{title}: {curves[0].name}" if curves[0].name else title
    shown = where.path.removeprefix("inputs.") or "task"
    return Curves(curves, shown, y, title, where.names, notes)
