"""A plan is compiled here, whole or in chunks that fit its memory budget.

The compiled program's own account of its memory decides, not a formula: smaller chunks do not
always need less (docs/engine.md, what it costs).

Boundary: compiles; runs nothing.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import jax
import numpy as np

from jaccli import memory
from jaccli.choices import MODES
from jaccli.derivative import structure_losses
from jaccli.derivative.basis import ChunkKernel, Tree
from jaccli.derivative.cost import Cost
from jaccli.derivative.refusal import advice, working
from jaccli.derivative.select_mode import choose
from jaccli.derivative.tiles import corners
from jaccli.errors import ComputationError, UnderivableError
from jaccli.execute import functions
from jaccli.execute.compiler import Compiler, tracing
from jaccli.execute.executable_cache import Outcome
from jaccli.execute.functions import Arguments
from jaccli.execute.sharding import Call, spread
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
            rows = min(plan.share, _rows_at_a_time(plan))
            first = _in_chunks(replace(plan, chunk=rows), compiler, repeated=repeated)
        elif plan.device.count > 1:
            first = _in_chunks(replace(plan, chunk=plan.share), compiler, repeated=repeated)
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
            part = _in_chunks(replace(plan, chunk=chunk), compiler, repeated=repeated)
            needed = part.cost.held
            if needed <= plan.budget:
                return part
        return _checked(part)


def _rows_at_a_time(plan: Plan) -> int:
    """Return how many rows of what is in files to read at a time, at most."""
    left = (plan.budget - plan.input_bytes - plan.result_bytes) // plan.device.pooled
    return max(1, min(plan.steps, left * plan.steps // (_COPIES * plan.mapped_bytes)))


_COPIES = 2
"""Copies of rows that are read from a file: as they come from there, and the device's."""


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
    what = "inputs, result and temporaries"
    check_budget(made.plan, made.cost.held, what, _fewer(made.plan))
    return made


def _fewer(plan: Plan) -> str:
    """Return the remedy for chunks that are too large, if they could be smaller."""
    if plan.steps > 1 and plan.chunk != 1:
        return _FEWER
    return "take fewer --devices" if plan.device.pooled > 1 else ""


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
    chunks = compiled_chunks(plan, compiler, repeated=repeated)
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
        for parts in map(chunks.numbered, chunks.rounds()):
            for part, values in zip(parts, chunks.compute(parts, point), strict=True):
                chunks.place(whole, part, values)
                progress.advance(part.fresh)
        return chunks.assemble(whole)

    rounds = reversed([chunks.numbered(numbers) for numbers in chunks.rounds()])
    firsts = {parts[0].piece: parts for parts in rounds}

    def sample() -> list[list[Tree]]:
        return [chunks.compute(parts, chunks.point) for parts in firsts.values()]

    samples = sum(times for times, _ in costs) / len(costs)
    return Program(plan, run, sample, samples, compiler.seconds, total, compiler.cache)


class Chunk(NamedTuple):
    """A chunk: the number of its piece, where it begins there, and how many steps it is new in."""

    piece: int
    corner: tuple[int, ...]
    fresh: int


class ChunkedProgram(NamedTuple):
    """All parts of a derivative, and what computes them, places one, and assembles the whole.

    `compute(parts, point)` takes parts of one piece, `together` of them at most: as many as there
    are devices.  `point` is the primal as it takes it, `moved` makes such of other arguments.
    `pieces` has the far shape and the tile of each piece.  `costs` say how many rounds cost how
    much; `copied` are the bytes of inputs that a round has for itself.
    """

    parts: list[Chunk]
    together: int
    point: Any
    moved: Callable[[Arguments], Any]
    compute: Callable[[Sequence[Chunk], Any], list[Tree]]
    empty: Callable[[], list[np.ndarray]]
    place: Callable[[list[np.ndarray], Chunk, Tree], None]
    assemble: Callable[[list[np.ndarray]], Tree]
    pieces: list[tuple[tuple[int, ...], tuple[int, ...]]]
    costs: list[tuple[int, Cost]]
    copied: int = 0

    def rounds(self, done: Collection[int] = ()) -> Iterator[list[int]]:
        """Yield the numbers of the parts that are computed together, those done left out."""
        left = (number for number in range(len(self.parts)) if number not in done)
        for _, numbers in groupby(left, key=lambda number: self.parts[number].piece):
            while together := list(islice(numbers, self.together)):
                yield together

    def numbered(self, numbers: Sequence[int]) -> list[Chunk]:
        """Return the parts of these numbers."""
        return [self.parts[number] for number in numbers]


def compiled_chunks(plan: Plan, compiler: Compiler, *, repeated: bool = False) -> ChunkedProgram:
    """Compile the plan in chunks of `plan.chunk`; `repeated` says that all will be run again."""
    by_rows = plan.model.batch_size is not None
    return (_by_rows if by_rows else _by_unit_vectors)(plan, compiler, repeated)


