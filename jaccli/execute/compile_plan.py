"""A plan is compiled here, whole or in chunks that fit its memory budget.

The compiled program's own account of its memory decides, not a formula: smaller chunks do not
always need less (docs/engine.md, what it costs).

Boundary: compiles; runs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import jax
import numpy as np

from jaccli import memory
from jaccli.choices import MODES
from jaccli.derivative import structure_losses
from jaccli.derivative.basis import Tree
from jaccli.derivative.cost import Cost
from jaccli.derivative.refusal import advice, working
from jaccli.derivative.select_mode import choose
from jaccli.errors import ComputationError, UnderivableError
from jaccli.execute import functions
from jaccli.execute.chunks import Computed, in_memory
from jaccli.execute.compile_chunks import COPIES, FEWER, compiled_chunks, remedy
from jaccli.execute.compiler import Compiler
from jaccli.execute.executable_cache import Outcome
from jaccli.execute.functions import Arguments
from jaccli.plan import Plan, check_budget, instead, with_choice

if TYPE_CHECKING:
    from jaccli.context import Progress


class Run(Protocol):
    """Computes the tree of a plan's blocks, as numpy arrays.

    At the plan's own point, or at `arguments`: arrays of the same shapes and dtypes, the constants
    of the model (`Model.constants`) the same.
    """

    def __call__(self, progress: Progress, arguments: Arguments | None = None) -> Tree: ...


@dataclass(frozen=True)
class Program:
    """A compiled plan: `run(progress)` computes the tree of its blocks, as numpy arrays.

    `sample()` computes a chunk and forgets it; `samples` of them take about as long as the whole.
    `plan` has the chunk that is taken.  `seconds` went into compiling, or into loading what an
    earlier process has compiled: `cache` says which.  `cost` is that of the whole derivative, of
    which `cost.held` bytes at most are needed at a time.
    """

    plan: Plan
    run: Run
    sample: Callable[[], object]
    samples: float
    seconds: float
    cost: Cost
    cache: Outcome = "off"


def prepare(plan: Plan, *, repeated: bool = False) -> Program:
    """Compile the plan; without a chunk of its own, in the largest chunks that fit the budget.

    Several devices get equal shares at most.

    A program that is `repeated` reuses the memory of its last result, if nobody looks at it.  It is
    one of several that are timed: only what is compiled once is kept on disk.

    Raises:
        ComputationError: JAX cannot differentiate the model in this mode.
        BudgetError: it needs more memory than the budget, however small the chunks.
    """
    first: UnderivableError | None = None
    while True:
        try:
            with structure_losses.recorded() as lost:
                made = _prepare(plan, repeated=repeated)
            break
        except UnderivableError as error:
            first = first or error
            if not plan.alternatives:
                raise _refused(plan, first) from first
            plan = instead(plan, error)
    return replace(made, plan=_annotated(made.plan, lost))


def _annotated(plan: Plan, lost: Sequence[structure_losses.Loss]) -> Plan:
    """Return the plan with what was lost while it was traced."""
    failures = [
        f"structured: {loss.place}: {loss.failure}; it is dense." for loss in lost if loss.failure
    ]
    large = plan.facts.entries(plan.derivative) >= _LARGE and plan.mode == "structured"
    return replace(
        plan,
        failures=tuple(failures),
        losses=tuple(loss for loss in lost if not loss.failure) if large else (),
    )


_LARGE = 2**14
"""Entries of a derivative from which on it matters where structure is lost."""


def _refused(plan: Plan, error: UnderivableError) -> UnderivableError:
    """Return the error with the modes that work, if any does."""

    def trace(mode: str) -> object:
        choice = choose(plan.derivative, plan.facts, mode)
        whole = functions.whole(with_choice(plan, choice))
        with memory.growing_by(plan.budget - plan.input_bytes):
            return jax.eval_shape(whole, *functions.arguments(plan))

    asked = plan.spec.mode
    names = [
        mode
        for mode in MODES[plan.derivative]
        if mode not in ("auto", "tuned", "loop", "sparse", asked) and "structured-" not in mode
    ]
    with settings(plan):
        works = working(names, trace)
    if works and asked != "auto":  # it takes one of them
        works.insert(0, "auto")
    return UnderivableError(error.problems[0].message, error.reason, hint=advice(works))


def _prepare(plan: Plan, *, repeated: bool) -> Program:
    """Compile the plan by its own operator."""
    compiler = Compiler(kept=not repeated)
    with settings(plan):
        if plan.chunks > 1:
            return _checked(_in_chunks(plan, compiler, repeated=repeated))
        if plan.mapped_bytes:
            memory.return_freed()
            rows = min(plan.even_chunk, _rows_at_a_time(plan))
            first = _in_chunks(replace(plan, chunk=rows), compiler, repeated=repeated)
        elif plan.device.count > 1:
            first = _in_chunks(replace(plan, chunk=plan.even_chunk), compiler, repeated=repeated)
        else:
            first = _whole(plan, compiler, repeated=repeated)
        if first.cost.held <= plan.budget or plan.steps < 2:
            return _checked(first)
        fixed = plan.input_bytes + plan.result_bytes
        chunk, needed = first.plan.chunk or plan.steps, first.cost.held
        while chunk > 1:
            # Temporaries shrink with the chunk, about; what else is needed stays.
            share = max(plan.budget - fixed, 0) / max(needed - fixed, 1)
            chunk = max(1, min(int(chunk * share), chunk // 2))
            smaller = _in_chunks(replace(plan, chunk=chunk), compiler, repeated=repeated)
            needed = smaller.cost.held
            if needed <= plan.budget:
                return smaller
        return _checked(smaller)


def _rows_at_a_time(plan: Plan) -> int:
    """Return how many rows of what is in files to read at a time, at most."""
    left = (plan.budget - plan.input_bytes - plan.result_bytes) // plan.device.pooled
    return max(1, min(plan.steps, left * plan.steps // (COPIES * plan.mapped_bytes)))


@contextlib.contextmanager
def settings(plan: Plan) -> Iterator[None]:
    """Set JAX's device and precision, and turn its errors into ours."""
    precision = plan.spec.precision
    try:
        with (
            jax.default_device(plan.device.handle),
            jax.default_matmul_precision(None if precision == "default" else precision),
        ):
            yield
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        hint = f"{FEWER.capitalize()}." if "RESOURCE_EXHAUSTED" in reason else ""
        raise ComputationError(f"{plan.derivative} failed: {reason}", hint=hint) from error


