"""Loops in Python that a trace has written out: where they stand, and how often they run.

A Python loop leaves a copy of its equations for each step, and XLA's time to compile grows faster
than their number.  One step in `fori_loop` or `scan` is compiled once.

Boundary: reads jaxprs, and the user's source for the line of the loop; traces nothing.
"""

from __future__ import annotations

import ast
import linecache
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jaccli.derivative.structure_losses import user_frames

MANY_EQUATIONS = 2_000
"""Number of equations of a function from which on it is searched for loops."""
_MIN_STEPS = 8
"""Number of copies of an equation that make a loop."""
_MIN_SHARE = 0.5
"""Share of all equations that a loop has at least."""
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


@dataclass(frozen=True)
class UnrolledLoop:
    """A loop in Python: the user's `file:line` of it, its steps, and all equations.

    `steps` is the number of copies of the equation that is repeated least: a function that is
    called several times in each step does not count several times.
    """

    place: str
    steps: int
    equations: int

    @property
    def note(self) -> str:
        """What it costs, and how it is written to be compiled once."""
        return (
            f"{self.place}: this loop in Python is written out into {self.steps} copies of its "
            f"step, {self.equations:,} operations that take long to compile. With the step as a "
            f"function, `jax.lax.fori_loop(0, {self.steps}, lambda k, x: step(x), x)` is compiled "
            "once; so is `jax.lax.scan`, where each step has its own data or results."
        )


def find(jaxpr: Any) -> UnrolledLoop | None:
    """Return the loop that a jaxpr mostly consists of; None if there is none, or it is short."""
    if len(jaxpr.eqns) < MANY_EQUATIONS:
        return None
    linecache.checkcache()  # what is read once is kept for this call alone
    _loops.cache_clear()
    _loops_around.cache_clear()
    copies = Counter((tuple(user_frames(eqn)), eqn.primitive.name) for eqn in jaxpr.eqns)
    equations: Counter[tuple[str, int]] = Counter()
    steps: dict[tuple[str, int], int] = {}
    for (frames, _), count in copies.items():
        if count < _MIN_STEPS:
            continue
        # The outermost first, which wins where all of a loop is in another.
        around = {loop for frame in reversed(frames) for loop in _loops_around(*frame)}
        for loop in sorted(around, key=lambda loop: loop[1]):
            equations[loop] += count
            steps[loop] = min(count, steps.get(loop, count))
    if not equations:
        return None
    loop, share = equations.most_common(1)[0]
    if share < _MIN_SHARE * len(jaxpr.eqns):
        return None
    return UnrolledLoop(f"{Path(loop[0]).name}:{loop[1]}", steps[loop], len(jaxpr.eqns))


@cache
def _loops_around(file: str, line: int) -> tuple[tuple[str, int], ...]:
    """Return file and first line of the loops that a line of source is in, the outermost first."""
    return tuple((file, first) for first, last in _loops(file) if first <= line <= last)


@cache
def _loops(file: str) -> tuple[tuple[int, int], ...]:
    """Return the first and last lines of all loops of a file; none if it cannot be read."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return ()
    found = {(node.lineno, node.end_lineno) for node in ast.walk(tree) if isinstance(node, _LOOPS)}
    return tuple(sorted((first, last or first) for first, last in found))
