"""The plan: what will be computed, how, why, and how large it gets.

Making a plan traces the model's shapes and computes nothing; executing one chooses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jaccli import memory
from jaccli.backend import Device
from jaccli.choices import APPROXIMATED, KEPT_SPARSE, MODES
from jaccli.derivative import cost
from jaccli.derivative.chunking import chunk_count, even_size
from jaccli.derivative.compile_cost import OneCall
from jaccli.derivative.operators import CHUNKED, REGISTRIES
from jaccli.derivative.select_mode import (
    Choice,
    Count,
    Predict,
    alternatives,
    choose,
    family,
    may_be_colored,
)
from jaccli.derivative.structure_losses import Loss
from jaccli.derivative.trace_info import TraceInfo
from jaccli.errors import BudgetError, SpecError, UnderivableError, format_bytes
from jaccli.models import LoadedModel, Values
from jaccli.models.gauss_newton import approximated
from jaccli.plan import parts
from jaccli.plan.checks import check_outputs, checked_vectors
from jaccli.plan.shapes import BlockPlan, Shape, avals, blocks_of, trace
from jaccli.spec import Spec
from jaccli.storage.memmap import MemmapArray

if TYPE_CHECKING:
    from jaccli.derivative.diagonals import Builder, Directions
    from jaccli.derivative.sparse import Pattern, Prepared

_AXES = 64
"""Axes of a numpy array at most."""
_PLACE = 8
"""Bytes that say where an entry stands."""
_ENTRIES = 2**63 - 1
"""Entries that these can number, zeros included."""


@dataclass(frozen=True)
class Plan:
    """A derivative of a model at its primal, ready to be executed.

    `vectors` are shaped as the wrt inputs (jvp, hvp) or the outputs (vjp), with a leading batch
    axis where `vector_batched` says so.  `devices` are all that may be used.  Sizes are in bytes:
    `input_bytes` those of arrays that are held, `mapped_bytes` those of batched ones that stay in
    their files.  `chunk_shapes` are the shapes of the arrays that can be taken in chunks: the batch
    axis, or the arrays whose unit vectors are pushed (of a coloring, the colors). `given` is a
    pattern that the user vouches for, of the joined matrix; `prepared` is there if the operator is
    `sparse`, `colors` if a diagonal or a trace takes fewer directions than there are inputs.
    `alternatives` are the operators to take, in turn, where JAX or the engine refuses this one.
    `refusal` says why another one was to be taken first; `failures` and `losses` are the
    operations that the engine failed on, and those that lost structure.
    """

    spec: Spec
    model: LoadedModel
    derivative: str
    choice: Choice
    facts: TraceInfo
    outputs: dict[str, Shape]
    blocks: tuple[BlockPlan, ...]
    vectors: Mapping[str, Values]
    vector_batched: bool
    devices: Device
    budget: int
    chunk: int | None
    chunk_shapes: tuple[Shape, ...]
    input_bytes: int
    mapped_bytes: int
    given: Pattern | None = None
    prepared: Prepared | None = None
    colors: Directions | None = None
    alternatives: tuple[str, ...] = ()
    refusal: str = ""
    failures: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What did not go as it was to go."""
        instead = f"{self.refusal}; computed by mode {self.operator}."
        return (*((instead,) if self.refusal else ()), *self.failures)

    @property
    def approximation(self) -> str:
        """What is computed in place of the derivative, or `none`."""
        return self.spec.approximation if self.derivative in APPROXIMATED else "none"

    @property
    def mode(self) -> str:
        """The mode in the user's words: what was asked for, or what `auto` stands for."""
        return self.choice.mode

    @property
    def operator(self) -> str:
        """The entry of the registry of operators."""
        return self.choice.operator

    @property
    def reason(self) -> str:
        """Why this mode, in words; and why not all devices are used, if so."""
        used, asked = self.device.count, self.devices.count
        reason = self.choice.reason
        if self.losses:
            more = f" and {len(self.losses) - 1} more" if len(self.losses) > 1 else ""
            reason += f"; dense from {self.losses[0].place}{more} on"
        if used == asked:
            return reason
        why = f"it has {used} chunks" if used > 1 else "it is computed in one piece"
        return f"{reason}; {used} of {asked} devices: {why}"

    @property
    def device(self) -> Device:
        """What computes it: no more devices than there are chunks at a time."""
        size = self.chunk or self.even_chunk
        return self.devices.first(
            max((chunk_count(n, size) for n in self.chunk_shapes), default=1) or 1
        )

    @property
    def even_chunk(self) -> int:
        """The largest chunk that leaves something to do for each device, if that can be."""
        return max((even_size(shape, self.devices.count) for shape in self.chunk_shapes), default=1)

    @property
    def part(self) -> str:
        """`full`, or what is computed alone: `diagonal`, `trace`."""
        return parts.part_of(self.spec, self.derivative)

    @property
    def part_builder(self) -> Builder:
        """What computes the part, a direction at a time."""
        pairs = parts.pairs_of(self.blocks) if self.derivative == "jacobian" else ()
        return parts.builder(self.derivative, self.part, self.operator, self.colors, pairs)

    @property
    def steps(self) -> int:
        """How many batch rows or unit vectors there are."""
        return sum(math.prod(shape) for shape in self.chunk_shapes)

    @property
    def storage(self) -> str:
        """How the result is kept."""
        return _storage(self.spec, self.derivative)

    @property
    def dense_bytes(self) -> int:
        """The bytes of all blocks, zeros included."""
        return sum(block.nbytes for block in self.blocks)

    @property
    def result_bytes(self) -> int:
        """The bytes of all blocks as they are computed: where only entries are, those."""
        if self.prepared is None or self.storage == "dense":
            return self.dense_bytes
        itemsize = max(block.dtype.itemsize for block in self.blocks)
        return self.prepared.nnz * (self.model.batch_size or 1) * (itemsize + _PLACE)

    @property
    def chunks(self) -> int:
        """How many chunks the steps are taken in."""
        if not self.chunk:
            return 1
        return sum(chunk_count(shape, self.chunk) for shape in self.chunk_shapes)

    @property
    def rounds(self) -> int:
        """How many times each device computes a chunk."""
        if not self.chunk:
            return 1
        count = self.device.count
        return sum(math.ceil(chunk_count(n, self.chunk) / count) for n in self.chunk_shapes)


