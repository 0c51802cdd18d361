"""From a spec's `uncertainty`, `correlation` and `covariance` to an `InputCovariance`.

What is wrong with numbers and shapes is reported with its place in the user's text.

Boundary: reads the sources that the spec names, at the model's point; no derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, prod, sqrt
from typing import Any

import numpy as np

from jaccli import memory
from jaccli.errors import Problem, SpecError, format_bytes
from jaccli.models import LoadedModel
from jaccli.spec import Spec
from jaccli.spec.input_sources import Source
from jaccli.spec.nodes import Node
from jaccli.spec.uncertainty import (
    NamedMatrix,
    UncertaintyEntry,
    UncertaintySpec,
    mean,
    of_integers,
)
from jaccli.spec.uncertainty_schema import not_an_uncertainty
from jaccli.uncertainty import covariance_matrices as matrices
from jaccli.uncertainty.covariance_matrices import Array, Correlated, MatrixProblem
from jaccli.uncertainty.coverage_factor import factor_at
from jaccli.uncertainty.input_covariance import (
    NORMAL,
    STUDENT,
    Coupled,
    InputCovariance,
    UncertainInput,
)

HALF_WIDTHS = {"uniform": sqrt(3), "triangular": sqrt(6), "arcsine": sqrt(2)}
"""Half-width over standard deviation (GUM 4.3.7, 4.3.9; Supplement 1, 6.4)."""
_LEAST = 2
"""Samples of an input at least."""


@dataclass(frozen=True)
class _Reader:
    """A spec and its model's point."""

    spec: Spec
    model: LoadedModel
    uncertainty: UncertaintySpec

    def load(self, source: Source) -> Array:
        """Return a source's numbers in float64."""
        budget = memory.budget(self.spec.memory)
        return np.asarray(source.load("float64", budget, held=self.model.nbytes), np.float64)

    def rows(self, name: str, values: Array, lead: int = 0) -> Array | None:
        """Return values of one input, flattened: `(*lead, *batch, n)`; None if the shape is wrong.

        They have the shape of the input, that of one batch row, or none; `lead` axes come before.
        """
        shape, whole = self.model.in_shape(name), self.model.primals[name].shape
        first, rest = values.shape[:lead], values.shape[lead:]
        if name in self.model.batch and rest == whole:
            axis = self.model.batch[name] % len(whole)
            moved = np.moveaxis(values, lead + axis, lead)
            return moved.reshape((*first, whole[axis], prod(shape)))
        if rest == shape:
            return values.reshape((*first, prod(shape)))
        if rest == () and not lead:
            return np.broadcast_to(values, (prod(shape),))
        return None

    def shapes(self, name: str) -> str:
        """Return the shapes that values of an input may have, for messages."""
        shape, whole = self.model.in_shape(name), self.model.primals[name].shape
        return f"{shape}" if shape == whole else f"{whole} or {shape}"


def read(spec: Spec, model: LoadedModel) -> InputCovariance:
    """Return the covariance of the inputs at the model's point.

    Raises:
        SpecError: numbers, shapes or matrices that are no uncertainty; or nothing is uncertain.
        SourceError, BudgetError: a source cannot be read, or does not fit.
    """
    about = spec.uncertainty
    if about is None or not about.names:
        hint = "Give one under `uncertainty`, or with --std NAME=VALUE."
        raise SpecError(spec.problem("uncertainty", "no input has an uncertainty.", hint))
    reader = _Reader(spec, model, about)
    offsets: dict[str, int] = {}
    found: list[UncertainInput] = []
    coupled: list[Coupled] = []
    joint = _joint_covariance(reader)
    samples: dict[str, Array] = {}
    for name in (name for name in spec.inputs if name in about.names):
        offsets[name] = sum(one.size for one in found)
        _check_float(reader, name)
        if name in joint:
            found.append(_input(reader, name, joint[name]))
            continue
        entry = about.entries[name]
        if entry.form == "covariance":
            own = _own_covariance(reader, entry)
            index = offsets[name] + np.arange(own.std.shape[-1])
            coupled.append(Coupled(index[None], own.factor, entry.path))
            found.append(_input(reader, name, own.std))
            continue
        if entry.form == "samples":
            samples[name] = _samples(reader, entry)
        found.append(_simple(reader, entry, samples.get(name)))
    sizes = {one.name: one.size for one in found}
    coupled += _correlated(reader, samples, offsets, sizes)
    if about.covariance is not None:
        factor = _matrix(reader, about.covariance, sizes, matrices.from_covariance).factor
        index = _joined(about.covariance.inputs, offsets, sizes)
        coupled.append(Coupled(index[None], factor, about.covariance.path))
    _check_disjoint(spec, coupled)
    return InputCovariance(tuple(found), tuple(coupled), model.batch_size)


