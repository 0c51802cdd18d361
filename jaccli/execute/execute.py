"""A plan is compiled, run and timed here; its result comes back as numpy arrays.

Boundary: chooses nothing; what to compute and in which chunks stands in the plan.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Protocol

import jax
import numpy as np

from jaccli import backend
from jaccli.errors import ComputationError
from jaccli.execute import program
from jaccli.plan import Plan
from jaccli.plan.plan import check_budget
from jaccli.result import Block, Result
from jaccli.vocabulary import MODES, UNAVAILABLE_MODES


class Progress(Protocol):
    """Told how many steps there are, and when some are done."""

    def start(self, total: int) -> None:
        """Begin with `total` steps."""
        ...

    def advance(self, steps: int) -> None:
        """Count `steps` more as done."""
        ...


def execute(plan: Plan, progress: Progress) -> Result:
    """Compute the plan's derivative on its device.

    Raises:
        ComputationError: the compiled program fails, or runs out of memory.
        BudgetError: it needs more memory than the plan's budget.
    """
    timer = _Timer()
    precision = plan.spec.precision
    try:
        with (
            jax.default_device(plan.device.handle),
            jax.default_matmul_precision(None if precision == "default" else precision),
        ):
            tree = _in_chunks(plan, timer, progress) if plan.chunks > 1 else _whole(plan, timer)
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).strip().split("\n")[0]
        hint = f"{_FEWER.capitalize()}." if "RESOURCE_EXHAUSTED" in reason else ""
        raise ComputationError(f"{plan.derivative} failed: {reason}", hint=hint) from error
    return Result(
        derivative=plan.derivative,
        blocks=tuple(_blocks(plan, tree)),
        batch=plan.model.batch_size,
        mode=plan.mode,
        reason=plan.reason,
        device=plan.device.name,
        dtype=plan.spec.dtype,
        precision=precision,
        seconds={"compile": timer.compile, "run": timer.run},
        versions=backend.versions(),
        spec_sha256=plan.spec.sha256,
    )


_FEWER = "take fewer rows at a time with --chunk"


class _Timer:
    """Adds up the seconds of compiling and of running."""

    def __init__(self) -> None:
        self.compile = 0.0
        self.run = 0.0


def _compiled(
    plan: Plan, timer: _Timer, function: Callable[..., Any], *args: Any, beside: int = 0
) -> Callable[..., Any]:
    """Compile for the shapes of `args`, and refuse what exceeds the budget before it runs.

    `beside` are the bytes of what is kept while the program runs: inputs and results of chunks.
    """
    start = time.perf_counter()
    try:
        lowered = jax.jit(function).lower(*args)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise _underivable(plan, error) from error
    compiled = _interruptible(lowered.compile)
    timer.compile += time.perf_counter() - start
    analysis = compiled.memory_analysis()
    if analysis is not None:
        needed = (
            analysis.argument_size_in_bytes
            + analysis.output_size_in_bytes
            + analysis.temp_size_in_bytes
            + beside
        )
        remedy = _FEWER if plan.steps > 1 else ""
        check_budget(plan, needed, "inputs, result and temporaries", remedy)

    def run(*args: Any) -> Any:
        start = time.perf_counter()
        result = _interruptible(lambda: jax.block_until_ready(compiled(*args)))
        timer.run += time.perf_counter() - start
        return jax.tree.map(np.asarray, result)

    return run


def _interruptible(call: Callable[[], Any]) -> Any:
    """Return what `call` returns, from a thread: Ctrl-C must not wait for compiled code to end."""
    outcome: Future[Any] = Future()

    def work() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return outcome.result()


def _underivable(plan: Plan, error: Exception) -> ComputationError:
    """Return the error of a model that JAX cannot differentiate in this mode."""
    reason = str(error).strip().split("\n")[0]
    others = [
        mode
        for mode in MODES[plan.derivative]
        if mode not in ("auto", plan.mode, *UNAVAILABLE_MODES)
    ]
    hint = f"Another --mode may do: {', '.join(others)}." if others else ""
    return ComputationError(f"{plan.derivative} by mode {plan.mode}: {reason}", hint=hint)


def _whole(plan: Plan, timer: _Timer) -> Any:
    """Compute everything in one call."""
    args = jax.device_put(program.arguments(plan), plan.device.handle)
    return _compiled(plan, timer, program.whole(plan), *args)(*args)


def _in_chunks(plan: Plan, timer: _Timer, progress: Progress) -> Any:
    """Compute `plan.chunk` batch rows or unit vectors at a time, with one compiled program."""
    progress.start(plan.steps)
    chunks = _batch_chunks if plan.model.batch_size is not None else _basis_chunks
    return chunks(plan, timer, progress)


def _batch_chunks(plan: Plan, timer: _Timer, progress: Progress) -> Any:
    """Take slices of the batched inputs."""
    size = plan.chunk or plan.steps
    axes = program.batch_axes(plan)

    def mapped(cut: Callable[[Any, int | None], Any], args: Any) -> Any:
        return [
            {name: cut(array, axis[name]) for name, array in arg.items()}
            for arg, axis in zip(args, axes, strict=True)
        ]

    def shared(array: Any, axis: int | None) -> Any:
        return jax.device_put(array, plan.device.handle) if axis is None else array

    args = mapped(shared, program.arguments(plan))

    def rows(start: int) -> Any:
        def cut(array: Any, axis: int | None) -> Any:
            if axis is None:
                return array
            return array[(slice(None),) * (axis % array.ndim) + (slice(start, start + size),)]

        return jax.device_put(mapped(cut, args), plan.device.handle)

    beside = plan.input_bytes + plan.result_bytes
    run = _compiled(plan, timer, program.whole(plan), *rows(0), beside=beside)
    return _filled(plan, lambda start: run(*rows(start)), progress)


def _basis_chunks(plan: Plan, timer: _Timer, progress: Progress) -> Any:
    """Take ranges of the unit vectors."""
    wrt, rest, _ = jax.device_put(program.arguments(plan), plan.device.handle)
    size = plan.chunk or plan.steps

    def slices(wrt: Any, rest: Any, indices: Any) -> Any:
        return program.sweep(plan, wrt, rest).slices(wrt, indices)

    def indices(start: int) -> Any:
        return jax.device_put(np.arange(start, start + size, dtype=np.int32), plan.device.handle)

    run = _compiled(plan, timer, slices, wrt, rest, indices(0), beside=plan.result_bytes)
    sweep = program.sweep(plan, wrt, rest)
    stacked = _filled(
        plan, lambda start: run(wrt, rest, indices(start)), progress, columns=sweep.columns
    )
    return sweep.assemble(stacked)


def _filled(
    plan: Plan, rows: Callable[[int], Any], progress: Progress, *, columns: bool = False
) -> Any:
    """Collect the chunks `rows(start)`; the last one reaches back to be as long as the others.

    Columns are kept as columns in memory, so that nothing is copied where they are assembled.
    """
    steps, size = plan.steps, plan.chunk or plan.steps

    def empty(part: Any) -> Any:
        if columns:
            return np.moveaxis(np.empty((*part.shape[1:], steps), part.dtype), -1, 0)
        return np.empty((steps, *part.shape[1:]), part.dtype)

    whole: Any = None
    for done in range(0, steps, size):
        start = min(done, steps - size)
        part = rows(start)
        if whole is None:
            whole = jax.tree.map(empty, part)
        for target, values in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
            target[start : start + size] = values
        progress.advance(min(size, steps - done))
    return whole


def _blocks(plan: Plan, tree: Any) -> Iterator[Block]:
    """Name the arrays of the result."""
    for block in plan.blocks:
        values = tree
        for name in ((block.output,) if block.output is not None else ()) + block.wrt:
            values = values[name]
        array = np.asarray(values, block.dtype).reshape(block.shape)
        yield Block(block.output, block.wrt, array, block.out_shape, block.in_shapes)
