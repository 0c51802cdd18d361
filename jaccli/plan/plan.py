"""The plan: what will be computed, how, why, and how large it gets.

Making a plan traces the model's shapes and computes nothing; executing one chooses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaccli.backend import Device
from jaccli.derivative import estimate
from jaccli.derivative.choose import Choice, choose
from jaccli.derivative.facts import Facts, from_jaxpr
from jaccli.derivative.operators import CHUNKED, REGISTRIES
from jaccli.derivative.tiles import tile
from jaccli.errors import BudgetError, Problem, SpecError, format_bytes
from jaccli.memory import default_budget
from jaccli.model import Model
from jaccli.spec import Spec
from jaccli.vocabulary import MODES, OF_SCALAR_OUTPUT, WITH_VECTOR

Shape = tuple[int, ...]
_AXES = 64
"""Axes of a numpy array at most."""


@dataclass(frozen=True)
class BlockPlan:
    """One array of the result: `output` is None for a vjp; `wrt` has 0, 1 or 2 names.

    `dtype` is the output's, whatever the modes make of inputs of several dtypes.
    """

    output: str | None
    wrt: tuple[str, ...]
    out_shape: Shape
    in_shapes: tuple[Shape, ...]
    batch: int | None
    dtype: np.dtype[Any]

    @property
    def shape(self) -> Shape:
        """The whole shape, `(*batch, *out, *in1, *in2)`."""
        lead = () if self.batch is None else (self.batch,)
        return (*lead, *self.out_shape, *(n for shape in self.in_shapes for n in shape))

    @property
    def nbytes(self) -> int:
        """The size in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def key(self) -> str:
        """The block's name in files: `y.x`."""
        return ".".join((self.output, *self.wrt) if self.output is not None else self.wrt)


@dataclass(frozen=True)
class Plan:
    """A derivative of a model at its primal, ready to be executed.

    `vectors` are shaped as the wrt inputs (jvp, hvp) or the outputs (vjp), with a leading batch
    axis where `vector_batched` says so.  Sizes are in bytes.  `far` has the shapes of the arrays
    that can be taken in chunks: the batch axis, or the arrays whose unit vectors are pushed.
    """

    spec: Spec
    model: Model
    derivative: str
    choice: Choice
    facts: Facts
    outputs: dict[str, Shape]
    blocks: tuple[BlockPlan, ...]
    vectors: dict[str, np.ndarray]
    vector_batched: bool
    device: Device
    budget: int
    chunk: int | None
    far: tuple[Shape, ...]
    input_bytes: int

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
        """Why this mode, in words."""
        return self.choice.reason

    @property
    def steps(self) -> int:
        """How many batch rows or unit vectors there are."""
        return sum(math.prod(shape) for shape in self.far)

    @property
    def result_bytes(self) -> int:
        """The bytes of all blocks."""
        return sum(block.nbytes for block in self.blocks)

    @property
    def chunks(self) -> int:
        """How many chunks the steps are taken in."""
        if not self.chunk:
            return 1
        return sum(
            math.prod(math.ceil(n / m) for n, m in zip(shape, tile(shape, self.chunk), strict=True))
            for shape in self.far
        )


def make(
    spec: Spec, model: Model, derivative: str, device: Device, *, holds_result: bool = True
) -> Plan:
    """Plan a derivative of the model; without `holds_result`, whatever size it has.

    Raises:
        SpecError: the shapes do not fit each other, or not the derivative.
        BudgetError: the result does not fit the memory budget.
    """
    outputs, dtypes, about = _trace(spec, model)
    _check_outputs(spec, derivative, outputs, dtypes)
    vectors, batched = _vectors(spec, model, derivative, outputs, dtypes)
    asked = spec.mode if len(MODES[derivative]) > 1 and spec.mode != "tuned" else "auto"
    choice = choose(derivative, about, asked, _predict(model, derivative))
    blocks = _blocks(model, derivative, outputs, dtypes)
    deep = next((block for block in blocks if len(block.shape) > _AXES), None)
    if deep is not None:
        message = f"{deep.key} would have {len(deep.shape)} axes; an array has at most {_AXES}."
        raise SpecError(spec.problem("model", message))
    plan = with_choice(
        Plan(
            spec=spec,
            model=model,
            derivative=derivative,
            choice=choice,
            facts=about,
            outputs=outputs,
            blocks=blocks,
            vectors=vectors,
            vector_batched=batched,
            device=device,
            budget=spec.memory or default_budget(),
            # The values beside a derivative that is taken in chunks are computed in one piece.
            chunk=None if derivative == "evaluate" and model.batch_size is None else spec.chunk,
            far=(),
            input_bytes=sum(a.nbytes for a in (*model.primals.values(), *vectors.values())),
        ),
        choice,
    )
    # Joining several blocks to one matrix makes a copy.
    copies = (2 if spec.layout == "matrix" and len(blocks) > 1 else 1) if holds_result else 0
    check_budget(plan, plan.input_bytes + copies * plan.result_bytes, "inputs and result")
    return plan


