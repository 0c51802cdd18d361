"""The cause of a NaN or infinite entry of a derivative: the operation, its arguments, a remedy.

The model is differentiated forward along the entry's unit vectors; the cause is the first operation
whose result is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.diagnose import operations
from jaccli.diagnose.evaluate import at_row, row_of
from jaccli.diagnose.operations import Step, bare, entry, fits, is_number
from jaccli.diagnose.remedies import remedy
from jaccli.diagnose.whole_arrays import LARGEST, MASKING, REASONS, reason
from jaccli.errors import Problem
from jaccli.plan import Plan
from jaccli.result.labels import Names
from jaccli.result.nonfinite import NonFinite
from jaccli.spec import ExpressionModel

_ORDERS = ("value", "derivative", "second derivative")
_SHAPES = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Cause:
    """The cause of a NaN or infinity; `key` identifies the operation, None for an input."""

    key: Any
    problem: Problem

    def __str__(self) -> str:
        return str(self.problem)


@dataclass(frozen=True)
class _StepState:
    """One step: the flat index at which its result is first not finite (or -1), for each order.

    `clean` says for each order whether all arguments are finite; `operands` has for each argument
    its value at that index (or NaN), its smallest and its largest.  `reason` explains operations on
    whole arrays.
    """

    step: Step
    shapes: _SHAPES
    bad: tuple[int, ...]
    clean: tuple[bool, ...]
    operands: dict[str, tuple[float, ...]]
    reason: str = ""


def cause(plan: Plan, nonfinite: NonFinite) -> Cause | None:
    """Return the cause of an entry that is not finite, or None if it is not found.

    Raises:
        ComputationError: the model fails as it is evaluated.
    """
    input_cause = _input(plan, nonfinite)
    if plan.facts.no_forward and plan.derivative != "evaluate":
        return input_cause
    masking = operations.names(plan) & {*MASKING}
    if input_cause is not None and not masking:
        return input_cause
    states, outputs = _step_states(plan, nonfinite)
    for state in states:
        if state.step.name in MASKING and state.reason:
            order = next((k for k, bad in enumerate(state.bad) if bad >= 0), 1)
            return _explained(plan, nonfinite, state, order, left_out=False)
    if input_cause is not None or not states:
        return input_cause
    of_value = any(bad >= 0 for name, bad in outputs[0].items() if nonfinite.output in (None, name))
    for order in [0] if of_value else range(1, len(outputs)):
        origins = [a for a in states if a.bad[order] >= 0 and all(a.clean[: order + 1])]
        # Forward, a branch that is not taken is left out; in reverse it counts as 0 * inf.
        shows = any(bad >= 0 for bad in outputs[order].values())
        if shows:
            origins = [a for a in origins if not _hidden(a, states, order)]
        if origins:
            return _explained(plan, nonfinite, origins[0], order, left_out=not shows)
    return None


def _hidden(state: _StepState, states: Sequence[_StepState], order: int) -> bool:
    """Whether a `where` around the step has left its result out."""
    return any(
        each.step.name == "where"
        and each.bad[order] < 0
        and state.step.origin.is_within(each.step.origin)
        for each in states
        if each is not state
    )


def _input(plan: Plan, nonfinite: NonFinite) -> Cause | None:
    """Return an input that the model uses and that is not finite, or None."""
    used = set(plan.model.primals)
    if isinstance(plan.spec.model, ExpressionModel):
        from jaccli.diagnose.expression_operations import DependencyAnalysis

        live = DependencyAnalysis.of(plan.spec.model, plan.model.wrt).live
        used &= {name for expression in live.values() for name in expression.names}
    for name, array in plan.model.primals.items():
        if name not in used or array.dtype.kind != "f":
            continue
        axis = plan.model.batch.get(name)
        values = (
            array[...]
            if nonfinite.row is None or axis is None
            else row_of(array, nonfinite.row, axis)
        )
        bad = ~np.isfinite(values)
        if bad.any():
            place = int(np.argmax(bad))
            value = _number(float(values.flat[place]))
            message = f"the input {Names.of(name, values.shape)[place]} is {value}."
            return Cause(
                None,
                Problem(message, f"inputs.{name}", plan.spec.place("inputs", *name.split("."))),
            )
    return None


# Computation


def _step_states(
    plan: Plan, nonfinite: NonFinite
) -> tuple[list[_StepState], list[Mapping[str, int]]]:
    """Return an account of every step, and the outputs' first places that are not finite."""
    taken: list[tuple[Step, _SHAPES]] = []
    directions = _directions(plan, nonfinite)

    def values(wrt: Any, rest: Any) -> Any:
        taken.clear()
        pushed: list[tuple[Any, Any, Any]] = []

        def watch(step: Step) -> Any:
            leaves = [x for x in jax.tree.leaves(step.result) if _floating(x)]
            if leaves and isinstance(step.result, jax.Array | tuple):
                arguments = {n: jnp.asarray(x) for n, x in step.arguments.items() if _numeric(x)}
                taken.append((step, {name: jnp.shape(x) for name, x in arguments.items()}))
                whole = _examine(step)
                pushed.append((leaves, {n: x * 1.0 for n, x in arguments.items()}, whole))
            return step.result

        return pushed, operations.run(plan, {**rest, **wrt}, watch, include_constants=True)

    def examine(wrt: Any, rest: Any) -> Any:
        orders: list[Callable[[Any], Any]] = [lambda wrt: values(wrt, rest)]
        for direction in directions:
            orders.append(_along(orders[-1], {n: jnp.asarray(v) for n, v in direction.items()}))
        pushed = [order(wrt) for order in orders]
        states = []
        for number in range(len(taken)):
            of_step = [steps_of[number] for steps_of, _ in pushed]
            bad = [_first_of(leaves) for leaves, *_ in of_step]
            clean = [_finite(arguments) for _, arguments, _ in of_step]
            place = jnp.max(jnp.stack(bad))
            shape = jnp.shape(of_step[0][0][0])
            operands = {n: _at(x, shape, place) for n, x in of_step[0][1].items()}
            states.append((bad, clean, operands, of_step[0][2]))
        return states, [{n: _first(y) for n, y in outputs.items()} for _, outputs in pushed]

    computed = at_row(plan, examine, nonfinite.row)
    if computed is None:
        return [], []
    states = [
        _StepState(
            step,
            shapes,
            tuple(map(int, bad)),
            tuple(map(bool, clean)),
            {name: tuple(map(float, values)) for name, values in operands.items()},
            reason(step.name, None if whole is None else np.asarray(whole)),
        )
        for (step, shapes), (bad, clean, operands, whole) in zip(taken, computed[0], strict=True)
    ]
    return states, computed[1]


