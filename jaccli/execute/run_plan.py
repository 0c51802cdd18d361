"""A compiled plan is run and timed here; its result comes back as numpy arrays.

Boundary: chooses nothing; what to compute and in which chunks stands in the program's plan.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jaccli import backend
from jaccli.execute.compile_plan import Program, prepare, settings
from jaccli.execute.functions import Arguments
from jaccli.execute.interruptible import interruptible
from jaccli.plan import BlockPlan, Plan
from jaccli.result import Block, Result, Sparse

if TYPE_CHECKING:
    from jaccli.context import Progress
    from jaccli.derivative.sparse import Entries

Array = NDArray[Any]


def execute(plan: Plan, progress: Progress) -> Result:
    """Compile the plan and compute its derivative on its device.

    Raises:
        ComputationError: the compiled program fails, or runs out of memory.
        BudgetError: it needs more memory than the plan's budget.
    """
    return run(prepare(plan), progress)


def run(program: Program, progress: Progress, arguments: Arguments | None = None) -> Result:
    """Compute the derivative of a compiled plan: at its point, or at other `arguments` like it.

    Raises:
        ComputationError: the program fails, or runs out of memory; or a model's equations have no
            solution at a point.
    """
    plan = program.plan
    start = time.perf_counter()
    with settings(plan):
        tree = interruptible(lambda: program.run(progress, arguments))
    took = time.perf_counter() - start
    if plan.model.equations is not None:
        from jaccli.execute.solution_check import check_solved

        check_solved(plan, tree, arguments)
    return Result(
        derivative=plan.derivative if plan.model.gradient_of is None else "hessian",
        blocks=tuple(_blocks(plan, tree)),
        batch=plan.model.batch_size,
        mode=plan.mode,
        reason=plan.reason,
        device=plan.device.name,
        dtype=plan.spec.dtype,
        precision=plan.spec.precision,
        seconds={"compile": program.seconds, "run": took},
        cache=program.cache,
        versions=backend.versions(),
        spec_sha256=plan.spec.sha256,
        warnings=plan.warnings,
        approximation=plan.approximation,
        part=plan.part,
        rows=plan.spec.rows,
        cols=plan.spec.cols,
        batch_rows=plan.model.batch_rows,
    )


def _blocks(plan: Plan, tree: Any) -> Iterator[Block]:
    """Name the arrays of the result."""
    sparse = plan.storage == "sparse"
    for block in plan.blocks:
        array = np.asarray(_find(tree, plan, block), block.dtype)
        values: Array | Sparse
        if sparse and plan.prepared is not None:
            values = _placed(_find(plan.prepared.entries, plan, block), array, block.shape)
        elif sparse:
            values = Sparse.from_dense(array.reshape(block.shape))
        else:
            values = array.reshape(block.shape)
        yield Block(
            block.output, block.wrt, values, block.out_shape, block.in_shapes, block.entries
        )


def _find(tree: Any, plan: Plan, block: BlockPlan) -> Any:
    """Return what a tree by output, then inputs, has for a block.

    Of a diagonal or a trace, and of the Jacobian of a gradient, that is by one input.
    """
    wrt = block.wrt if plan.part == "full" else block.wrt[:1]
    wrt = wrt if plan.model.gradient_of is None else wrt[1:]
    for name in ((block.output,) if block.output is not None else ()) + wrt:
        tree = tree[name]
    return tree


def _placed(entries: Entries, values: Array, shape: tuple[int, ...]) -> Sparse:
    """Return computed values, `(*batch, computed)`, as entries of the array of that shape."""
    values = entries.collected(values)
    rows = math.prod(values.shape[:-1])
    where = entries.positions
    if rows != 1:
        where = (np.arange(rows)[:, None] * entries.size + where).reshape(-1)
    return Sparse(where, values.reshape(-1), shape)
