"""What a derivative asks of outputs and vectors, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaccli import memory
from jaccli.choices import OF_SCALAR_OUTPUT, WITH_VECTOR
from jaccli.errors import Problem, SpecError, listed
from jaccli.models import LoadedModel, Values
from jaccli.plan.shapes import Shape
from jaccli.spec import Spec
from jaccli.storage.memmap import MemmapArray


def check_outputs(
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


def checked_vectors(
    spec: Spec,
    model: LoadedModel,
    derivative: str,
    outputs: Mapping[str, Shape],
    dtypes: Mapping[str, np.dtype[Any]],
) -> tuple[dict[str, Values], bool]:
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
            named = isinstance(spec.vector, dict)
            problems.append(spec.problem(f"vector.{name}" if named else "vector", message))
    if any(problems):
        raise SpecError(*filter(None, problems))
    limit = memory.budget(spec.memory)
    given = {n: v if batched[n] else _whole(v, limit) for n, v in given.items()}
    if batch is not None and any(batched.values()):
        given = {
            n: v if batched[n] else np.broadcast_to(v[...], (batch, *v.shape))
            for n, v in given.items()
        }
    if derivative != "vjp":
        dtypes = {name: model.primals[name].dtype for name in shapes}
    typed = {name: _typed(given[name], dtypes[name]) for name in shapes}
    return typed, any(batched.values())


def _whole(vector: Values, limit: int) -> np.ndarray:
    """Return what all batch rows share, in memory."""
    return vector.read_all(limit) if isinstance(vector, MemmapArray) else vector


def _typed(vector: Values, dtype: np.dtype[Any]) -> Values:
    return (
        vector.astype(dtype)
        if isinstance(vector, MemmapArray)
        else vector.astype(dtype, copy=False)
    )


def _vector_problem(
    spec: Spec,
    derivative: str,
    given: Mapping[str, Values],
    shapes: Mapping[str, Shape],
    what: str,
) -> Problem | None:
    """Return the problem of vectors that are missing, unknown, or have no name."""
    names = listed(map(repr, shapes))
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