def _check_float(reader: _Reader, name: str) -> None:
    """Refuse uncertain inputs of integers."""
    dtype = reader.model.primals[name].dtype
    if dtype.kind != "f":
        path = f"uncertainty.{name}"
        raise SpecError(reader.spec.problem(path, *of_integers(name, str(dtype))))


# Single inputs


def _input(
    reader: _Reader, name: str, std: Array, dof: float = inf, distribution: str = NORMAL
) -> UncertainInput:
    shape, value = reader.model.in_shape(name), _value(reader, name)
    return UncertainInput(name, shape, value, std, dof, distribution)


def _value(reader: _Reader, name: str) -> Array:
    """Return an input's value, `(*batch, n)`."""
    value = reader.rows(name, np.asarray(reader.model.primals[name], np.float64))
    assert value is not None
    return value


def _simple(reader: _Reader, entry: UncertaintyEntry, samples: Array | None) -> UncertainInput:
    """Return an input of which the entries are not correlated with each other."""
    name, values = entry.name, entry.values
    if samples is not None:
        count = len(samples)
        deviations = samples - mean(samples)
        std = np.sqrt((deviations**2).sum(axis=0) / (count - 1) / count)
        return _input(reader, name, std, count - 1.0, STUDENT)
    dof: float = values["dof"] or inf
    source = values[entry.form]
    given = reader.load(source)
    wrong = ~(np.isfinite(given) & (given >= 0))
    if wrong.any():
        number = float(given[wrong].flat[0])
        raise _problem(source, *not_an_uncertainty(f"{number:g}", number))
    std = reader.rows(name, given)
    if std is None:
        message = f"an uncertainty of shape {given.shape} for the input {name!r}"
        raise _problem(source, f"{message}; expected {reader.shapes(name)}, or a number.")
    distribution = NORMAL if dof == inf else STUDENT
    if entry.form == "relative":
        std = std * np.abs(_value(reader, name))
    elif entry.form == "half_width":
        distribution = values["distribution"]
        std = std / HALF_WIDTHS[distribution]
    elif entry.form == "expanded":
        std = std / (values["k"] or factor_at(dof, values["coverage"]))
    if not np.isfinite(std).all():
        raise _problem(source, *not_an_uncertainty("that follows", inf))
    return _input(reader, name, std, dof, distribution)


def _samples(reader: _Reader, entry: UncertaintyEntry) -> Array:
    """Return an input's samples, `(m, *batch, n)`."""
    source = entry.values["samples"]
    given = reader.load(source)
    if given.ndim == 0 or len(given) < _LEAST:
        count = 1 if given.ndim == 0 else len(given)
        noun = "sample" if count == 1 else "samples"
        raise _problem(source, f"{count} {noun}; an uncertainty takes at least {_LEAST}.")
    if not np.isfinite(given).all():
        number = given[~np.isfinite(given)].flat[0]
        raise _problem(source, f"a sample is not finite: {number}.", "Leave it out.")
    rows = reader.rows(entry.name, given, lead=1)
    assert rows is not None  # the input's value is their mean
    return rows


# Matrices


def _own_covariance(reader: _Reader, entry: UncertaintyEntry) -> Correlated:
    """Return the covariance of the entries of one input."""
    source = entry.values["covariance"]
    size = prod(reader.model.in_shape(entry.name))
    matrix = _square(reader, source, size, f"the input {entry.name!r}")
    found: Correlated = _checked(source, matrix, matrices.from_covariance)
    return found


def _joint_covariance(reader: _Reader) -> dict[str, Array]:
    """Return the standard uncertainties of the inputs of `covariance`, by name."""
    about = reader.uncertainty.covariance
    if about is None:
        return {}
    sizes = {name: prod(reader.model.in_shape(name)) for name in about.inputs}
    std = _matrix(reader, about, sizes, matrices.from_covariance).std
    ends = np.cumsum(list(sizes.values()))
    return dict(zip(sizes, np.split(std, ends[:-1], axis=-1), strict=True))


def _matrix(
    reader: _Reader,
    about: NamedMatrix,
    sizes: Mapping[str, int],
    convert: Callable[[Array], Any],
) -> Any:
    """Return what a matrix of several inputs is converted to."""
    what = ", ".join(map(repr, about.inputs))
    size = sum(sizes[name] for name in about.inputs)
    return _checked(about.matrix, _square(reader, about.matrix, size, what), convert)


def _square(reader: _Reader, source: Source, size: int, what: str) -> Array:
    """Return a matrix of `size` rows and columns, or one for each batch row."""
    matrix = reader.load(source)
    batch = reader.model.batch_size
    if matrix.ndim == 0 and size == 1:
        matrix = matrix.reshape(1, 1)
    if matrix.shape not in ((size, size), (batch, size, size)):
        or_batch = f", or {(batch, size, size)}" if batch is not None else ""
        message = f"a matrix of shape {matrix.shape} for {what}; expected {(size, size)}{or_batch}."
        raise _problem(source, message)
    held = 3 * matrix.nbytes + reader.model.nbytes
    budget = memory.budget(reader.spec.memory)
    if held > budget:
        message = f"to factor a matrix of {format_bytes(matrix.nbytes)} takes {format_bytes(held)}"
        raise _problem(source, f"{message}, more than the memory budget.", "Raise --memory.")
    return matrix


