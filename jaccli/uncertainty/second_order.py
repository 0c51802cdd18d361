"""Second-order terms of the law of propagation.

Of independent inputs the note to GUM 5.1.2: `Σ_ij [f_ij²/2 + f_i f_ijj] u_i² u_j²` is added to the
variance.  Of correlated ones, as normal: `tr((H S)²)/2`.  The value shifts by `tr(H S)/2`.  With
S = D L Lᵀ D the first sum and the trace are both `‖Lᵀ D H D L‖²/2`.  Third derivatives are the
Jacobian of `Σ_j u_j² f_jj`.

Boundary: derivatives are planned and executed by the packages for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli.backend import Device
from jaccli.errors import BudgetError, format_bytes, listed
from jaccli.execute import execute
from jaccli.models import LoadedModel
from jaccli.plan import make
from jaccli.result.labels import LabelledAxis, Names
from jaccli.spec import Spec
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.input_covariance import NORMAL, InputCovariance
from jaccli.uncertainty.propagation_law import FirstOrder

if TYPE_CHECKING:
    from jaccli.context import Progress

NOTE, GAUSSIAN = "GUM 5.1.2 note", "normal inputs"
_LARGE = 0.5
"""Second-order part of a variance from which on terms beyond it are likely to matter."""
_SHOWN = 5
_STD = "{}.std"
"""What the uncertainty of an input is called among the inputs of a derived model."""


@dataclass(frozen=True, eq=False)
class SecondOrder:
    """Value shift and standard uncertainty with second-order terms, `(*batch, M)`.

    `u` is NaN where the variance turns negative, and `valid` is false there.  `method` names the
    formula; `notes` say where terms beyond the second order are likely to matter.
    """

    value_shift: Array
    u: Array
    valid: Array
    method: str
    notes: tuple[str, ...]


def second_order(
    spec: Spec,
    model: LoadedModel,
    device: Device,
    inputs: InputCovariance,
    first: FirstOrder,
    progress: Progress,
) -> SecondOrder:
    """Return the second-order terms at the model's point, for the inputs in `model.wrt`.

    Raises:
        ComputationError, BudgetError: a derivative fails, or does not fit the memory budget.
    """
    independent = not inputs.coupled
    plan = make(spec, model, "hessian", device)
    lead = () if model.batch_size is None else (model.batch_size,)
    needed = plan.input_bytes + 4 * plan.result_bytes
    if needed > plan.budget:
        message = f"--order: the Hessians take {format_bytes(needed)}"
        limit = f"more than the memory budget of {format_bytes(plan.budget)}."
        hint = "Raise --memory, choose outputs with --select, or use --monte-carlo."
        raise BudgetError(f"{message}, {limit}", hint=hint)
    matrix = np.asarray(execute(plan, progress).matrix(), np.float64)
    # One scalar output has no axis of its own there.
    hessian = matrix.reshape((*lead, -1, inputs.size, inputs.size))  # (*batch, M, N, N)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = hessian * inputs.std[..., None, :, None] * inputs.std[..., None, None, :]
        _silence(scaled, inputs.std)
        scaled = _congruent(scaled, inputs)
        shift = np.trace(scaled, axis1=-2, axis2=-1) / 2
        # in units of u², which may vanish
        extra = (scaled**2).sum(axis=(-1, -2)) / 2
    if independent:
        extra = extra + _third(spec, model, device, inputs, progress)
    variance = first.u**2 + extra
    with np.errstate(invalid="ignore"):
        u = np.where(variance >= 0, np.sqrt(np.abs(variance)), np.nan)
        valid = variance >= 0
        large = valid & (np.abs(extra) > _LARGE * first.u**2)
    names = LabelledAxis(tuple(Names.of(name, shape) for name, shape in plan.outputs.items()))
    notes = tuple(_notes(inputs, names, variance < 0, large))
    return SecondOrder(shift, u, valid, NOTE if independent else GAUSSIAN, notes)


def _silence(scaled: Array, std: Array) -> None:
    """Set what exact entries contribute to 0, be the Hessian infinite there."""
    if not std.all():
        exact = std == 0
        either = exact[..., :, None] | exact[..., None, :]
        np.copyto(scaled, 0.0, where=np.broadcast_to(either[..., None, :, :], scaled.shape))


def _congruent(scaled: Array, inputs: InputCovariance) -> Array:
    """Return Lᵀ X L of a stack of symmetric matrices, (*batch, M, N, N)."""
    if not inputs.coupled:
        return scaled
    count, width = scaled.shape[-3:-1]
    for _ in range(2):  # X L, and the same of its transpose
        flat = scaled.reshape((*scaled.shape[:-3], count * width, width))
        inputs.decorrelate(flat)
        scaled = np.ascontiguousarray(np.swapaxes(flat.reshape(scaled.shape), -1, -2))
    return scaled


def _third(
    spec: Spec, model: LoadedModel, device: Device, inputs: InputCovariance, progress: Progress
) -> Array:
    """Return `Σ_ij f_i f_ijj u_i² u_j²`, `(*batch, M)`."""
    derived, spec = _weighted(spec, model, inputs)
    slopes = _gradients(spec, derived, device, progress)
    jacobian = _gradients(replace(spec, resolved=_marked(spec, "first")), _plain(derived, model),
                          device, progress)  # fmt: skip
    std = inputs.std[..., None, :]
    with np.errstate(invalid="ignore", over="ignore"):
        terms = (jacobian * std) * (slopes * std)
    if not std.all():
        np.copyto(terms, 0.0, where=np.broadcast_to(std == 0, terms.shape))
    total: Array = terms.sum(axis=-1)
    return total


def _plain(derived: LoadedModel, model: LoadedModel) -> LoadedModel:
    """Return the model itself, with the inputs of the derived one."""
    names = model.primals.keys()

    def function(values: Mapping[str, Any]) -> dict[str, Any]:
        return model.function({name: values[name] for name in names})

    return replace(derived, function=function)


def _gradients(spec: Spec, model: LoadedModel, device: Device, progress: Progress) -> Array:
    """Return the Jacobian of a model, joined: `(*batch, M, N)`."""
    result = execute(make(spec, model, "jacobian", device), progress)
    return np.asarray(result.matrix(), np.float64)


def _marked(spec: Spec, what: str) -> dict[str, Any]:
    """Return the spec's resolved form as that of another model: programs are known by it."""
    return spec.resolved | {"model": [what, spec.resolved["model"]]}


