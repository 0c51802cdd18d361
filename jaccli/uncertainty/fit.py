"""From a spec at a fit's solution to a `Fit`: the selected outputs are its residuals.

Boundary: derivatives are planned and executed by the packages for that; the mathematics is in
`least_squares`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli.backend import Device
from jaccli.errors import BudgetError, ComputationError, SpecError, expected, format_bytes, listed
from jaccli.execute import run
from jaccli.execute.preflight import given_pattern
from jaccli.models import LoadedModel
from jaccli.plan import Plan
from jaccli.result import Result, first_nonfinite
from jaccli.result.labels import LabelledAxis, Names
from jaccli.spec import Spec
from jaccli.tune.program_cache import ProgramCache
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.coverage_factor import factor_at
from jaccli.uncertainty.least_squares import Estimate, estimate

if TYPE_CHECKING:
    from jaccli.context import Progress

_OFFSET = 1e-3
"""The relative offset up to which a point is a solution (Bates & Watts, 2.2.3)."""
_SHOWN = 6
"""Parameters of a direction that are named."""
_COPIES = 4
"""Arrays of the Jacobian's size that are held at a time."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Other outputs at the solution, `(m,)` each.

    `standard_error` is that of the output, `of_observation` that of one new observation of it,
    or None where the standard deviation of observations is not estimated.
    """

    name: str
    shape: tuple[int, ...]
    value: Array
    standard_error: Array
    of_observation: Array | None


@dataclass(frozen=True, eq=False)
class Fit:
    """What a fit's residuals say of its parameters; `k` is the factor of `coverage`."""

    plan: Plan
    result: Result
    parameters: dict[str, tuple[int, ...]]
    value: Array
    found: Estimate
    residuals: int
    known: bool
    coverage: float
    k: float
    predictions: tuple[Prediction, ...]
    notes: tuple[str, ...]

    @property
    def labels(self) -> LabelledAxis:
        """The names of the parameters' entries."""
        return LabelledAxis(tuple(Names.of(name, shape) for name, shape in self.parameters.items()))

    @property
    def dof(self) -> float:
        """The degrees of freedom of the standard errors: infinite where sigma is known."""
        return np.inf if self.known else self.found.dof

    def slices(self) -> list[tuple[str, tuple[int, ...], slice]]:
        """Return each parameter with its shape and its place among all entries."""
        return _slices(self.parameters)

    def interval(self, value: Array, standard_error: Array) -> tuple[Array, Array]:
        """Return both ends of the interval of the coverage probability."""
        half = self.k * standard_error
        return value - half, value + half

    @property
    def t(self) -> Array:
        """The parameters in units of their standard errors; NaN where these are infinite."""
        error = self.found.standard_errors
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(np.isinf(error), np.nan, self.value / error)

    @property
    def p(self) -> Array:
        """The probability of a |t| as large where the parameter is 0."""
        from scipy import special

        size = -np.abs(self.t)
        normal = np.isinf(self.dof)
        return np.asarray(2 * (special.ndtr(size) if normal else special.stdtr(self.dof, size)))


def with_predictions(spec: Spec) -> Spec:
    """Return the spec whose outputs are the residuals and, last, what is predicted."""
    model = spec.model
    if model.outputs is None:  # a Python function's, which are not known before it is called
        return spec
    residuals = [name for name in model.outputs if name not in spec.predict]
    if not residuals:
        hint = "Select residuals besides."
        raise SpecError(spec.problem("predict", "no output is left as residuals.", hint))
    outputs = (*residuals, *spec.predict)
    resolved = {**spec.resolved, "select": list(outputs)}
    return replace(spec, model=model._replace(outputs=outputs), resolved=resolved)


@np.errstate(all="ignore")
def fit(
    spec: Spec, model: LoadedModel, device: Device, programs: ProgramCache, progress: Progress
) -> Fit:
    """Return the covariance of the parameters, the wrt, and what is predicted.

    Raises:
        SpecError: there is a batch, or there are more parameters than residuals.
        ComputationError: a residual or a derivative is not finite.
        BudgetError: the Jacobian does not fit the memory budget.
    """
    if model.batch_size is not None:
        message = "covariance takes one fit, and the spec has a batch."
        raise SpecError(spec.problem("batch", message, "A sweep takes many."))
    spec = replace(spec, layout="blocks", storage="dense")
    plain = replace(spec, mode="auto", chunk=None)
    values = programs.planned(plain, model, "evaluate", device)
    outputs = values.outputs
    for name in spec.predict:
        if name not in outputs:
            message = f"no output named {name!r}."
            raise SpecError(spec.problem("predict", message, expected(outputs)))
    n = sum(prod(shape) for name, shape in outputs.items() if name not in spec.predict)
    parameters = {name: model.in_shape(name) for name in model.wrt}
    _check_counts(spec, n, parameters)
    plan = programs.planned(spec, model, "jacobian", device, _pattern(spec, model, outputs))
    _check_budget(plan, sum(map(prod, outputs.values())), parameters)
    evaluated = run(programs.compiled(values, progress), progress)
    result = run(programs.compiled(plan, progress), progress)
    for one in (evaluated, result):
        nonfinite = first_nonfinite(one)
        if nonfinite is not None:
            raise ComputationError(f"covariance: {nonfinite}.")
    at = np.asarray(evaluated.matrix(), np.float64)
    jacobian = np.asarray(result.matrix(), np.float64)
    rows = {name: place for name, _, place in _slices(outputs)}
    chosen = np.concatenate(
        [np.arange(place.start, place.stop) for name, place in rows.items()
         if name not in spec.predict]
    )  # fmt: skip
    eps = float(np.finfo(spec.dtype).eps)
    known = spec.sigma == "known"
    found = estimate(jacobian[chosen], at[chosen], known=known, eps=eps)
    observed = None if known else found.scale
    predictions = tuple(
        _prediction(name, outputs[name], at[rows[name]], jacobian[rows[name]], found, observed)
        for name in spec.predict
    )
    labels = LabelledAxis(tuple(Names.of(name, shape) for name, shape in parameters.items()))
    dof = np.inf if known else float(found.dof)
    return Fit(
        plan=plan,
        result=replace(result, blocks=()),
        parameters=parameters,
        value=np.concatenate(
            [np.asarray(model.primals[name], np.float64).reshape(-1) for name in parameters]
        ),
        found=found,
        residuals=n,
        known=known,
        coverage=spec.coverage,
        k=factor_at(dof, spec.coverage) if dof else np.nan,
        predictions=predictions,
        notes=tuple(_notes(found, labels, n, known=known, eps=eps)),
    )


