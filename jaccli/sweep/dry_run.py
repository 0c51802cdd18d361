"""The dry run of a sweep: each task with the bytes of its result and its estimated seconds.

The seconds are those of an earlier run, or estimated from a trace of the program.

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
from jaccli.sweep.runner import FolderState, SweepJob
from jaccli.sweep.table import Row, swept_values
from jaccli.sweep.worker import with_memory_share

if TYPE_CHECKING:
    from jaccli.plan import Plan

Planned = tuple[Group, "Plan | JaccliError"]

_COMPILING = 0.3
"""Estimated seconds for compiling: 0.1 for the Jacobian of a layer, 1 for a large Hessian."""


def plans(job: SweepJob, memory_divisor: int) -> Iterator[Planned]:
    """Yield the groups, each with the plan of its first task, or with the error of planning it.

    `memory_divisor` is the number of processes that share the memory budget.
    """
    from jaccli.sweep.batching import plan_of

    for group in groups(job.tasks):
        first = with_memory_share(group.tasks[0], memory_divisor)
        try:
            point = models.read(first.spec)
            yield group, plan_of(first, point, job.suffix, allow_python=job.allow_python)
        except JaccliError as error:
            yield group, error


def rows(job: SweepJob, state: FolderState, jobs: int) -> list[Row]:
    """Return a row for each task: its values, `to do` or `kept`, shapes, bytes, seconds."""
    plans_by_task = {
        task.name: (plan, _predicted(group, plan))
        for group, plan in plans(job, jobs)
        for task in group.tasks
    }
    table_rows = []
    for values, record in zip(swept_values(state.records), state.records, strict=True):
        (plan, seconds), earlier = plans_by_task[record.name], state.folder.earlier.get(record.file)
        estimate: Row = {"shapes": None, "bytes": None}
        if not isinstance(plan, JaccliError):
            shapes = (f"{block.key} {shape_text(block.shape)}" for block in plan.blocks)
            estimate = {"shapes": ", ".join(shapes), "bytes": plan.result_bytes}
        estimate["seconds"] = (
            earlier.total_seconds if earlier is not None and earlier.seconds else seconds
        )
        estimate["error"] = str(plan).split("\n", 1)[0] if isinstance(plan, JaccliError) else None
        status = "kept" if record.name in state.up_to_date else "to do"
        table_rows.append(values | {"status": status} | estimate)
    if all(row["error"] is None for row in table_rows):
        table_rows = [
            {key: cell for key, cell in row.items() if key != "error"} for row in table_rows
        ]
    return table_rows


def _predicted(group: Group, plan: Plan | JaccliError) -> float | None:
    """Return the estimated seconds of a task, to one digit; None without a plan or an estimate."""
    from jaccli.sweep.batching import seconds

    if isinstance(plan, JaccliError):
        return None
    try:
        each = seconds(plan) + _COMPILING / group.size
    except Exception:  # the run itself reports what is wrong with the model
        return None
    return float(f"{each:.0e}")


def summary_line(rows: list[Row], folder: str, jobs: int) -> str:
    """Return one line: the number of tasks to do, their bytes, and their estimated time."""
    ahead = [row for row in rows if row["status"] == "to do"]
    noun = "task" if len(rows) == 1 else "tasks"
    up_to_date = f", {len(rows) - len(ahead)} kept" if len(ahead) < len(rows) else ""
    size = format_bytes(sum(row["bytes"] or 0 for row in ahead))
    total = sum(row["seconds"] or 0.0 for row in ahead) / jobs
    time = f", about {duration(float(f'{total:.1g}'))}" if ahead else ""
    return f"{len(rows)} {noun}: {len(ahead)} to do{up_to_date} · {size}{time} · {folder}"
