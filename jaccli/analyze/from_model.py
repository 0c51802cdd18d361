"""A `SpectralProblem` from a model at its point: a formed matrix, or compiled products with it.

Boundary: plans and executes through `plan` and `execute`.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from jaccli import memory
from jaccli.analyze.eigenvalues import DISCRETE
from jaccli.analyze.linear_operator import Linearized
from jaccli.analyze.problem import (
    SpectralProblem,
    check_size,
    check_system,
    check_top,
    is_small,
)
from jaccli.backend import Device
from jaccli.choices import MODES
from jaccli.errors import ComputationError, Problem, SpecError, UsageError, expected, listed
from jaccli.execute import execute, run
from jaccli.models import LoadedModel
from jaccli.plan import Plan, make
from jaccli.result import NonFinite, Sparse, dense, first_nonfinite
from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.matrix import Matrix, matrix
from jaccli.result.notation import entry, group
from jaccli.result.result import Array
from jaccli.result.view import whole
from jaccli.spec import Spec
from jaccli.tune.tuned import compiled

if TYPE_CHECKING:
    from jaccli.context import Progress


def derivative_of(
    spec: Spec,
    model: LoadedModel,
    device: Device,
    requested: str | None,
    system: str | None = None,
) -> str:
    """Return the derivative: `requested`, or the Hessian for a single scalar output.

    That of a `system` is its Jacobian.
    """
    if requested is not None:
        return requested
    if system is not None:
        return "jacobian"
    outputs = make(spec, model, "evaluate", device).outputs
    return "hessian" if list(outputs.values()) == [()] else "jacobian"


def spectral_problem(
    spec: Spec,
    model: LoadedModel,
    device: Device,
    of: str,
    top: int | None,
    progress: Progress,
    system: str | None = None,
) -> tuple[SpectralProblem, int]:
    """Return the derivative as a matrix, formed if it is small or sparse, and the remaining bytes.

    Raises:
        SpecError: the Hessian of an output that is not a scalar.
        UsageError: the matrix has no entries, or fewer values than `top`.
        ComputationError: an entry, or the gradient, is not finite; or the computation fails.
    """
    # A mode of the spec may belong to another derivative.
    mode = spec.mode if spec.mode in MODES[of] else "auto"
    is_sparse = spec.storage == "sparse" or (spec.storage is None and mode == "sparse")
    spec = replace(spec, mode=mode, layout="matrix", storage="dense")
    shapes = make(replace(spec, chunk=None), model, "evaluate", device)
    outputs = shapes.outputs
    check_system(system, spec.name, of, (0, 0))
    if of == "hessian" and list(outputs.values()) != [()]:
        raise SpecError(_not_scalar(spec, outputs))
    in_shapes = {name: model.in_shape(name) for name in model.wrt}
    columns = LabelledAxis(tuple(Names.of(name, shape) for name, shape in in_shapes.items()))
    width = sum(map(prod, in_shapes.values()))
    count = width if of == "hessian" else sum(map(prod, outputs.values()))
    batch = () if model.batch_size is None else (model.batch_size,)
    check_size(spec.name, (*batch, count, width))
    check_system(system, spec.name, of, (count, width))
    check_top(top, (count, width), of)
    dtype = np.result_type(*(block.dtype for block in shapes.blocks))
    budget = (memory.budget(spec.memory)) - shapes.input_bytes
    if batch or is_small((count, width), dtype, budget, top):
        found, left = _form(spec, model, device, of, progress), budget
    elif is_sparse:
        found, left = _form_sparse(spec, model, device, of, progress, budget)
    else:
        rows = LabelledAxis(tuple(Names.of(name, shape) for name, shape in outputs.items()))
        found, left = _linearize(
            spec, model, device, of, columns if of == "hessian" else rows, columns
        )
    if system is not None:
        found = _with_drift(found, spec, model, device, progress, system)
    return found, left


def _form(
    spec: Spec, model: LoadedModel, device: Device, of: str, progress: Progress
) -> SpectralProblem:
    """Return the formed matrix; with a Hessian, the gradient and the value."""
    value, gradient = _slope(spec, model, device, of, progress)
    plan = make(spec, model, of, device)
    formed, (rows, columns) = _compute_matrix(plan, progress)
    output = group(LabelledAxis(tuple(Names.of(n, s) for n, s in plan.outputs.items())))
    return SpectralProblem(spec.name, of, formed, rows, columns, output, value, gradient)


def _form_sparse(
    spec: Spec, model: LoadedModel, device: Device, of: str, progress: Progress, budget: int
) -> tuple[SpectralProblem, int]:
    """Return the problem of a sparse matrix, formed, and the remaining bytes."""
    value, gradient = _slope(spec, model, device, of, progress)
    plan = make(replace(spec, storage="sparse"), model, of, device)
    joined = _computed(plan, progress)
    values: Any = joined.values
    formed = values.scipy() if isinstance(values, Sparse) else values
    output = group(LabelledAxis(tuple(Names.of(n, s) for n, s in plan.outputs.items())))
    rows, columns = joined.sides
    problem = SpectralProblem(spec.name, of, formed, rows, columns, output, value, gradient)
    return problem, budget - values.nbytes


def _slope(
    spec: Spec, model: LoadedModel, device: Device, of: str, progress: Progress
) -> tuple[Array | None, Array | None]:
    """Return the value and the gradient of a Hessian's output; of a Jacobian None."""
    if of != "hessian":
        return None, None
    plain = replace(spec, mode="auto", chunk=None, storage="dense")
    gradient, _ = _compute_matrix(make(plain, model, "gradient", device), progress)
    values, _ = _compute_matrix(make(plain, model, "evaluate", device), progress)
    return values[..., 0], gradient


