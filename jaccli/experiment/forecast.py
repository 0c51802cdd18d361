"""What an experiment would do: each task with the bytes of its result, and the time it took before.

Boundary: plans one task of each group; computes nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaccli import model
from jaccli.errors import JaccliError, format_bytes
from jaccli.experiment.describe import Row, values_of
from jaccli.experiment.group import Group, groups
from jaccli.experiment.perform import Request, Survey
from jaccli.result import duration
from jaccli.result.notation import shape_text

if TYPE_CHECKING:
    from jaccli.plan import Plan

Planned = tuple[Group, "Plan | JaccliError"]


def plans(request: Request) -> Iterator[Planned]:
    """Yield the groups, each with the plan of its first task, or with why there is none."""
    from jaccli.experiment.compute import plan_of

    for group in groups(request.tasks):
        first = group.tasks[0]
        try:
            point = model.read(first.spec)
            yield group, plan_of(first, point, request.suffix, allow_python=request.allow_python)
        except JaccliError as error:
            yield group, error


def rows(request: Request, survey: Survey) -> list[Row]:
    """Return a row for each task: its values, `to do` or `kept`, shapes, bytes, seconds.

    The seconds are those of an earlier run, where there was one.
    """
    by_name = {task.name: plan for group, plan in plans(request) for task in group.tasks}
    found = []
    for values, record in zip(values_of(survey.records), survey.records, strict=True):
        plan, known = by_name[record.name], survey.folder.known.get(record.file)
        told: Row = {"shapes": None, "bytes": None}
        if not isinstance(plan, JaccliError):
            shapes = (f"{block.key} {shape_text(block.shape)}" for block in plan.blocks)
            told = {"shapes": ", ".join(shapes), "bytes": plan.result_bytes}
        told["seconds"] = known.took if known is not None and known.seconds else None
        told["error"] = str(plan).split("\n", 1)[0] if isinstance(plan, JaccliError) else None
        status = "kept" if record.name in survey.kept else "to do"
        found.append(values | {"status": status} | told)
    if all(row["error"] is None for row in found):
        found = [{key: cell for key, cell in row.items() if key != "error"} for row in found]
    return found


def account(rows: list[Row], folder: str) -> str:
    """Return one line: how many tasks there are to do, how large, and how long they took before."""
    ahead = [row for row in rows if row["status"] == "to do"]
    noun = "task" if len(rows) == 1 else "tasks"
    kept = f", {len(rows) - len(ahead)} kept" if len(ahead) < len(rows) else ""
    size = format_bytes(sum(row["bytes"] or 0 for row in ahead))
    took = [row["seconds"] for row in ahead]
    time = ", time unknown" if None in took else f", {duration(sum(took))} when last run"
    return f"{len(rows)} {noun}: {len(ahead)} to do{kept} · {size}{time if took else ''} · {folder}"
