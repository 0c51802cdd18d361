"""Every mode timed on the user's own model and machine, the row-by-row loop included.

The loop is that of the tutorials: `eager`, operation by operation, and `loop`, compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles
from typing import TYPE_CHECKING

import jax
import numpy as np

from jaccli.context import Silent
from jaccli.derivative.basis import Tree
from jaccli.derivative.operators import CHUNKED, HESSIAN_SWEEPS, HVP, JACOBIAN_SWEEPS
from jaccli.derivative.select_mode import Choice
from jaccli.derivative.timer import alternating
from jaccli.errors import JaccliError
from jaccli.execute import Program, prepare
from jaccli.execute.compile_plan import settings
from jaccli.execute.interruptible import interruptible
from jaccli.plan import Plan, with_choice
from jaccli.tune import row_loop
from jaccli.tune.agreement import Agreement
from jaccli.tune.candidates import Candidate, candidates, names

if TYPE_CHECKING:
    from jaccli.context import Progress

EAGER, LOOP = "eager", "loop"
LOOPS = (EAGER, LOOP)
PLAIN = ({*JACOBIAN_SWEEPS} | {*HESSIAN_SWEEPS} | {*HVP}) - {LOOP}
_MODE_SECONDS = 0.5
"""Target for the seconds of all runs of one mode, unless `repeat` is given."""


@dataclass(frozen=True)
class ModeTiming:
    """The measurements of one mode.

    `seconds` are the times of its runs, `compile` that of compiling.  `difference` is the largest
    difference from the reference, relative to its largest entry.  A loop that was cut short has run
    `done` of `total` rows.  `problem` says why the mode could not be run.
    """

    mode: str
    compile: float = 0.0
    seconds: tuple[float, ...] = ()
    temporaries: int | None = None
    difference: float | None = None
    done: int = 0
    total: int = 0
    problem: str = ""

    @property
    def median(self) -> float:
        """The median time of a run in seconds."""
        return median(self.seconds)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2 / self.median

    @property
    def estimated(self) -> bool:
        """Whether the time is extrapolated."""
        return self.done < self.total


@dataclass(frozen=True)
class BenchReport:
    """The timings of all modes of a plan."""

    plan: Plan
    rows: tuple[ModeTiming, ...]

    def find(self, mode: str) -> ModeTiming | None:
        """Return the row of a mode that was measured."""
        return next((row for row in self.rows if row.mode == mode and row.seconds), None)

    @property
    def winner(self) -> ModeTiming | None:
        """The fastest mode."""
        return min((row for row in self.rows if row.seconds), key=_time, default=None)

    @property
    def best_plain(self) -> ModeTiming | None:
        """The fastest of the plain modes."""
        return min((r for r in self.rows if r.mode in PLAIN and r.seconds), key=_time, default=None)

    @property
    def tolerance(self) -> float:
        """The difference up to which modes agree."""
        return 1e-4 if any(b.dtype == np.float32 for b in self.plan.blocks) else 1e-6


def _time(row: ModeTiming) -> float:
    return row.median


def delta(a: float, b: float) -> float:
    """Return the performance delta in percent: (slower − faster) / slower."""
    return 100 * abs(a - b) / max(a, b) if a != b else 0.0


def modes(plan: Plan) -> tuple[str, ...]:
    """Return the modes that are timed by default: the loops, then every other mode."""
    return (*(LOOPS if plan.derivative in CHUNKED else ()), *names(plan))


def measure(
    plan: Plan, wanted: Sequence[str], progress: Progress, repeat: int | None = None
) -> BenchReport:
    """Compile the wanted modes, check that they agree, and time them in turns.

    Every mode runs `repeat` times; None stands for half a second of runs each, three at least.
    """
    progress.start(2 * len(wanted))
    return interruptible(lambda: _measure(plan, wanted, progress, repeat))


def _measure(
    plan: Plan, requested: Sequence[str], progress: Progress, repeat: int | None
) -> BenchReport:
    rows: dict[str, ModeTiming] = {}
    programs: dict[str, Program] = {}
    reference: Tree | None = None
    # A plain mode is the reference where there is one.
    compiled = sorted(set(requested) - {EAGER}, key=lambda mode: (mode not in PLAIN, mode))
    for mode in compiled[:1]:
        _compile(plan, mode)  # discarded: the first compilation of a process takes longer
    for mode in compiled:
        candidate = _compile(plan, mode)
        progress.advance(1)
        if candidate.program is None:
            rows[mode] = ModeTiming(mode, problem=candidate.problem)
            progress.advance(1)
            continue
        programs[mode] = candidate.program
        tree = _dense(candidate.program, len(compiled) > 1)
        if reference is None:
            reference = jax.tree.map(np.array, tree)  # a copy: programs reuse their memory
        rows[mode] = ModeTiming(
            mode,
            compile=candidate.program.seconds,
            temporaries=candidate.program.cost.temporaries,
            difference=Agreement().add(tree, reference).difference,
        )
    with settings(plan):
        if EAGER in requested:
            rows[EAGER] = _eager(plan, reference, repeat)
            progress.advance(2)
        runs = {mode: _runner(program) for mode, program in programs.items()}
        times = alternating(
            runs,
            seconds=_MODE_SECONDS * len(programs) if repeat is None else 0.0,
            min_runs=3 if repeat is None else repeat,
        )
    for mode, seconds in times.items():
        rows[mode] = replace(rows[mode], seconds=tuple(seconds))
        progress.advance(1)
    return BenchReport(plan, tuple(rows[mode] for mode in requested))


def _dense(program: Program, compared: bool) -> Tree:
    """Return a program's result; a sparse one as dense arrays if it is compared."""
    tree, plan = program.run(Silent()), program.plan
    if compared and plan.prepared is not None and plan.storage == "sparse":
        return plan.prepared.filled(tree)
    return tree


def _runner(program: Program) -> Callable[[], object]:
    """Return a function that computes the whole derivative, without copying the result."""
    return program.sample if program.plan.rounds == 1 else lambda: program.run(Silent())


def _compile(plan: Plan, mode: str) -> Candidate:
    """Return a mode's program; a loop takes one unit vector (or batch row) at a time."""
    if mode == LOOP and plan.derivative == "hessian":
        try:
            one = with_choice(replace(plan, chunk=1), Choice(LOOP, "fwd-rev", "one by one"))
            return Candidate(mode, prepare(one, repeated=True))
        except JaccliError as error:
            return Candidate(mode, None, error.problems[0].message)
    return next(candidates(plan, [mode], repeated=True))


def _eager(plan: Plan, reference: Tree | None, repeat: int | None) -> ModeTiming:
    """Time the loop without compilation."""
    try:
        timing = row_loop.loop(plan, reference, repeat or 3)
    except (TypeError, ValueError, NotImplementedError) as error:
        return ModeTiming(EAGER, problem=str(error).strip().split("\n")[0])
    if not timing.seconds:
        return ModeTiming(EAGER, problem="there are no rows to loop over")
    return ModeTiming(
        EAGER, 0.0, timing.seconds, None, timing.difference, timing.done, timing.total
    )