def make(
    spec: Spec,
    model: LoadedModel,
    derivative: str,
    devices: Device,
    given: Pattern | None = None,
    *,
    holds_result: bool = True,
    once: bool = False,
) -> Plan:
    """Plan a derivative of the model; without `holds_result`, whatever size it has.

    `given` is the pattern of the spec's `sparsity:`, if there is one.  With `once`, the program is
    compiled for one call, and `auto` counts the seconds for that.

    Raises:
        SpecError: the shapes do not fit each other, or not the derivative.
        BudgetError: the result does not fit the memory budget.
    """
    model = approximated(spec, model, derivative)
    found = trace(spec, model)
    model = replace(model, function=found.function)
    outputs, dtypes, about = found.outputs, found.dtypes, found.facts
    check_outputs(spec, derivative, outputs, dtypes)
    vectors, batched = checked_vectors(spec, model, derivative, outputs, dtypes)
    part = parts.part_of(spec, derivative)
    asked = spec.mode if len(MODES[derivative]) > 1 else "auto"
    if (
        part == "full"
        and "sparse" in MODES[derivative]
        and (
            (_storage(spec, derivative) == "sparse" and asked in KEPT_SPARSE)
            or (given is not None and asked == "auto")
        )
    ):
        asked = "sparse"
    elif asked == "tuned":
        asked = "auto"
    budget = memory.budget(spec.memory)
    blocks = parts.named_blocks(model, blocks_of(model, derivative, outputs, dtypes))
    blocks, colors = parts.parted_blocks(spec, derivative, blocks), None
    if part == "full":
        call = OneCall(about, model.batch_size or 1) if once else None
        measures = _measures(model, derivative, budget)
        choice = choose(derivative, about, asked, *measures, once=call)
    else:
        pairs = parts.pairs_of(blocks) if derivative == "jacobian" else ()
        choice, colors = parts.choice(spec, model, derivative, pairs, about, budget)
    deep = next((block for block in blocks if len(block.shape) > _AXES), None)
    if deep is not None:
        message = f"{deep.key} would have {len(deep.shape)} axes; an array has at most {_AXES}."
        raise SpecError(spec.problem("model", message))
    entries = sum(math.prod(block.shape) for block in blocks)
    if _storage(spec, derivative) == "sparse" and entries > _ENTRIES:
        message = (
            f"the {derivative} would have {entries} entries; sparse storage numbers 2**63 - 1."
        )
        raise SpecError(spec.problem("model", message, "Choose fewer with --wrt and --select."))
    arrays = (*model.primals.values(), *vectors.values())
    mapped = sum(array.nbytes for array in arrays if isinstance(array, MemmapArray))
    plan = Plan(
        spec=spec,
        model=model,
        derivative=derivative,
        choice=choice,
        facts=about,
        outputs=outputs,
        blocks=blocks,
        vectors=vectors,
        vector_batched=batched,
        devices=devices,
        budget=budget,
        # The values beside a derivative that is taken in chunks are computed in one piece.
        chunk=None if derivative == "evaluate" and model.batch_size is None else spec.chunk,
        chunk_shapes=(),
        input_bytes=sum(array.nbytes for array in arrays) - mapped,
        mapped_bytes=mapped,
        given=given,
        colors=colors,
    )
    if choice.mode == "structured" and asked == "auto" and may_be_colored(derivative, about):
        from jaccli.plan import sparse_plan

        plan = replace(plan, prepared=sparse_plan.cheaper(plan))
        if plan.prepared is not None:
            choice = Choice("sparse", "sparse", plan.prepared.words)
    plain = alternatives if part == "full" else parts.alternatives
    others = tuple(name for name in plain(derivative, about) if name != choice.operator)
    try:
        plan = with_choice(plan, choice)
    except UnderivableError as error:  # no way to a sparse derivative: a plain one is taken
        plan = instead(replace(plan, alternatives=others), error)
    if asked in ("auto", "sparse") and not plan.refusal:
        plan = replace(plan, alternatives=others)
    if holds_result:
        check_result(plan)
    else:
        check_budget(plan, plan.input_bytes, "inputs")
    return plan


