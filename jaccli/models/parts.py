"""A model of some of its outputs' entries, as a function of some of its inputs' entries.

    x  →  x[...] fixed, x its picked entries  →  f  →  the picked entries of y

The picked entries of an input are put into the fixed whole before the function, those of an output
taken from what it returns, by static indices: whatever is done with a model is done with a part of
it, at the cost of that part.  An input keeps its name; its whole, which is not differentiated, is
called `x[...]`, which no input can be.

Boundary: knows nothing of derivatives; JAX is imported when shapes of outputs are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaccli.entry_names import JoinedNames, Names
from jaccli.errors import SpecError
from jaccli.selections import SelectionError, picked
from jaccli.spec import Spec
from jaccli.spec.parts import by_name

Function = Callable[[Mapping[str, Any]], dict[str, Any]]
_WHOLE = "[...]"
_SLICED = 16
"""Selections of one output that are sliced one by one; more are gathered."""


@dataclass(frozen=True)
class Picked:
    """Entries of an array of the whole `shape`: their names, which have a shape of their own."""

    names: Names
    shape: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether they are all entries, in the array's own shape."""
        return self.names == Names.of(self.names.name, self.shape)

    @property
    def positions(self) -> NDArray[np.int64]:
        """Their positions in reading order of the whole array, `(count,)`."""
        return _positions(self.names, self.shape)


def whole_name(name: str) -> str:
    """Return the name of the whole of an input of which entries were picked."""
    return name + _WHOLE


def source_name(name: str) -> str:
    """Return the name in the spec of an input, or of its whole."""
    return name.removesuffix(_WHOLE)


def picked_inputs(
    spec: Spec, wrt: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Picked]:
    """Return what the spec's `cols` picks of each wrt input it names, in the order of `wrt`.

    Raises:
        SpecError: an input is unknown, or not in wrt, or an index does not fit.
    """
    return _picked(spec, "cols", {name: shapes[name] for name in wrt}, "input in wrt")


def picked_outputs(spec: Spec, outputs: Mapping[str, tuple[int, ...]]) -> dict[str, Picked]:
    """Return what the spec's `rows` picks of each output it names, in the outputs' order.

    Raises:
        SpecError: an output is unknown, or an index does not fit.
    """
    return _picked(spec, "rows", outputs, "output")


def _picked(
    spec: Spec, key: str, shapes: Mapping[str, tuple[int, ...]], what: str
) -> dict[str, Picked]:
    indices, problems = by_name(spec, key, shapes, what)
    found: dict[str, Picked] = {}
    for name, shape in shapes.items():
        if name in indices:
            try:
                names = picked(name, shape, indices[name], getattr(spec, key))
                found[name] = Picked(names, tuple(shape))
            except SelectionError as error:
                problems.append(spec.problem(key, error.message, error.hint))
    if problems:
        raise SpecError(*problems)
    return found


def part_of(array: Any, entries: Picked, axis: int | None) -> NDArray[Any]:
    """Return the picked entries of an input, with its batch axis first if it has one."""
    whole: NDArray[Any] = np.asarray(array[...])
    if axis is None:
        return whole.reshape(-1)[entries.positions].reshape(entries.names.shape)
    rows = np.moveaxis(whole, axis, 0)
    flat = rows.reshape(len(rows), -1)[:, entries.positions]
    return flat.reshape(len(rows), *entries.names.shape)


def with_inputs(function: Function, entries: Mapping[str, Picked]) -> Function:
    """Return the function of the picked entries, and of the wholes that they are put into."""
    placing = {name: _placing(one) for name, one in entries.items() if not one.is_whole}
    if not placing:
        return function

    def of_parts(inputs: Mapping[str, Any]) -> dict[str, Any]:
        whole = {name: array for name, array in inputs.items() if source_name(name) == name}
        for name, place in placing.items():
            whole[name] = place(inputs[whole_name(name)], inputs[name])
        return function(whole)

    return of_parts