def _weighted(spec: Spec, model: LoadedModel, inputs: InputCovariance) -> tuple[LoadedModel, Spec]:
    """Return the model with the outputs `Σ_j u_j² f_jj`, and a spec that tells it apart."""
    primals, batch = dict(model.primals), dict(model.batch)
    for one in inputs.inputs:
        name = _STD.format(one.name)
        dtype = model.primals[one.name].dtype
        primals[name] = one.std.reshape((*one.std.shape[:-1], *one.shape)).astype(dtype)
        if one.std.ndim == 2:
            batch[name] = 0
    derived = replace(
        model, function=_laplacian(model.function, model.wrt), primals=primals, batch=batch
    )
    return derived, replace(spec, resolved=_marked(spec, "laplacian"))


def _laplacian(
    function: Callable[[Mapping[str, Any]], dict[str, Any]], wrt: tuple[str, ...]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return `Σ_j u_j² f_jj` of a function's outputs; the u_j are inputs of the result."""

    def laplacian(values: Mapping[str, Any]) -> dict[str, Any]:
        import jax
        import jax.numpy as jnp

        names = {name for name in values if not name.endswith(_STD.format(""))}
        point = {name: values[name] for name in wrt}
        rest = {name: values[name] for name in names if name not in point}
        total: Any = None
        for name in wrt:
            std = jax.lax.stop_gradient(values[_STD.format(name)])

            def along(direction: Any, name: str = name) -> Any:
                """Return the second derivative of all outputs along a change of one input."""

                def f(x: Any) -> Any:
                    return function({**rest, **point, name: x})

                def slope(x: Any) -> Any:
                    return jax.jvp(f, (x,), (direction,))[1]

                return jax.jvp(slope, (point[name],), (direction,))[1]

            basis = jnp.eye(std.size, dtype=std.dtype) * std.reshape(-1)
            curved = jax.vmap(along)(basis.reshape(std.size, *std.shape))
            summed = jax.tree.map(lambda leaf: leaf.sum(axis=0), curved)
            total = summed if total is None else jax.tree.map(jnp.add, total, summed)
        found: dict[str, Any] = total
        return found

    return laplacian


def _notes(inputs: InputCovariance, names: LabelledAxis, negative: Array, large: Array) -> Any:
    """Yield where the second-order terms are not valid, or may not be all that matters."""
    below: Array = np.asarray(negative.reshape(-1, len(names)).any(axis=0))
    if below.any():
        which = listed(names.pick(np.flatnonzero(below).tolist()), _SHOWN)
        yield f"second order: the variance of {which} turns negative; use --monte-carlo."
    rest = large.reshape(-1, len(names)).any(axis=0) & ~below
    if rest.any():
        which = listed(names.pick(np.flatnonzero(rest).tolist()), _SHOWN)
        yield (
            f"second order: of {which} the terms are not small beside the first-order variance; "
            "those beyond may matter, use --monte-carlo."
        )
    other = [one.name for one in inputs.inputs if one.distribution != NORMAL]
    if other:
        yield (
            f"second order: the terms are those of normal inputs, which {listed(other, _SHOWN)} "
            f"{'is' if len(other) == 1 else 'are'} not."
        )