def instead(plan: Plan, error: UnderivableError) -> Plan:
    """Return the plan with the next of its alternatives in place of what was refused.

    Raises:
        UnderivableError: there is none left.
    """
    if not plan.alternatives:
        raise error
    operator, *others = plan.alternatives
    refused = family(plan.operator)
    refusal = plan.refusal or (
        f"{refused}: {error.reason}" if refused in ("structured", "sparse") else ""
    )
    choice = Choice(operator, operator, f"{refused} was refused")
    plan = with_choice(replace(plan, alternatives=(), prepared=None), choice)
    return replace(plan, alternatives=tuple(others), refusal=refusal)


def at(plan: Plan, model: LoadedModel) -> Plan:
    """Return the plan at another point of its model: arrays of the same shapes and dtypes."""
    model = approximated(plan.spec, model, plan.derivative)
    model = replace(model, function=plan.model.function)
    dtypes = {name: vector.dtype for name, vector in plan.vectors.items()}
    vectors, _ = checked_vectors(plan.spec, model, plan.derivative, plan.outputs, dtypes)
    return replace(plan, model=model, vectors=vectors)


def with_choice(plan: Plan, choice: Choice) -> Plan:
    """Return the plan with another operator.

    Raises:
        SpecError: there is a `chunk` and nothing that could be split.
    """
    plan = replace(plan, alternatives=(), losses=())
    if plan.part != "full":
        plan = replace(plan, colors=plan.colors if choice.operator == "sparse" else None)
    elif choice.operator != "sparse":
        plan = replace(plan, prepared=None)
    elif plan.prepared is None:
        from jaccli.plan import sparse_plan

        prepared = sparse_plan.prepared(plan)
        plan = replace(plan, prepared=prepared)
        source = f", pattern of {plan.spec.sparsity.name}" if plan.spec.sparsity else ""
        choice = replace(choice, reason=prepared.words + source)
    plan = replace(plan, choice=choice)
    plan = replace(plan, chunk_shapes=_chunk_shapes(plan))
    if plan.part != "full" and plan.chunk is None and plan.model.batch_size is None:
        # All at a time would take as much memory as the matrix.
        several = plan.steps >= 2 * parts.AT_A_TIME
        plan = replace(plan, chunk=parts.AT_A_TIME if several else None)
    if plan.chunk is not None and not plan.chunk_shapes:
        if plan.derivative in CHUNKED:
            noun = plan.derivative if plan.derivative == "gradient" else plan.derivative.title()
            message = f"the mode {choice.operator} computes the {noun} of one point in one piece."
            hint = "Leave out the chunk, or choose another mode."
            raise SpecError(plan.spec.problem("chunk", message, hint))
        if plan.derivative != "evaluate":
            message = f"{plan.derivative} at one point has no rows to take in chunks."
            raise SpecError(plan.spec.problem("chunk", message))
    return plan


