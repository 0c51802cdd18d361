"""A plan is compiled here, whole or in chunks that fit its memory budget.

The compiled program's own account of its memory decides, not a formula: smaller chunks do not
always need less (docs/engine.md, what it costs).

Boundary: compiles; runs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jaccli.derivative.basis import Piece, Tree
from jaccli.derivative.cost import Cost
from jaccli.derivative.tiles import corners
from jaccli.errors import ComputationError
from jaccli.execute import program
from jaccli.execute.compiler import Compiler
from jaccli.execute.program import Arguments
from jaccli.execute.programs import Outcome
from jaccli.execute.progress import Progress
from jaccli.plan import Plan, check_budget


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

    A program that is `repeated` reuses the memory of its last result, if nobody looks at it.  It is
    one of several that are timed: only what is compiled once is kept on disk.

    Raises:
        ComputationError: JAX cannot differentiate the model in this mode.
        BudgetError: it needs more memory than the budget, however small the chunks.
    """
    compiler = Compiler(kept=not repeated)
    with settings(plan):
        if plan.chunks > 1:
            return _checked(_in_chunks(plan, compiler))
        whole = _whole(plan, compiler, repeated=repeated)
        if whole.cost.held <= plan.budget or plan.steps < 2:
            return _checked(whole)
        fixed = plan.input_bytes + plan.result_bytes
        chunk, needed = plan.steps, whole.cost.held
        while chunk > 1:
            # Temporaries shrink with the chunk, about; what else is needed stays.
            share = max(plan.budget - fixed, 0) / max(needed - fixed, 1)
            chunk = max(1, min(int(chunk * share), chunk // 2))
            part = _in_chunks(replace(plan, chunk=chunk), compiler)
            needed = part.cost.held
            if needed <= plan.budget:
                return part
        return _checked(part)


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
        hint = f"{_FEWER.capitalize()}." if "RESOURCE_EXHAUSTED" in reason else ""
        raise ComputationError(f"{plan.derivative} failed: {reason}", hint=hint) from error


_FEWER = "take fewer rows at a time with --chunk"


def _checked(made: Program) -> Program:
    """Refuse a program that needs more than the budget."""
    remedy = _FEWER if made.plan.steps > 1 and made.plan.chunk != 1 else ""
    check_budget(made.plan, made.cost.held, "inputs, result and temporaries", remedy)
    return made


def _whole(plan: Plan, compiler: Compiler, *, repeated: bool) -> Program:
    """Compile everything as one call."""
    args = jax.device_put(program.arguments(plan), plan.device.handle)
    if repeated and plan.prepared is not None and plan.model.batch_size is None:
        wrt, rest, _ = args
        plan = replace(plan, prepared=plan.prepared.folded(program.function(plan, rest), wrt))
    make = compiler.repeated if repeated else compiler.once
    call, needs = make(plan, "whole", program.whole(plan), *args)

    def run(progress: Progress, arguments: Arguments | None = None) -> Tree:
        given = args if arguments is None else jax.device_put(arguments, plan.device.handle)
        return jax.tree.map(np.asarray, call(*given))

    plan = replace(plan, chunk=None)
    return Program(plan, run, lambda: call(*args), 1.0, compiler.seconds, needs, compiler.cache)


def _in_chunks(plan: Plan, compiler: Compiler) -> Program:
    """Compile the work of `plan.chunk` batch rows or unit vectors."""
    chunks = compiled_chunks(plan, compiler)
    costs = chunks.costs
    total = Cost(
        operations=sum(times * part.operations for times, part in costs),
        traffic=sum(times * part.traffic for times, part in costs),
        transcendentals=sum(times * part.transcendentals for times, part in costs),
        arguments=plan.input_bytes,
        outputs=plan.result_bytes,
        # Beside the result, a chunk holds its own output, and its rows of batched inputs.
        temporaries=max(part.temporaries + part.outputs for _, part in costs) + chunks.copied,
    )

    def run(progress: Progress, arguments: Arguments | None = None) -> Tree:
        progress.start(plan.steps)
        point = chunks.point if arguments is None else chunks.moved(arguments)
        whole = chunks.empty()
        for part in chunks.parts:
            chunks.place(whole, part, chunks.compute(part, point))
            progress.advance(part.fresh)
        return chunks.assemble(whole)

    firsts = {part.piece: part for part in reversed(chunks.parts)}

    def sample() -> list[Tree]:
        return [chunks.compute(part, chunks.point) for part in firsts.values()]

    samples = sum(times for times, _ in costs) / len(costs)
    return Program(plan, run, sample, samples, compiler.seconds, total, compiler.cache)


class Part(NamedTuple):
    """A chunk: the number of its piece, where it begins there, and how many steps it is new in."""

    piece: int
    corner: tuple[int, ...]
    fresh: int


class Chunks(NamedTuple):
    """All parts of a derivative, and what computes one, places it, and assembles the whole.

    `point` is the primal as `compute(part, point)` takes it, `moved` makes such of other arguments.
    `pieces` has the far shape and the tile of each piece.  `costs` say how many parts cost how
    much; `copied` are the bytes of inputs that a chunk has for itself.
    """

    parts: list[Part]
    point: Any
    moved: Callable[[Arguments], Any]
    compute: Callable[[Part, Any], Tree]
    empty: Callable[[], list[np.ndarray]]
    place: Callable[[list[np.ndarray], Part, Tree], None]
    assemble: Callable[[list[np.ndarray]], Tree]
    pieces: list[tuple[tuple[int, ...], tuple[int, ...]]]
    costs: list[tuple[int, Cost]]
    copied: int = 0


def compiled_chunks(plan: Plan, compiler: Compiler) -> Chunks:
    """Compile the plan in chunks of `plan.chunk`."""
    by_rows = plan.model.batch_size is not None
    return (_by_rows if by_rows else _by_unit_vectors)(plan, compiler)


def _by_rows(plan: Plan, compiler: Compiler) -> Chunks:
    """Take slices of the batched inputs."""
    size, axes = plan.chunk or plan.steps, program.batch_axes(plan)

    def mapped(change: Callable[[Any, int | None], Any], args: Any) -> Any:
        return [
            {name: change(array, axis[name]) for name, array in arg.items()}
            for arg, axis in zip(args, axes, strict=True)
        ]

    def shared(array: Any, axis: int | None) -> Any:
        return jax.device_put(array, plan.device.handle) if axis is None else array

    def moved(arguments: Arguments) -> Any:
        return mapped(shared, arguments)

    args = moved(program.arguments(plan))

    def rows(start: int, args: Any = args) -> Any:
        def cut(array: Any, axis: int | None) -> Any:
            if axis is None:
                return array
            return array[(slice(None),) * (axis % array.ndim) + (slice(start, start + size),)]

        return jax.device_put(mapped(cut, args), plan.device.handle)

    call, needs = compiler.repeated(plan, f"{size} rows", program.whole(plan), *rows(0))
    parts = [Part(0, start, fresh) for start, fresh in corners((plan.steps,), (size,))]
    shapes, structure = jax.tree.flatten(jax.eval_shape(program.whole(plan), *rows(0)))

    def empty() -> list[np.ndarray]:
        return [np.empty((plan.steps, *y.shape[1:]), y.dtype) for y in shapes]

    def place(whole: list[np.ndarray], part: Part, values: Tree) -> None:
        (start,) = part.corner
        for target, leaf in zip(whole, jax.tree.leaves(values), strict=True):
            target[start : start + size] = leaf

    copied = sum(
        array.nbytes
        for part, axis in zip(rows(0), axes, strict=True)
        for name, array in part.items()
        if axis[name] is not None
    )
    return Chunks(
        parts,
        args,
        moved,
        lambda part, point: call(*rows(part.corner[0], point)),
        empty,
        place,
        lambda whole: jax.tree.unflatten(structure, whole),
        [((plan.steps,), (size,))],
        [(len(parts), needs)],
        copied,
    )


def _by_unit_vectors(plan: Plan, compiler: Compiler) -> Chunks:
    """Take boxes of the unit vectors of one array after another."""
    wrt, rest, _ = jax.device_put(program.arguments(plan), plan.device.handle)
    chunk = plan.chunk or plan.steps
    derivative = program.chunked(plan, wrt, rest)
    pieces = derivative.pieces(chunk)
    parts: list[Part] = []
    calls: list[Callable[[Sequence[int], Any], Tree]] = []
    costs: list[tuple[int, Cost]] = []

    def moved(arguments: Arguments) -> Any:
        return jax.device_put(arguments[:2], plan.device.handle)

    def compiled(number: int, piece: Piece) -> Callable[[Sequence[int], Any], Tree]:
        def compute(wrt: Tree, rest: Tree, corner: Any) -> Tree:
            return program.chunked(plan, wrt, rest).pieces(chunk)[number].compute(wrt, corner)

        def at(corner: Sequence[int]) -> Any:
            return jax.device_put(np.asarray(corner, np.int32), plan.device.handle)

        corner = at([0] * len(piece.far))
        what = f"piece {number} of chunks of {chunk}"
        call, needs = compiler.repeated(plan, what, compute, wrt, rest, corner)
        found = corners(piece.far, piece.tile)
        parts.extend(Part(number, at_, fresh) for at_, fresh in found)
        costs.append((len(found), needs))
        return lambda corner, point: call(*point, at(corner))

    for number, piece in enumerate(pieces):
        calls.append(compiled(number, piece))

    return Chunks(
        parts,
        (wrt, rest),
        moved,
        lambda part, point: calls[part.piece](part.corner, point),
        derivative.empty,
        lambda whole, part, values: pieces[part.piece].place(whole, values, part.corner),
        derivative.assemble,
        [(piece.far, piece.tile) for piece in pieces],
        costs,
    )