def _slices(shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, tuple[int, ...], slice]]:
    found, start = [], 0
    for name, shape in shapes.items():
        found.append((name, shape, slice(start, start + prod(shape))))
        start += prod(shape)
    return found


def _pattern(spec: Spec, model: LoadedModel, outputs: Mapping[str, tuple[int, ...]]) -> Any:
    """Return the spec's sparsity pattern, unless it is of other outputs or inputs."""
    given = given_pattern(spec, model)
    shape = (sum(map(prod, outputs.values())), sum(prod(model.in_shape(n)) for n in model.wrt))
    return given if given is None or given.shape == shape else None


def _check_counts(spec: Spec, n: int, parameters: Mapping[str, tuple[int, ...]]) -> None:
    p = sum(map(prod, parameters.values()))
    if n >= p and p:
        return
    counts = f"{n:,} residual{'s' * (n != 1)}"
    message = f"{p:,} parameters ({listed(parameters)}) and {counts}." if p else "no parameters."
    hint = "Name the parameters alone: --wrt NAME. At least as many residuals are needed."
    raise SpecError(spec.problem("wrt", message, hint))


def _check_budget(plan: Plan, rows: int, parameters: Mapping[str, tuple[int, ...]]) -> None:
    """Raise a BudgetError if what is held exceeds the budget."""
    p = sum(map(prod, parameters.values()))
    held = plan.input_bytes + 8 * p * (_COPIES * rows + 4 * p)
    if held > plan.budget:
        message = (
            f"covariance: the Jacobian of {rows:,} outputs and {p:,} parameters, and what follows, "
            f"take {format_bytes(held)}, more than the memory budget of {format_bytes(plan.budget)}"
        )
        raise BudgetError(f"{message}.", hint="Raise --memory, or choose parameters with --wrt.")


def _prediction(
    name: str,
    shape: tuple[int, ...],
    value: Array,
    jacobian: Array,
    found: Estimate,
    observed: float | None,
) -> Prediction:
    error = found.standard_errors_of(jacobian)
    return Prediction(
        name, shape, value, error, None if observed is None else np.hypot(error, observed)
    )


def direction(labels: Sequence[str], vector: Array, digits: int = 3) -> str:
    """Return a direction in names, its largest parts first: `0.832 b - 0.555 a`."""
    ranked = np.argsort(-np.abs(vector), kind="stable").tolist()
    order = [place for place in ranked if vector[place]]
    sign = -1.0 if vector[order[0]] < 0 else 1.0
    text = ""
    for place in order[:_SHOWN]:
        part = sign * float(vector[place])
        joint = (" - " if part < 0 else " + ") if text else ""
        size = "" if abs(part) == 1 else f"{abs(part):.{digits}g} "
        text += f"{joint}{size}{labels[place]}"
    return f"{text} + ..." if len(order) > _SHOWN else text


def _notes(found: Estimate, labels: LabelledAxis, n: int, *, known: bool, eps: float) -> list[str]:
    """Return what may be wrong with numbers that are right."""
    notes, names = [], list(labels)
    if len(found.undetermined):
        which = [names[place] for place in np.flatnonzero(found.touched)[:_SHOWN]]
        more = int(found.touched.sum()) - len(which)
        rest = f" and {more:,} more" if more else ""
        along = "; ".join(direction(names, vector) for vector in found.undetermined[:_SHOWN])
        notes.append(
            f"the data do not determine {listed(which)}{rest}: rank {found.rank} of {len(names)}, "
            f"and no residual changes along {along}."
        )
    if not found.dof and not known:
        notes.append(
            f"as many residuals as parameters ({n}): the residual variance is 0/0, not defined; "
            "--sigma known takes residuals in units of known standard deviations."
        )
    if found.rank == len(names) and found.scaled_condition > 1 / sqrt(eps):
        digits = max(int(-np.log10(eps * found.scaled_condition)), 0)
        notes.append(
            f"nearly undetermined along {direction(names, found.weakest)}: "
            f"about {digits} digits of the standard errors are right."
        )
    if not np.isfinite(found.sum_of_squares):
        notes.append("the sum of squares is beyond the range of floats.")
    least = sqrt(eps)  # below it residuals are as good as 0
    if found.offset > max(_OFFSET, least):
        notes.append(
            "the point is not the solution of the fit: of the residuals, the parameters could "
            f"take away a part (relative offset {found.offset:.2g}; at a solution at most "
            f"{_OFFSET:g}). Standard errors are those of a solution."
        )
    return notes
