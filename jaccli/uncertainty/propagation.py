"""From a spec at its point to a `Propagation`: what is computed, in which form, and by what.

Boundary: derivatives are planned and executed by the packages for that; the mathematics is in the
modules that this one calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jaccli.backend import Device
from jaccli.errors import BudgetError, UnderivableError, format_bytes, listed
from jaccli.execute import run
from jaccli.execute.preflight import given_pattern
from jaccli.models import LoadedModel
from jaccli.plan import Plan
from jaccli.result import NonFinite, Result, first_nonfinite
from jaccli.result.labels import LabelledAxis, Names
from jaccli.spec import Spec
from jaccli.tune.program_cache import ProgramCache
from jaccli.uncertainty import monte_carlo, propagation_law, second_order
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.coverage_factor import factors
from jaccli.uncertainty.input_covariance import InputCovariance
from jaccli.uncertainty.monte_carlo import MonteCarlo
from jaccli.uncertainty.propagation_law import FirstOrder
from jaccli.uncertainty.read_uncertainty import read
from jaccli.uncertainty.second_order import SecondOrder

if TYPE_CHECKING:
    from jaccli.context import Progress

_LARGE = 1 << 22
"""Entries of a Jacobian from which on it is looked at whether it is sparse."""
_SPARSE = 0.2
"""The part of its entries up to which it is kept sparse."""
_SHOWN = 5
"""Names in a remark at most."""
_BUDGET_INPUTS, _BUDGET_ENTRIES = 1000, 100_000
"""Input entries, and entries of the Jacobian, up to which there is a budget unasked."""


@dataclass(frozen=True)
class PropagationOptions:
    """What is asked for besides u: `budget` None is where it is not too long.

    `draws` counts Monte Carlo trials, 0 for as many as it takes; None for none.  The output
    covariance is formed of at most `matrix` outputs, within the memory budget.
    """

    order: int = 1
    draws: int | None = None
    seed: int = 0
    budget: bool | None = None
    matrix: int | None = None


@dataclass(frozen=True, eq=False)
class Propagation:
    """The uncertainty of a model's outputs at its point.

    `value`, `u`, `k` and the rest are `(*batch, M)`, the outputs flattened and joined; `outputs`
    has their shapes.  `nonfinite` is the first such entry of the Jacobian, `undefined` of the
    values, without which nothing is drawn.  `plan` is that of the Jacobian, `result` the account of
    how it was computed.
    """

    plan: Plan
    result: Result
    inputs: InputCovariance
    outputs: dict[str, tuple[int, ...]]
    value: Array
    first: FirstOrder
    k: Array
    coverage: float
    second: SecondOrder | None
    monte_carlo: MonteCarlo | None
    nonfinite: NonFinite | None
    undefined: NonFinite | None
    notes: tuple[str, ...]

    @property
    def expanded(self) -> Array:
        """The expanded uncertainties, `U = k u`."""
        return np.where(self.first.u == 0, 0.0, self.k * self.first.u)

    @property
    def batch(self) -> int | None:
        """The number of batch rows, or None."""
        return self.inputs.batch

    @property
    def rows(self) -> LabelledAxis:
        """The names of the output entries."""
        return LabelledAxis(tuple(Names.of(name, shape) for name, shape in self.outputs.items()))

    @property
    def columns(self) -> LabelledAxis:
        """The names of the uncertain entries."""
        return LabelledAxis(tuple(Names.of(one.name, one.shape) for one in self.inputs.inputs))

    def slices(self) -> list[tuple[str, tuple[int, ...], slice]]:
        """Return each output with its shape and its place among all entries."""
        found, start = [], 0
        for name, shape in self.outputs.items():
            found.append((name, shape, slice(start, start + prod(shape))))
            start += prod(shape)
        return found


@np.errstate(all="ignore")
def propagate(
    spec: Spec,
    model: LoadedModel,
    device: Device,
    options: PropagationOptions,
    programs: ProgramCache,
    progress: Progress,
) -> Propagation:
    """Propagate the uncertainty of the inputs to the outputs.

    Raises:
        SpecError: an uncertainty that is none, with its place.
        ComputationError, BudgetError: the derivative fails, or does not fit the memory budget.
    """
    inputs = read(spec, model)
    names = tuple(one.name for one in inputs.inputs)
    model = replace(model, wrt=names)
    spec = replace(spec, wrt=names, layout="blocks")
    plain = replace(spec, mode="auto", storage=None, chunk=None)
    values = programs.planned(plain, model, "evaluate", device)
    evaluated = run(programs.compiled(values, progress), progress)
    outputs = values.outputs
    value = np.asarray(evaluated.matrix(), np.float64)
    plan = _jacobian_plan(spec, model, device, (value.shape[-1], inputs.size), programs)
    extent = _extent(plan, inputs, options)
    program = programs.compiled(plan, progress)
    result = run(program, progress)
    nonfinite, undefined = first_nonfinite(result), first_nonfinite(evaluated)
    first, notes = _first_order(result, inputs, extent), extent.notes
    result = replace(result, blocks=())
    coverage = spec.coverage
    k = factors(first.dof, coverage)
    second = draws = None
    if options.order == 2:
        second = second_order.second_order(plain, model, device, inputs, first, progress)
        notes += second.notes
    if undefined is not None:
        notes += (f"{undefined}.",)
    if options.draws is not None and undefined is None:
        expanded = np.where(first.u == 0, 0.0, k * first.u)
        law = monte_carlo.Interval(value, first.u, value - expanded, value + expanded)
        settings = monte_carlo.Trials(options.draws, options.seed, coverage)
        draws = monte_carlo.monte_carlo(plain, model, device, inputs, law, settings, progress)
        notes += draws.notes
    notes += _remarks(inputs, first, outputs, options)
    return Propagation(
        plan=program.plan,
        result=result,
        inputs=inputs,
        outputs=dict(outputs),
        value=value,
        first=first,
        k=k,
        coverage=coverage,
        second=second,
        monte_carlo=draws,
        nonfinite=nonfinite,
        undefined=undefined,
        notes=notes,
    )


def _remarks(
    inputs: InputCovariance,
    first: FirstOrder,
    outputs: Mapping[str, tuple[int, ...]],
    options: PropagationOptions,
) -> tuple[str, ...]:
    """Return what may be wrong with numbers that are right."""
    said = []
    zero = [one.name for one in inputs.inputs if not one.std.any()]
    if zero:
        noun = "uncertainty" if len(zero) == 1 else "uncertainties"
        said.append(f"{noun} 0: {', '.join(zero)}; what is exact needs no entry.")
    low = first.dof[first.dof < 1]
    if low.size:
        said.append(
            f"effective degrees of freedom below 1 ({low.min():.3g}): k is that of Student's t at "
            "them, not cut to an integer."
        )
    if options.order == 1 and options.draws is None and inputs.std.any():
        # Where contributions cancel, they are correlated, and dof is not defined.
        flat = ((first.u == 0) & ~np.isnan(first.dof)).reshape(-1, first.u.shape[-1]).any(axis=0)
        names = LabelledAxis(tuple(Names.of(name, shape) for name, shape in outputs.items()))
        if flat.any():
            which = listed(names.pick(np.flatnonzero(flat)[:_SHOWN].tolist()))
            more = int(flat.sum()) - _SHOWN
            which += f" and {more:,} more" if more > 0 else ""
            said.append(
                f"to first order, u of {which} is 0: no uncertain input has a slope there; "
                "--order 2 and --monte-carlo see more."
            )
    return tuple(said)


# The Jacobian


def _jacobian_plan(
    spec: Spec, model: LoadedModel, device: Device, shape: tuple[int, int], programs: ProgramCache
) -> Plan:
    """Plan the Jacobian, kept sparse where it is large and that serves."""
    given, entries = given_pattern(spec, model), prod(shape)
    if given is not None and given.shape != shape:  # it is of other inputs
        given = None
    if spec.storage is None and spec.mode == "auto" and model.batch_size is None:
        if entries <= _LARGE and given is None:
            return programs.planned(spec, model, "jacobian", device)
        try:
            plan = programs.planned(
                replace(spec, storage="sparse"), model, "jacobian", device, given
            )
        except (UnderivableError, BudgetError):
            pass
        else:
            kept = plan.prepared.nnz if plan.prepared is not None else entries
            if kept <= _SPARSE * entries or given is not None:
                return plan
    return programs.planned(spec, model, "jacobian", device, given)


class _Extent(NamedTuple):
    """Whether there is a budget, and a covariance of the outputs, and what is said of that."""

    budget: bool
    matrix: bool
    notes: tuple[str, ...]


def _extent(plan: Plan, inputs: InputCovariance, options: PropagationOptions) -> _Extent:
    """Decide what is formed besides the variances, before anything is computed.

    Raises:
        BudgetError: not even those fit the memory budget.
    """
    count, width = sum(map(prod, plan.outputs.values())), inputs.size
    lead = inputs.batch or 1
    entries = lead * count * width
    notes: list[str] = []
    budget = options.budget
    if budget is None:
        budget = width <= _BUDGET_INPUTS and entries <= _BUDGET_ENTRIES
        if not budget:
            notes.append(f"no budget for {entries:,} sensitivities; --budget has it.")
    sparse = plan.storage == "sparse" and inputs.batch is None and not budget
    held = 4 * plan.result_bytes if sparse else (6 if budget else 2) * entries * 8
    held += plan.input_bytes
    if held > plan.budget:
        what = "the Jacobian and the budget" if budget else "the Jacobian and the contributions"
        message = f"propagate: {what} take {format_bytes(held)}"
        limit = f"more than the memory budget of {format_bytes(plan.budget)}."
        less = "add --no-budget, " if budget else ""
        hint = f"Raise --memory, {less}or choose outputs with --select."
        raise BudgetError(f"{message}, {limit}", hint=hint)
    square = 2 * lead * count * count * 8
    few = options.matrix is None or lead * count <= options.matrix
    fits = held + square <= plan.budget
    if not few:
        notes.append(f"the covariance of {count:,} outputs is left out; -o FILE.npz has it.")
    elif not fits:
        notes.append(
            f"variances alone: the covariance of {count:,} outputs does not fit the memory budget."
        )
    return _Extent(budget, few and fits, tuple(notes))


def _first_order(result: Result, inputs: InputCovariance, extent: _Extent) -> FirstOrder:
    """Propagate through a computed Jacobian."""
    if result.storage == "sparse" and inputs.batch is None and not extent.budget:
        return propagation_law.sparse(result.to_scipy(), inputs, correlation=extent.matrix)
    jacobian = np.require(result.matrix(), np.float64, ("W", "O"))  # it is overwritten
    return propagation_law.dense(jacobian, inputs, budget=extent.budget, correlation=extent.matrix)
