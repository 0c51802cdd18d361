"""Random draws of the inputs (Supplement 1, 6.4).

Boundary: numpy alone; the generator, and how many draws, come from the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf, sqrt

import numpy as np

from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.input_covariance import (
    NORMAL,
    STUDENT,
    Coupled,
    InputCovariance,
    UncertainInput,
)


def members(inputs: InputCovariance, one: Coupled) -> list[UncertainInput]:
    """Return the inputs of which entries are coupled."""
    there = np.zeros(inputs.size, bool)
    there[one.index.reshape(-1)] = True
    return [each for each, place in inputs.slices() if there[place].any()]


def by_row(inputs: InputCovariance) -> frozenset[str]:
    """Return the inputs that have draws of their own for each batch row.

    Those that all rows share are drawn once, unless they are coupled with one that differs.
    """
    found = {each.name for each in inputs.inputs if 2 in (each.value.ndim, each.std.ndim)}
    for one in inputs.coupled:
        names = {each.name for each in members(inputs, one)}
        if names & found or one.factor.ndim == 3:
            found |= names
    return frozenset(found)


def draw(
    inputs: InputCovariance, generator: np.random.Generator, count: int
) -> Iterator[tuple[UncertainInput, Array]]:
    """Yield draws of each input, `(count, *batch, n)`, in the order of the inputs.

    The batch axis is there for inputs of `by_row`.  Coupled entries are jointly normal (6.4.8); the
    others are what the spec says of them (6.4.2 to 6.4.9): `t` is Student's t about the value,
    scaled by u.
    """
    rows = () if inputs.batch is None else (inputs.batch,)
    own = by_row(inputs)
    normal = {each.name for one in inputs.coupled for each in members(inputs, one)}
    units = {}
    for each in inputs.inputs:
        kind = NORMAL if each.name in normal else each.distribution
        shape = (count, *(rows if each.name in own else ()), each.size)
        units[each.name] = _UNITS[kind](generator, shape, each.dof)
    for one in inputs.coupled:
        _couple(inputs, one, units)
    for each in inputs.inputs:
        yield each, each.value + each.std * units[each.name]


def _couple(inputs: InputCovariance, one: Coupled, units: dict[str, Array]) -> None:
    """Replace independent draws of coupled entries by L times them."""
    together = members(inputs, one)
    local, start = np.full(inputs.size, -1), 0
    places = {each.name: place for each, place in inputs.slices()}
    for each in together:
        local[places[each.name]] = start + np.arange(each.size)
        start += each.size
    joined = np.concatenate([units[each.name] for each in together], axis=-1)
    index = local[one.index]
    if len(index) == 1 and one.factor.ndim == 2:  # one product in place of many small ones
        joined[..., index[0]] = joined[..., index[0]] @ one.factor.T
    else:  # (count, *batch, sites, k) by (*batch, k, k)
        batch = "b" * (one.factor.ndim - 2)
        terms = f"...{batch}sk,{batch}jk->...{batch}sj"
        joined[..., index] = np.einsum(terms, joined[..., index], one.factor)
    start = 0
    for each in together:
        units[each.name] = joined[..., start : start + each.size]
        start += each.size


def _student(generator: np.random.Generator, shape: tuple[int, ...], dof: float) -> Array:
    if dof == inf:
        return generator.standard_normal(shape)
    return np.asarray(generator.standard_t(dof, shape))


def _triangular(generator: np.random.Generator, shape: tuple[int, ...], _: float) -> Array:
    return sqrt(6) * (generator.random(shape) + generator.random(shape) - 1)


_UNITS: Mapping[str, Callable[[np.random.Generator, tuple[int, ...], float], Array]] = {
    NORMAL: lambda generator, shape, _: generator.standard_normal(shape),
    STUDENT: _student,
    "uniform": lambda generator, shape, _: sqrt(3) * (2 * generator.random(shape) - 1),
    "triangular": _triangular,
    "arcsine": lambda generator, shape, _: sqrt(2) * np.sin(2 * np.pi * generator.random(shape)),
}
"""Draws with mean 0 and standard deviation 1 (`t`: scale 1)."""
