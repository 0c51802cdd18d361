"""What an experiment would do: each task with the bytes of its result, and the time it takes.

The time is that of an earlier run, or else predicted from a trace of the program.

Boundary: plans one task of each group; computes nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaccli import models
from jaccli.errors import JaccliError, format_bytes
from jaccli.result import duration
from jaccli.result.notation import shape_text
from jaccli.sweep.grouping import Group, groups
from jaccli.sweep.runner import Request, Survey
from jaccli.sweep.table import Row, values_of
from jaccli.sweep.worker import sharing

if TYPE_CHECKING:
    from jaccli.plan import Plan

Planned = tuple[Group, "Plan | JaccliError"]

_COMPILING = 0.3
"""Seconds of compiling a program, about: 0.1 for a Jacobian of a layer, 1 for a large Hessian."""


def plans(request: Request, share: int) -> Iterator[Planned]:
    """Yield the groups, each with the plan of its first task, or with why there is none.

    `share` is among how many processes the memory budget is divided.
    """
    from jaccli.sweep.batching import plan_of

    for group in groups(request.tasks):
        first = sharing(group.tasks[0], share)
        try:
            point = models.read(first.spec)
            yield group, plan_of(first, point, request.suffix, allow_python=request.allow_python)
        except JaccliError as error:
            yield group, error


def rows(request: Request, survey: Survey, jobs: int) -> list[Row]:
    """Return a row for each task: its values, `to do` or `kept`, shapes, bytes, seconds."""
    planned = {
        task.name: (plan, _predicted(group, plan))
        for group, plan in plans(request, jobs)
        for task in group.tasks
    }
    found = []
    for values, record in zip(values_of(survey.records), survey.records, strict=True):
        (plan, seconds), known = planned[record.name], survey.folder.known.get(record.file)
        told: Row = {"shapes": None, "bytes": None}
        if not isinstance(plan, JaccliError):
            shapes = (f"{block.key} {shape_text(block.shape)}" for block in plan.blocks)
            told = {"shapes": ", ".join(shapes), "bytes": plan.result_bytes}
        told["seconds"] = known.took if known is not None and known.seconds else seconds
        told["error"] = str(plan).split("\n", 1)[0] if isinstance(plan, JaccliError) else None
        status = "kept" if record.name in survey.kept else "to do"
        found.append(values | {"status": status} | told)
    if all(row["error"] is None for row in found):
        found = [{key: cell for key, cell in row.items() if key != "error"} for row in found]
    return found


def _predicted(group: Group, plan: Plan | JaccliError) -> float | None:
    """Return the seconds of a task, to one digit: they may be wrong by a factor of 3."""
    from jaccli.sweep.batching import seconds

    if isinstance(plan, JaccliError):
        return None
    try:
        each = seconds(plan) + _COMPILING / group.size
    except Exception:  # the run will tell what is wrong with the model
        return None
    return float(f"{each:.0e}")


def account(rows: list[Row], folder: str, jobs: int) -> str:
    """Return one line: how many tasks there are to do, how large, and how long they take."""
    ahead = [row for row in rows if row["status"] == "to do"]
    noun = "task" if len(rows) == 1 else "tasks"
    kept = f", {len(rows) - len(ahead)} kept" if len(ahead) < len(rows) else ""
    size = format_bytes(sum(row["bytes"] or 0 for row in ahead))
    total = sum(row["seconds"] or 0.0 for row in ahead) / jobs
    time = f", about {duration(float(f'{total:.1g}'))}" if ahead else ""
    return f"{len(rows)} {noun}: {len(ahead)} to do{kept} · {size}{time} · {folder}"