def with_choice(plan: Plan, choice: Choice) -> Plan:
    """Return the plan with another operator.

    Raises:
        SpecError: there is a `chunk` and nothing that could be split.
    """
    plan = replace(plan, choice=choice, far=_far(plan, choice.operator))
    if plan.chunk is not None and not plan.far:
        if plan.derivative in CHUNKED:
            message = f"the mode {choice.operator} computes the Hessian of one point in one piece."
            hint = "Leave out the chunk, or choose another mode."
            raise SpecError(plan.spec.problem("chunk", message, hint))
        if plan.derivative != "evaluate":
            message = f"{plan.derivative} at one point has no rows to take in chunks."
            raise SpecError(plan.spec.problem("chunk", message))
    return plan


def _far(plan: Plan, operator: str) -> tuple[Shape, ...]:
    """Return the shapes of what a chunk is a part of; none if there is nothing to split."""
    if plan.model.batch_size is not None:
        return ((plan.model.batch_size,),)
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


def check_budget(plan: Plan, needed: int, what: str, remedy: str = "") -> None:
    """Raise a BudgetError if `needed` bytes exceed the plan's budget.

    `remedy` is what helps besides a larger budget; by default, fewer entries.
    """
    if needed > plan.budget:
        largest = max(plan.blocks, key=lambda block: block.nbytes)
        raise BudgetError(
            f"{plan.derivative}: {what} take {format_bytes(needed)}, "
            f"more than the memory budget of {format_bytes(plan.budget)} "
            f"(the largest block, {largest.key}, has the shape {largest.shape}).",
            hint=f"Raise --memory, or {remedy or 'choose fewer entries with --wrt and --select'}.",
        )