def _checked(made: Program) -> Program:
    """Refuse a program that needs more than the budget."""
    what = "inputs, result and temporaries"
    check_budget(made.plan, made.cost.held, what, remedy(made.plan))
    return made


def _whole(plan: Plan, compiler: Compiler, *, repeated: bool) -> Program:
    """Compile everything as one call."""
    args = jax.device_put(functions.arguments(plan), plan.device.handle)
    if repeated and plan.prepared is not None and plan.model.batch_size is None:
        wrt, rest, _ = args
        plan = replace(plan, prepared=plan.prepared.folded(functions.function(plan, rest), wrt))
    make = compiler.repeated if repeated else compiler.once
    call, needs = make(plan, "whole", functions.whole(plan), *args)

    def run(progress: Progress, arguments: Arguments | None = None) -> Tree:
        given = args if arguments is None else jax.device_put(arguments, plan.device.handle)
        return jax.tree.map(np.asarray, call(*given))

    plan = replace(plan, chunk=None)
    return Program(plan, run, lambda: call(*args), 1.0, compiler.seconds, needs, compiler.cache)


def _in_chunks(plan: Plan, compiler: Compiler, *, repeated: bool) -> Program:
    """Compile the work of `plan.chunk` batch rows or unit vectors."""
    program = compiled_chunks(plan, compiler, repeated=repeated)
    costs = program.costs
    total = Cost(
        operations=sum(times * cost.operations for times, cost in costs),
        traffic=sum(times * cost.traffic for times, cost in costs),
        transcendentals=sum(times * cost.transcendentals for times, cost in costs),
        arguments=plan.input_bytes,
        outputs=plan.result_bytes,
        # Beside the result, a chunk holds its own output, and its rows of batched inputs.
        temporaries=max(cost.temporaries + cost.outputs for _, cost in costs) + program.copied,
    )

    def run(progress: Progress, arguments: Arguments | None = None) -> Tree:
        return in_memory(program if arguments is None else program.at(arguments), progress)

    firsts = {together[0].axis: together for together in reversed(list(program.rounds()))}

    def sample() -> list[Computed]:
        return [program.compute(chunks) for chunks in firsts.values()]

    samples = sum(times for times, _ in costs) / len(costs)
    return Program(plan, run, sample, samples, compiler.seconds, total, compiler.cache)
