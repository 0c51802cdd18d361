"""The command `plan`: what would be computed, how and why.

Candidates are compiled for what XLA says of them; nothing is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaccli.commands.options import COLS, OF, PART, ROWS, VECTOR, DerivativeRequest
from jaccli.commands.outcome import Data, Outcome, Report
from jaccli.commands.streaming import is_streamed, may_be_streamed, planned_stream
from jaccli.commands.tasks import Task, check_targets, plans, tasks
from jaccli.context import Context

if TYPE_CHECKING:
    from jaccli.plan import Plan
    from jaccli.tune.candidates import Candidate


class PlanRequest(DerivativeRequest):
    """The plan of each spec's derivative."""

    takes_parts = True
    of: str | None = OF
    rows: str | None = ROWS
    cols: str | None = COLS
    part: str | None = PART
    vector: tuple[str, ...] = VECTOR


def run(request: PlanRequest, context: Context) -> Iterator[Outcome]:
    """Plan the derivatives.

    Raises:
        JaccliError: in the spec or the device, with the place in the user's text.
    """
    asked = tasks(request, context, request.of)
    if request.out_dir is None:  # a folder that is not there yet is made by `run`, not here
        check_targets(asked, request, context)
    parted = [task for task in asked if may_be_streamed(task, "none")]
    planned = plans(
        asked, request, context, holds_result=lambda task: task not in parted, by_rows=True
    )
    for task, made, _ in planned:
        yield _planned(task, made, may_stream=task in parted)


def _planned(task: Task, made: Plan, *, may_stream: bool) -> Report:
    """Compile what a plan compares, and report it."""
    from jaccli.execute import prepare
    from jaccli.plan import with_choice
    from jaccli.tune.candidates import candidates, names
    from jaccli.tune.tuned import cached_choice

    known = cached_choice(made) if task.spec.mode == "tuned" else None
    found: list[Candidate] = []
    if may_stream and is_streamed(made):
        made = planned_stream(made)
    else:
        made = prepare(made if known is None else with_choice(made, known)).plan
        found = list(candidates(made)) if len(names(made)) > 1 else []
    form = task.spec.output.format or "plain"  # a target takes nothing from the terminal here
    unmeasured = task.spec.mode == "tuned" and known is None
    return Report(
        form=form,
        text=lambda: _as_text(task, made, found, unmeasured=unmeasured),
        data=lambda: _as_json(task, made, found),
    )


def _as_json(task: Task, plan: Plan, found: list[Candidate]) -> Data:
    from jaccli.plan import as_json
    from jaccli.tune.render import candidates_as_json

    target = str(task.target) if task.target is not None else None
    return as_json(plan) | {"candidates": candidates_as_json(found), "output": target}


def _as_text(task: Task, plan: Plan, found: list[Candidate], *, unmeasured: bool) -> str:
    from jaccli.plan import as_text
    from jaccli.tune.render import candidates_as_text

    lines = [as_text(plan)]
    if task.target is not None:
        lines.append(f"output   {task.target}")
    if unmeasured:
        lines.append("tuned    not measured yet: the first call times the candidates")
    if found:
        lines.append(candidates_as_text(found, plan.operator))
    return "\n".join(lines)