def _with_drift(
    problem: SpectralProblem,
    spec: Spec,
    model: LoadedModel,
    device: Device,
    progress: Progress,
    system: str,
) -> SpectralProblem:
    """Return the problem with what is 0 at an equilibrium: `f(x)`, or `f(x) − x`.

    It is taken for 0 up to `√eps` of the sum of its terms, `Σ|J||x|`, and up to rounding.
    """
    plain = replace(spec, mode="auto", chunk=None, storage="dense")
    drift, _ = _compute_matrix(make(plain, model, "evaluate", device), progress)
    count = model.batch_size
    parts = []
    for name in model.wrt:
        array = np.asarray(model.primals[name])
        if name in model.batch:
            array = np.moveaxis(array, model.batch[name], 0)
        elif count is not None:
            array = np.broadcast_to(array, (count, *array.shape))
        parts.append(array.reshape(*(() if count is None else (count,)), -1))
    point = np.concatenate(parts, axis=-1)
    if system == DISCRETE:
        drift = drift - point
    sizes = np.abs(point.astype(float))
    matrix: Any = problem.matrix
    eps = float(np.finfo(drift.dtype).eps)
    greatest = sizes.max(axis=-1, keepdims=True)
    greatest = np.where(greatest > 0, greatest, 1.0)
    if isinstance(matrix, LinearOperator):
        image = np.abs(matrix.matvec(point))
        tolerance = np.sqrt(eps) * np.maximum(image.max(), sizes.max()) + np.zeros_like(sizes)
    else:
        terms = abs(matrix)
        image = (terms @ sizes[..., None])[..., 0] if sizes.ndim > 1 else terms @ sizes
        tolerance = np.sqrt(eps) * image + 100 * eps * terms.sum(axis=-1) * greatest
    if system == DISCRETE:
        tolerance = tolerance + np.sqrt(eps) * sizes
    return replace(problem, drift=drift, drift_tolerance=np.asarray(tolerance))


def _compute_matrix(plan: Plan, progress: Progress) -> tuple[Array, tuple[LabelledAxis, ...]]:
    """Return a derivative as an array with the labels of its axes; refuse NaN and infinities."""
    joined = _computed(plan, progress)
    return dense(joined.values), joined.sides


def _computed(plan: Plan, progress: Progress) -> Matrix:
    """Return a derivative in matrix layout; refuse NaN and infinities."""
    tuned = plan.derivative not in ("gradient", "evaluate")
    result = run(compiled(plan, progress), progress) if tuned else execute(plan, progress)
    nonfinite = first_nonfinite(result)
    if nonfinite is not None:
        raise ComputationError(f"analyze: {nonfinite}.")
    return matrix(whole(result))


def _linearize(
    spec: Spec,
    model: LoadedModel,
    device: Device,
    of: str,
    rows: LabelledAxis,
    columns: LabelledAxis,
) -> tuple[SpectralProblem, int]:
    """Return the problem with compiled products, and the remaining bytes."""
    derivative = "hvp" if of == "hessian" else "jvp"
    zeros = {name: np.zeros(model.in_shape(name)) for name in model.wrt}
    spec = replace(spec, mode="auto", chunk=None)
    linearized = Linearized(make(spec, replace(model, vectors=zeros), derivative, device))
    output = group(LabelledAxis(tuple(Names.of(n, s) for n, s in linearized.plan.outputs.items())))
    value = None
    if linearized.gradient is not None:
        value = np.asarray(linearized.value)
        bad = ~np.isfinite(linearized.gradient)
        if bad.any():
            first = int(np.argmax(bad))
            kind = (
                "NaN" if np.isnan(linearized.gradient[first]) else str(linearized.gradient[first])
            )
            name = entry("gradient", output, [columns[first]])
            raise ComputationError(f"analyze: {NonFinite(name, kind, int(bad.sum()), len(bad))}.")
    problem = SpectralProblem(
        spec.name, of, linearized.operator, rows, columns, output, value, linearized.gradient
    )
    return problem, linearized.plan.budget - linearized.plan.input_bytes - linearized.nbytes


def _not_scalar(spec: Spec, outputs: dict[str, tuple[int, ...]]) -> Problem:
    """Return the problem of a Hessian whose outputs are not one scalar."""
    shown = listed(f"{name!r} has the shape {shape}" for name, shape in outputs.items())
    message = f"the Hessian of one scalar output has a spectrum; {shown}."
    scalars = [name for name, shape in outputs.items() if shape == ()]
    remedy = f"Choose one with --select {scalars[0]}" if scalars else "Reduce it (sum, an index)"
    hint = f"{remedy}, or ask for --of jacobian."
    return spec.problem("model", message, hint)


def check_mode(mode: str | None, of: str) -> None:
    """Refuse a mode on the command line that is not one of the derivative's."""
    if mode is not None and mode not in MODES[of]:
        raise UsageError(f"--mode: {of} has no mode {mode!r}.", hint=expected(MODES[of]))
