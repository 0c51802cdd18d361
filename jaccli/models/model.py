"""The model: a pure function of named arrays, and the primal point.

Boundary: knows nothing of derivatives or devices; JAX is imported when the function is traced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from jaccli import memory
from jaccli.entry_names import Names
from jaccli.errors import BudgetError, Problem, SpecError, format_bytes
from jaccli.models.equations import EquationSystem, equation_system
from jaccli.models.parts import (
    Picked,
    gradient_by,
    output_shapes,
    part_of,
    picked_inputs,
    picked_outputs,
    source_name,
    whole_name,
    with_inputs,
    with_outputs,
)
from jaccli.models.python import load_function
from jaccli.spec import (
    EquationsModel,
    ExpressionModel,
    PythonModel,
    Spec,
    batch_problems,
    integer_problem,
)
from jaccli.spec.input_sources import Source
from jaccli.storage.memmap import MemmapArray

if TYPE_CHECKING:
    from jaccli.expression.evaluation import Watch

Arrays = dict[str, Any]
Values = np.ndarray | MemmapArray
"""The numbers of an input or a vector: in memory, or of a batch that stays in its file."""
_SHARE = 4
"""The part of the memory budget that batched inputs are read whole within."""


@dataclass(frozen=True)
class Gradient:
    """The gradient of one number, `output`, by the entries `wrt` of an input."""

    output: Names
    wrt: Names


@dataclass(frozen=True)
class LoadedModel:
    """A pure function of the inputs (by name) to the outputs (by name), with its primal point.

    `primals` and `vectors` are arrays of the shapes that the spec gives; the inputs in `batch` have
    their batch axis in place, and `function` takes them without it.  `vectors` are keyed by name;
    one vector without a name has the key ''.

    `gradient_of` is there where the one output is the gradient of the model's, and `batch_rows` are
    the rows of the batch that there are, if not all.
    Of a model in part, `rows` and `cols` say which entries of outputs and of inputs there are, and
    `whole` is the model itself.
    `equations` are those that the model is defined by.
    """

    function: Callable[[Mapping[str, Any]], Arrays]
    primals: Mapping[str, Values]
    wrt: tuple[str, ...]
    batch: dict[str, int]
    vectors: Mapping[str, Values]
    rows: Mapping[str, Picked] = field(default_factory=dict)
    cols: Mapping[str, Picked] = field(default_factory=dict)
    whole: LoadedModel | None = None
    gradient_of: Gradient | None = None
    batch_rows: range | None = None
    equations: EquationSystem | None = None

    @property
    def batch_size(self) -> int | None:
        """The number of batch rows, or None."""
        for name, axis in self.batch.items():
            return int(self.primals[name].shape[axis])
        return None

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """The integers that all batch rows share: known indices, if a program holds them."""
        return {
            name: array
            for name, array in self.primals.items()
            if array.dtype.kind in "iub" and name not in self.batch and name not in self.wrt
            if not isinstance(array, MemmapArray)
        }

    @property
    def nbytes(self) -> int:
        """The bytes of what was read and is held."""
        return nbytes(self.primals) + nbytes(self.vectors)

    def in_shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of one input without its batch axis."""
        shape = list(self.primals[name].shape)
        if name in self.batch:
            del shape[self.batch[name]]
        return tuple(shape)


@dataclass(frozen=True)
class Point:
    """The arrays of a spec, read: all that is known before JAX is imported.

    Of inputs of which `cols` picks entries, these, and the wholes beside them.
    """

    primals: Mapping[str, Values]
    wrt: tuple[str, ...]
    vectors: Mapping[str, Values]
    cols: Mapping[str, Picked] = field(default_factory=dict)


def read(
    spec: Spec,
    known: Mapping[str, Values] | None = None,
    *,
    by_rows: bool = False,
    held: int = 0,
) -> Point:
    """Read the inputs of a spec; those that are `known` are taken as they are.

    Of the memory budget, `held` bytes are taken by what was read before.

    With `by_rows`, the rows of a batch stay in large `.npy` files (`MemmapArray`) until they are
    needed.

    Raises:
        SpecError: an input does not fit what the spec does with it.
        SourceError: a source file cannot be read.
        BudgetError: the inputs exceed the memory budget.
    """
    budget = memory.budget(spec.memory)
    by_rows = by_rows and spec.cols is None
    known = {source_name(name): array for name, array in (known or {}).items()}  # the whole is last
    primals = _read(spec, spec.inputs, budget, held, known, spec.batch if by_rows else ())
    wrt = spec.wrt or tuple(n for n, array in primals.items() if array.dtype.kind == "f")
    _check_primals(spec, primals, wrt)
    held += nbytes(primals)
    vectors = _vectors(spec, budget, held, by_rows=by_rows and bool(spec.batch))
    return _in_part(spec, Point(primals, wrt, vectors))