def _checked(source: Source, matrix: Array, convert: Callable[[Array], Any]) -> Any:
    try:
        return convert(matrix)
    except MatrixProblem as error:
        raise _problem(source, f"{error}.") from None


# Correlation of several inputs


def _correlated(
    reader: _Reader,
    samples: Mapping[str, Array],
    offsets: Mapping[str, int],
    sizes: Mapping[str, int],
) -> list[Coupled]:
    """Return what `correlation` says."""
    about = reader.uncertainty
    if about.correlation == "samples":
        return _by_samples(reader, samples, offsets, sizes)
    if isinstance(about.correlation, NamedMatrix):
        factor = _matrix(reader, about.correlation, sizes, matrices.from_correlation)
        index = _joined(about.correlation.inputs, offsets, sizes)
        return [Coupled(index[None], factor, about.correlation.path)]
    return _by_pairs(reader, offsets, sizes)


def _by_pairs(
    reader: _Reader, offsets: Mapping[str, int], sizes: Mapping[str, int]
) -> list[Coupled]:
    """Return the groups of inputs that pairs join, entry by entry."""
    groups: list[list[str]] = []
    for pair in reader.uncertainty.pairs:
        shapes = [reader.model.in_shape(name) for name in (pair.first, pair.second)]
        if shapes[0] != shapes[1]:
            message = f"{pair.first!r} has the shape {shapes[0]}, {pair.second!r} {shapes[1]}."
            hint = "Arrays are correlated entry by entry; else give {inputs: [...], matrix: ...}."
            raise SpecError(_at("correlation", pair.node, message, hint))
        joined = [group for group in groups if pair.first in group or pair.second in group]
        names = dict.fromkeys([*(n for g in joined for n in g), pair.first, pair.second])
        groups = [group for group in groups if group not in joined] + [list(names)]
    found = []
    for group in groups:
        matrix = np.eye(len(group))
        for pair in reader.uncertainty.pairs:
            if pair.first in group:
                at = group.index(pair.first), group.index(pair.second)
                matrix[at] = matrix[at[::-1]] = pair.coefficient
        try:
            factor = matrices.from_correlation(matrix)
        except MatrixProblem as error:
            node = reader.spec.root.get("correlation") or reader.spec.root
            message = f"the correlation matrix of {', '.join(group)}: {error}."
            raise SpecError(_at("correlation", node, message)) from None
        # (sites, names): one site for each entry
        index = np.array([offsets[n] + np.arange(sizes[n]) for n in group]).T
        found.append(Coupled(index, factor, "correlation"))
    return found


def _by_samples(
    reader: _Reader,
    samples: Mapping[str, Array],
    offsets: Mapping[str, int],
    sizes: Mapping[str, int],
) -> list[Coupled]:
    """Return the groups of inputs with equally many samples."""
    by_count: dict[int, list[str]] = {}
    for name, values in samples.items():
        by_count.setdefault(len(values), []).append(name)
    found = []
    for count, names in by_count.items():
        rows = max((samples[name].shape[1:-1] for name in names), default=())
        parts = [
            np.broadcast_to(_spread(samples[n], rows), (count, *rows, sizes[n])) for n in names
        ]
        factor = matrices.from_samples(np.concatenate(parts, axis=-1))
        if factor.shape[-1] > 1:
            found.append(Coupled(_joined(names, offsets, sizes)[None], factor, "correlation"))
    return found


def _spread(values: Array, rows: tuple[int, ...]) -> Array:
    """Return samples with the batch axis that others have."""
    return values if values.shape[1:-1] == rows else values[:, None]


def _joined(names: Sequence[str], offsets: Mapping[str, int], sizes: Mapping[str, int]) -> Array:
    """Return the places of the entries of some inputs among all."""
    return np.concatenate([offsets[name] + np.arange(sizes[name]) for name in names])


def _check_disjoint(spec: Spec, coupled: Sequence[Coupled]) -> None:
    """Refuse entries of which two places of the spec give correlations."""
    if len(coupled) < 2:
        return
    index = np.concatenate([one.index.reshape(-1) for one in coupled])
    if len(np.unique(index)) < len(index):
        message = "an input is correlated here, and has a covariance matrix of its own."
        hint = "Say it once: covariance: {inputs: [...], matrix: ...}."
        raise SpecError(spec.problem("correlation", message, hint))


# Problems


def _problem(source: Source, message: str, hint: str = "") -> SpecError:
    return SpecError(Problem(message, path=source.path, place=source.node.place, hint=hint))


def _at(path: str, node: Node, message: str, hint: str = "") -> Problem:
    return Problem(message, path=path, place=node.place, hint=hint)