def _by_rows(plan: Plan, compiler: Compiler, repeated: bool) -> ChunkedProgram:
    """Take slices of the batched inputs."""
    size, axes = plan.chunk or plan.steps, functions.batch_axes(plan)
    devices = spread(plan.device)

    def picked(args: Any, *, batched: bool) -> Any:
        return [
            {name: array for name, array in arg.items() if (axis[name] is not None) is batched}
            for arg, axis in zip(args, axes, strict=True)
        ]

    def moved(arguments: Arguments) -> Any:
        shared = devices.shared(picked(arguments, batched=False))
        return shared, picked(arguments, batched=True)

    def rows(start: int, args: Any) -> Any:
        def cut(array: Any, axis: int) -> Any:
            return array[(slice(None),) * (axis % array.ndim) + (slice(start, start + size),)]

        return [
            {name: cut(array, axis[name]) for name, array in arg.items()}
            for arg, axis in zip(args, axes, strict=True)
        ]

    def compute(shared: Tree, own: Tree) -> Tree:
        return functions.whole(plan)(*(a | b for a, b in zip(shared, own, strict=True)))

    def computed(parts: Sequence[Chunk], point: Any) -> list[Tree]:
        shared, batched = point
        return call(shared, [rows(part.corner[0], batched) for part in parts])

    read = _COPIES * plan.mapped_bytes * size * plan.device.pooled // plan.steps
    check_budget(plan, plan.input_bytes + read, "a chunk's rows in files", _fewer(plan))
    shared, batched = moved(functions.arguments(plan))
    first = rows(0, batched)
    parts = [Chunk(0, start, fresh) for start, fresh in corners((plan.steps,), (size,))]
    rounds = math.ceil(len(parts) / plan.device.count)
    compile = compiler.repeated if repeated or rounds > 1 else compiler.once
    call, needs = devices.compiled(compile, plan, f"{size} rows", compute, shared, first)
    shapes, structure = jax.tree.flatten(jax.eval_shape(compute, shared, first))

    def empty() -> list[np.ndarray]:
        return [np.empty((plan.steps, *y.shape[1:]), y.dtype) for y in shapes]

    def place(whole: list[np.ndarray], part: Chunk, values: Tree) -> None:
        (start,) = part.corner
        for target, leaf in zip(whole, jax.tree.leaves(values), strict=True):
            target[start : start + size] = leaf

    return ChunkedProgram(
        parts,
        plan.device.count,
        (shared, batched),
        moved,
        computed,
        empty,
        place,
        lambda whole: jax.tree.unflatten(structure, whole),
        [((plan.steps,), (size,))],
        [(rounds, needs)],
        devices.copied(shared, first) + read // _COPIES,
    )


def _by_unit_vectors(plan: Plan, compiler: Compiler, repeated: bool) -> ChunkedProgram:
    """Take boxes of the unit vectors of one array after another."""
    devices = spread(plan.device)
    wrt, rest = point = devices.shared(functions.arguments(plan)[:2])
    chunk = plan.chunk or plan.steps
    with tracing(plan):
        derivative = functions.chunked(plan, wrt, rest)
        pieces = derivative.pieces(chunk)
    parts: list[Chunk] = []
    calls: list[Call] = []
    costs: list[tuple[int, Cost]] = []

    def compiled(number: int, piece: ChunkKernel) -> Call:
        def compute(point: Tree, corner: Any) -> Tree:
            wrt, rest = point
            return functions.chunked(plan, wrt, rest).pieces(chunk)[number].compute(wrt, corner)

        found = corners(piece.far, piece.tile)
        rounds = math.ceil(len(found) / plan.device.count)
        compile = compiler.repeated if repeated or rounds > 1 else compiler.once
        what = f"piece {number} of chunks of {chunk}"
        call, needs = devices.compiled(compile, plan, what, compute, point, _index(piece.far))
        parts.extend(Chunk(number, corner, fresh) for corner, fresh in found)
        costs.append((rounds, needs))
        return call

    def computed(parts: Sequence[Chunk], point: Any) -> list[Tree]:
        return calls[parts[0].piece](point, [_index(part.corner) for part in parts])

    for number, piece in enumerate(pieces):
        calls.append(compiled(number, piece))

    return ChunkedProgram(
        parts,
        plan.device.count,
        point,
        lambda arguments: devices.shared(arguments[:2]),
        computed,
        derivative.empty,
        lambda whole, part, values: pieces[part.piece].place(whole, values, part.corner),
        derivative.assemble,
        [(piece.far, piece.tile) for piece in pieces],
        costs,
        devices.copied(point, ()),
    )


def _index(corner: Sequence[int]) -> np.ndarray:
    return np.asarray(corner, np.int32)