def _trace(spec: Spec, model: Model) -> tuple[dict[str, Shape], dict[str, np.dtype[Any]], Facts]:
    """Return the outputs' shapes and dtypes in the model's order, and facts; compute nothing."""
    import jax

    avals = _avals(model)
    order: list[str] = []

    def function(inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = model.function(inputs)
        order[:] = outputs
        return outputs

    jaxpr, shapes = jax.make_jaxpr(function, return_shape=True)(avals)
    traced = {name: shapes[name] for name in order}  # JAX sorts the names
    for name, value in traced.items():
        if value.dtype.kind not in "fiub":
            message = f"the output {name!r} is of {value.dtype}; real numbers are differentiated."
            raise SpecError(spec.problem("model", message))
    found = {name: tuple(value.shape) for name, value in traced.items()}
    n_in = sum(math.prod(model.in_shape(name)) for name in model.wrt)
    varied = [name in model.wrt for name in sorted(avals)]
    about = from_jaxpr(jaxpr, varied, n_in, sum(map(math.prod, found.values())))
    return found, {name: value.dtype for name, value in traced.items()}, about


def _avals(model: Model) -> dict[str, Any]:
    """Return the inputs of one point as JAX sees them: shapes and dtypes."""
    import jax

    return {
        name: jax.ShapeDtypeStruct(model.in_shape(name), _dtype(array))
        for name, array in model.primals.items()
    }


def _predict(model: Model, derivative: str) -> Callable[[str], float]:
    """Return what estimates an operator's seconds at one point, from a trace."""
    avals = _avals(model)
    wrt = {name: avals[name] for name in model.wrt}
    rest = {name: aval for name, aval in avals.items() if name not in wrt}

    def predict(operator: str) -> float:
        def compute(wrt: Any, rest: Any) -> Any:
            def f(wrt: Any) -> Any:
                return model.function({**rest, **wrt})

            return REGISTRIES[derivative][operator](f, wrt)

        return estimate.of(compute, wrt, rest)

    return predict


def _dtype(array: np.ndarray) -> Any:
    """Return the dtype the array has on the device: JAX has no 64 bits unless they are enabled."""
    import jax

    return jax.dtypes.canonicalize_dtype(array.dtype)


def _check_outputs(
    spec: Spec,
    derivative: str,
    outputs: Mapping[str, Shape],
    dtypes: Mapping[str, np.dtype[Any]],
) -> None:
    """Report outputs that the derivative is not defined for."""
    if derivative == "evaluate":
        return
    problems: list[Problem] = []
    for name, shape in outputs.items():
        if dtypes[name].kind != "f":
            message = f"the output {name!r} is of {dtypes[name]}, which has no derivative."
            problems.append(_output_problem(spec, name, message, "Choose others with --select."))
        elif derivative in OF_SCALAR_OUTPUT and shape != ():
            message = f"{derivative} needs a scalar output; {name!r} has the shape {shape}."
            hint = "Reduce it (sum, an index), or ask for the jacobian."
            problems.append(_output_problem(spec, name, message, hint))
    if problems:
        raise SpecError(*problems)


def _output_problem(spec: Spec, name: str, message: str, hint: str) -> Problem:
    """Return a problem at the expression that gives the output."""
    for path in (f"model.expressions.{name}", "model.expression", "model"):
        if spec.root.get(*path.split(".")) is not None:
            return spec.problem(path, message, hint)
    return Problem(message, hint=hint)


def _vectors(
    spec: Spec,
    model: Model,
    derivative: str,
    outputs: Mapping[str, Shape],
    dtypes: Mapping[str, np.dtype[Any]],
) -> tuple[dict[str, np.ndarray], bool]:
    """Return the tangents or cotangents, each checked against what it goes with, in its dtype."""
    if derivative not in WITH_VECTOR:
        return {}, False
    shapes = dict(outputs) if derivative == "vjp" else {n: model.in_shape(n) for n in model.wrt}
    what = "cotangent of output" if derivative == "vjp" else "tangent of input"
    given = dict(model.vectors)
    if "" in given and len(shapes) == 1:
        given = {next(iter(shapes)): given[""]}
    problems = [_vector_problem(spec, derivative, given, shapes, what)]
    batch, batched = model.batch_size, {}
    for name, shape in shapes.items():
        if name not in given:
            continue
        found = given[name].shape
        batched[name] = batch is not None and found == (batch, *shape)
        if not batched[name] and found != shape:
            or_batch = f" or {(batch, *shape)}" if batch is not None else ""
            message = f"the {what} {name!r} has the shape {found}, expected {shape}{or_batch}."
            path = f"vector.{name}" if spec.root.get("vector", name) else "vector"
            problems.append(spec.problem(path, message))
    if any(problems):
        raise SpecError(*filter(None, problems))
    if batch is not None and any(batched.values()):
        given = {
            n: v if batched[n] else np.broadcast_to(v, (batch, *v.shape)) for n, v in given.items()
        }
    if derivative != "vjp":
        dtypes = {name: model.primals[name].dtype for name in shapes}
    typed = {name: given[name].astype(dtypes[name], copy=False) for name in shapes}
    return typed, any(batched.values())


def _vector_problem(
    spec: Spec,
    derivative: str,
    given: Mapping[str, np.ndarray],
    shapes: Mapping[str, Shape],
    what: str,
) -> Problem | None:
    """Return the problem of vectors that are missing, unknown, or have no name."""
    names = ", ".join(map(repr, shapes))
    if not given:
        hint = f"Give one with --vector or `vector:`, for {names}."
        return spec.problem("vector", f"{derivative} needs a vector.", hint)
    if "" in given:
        hint = f"Name each: --vector {next(iter(shapes))}=VALUE. Expected {names}."
        return spec.problem("vector", f"one vector without a name for {len(shapes)}.", hint)
    for name in shapes:
        if name not in given:
            return spec.problem("vector", f"the {what} {name!r} is missing.", f"Expected {names}.")
    for name in given:
        if name not in shapes:
            return spec.problem(f"vector.{name}", f"no {what} {name!r}.", f"Expected {names}.")
    return None


def _blocks(
    model: Model,
    derivative: str,
    outputs: Mapping[str, Shape],
    dtypes: Mapping[str, np.dtype[Any]],
) -> tuple[BlockPlan, ...]:
    """Return the blocks in the order of outputs and wrt."""
    ins = {name: model.in_shape(name) for name in model.wrt}
    batch = model.batch_size

    def block(output: str | None, *wrt: str) -> BlockPlan:
        out_shape = () if output is None else outputs[output]
        dtype = model.primals[wrt[0]].dtype if output is None else dtypes[output]
        return BlockPlan(output, wrt, out_shape, tuple(ins[n] for n in wrt), batch, dtype)

    if derivative in ("evaluate", "jvp"):
        return tuple(block(output) for output in outputs)
    if derivative == "vjp":
        return tuple(block(None, name) for name in ins)
    if derivative == "hessian":
        return tuple(block(output, a, b) for output in outputs for a in ins for b in ins)
    return tuple(block(output, name) for output in outputs for name in ins)