def _examine(step: Step) -> Any:
    """Return the operand that explains a step on whole arrays, if it is small; else None."""
    name = REASONS.get(step.name, ("",))[0]
    operand = step.arguments.get(name)
    if operand is None or not _numeric(operand):
        return None
    array = jnp.asarray(operand)
    return array * 1.0 if 0 < array.size <= LARGEST else None


def _directions(plan: Plan, nonfinite: NonFinite) -> list[dict[str, np.ndarray]]:
    """Return the tangents of the wrt inputs that the entry is the derivative along."""
    model = plan.model
    zero = {n: np.zeros(model.in_shape(n), model.primals[n].dtype) for n in model.wrt}
    units = []
    for name, place in zip(
        nonfinite.wrt, nonfinite.places[nonfinite.output is not None :], strict=True
    ):
        unit = {**zero, name: zero[name].copy()}
        unit[name].flat[place] = 1
        units.append(unit)
    if plan.derivative in ("jvp", "hvp"):
        row = nonfinite.row if plan.vector_batched else None
        units.append({n: v[... if row is None else row] for n, v in plan.vectors.items()})
    return units


def _along(f: Any, direction: Any) -> Any:
    """Return the derivative of a function along a direction."""
    return lambda wrt: jax.jvp(f, (wrt,), (direction,))[1]


def _numeric(value: Any) -> bool:
    """Whether an argument is an array or a number."""
    return isinstance(value, jax.Array | float | np.ndarray | np.generic) or (
        isinstance(value, int) and not isinstance(value, bool)
    )


def _floating(x: Any) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(x), jnp.inexact))


def _finite(arrays: Mapping[str, Any]) -> Any:
    """Return whether all entries of all arrays are finite."""
    finite = jnp.array(True)
    for array in arrays.values():
        finite &= jnp.all(jnp.isfinite(array))
    return finite


def _first_of(leaves: Sequence[Any]) -> Any:
    """Return the first place of the first array that is not finite, or -1."""
    first = jnp.array(-1)
    for leaf in reversed(leaves):
        place = _first(leaf)
        first = jnp.where(place >= 0, place, first)
    return first


def _first(array: Any) -> Any:
    """Return the first place in an array that is not finite, or -1."""
    if array.dtype == jax.dtypes.float0 or array.size == 0:
        return jnp.array(-1)
    bad = ~jnp.isfinite(jnp.ravel(array))
    return jnp.where(jnp.any(bad), jnp.argmax(bad), -1)


def _at(array: Any, shape: tuple[int, ...], place: Any) -> Any:
    """Return an argument's value at a place of the result, and its smallest and largest."""
    if array.size == 0:
        return jnp.full(3, jnp.nan)
    own = jnp.array(jnp.nan)
    if fits(array.shape, shape):
        own = jnp.ravel(jnp.broadcast_to(array, shape))[jnp.maximum(place, 0)]
    return jnp.stack([own, jnp.min(array), jnp.max(array)])


# Messages


def _explained(
    plan: Plan, nonfinite: NonFinite, state: _StepState, order: int, *, left_out: bool
) -> Cause:
    """Return the cause with its message; `left_out` for a step in a branch that is not taken."""
    step = state.step
    shape = jnp.shape(jax.tree.leaves(step.result)[0])
    place = state.bad[order]
    index = [int(i) for i in np.unravel_index(place, shape)]
    parts = [part for name in state.operands if (part := _operand(state, name, shape, index))]
    at = f" at {' and '.join(parts)}" if parts else ""
    at = f": {state.reason}" if state.reason else at
    if order:
        message = f"{step.origin.text} has no finite {_ORDERS[order]}{at}."
    else:
        message = f"{step.origin.text} is not finite{at}."
    along: list[Mapping[str, Any]] = [*_directions(plan, nonfinite)[:order]]
    hint = remedy(plan, nonfinite, step, order, left_out, along)
    return Cause(step.origin.key, step.origin.problem(message, hint))


def _operand(state: _StepState, name: str, shape: tuple[int, ...], index: Sequence[int]) -> str:
    """Return `x[3] = 0`, or `x = 0` of equal entries; nothing where there is no one value."""
    own, least, most = state.operands[name]
    text, dims = state.step.origin.operand(name), state.shapes[name]
    if is_number(text):
        return ""
    if not math.isnan(own):
        return f"{entry(text, dims, index)} = {_number(own)}"
    return f"{bare(text)} = {_number(least)}" if least == most else ""


def _number(value: float) -> str:
    """Return a number as messages write it."""
    return "NaN" if math.isnan(value) else f"{value:.6g}"