def _storage(spec: Spec, derivative: str) -> str:
    """Return how a derivative is kept: what is no matrix, always dense."""
    if "sparse" not in MODES[derivative]:
        return "dense"
    return spec.storage or ("sparse" if spec.mode == "sparse" else "dense")


def _chunk_shapes(plan: Plan) -> tuple[Shape, ...]:
    """Return the shapes that chunks are cut from; none if there is nothing to cut."""
    operator = plan.operator
    if plan.model.batch_size is not None:
        return ((plan.model.batch_size,),)
    if plan.prepared is not None:
        coloring = plan.prepared.coloring
        return () if coloring is None else tuple((n,) for _, _, n in coloring.parts if n)
    if plan.part != "full":
        count = plan.facts.outputs if operator == "rev" else plan.facts.inputs
        return ((plan.colors.count if plan.colors else count,),)
    if operator not in CHUNKED.get(plan.derivative, ()):
        return ()
    ins = tuple(plan.model.in_shape(name) for name in plan.model.wrt)
    outs = tuple(plan.outputs.values())
    if plan.derivative == "hessian":
        by_rows = tuple((*out, *n) for out in outs for n in ins)
        far = ins if operator.removeprefix("structured-").startswith("fwd") else by_rows
    else:
        far = ins if operator.endswith("fwd") else outs
    # The engine takes one array after another; plain sweeps number all unit vectors.
    return far if operator.startswith("structured-") else ((sum(map(math.prod, far)),),)


def check_result(plan: Plan) -> None:
    """Raise a BudgetError if inputs and result exceed the budget, or the result its own limit."""
    largest = memory.largest_result()
    if largest is not None and plan.result_bytes > largest:
        raise BudgetError(
            f"{plan.derivative}: the result takes {format_bytes(plan.result_bytes)}, "
            f"more than the {format_bytes(largest)} that are sent.",
            hint="Choose fewer entries with --wrt and --select.",
        )
    # Joining several blocks to one matrix makes a copy.
    copies = 2 if plan.spec.layout == "matrix" and len(plan.blocks) > 1 else 1
    check_budget(plan, plan.input_bytes + copies * plan.result_bytes, "inputs and result")


def check_budget(plan: Plan, needed: int, what: str, remedy: str = "") -> None:
    """Raise a BudgetError if `needed` bytes exceed the plan's budget.

    `remedy` is what helps besides a larger budget; by default, fewer entries.
    """
    if needed > plan.budget:
        largest = max(plan.blocks, key=lambda block: block.nbytes)
        fewer = "choose fewer entries with --wrt and --select"
        if plan.storage == "dense" and plan.derivative in ("jacobian", "hessian"):
            fewer += ", or keep the non-zeros alone with --mode sparse"
        raise BudgetError(
            f"{plan.derivative}: {what} take {format_bytes(needed)}, "
            f"more than the memory budget of {format_bytes(plan.budget)} "
            f"(the largest block, {largest.key}, has the shape {largest.shape}).",
            hint=f"Raise --memory, or {remedy or fewer}.",
        )


_TRACED = 256 << 20
"""Bytes that an operator's structure may take that is only compared with others."""


def _measures(model: LoadedModel, derivative: str, budget: int) -> tuple[Predict, Count]:
    """Return what estimates an operator's seconds at one point, and its equations, from a trace.

    What takes more than the budget of memory to be traced is as bad as can be.
    """
    wrt, rest = avals(model)

    def function(operator: str) -> Callable[[Any, Any], Any]:
        def compute(wrt: Any, rest: Any) -> Any:
            f = lambda wrt: model.function({**rest, **wrt})  # noqa: E731
            return REGISTRIES[derivative][operator](f, wrt)

        return compute

    return cost.measures(function, (wrt, rest), min(budget, _TRACED))