def with_outputs(function: Function, entries: Mapping[str, Picked]) -> Function:
    """Return the function to the picked entries of the outputs that are named."""
    taking = {name: _taking(one) for name, one in entries.items()}

    def to_parts(inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = function(inputs)
        return {name: take(outputs[name]) for name, take in taking.items()}

    return to_parts


def gradient_by(function: Function, output: str, entries: Picked) -> Function:
    """Return the gradient of a function's one number by entries of an input, as its output."""
    name, place, take = entries.names.name, _placing(entries), _taking(entries)

    def gradient(inputs: Mapping[str, Any]) -> dict[str, Any]:
        import jax

        def number(part: Any) -> Any:
            whole = {**inputs, name: place(inputs[name], part)}
            return function(whole)[output].reshape(())

        return {output: jax.grad(number)(take(inputs[name]))}

    return gradient


def output_shapes(function: Function, inputs: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a function's outputs, in their order, at shapes of its inputs."""
    import jax

    order: list[str] = []

    def ordered(inputs: Mapping[str, Any]) -> dict[str, Any]:
        outputs = function(inputs)
        order[:] = outputs
        return outputs

    found = jax.eval_shape(ordered, dict(inputs))
    return {name: tuple(found[name].shape) for name in order}


def _placing(entries: Picked) -> Callable[[Any, Any], Any]:
    """Return `place(whole, part)`: the whole with its picked entries replaced."""
    places, count = entries.positions, int(np.prod(entries.shape))
    steps = np.unique(np.diff(places))
    step = int(steps[0]) if steps.size else 1

    def strided(whole: Any, part: Any) -> Any:
        import jax.numpy as jnp
        from jax import lax

        part = jnp.reshape(part, -1)
        first, last = int(places[0]), int(places[-1])
        zero = jnp.zeros((), part.dtype)
        padded = lax.pad(part, zero, [(first, count - last - 1, step - 1)])
        at = lax.iota(np.int64 if count > 2**31 else np.int32, count) - first
        here = (at >= 0) & (at <= last - first)
        if step > 1:
            here &= at % step == 0
        return jnp.where(here, padded, jnp.reshape(whole, -1)).reshape(entries.shape)

    def contiguous(whole: Any, part: Any) -> Any:
        import jax.numpy as jnp
        from jax import lax

        flat, first, last = jnp.reshape(whole, -1), int(places[0]), int(places[-1]) + 1
        before = lax.slice(flat, (0,), (first,))
        after = lax.slice(flat, (last,), (count,))
        joined = [piece for piece in (before, jnp.reshape(part, -1), after) if piece.size]
        return jnp.concatenate(joined).reshape(entries.shape)

    def gathered(whole: Any, part: Any) -> Any:
        import jax.numpy as jnp

        index = np.arange(count)
        index[places] = count + np.arange(len(places))
        both = jnp.concatenate([jnp.reshape(whole, -1), jnp.reshape(part, -1)])
        return both[index].reshape(entries.shape)

    if len(places) == 0:
        return lambda whole, part: whole
    if steps.size <= 1 and step >= 1:
        return contiguous if step == 1 else strided
    return gathered


def _taking(entries: Picked) -> Callable[[Any], Any]:
    """Return `take(whole)`: the picked entries, by slices that a compiler sees through."""
    names, shape = entries.names, entries.shape
    if entries.is_whole:
        return lambda whole: whole
    if not isinstance(names, JoinedNames):
        return lambda whole: _sliced(whole, names)
    if len(names.parts) <= _SLICED:

        def joined(whole: Any) -> Any:
            import jax.numpy as jnp

            return jnp.concatenate([jnp.reshape(_sliced(whole, p), -1) for p in names.parts])

        return joined
    places = _positions(names, shape)

    def gathered(whole: Any) -> Any:
        import jax.numpy as jnp

        return jnp.reshape(whole, -1)[places]

    return gathered


def _sliced(whole: Any, names: Names) -> Any:
    from jax import lax

    bounds, reversed_axes = [], []
    for axis, index in enumerate(names.indices):
        assert index is not None
        along = range(index, index + 1) if isinstance(index, int) else index
        if along.step < 0:
            along = along[::-1]
            reversed_axes.append(axis)
        bounds.append((along.start, along[-1] + 1, along.step) if len(along) else (0, 0, 1))
    if not bounds:
        return whole
    part = lax.slice(whole, *zip(*bounds, strict=True))
    return lax.rev(part, reversed_axes).reshape(names.shape)


def _positions(names: Names, shape: Sequence[int]) -> NDArray[np.int64]:
    if isinstance(names, JoinedNames):
        return np.concatenate([_positions(part, shape) for part in names.parts])
    flat = np.zeros((), np.int64)
    for axis, index in enumerate(names.indices):
        assert index is not None
        along = np.asarray([index] if isinstance(index, int) else index, np.int64)
        stride = int(np.prod(shape[axis + 1 :]))
        flat = flat[..., None] + along * stride
    return flat.reshape(-1)
