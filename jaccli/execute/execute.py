"""A compiled plan is run and timed here; its result comes back as numpy arrays.

Boundary: chooses nothing; what to compute and in which chunks stands in the program's plan.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaccli import backend
from jaccli.execute.interruptible import interruptible
from jaccli.execute.prepare import Program, prepare, settings
from jaccli.execute.progress import Progress
from jaccli.plan import Plan
from jaccli.result import Block, Result


def execute(plan: Plan, progress: Progress) -> Result:
    """Compile the plan and compute its derivative on its device.

    Raises:
        ComputationError: the compiled program fails, or runs out of memory.
        BudgetError: it needs more memory than the plan's budget.
    """
    return run(prepare(plan), progress)


def run(program: Program, progress: Progress) -> Result:
    """Compute the derivative of a compiled plan.

    Raises:
        ComputationError: the program fails, or runs out of memory.
    """
    plan = program.plan
    start = time.perf_counter()
    with settings(plan):
        tree = interruptible(lambda: program.run(progress))
    took = time.perf_counter() - start
    return Result(
        derivative=plan.derivative,
        blocks=tuple(_blocks(plan, tree)),
        batch=plan.model.batch_size,
        mode=plan.mode,
        reason=plan.reason,
        device=plan.device.name,
        dtype=plan.spec.dtype,
        precision=plan.spec.precision,
        seconds={"compile": program.seconds, "run": took},
        versions=backend.versions(),
        spec_sha256=plan.spec.sha256,
    )


def _blocks(plan: Plan, tree: Any) -> Iterator[Block]:
    """Name the arrays of the result."""
    for block in plan.blocks:
        values = tree
        for name in ((block.output,) if block.output is not None else ()) + block.wrt:
            values = values[name]
        array = np.asarray(values, block.dtype).reshape(block.shape)
        yield Block(block.output, block.wrt, array, block.out_shape, block.in_shapes)
