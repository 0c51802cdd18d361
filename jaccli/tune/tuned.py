"""`--mode tuned`: the plan's fastest operator, measured once and remembered on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jaccli.derivative import autotune
from jaccli.derivative.operators import REGISTRIES
from jaccli.derivative.select_mode import Choice
from jaccli.execute import Program, prepare
from jaccli.execute.compile_plan import settings
from jaccli.execute.interruptible import interruptible
from jaccli.plan import Plan, with_choice
from jaccli.tune.candidates import candidates, names

if TYPE_CHECKING:
    from jaccli.context import Progress

MANY_CHUNKS = 16
"""Number of chunks from which on `auto` measures too, on one chunk of each candidate."""


def compiled(plan: Plan, progress: Progress) -> Program:
    """Return the plan's program: `tuned` measures, and `auto` where one program runs many times."""
    if plan.spec.mode == "tuned":
        return tuned(plan, progress)
    program = prepare(plan)
    if plan.part == "full" and plan.spec.mode == "auto" and program.plan.rounds >= MANY_CHUNKS:
        return tuned(plan, progress)
    return program


def tuned(plan: Plan, progress: Progress) -> Program:
    """Return the compiled plan with the fastest operator.

    Candidates are compiled, those predicted to be much slower dropped, the others timed in turns.
    The choice is cached on disk, by the model's structure, shapes, dtypes, device and versions.

    Raises:
        ComputationError: no mode can compute it within the budget.
    """
    if plan.derivative not in REGISTRIES:
        return prepare(plan)
    cached = cached_choice(plan)
    if cached is not None:
        return prepare(with_choice(plan, cached))
    count = len(names(plan))
    progress.start(count + 1)
    programs: dict[str, Program] = {}
    for candidate in candidates(plan, repeated=True):
        if candidate.program is not None:
            programs[candidate.operator] = candidate.program
        progress.advance(1)
    if not programs:
        return prepare(plan)  # raises the reason
    with settings(plan):
        timed_candidates = {
            operator: autotune.TimedCandidate(program.cost.seconds, program.sample, program.samples)
            for operator, program in programs.items()
        }
        choice = interruptible(lambda: autotune.pick(timed_candidates, plan.operator))
    progress.advance(1)
    autotune.store_choice(_key(plan), choice)
    chosen = programs[choice.operator]
    return replace(chosen, plan=replace(chosen.plan, choice=choice))


def cached_choice(plan: Plan) -> Choice | None:
    """Return the fastest operator as measured by an earlier call, or None."""
    choice = autotune.cached_choice(_key(plan))
    return choice if choice is not None and choice.operator in names(plan) else None


def _key(plan: Plan) -> str:
    """Return the name under which the plan's choice is remembered."""
    model, device = plan.model, plan.devices
    settings = (
        device.handle.device_kind,
        plan.spec.precision,
        sorted(model.wrt),
        sorted(model.batch.items()),
        model.batch_size,
        plan.vector_batched,
        plan.chunk,
        plan.budget,
    )
    return autotune.key(plan.derivative, plan.facts, device.name, *settings)