def _in_part(spec: Spec, point: Point) -> Point:
    """Return the point with the entries of inputs that `cols` picks in place of the inputs."""
    if spec.cols is None:
        return point
    shapes = {name: _without_batch(point.primals[name], spec, name) for name in point.wrt}
    cols = picked_inputs(spec, point.wrt, shapes)
    primals: dict[str, Values] = dict(point.primals)
    for name, entries in cols.items():
        if not entries.is_whole:
            primals[name] = part_of(point.primals[name], entries, spec.batch.get(name))
            primals[whole_name(name)] = point.primals[name]
    return replace(point, primals=primals, wrt=tuple(cols), cols=cols)


def _without_batch(array: Values, spec: Spec, name: str) -> tuple[int, ...]:
    shape = list(array.shape)
    if name in spec.batch:
        del shape[spec.batch[name]]
    return tuple(shape)


def in_part(spec: Spec, model: LoadedModel) -> LoadedModel:
    """Return a whole model in the part that another spec of it asks for, by `rows` and `cols`.

    Raises:
        SpecError: it asks for entries that there are not.
    """
    point = _in_part(spec, Point(model.primals, model.wrt, model.vectors))
    made = _loaded(spec, model.function, point)
    whole = model.whole if model.gradient_of is not None else made.whole
    return replace(made, whole=whole, gradient_of=model.gradient_of, batch_rows=model.batch_rows)


def at_rows(model: LoadedModel, rows: range) -> LoadedModel:
    """Return a model at some rows of its batch alone."""
    step = slice(rows.start, rows.stop if rows.stop >= 0 else None, rows.step)

    def cut(name: str, array: Values) -> Values:
        if name not in model.batch:
            return array
        found: Values = array[(slice(None),) * model.batch[name] + (step,)]
        return found

    primals = {name: cut(name, array) for name, array in model.primals.items()}
    whole = None if model.whole is None else at_rows(model.whole, rows)
    return replace(model, primals=primals, whole=whole, batch_rows=rows)


def outputs_of(model: LoadedModel) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's outputs, in their order, without its batch axis."""
    return output_shapes(model.function, _avals(model))


def gradient_of(spec: Spec, model: LoadedModel, selection: str) -> LoadedModel:
    """Return the model whose output is the gradient of a model's one number by some entries.

    Its rows are those of the Hessian: its Jacobian is a part of that.  `selection` is one of the
    wrt inputs, with indices.
    """
    (output,) = outputs_of(model)
    shapes = {name: model.in_shape(name) for name in model.wrt}
    (entries,) = picked_inputs(replace(spec, cols=selection), model.wrt, shapes).values()
    function = gradient_by(model.function, output, entries)
    names = model.rows[output].names if output in model.rows else Names(output)
    return replace(
        model,
        function=function,
        rows={},
        whole=model.whole or model,
        gradient_of=Gradient(names, entries.names),
    )


def _loaded(
    spec: Spec, function: Callable[[Mapping[str, Any]], Arrays], point: Point
) -> LoadedModel:
    """Return the model of a function at a point, in part if the spec says so."""
    if spec.rows is None and spec.cols is None:
        return LoadedModel(function, point.primals, point.wrt, spec.batch, point.vectors)
    picked = {name for name, entries in point.cols.items() if not entries.is_whole}
    primals = {
        name: point.primals[whole_name(name) if name in picked else name]
        for name in point.primals
        if source_name(name) == name
    }
    whole = LoadedModel(function, primals, point.wrt, spec.batch, point.vectors)
    batch = {
        **spec.batch,
        **{whole_name(name): spec.batch[name] for name in picked if name in spec.batch},
        **{name: 0 for name in picked if name in spec.batch},
    }
    rows: dict[str, Picked] = {}
    part = with_inputs(function, point.cols)
    if spec.rows is not None:
        rows = picked_outputs(spec, output_shapes(function, _avals(whole)))
        part = with_outputs(part, rows)
    return LoadedModel(
        part, point.primals, point.wrt, batch, point.vectors, rows, point.cols, whole
    )


def _avals(model: LoadedModel) -> dict[str, Any]:
    """Return shapes and dtypes of one point as JAX has them."""
    import jax

    return {
        name: jax.ShapeDtypeStruct(model.in_shape(name), jax.dtypes.canonicalize_dtype(array.dtype))
        for name, array in model.primals.items()
    }


def needs_x64(spec: Spec, point: Point) -> bool:
    """Whether JAX must have 64-bit arrays: for float64, and for integers.

    In 32 bits `k**2` would overflow silently; floats of float32 stay what they are beside int64.
    """
    arrays = [*point.primals.values(), *point.vectors.values()]
    return spec.dtype == "float64" or any(array.dtype.itemsize == 8 for array in arrays)


def load(spec: Spec, point: Point, *, allow_python: bool = False) -> LoadedModel:
    """Return the model of a spec at its point.

    Raises:
        SpecError: the model is Python code and that is not permitted, or it is not there; or a
            start of an unknown is not finite.
        ComputationError: the user's module fails as it is imported.
    """
    budget = memory.budget(spec.memory)
    equations = None
    if isinstance(spec.model, EquationsModel):
        equations = equation_system(spec, spec.model, budget)
        function: Callable[[Mapping[str, Any]], Arrays] = equations.outputs
    elif isinstance(spec.model, PythonModel):
        function = load_function(spec, spec.model, allow_python)
    else:
        function = of_expressions(spec.model, spec.dtype, budget)
    return replace(_loaded(spec, function, point), equations=equations)


def _read(
    spec: Spec,
    sources: Mapping[str, Source],
    budget: int,
    held: int,
    known: Mapping[str, Values],
    by_rows: Collection[str],
) -> dict[str, Values]:
    """Load sources one after another, as long as all together stay within the budget.

    `held` bytes of it are taken already.
    """
    arrays: dict[str, Values] = {}
    used = held
    for name, source in sources.items():
        above = max(budget // _SHARE - used, 0) if name in by_rows else None
        if name in known:
            arrays[name] = known[name]
        else:
            arrays[name] = source.load(spec.dtype, budget, above, held=used)
        used += nbytes({name: arrays[name]})
        if used > budget:
            message = (
                f"the inputs up to {name!r} take {format_bytes(used)}, "
                f"more than the memory budget of {format_bytes(budget)}."
            )
            raise BudgetError(Problem(message, path=source.path, place=source.node.place))
    return arrays


def nbytes(arrays: Mapping[str, Values]) -> int:
    """Return the bytes of arrays that are held, not in their files."""
    return sum(array.nbytes for array in arrays.values() if not isinstance(array, MemmapArray))


def _vectors(spec: Spec, budget: int, held: int, *, by_rows: bool) -> dict[str, Values]:
    """Return the tangents or cotangents by name."""
    vector = spec.vector
    sources = {"": vector} if isinstance(vector, Source) else vector or {}
    return _read(spec, sources, budget, held, {}, sources if by_rows else ())


def _check_primals(spec: Spec, primals: Mapping[str, Values], wrt: tuple[str, ...]) -> None:
    """Check what could not be known before the files were read."""
    problems = [
        integer_problem(name, str(primals[name].dtype), spec.root.get("wrt") or spec.root)
        for name in wrt
        if primals[name].dtype.kind != "f"
    ]
    if not wrt and spec.derivative != ("evaluate",):
        message = "no input is a float, so there is nothing to differentiate with respect to."
        problems.append(spec.problem("inputs", message))
    shapes = {name: primals[name].shape for name in spec.batch}
    problems += batch_problems(shapes, spec.batch, spec.root)
    if problems:
        raise SpecError(*problems)


def of_expressions(
    model: ExpressionModel, dtype: str, limit: int, watch: Watch | None = None
) -> Callable[[Mapping[str, Any]], Arrays]:
    """Return the function that evaluates expressions in order, and shows `watch` how."""

    def function(inputs: Mapping[str, Any]) -> Arrays:
        from jaccli.expression import evaluate

        values = dict(inputs)
        results: Arrays = {}
        for name, expression in model.expressions.items():
            results[name] = evaluate(expression, values, dtype=dtype, limit=limit, watch=watch)
            values[name] = results[name]
        return {name: results[name] for name in model.outputs}

    return function
