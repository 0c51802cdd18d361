"""What a spec says of the inputs' uncertainty, and the checks that take several of its keys.

Boundary: data alone; neither numpy (but where samples are averaged) nor JAX.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jaccli.errors import did_you_mean
from jaccli.spec.input_sources import Source
from jaccli.spec.nested_inputs import entry_node
from jaccli.spec.nodes import Node
from jaccli.spec.schema_types import ProblemCollector, join

COVERAGE = 0.95
"""The coverage probability where none is given."""
SAMPLES = "samples"


@dataclass(frozen=True)
class MeanOfSamples(Source):
    """The value of an input that was observed several times: the mean over the first axis.

    `declared` is what `inputs` says of it besides, if anything.
    """

    declared: Source | None = None

    def shape(self) -> tuple[int, ...] | None:
        """Return the shape of one observation."""
        shape = super().shape()
        return shape[1:] if shape else shape

    def load(
        self, default_dtype: str, budget: int, above: int | None = None, *, held: int = 0
    ) -> Any:
        """Return the mean of the observations, in their dtype, else in `default_dtype`."""
        import numpy as np

        samples = np.asarray(super().load("float64", budget, held=held), np.float64)
        dtype = self.dtype if self.dtype in ("float32", "float64") else default_dtype
        if samples.ndim == 0:
            return samples.astype(dtype)
        return mean(samples).astype(dtype)


def mean(samples: Any) -> Any:
    """Return the mean over the first axis, exact where all samples are equal."""
    first = samples[:1]
    return first[0] + (samples - first).mean(axis=0) if len(samples) else samples.sum(axis=0)


class UncertaintyEntry(NamedTuple):
    """How well one input is known: `form` names the key of `FORMS`, `values` hold its keys."""

    name: str
    form: str
    values: Mapping[str, Any]
    path: str
    node: Node


class NamedMatrix(NamedTuple):
    """A matrix of the entries of some inputs, flattened and joined in this order."""

    inputs: tuple[str, ...]
    matrix: Source
    path: str
    node: Node


class CorrelatedPair(NamedTuple):
    """The correlation coefficient of two inputs; of arrays, entry by entry."""

    first: str
    second: str
    coefficient: float
    node: Node


@dataclass(frozen=True)
class UncertaintySpec:
    """What a spec says of the inputs' uncertainty; inputs that it does not name are exact."""

    entries: dict[str, UncertaintyEntry]
    pairs: tuple[CorrelatedPair, ...]
    correlation: NamedMatrix | Literal["samples"] | None
    covariance: NamedMatrix | None

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that are not exact."""
        matrix = self.covariance.inputs if self.covariance is not None else ()
        return tuple(dict.fromkeys((*self.entries, *matrix)))

    def sources(self) -> Iterator[Source]:
        """Yield what is read."""
        for entry in self.entries.values():
            yield from (value for value in entry.values.values() if isinstance(value, Source))
        for matrix in (self.correlation, self.covariance):
            if isinstance(matrix, NamedMatrix):
                yield matrix.matrix


# Checks that take several keys


def with_means(values: dict[str, Any]) -> None:
    """Give inputs that have samples their value, the mean, unless `--at` goes before the spec's."""
    inputs, entries = values["inputs"], values["uncertainty"]
    if not isinstance(inputs, dict) or not isinstance(entries, dict):
        return
    values["inputs"] = inputs = dict(inputs)  # the default is every spec's
    for name, entry in entries.items():
        if isinstance(entry, UncertaintyEntry) and entry.form == SAMPLES:
            source, declared = entry.values.get(SAMPLES), inputs.get(name)
            if not isinstance(source, Source):
                continue
            is_option = isinstance(declared, Source) and declared.node.place.source == "--at"
            if not is_option or source.node.place.source == "--std":
                inputs[name] = MeanOfSamples(
                    source.kind, source.entries, source.path, source.node, declared
                )


def uncertainty_of(
    values: Mapping[str, Any], root: Node, report: ProblemCollector
) -> UncertaintySpec | None:
    """Return what checked values say of uncertainty, or None where they say nothing.

    Names that do not fit the inputs, or each other, are reported.
    """
    entries: dict[str, UncertaintyEntry] = values["uncertainty"] or {}
    correlation, covariance = values["correlation"], values["covariance"]
    if not entries and correlation is None and covariance is None:
        return None
    inputs = values["inputs"]
    for name in entries:
        at = entry_node(root, "uncertainty", name) or root
        _check_input(name, at, f"uncertainty.{name}", inputs, report)
    _check_covariance(covariance, entries, inputs, root, report)
    known = {*entries, *(covariance.inputs if covariance is not None else ())}
    pairs: tuple[CorrelatedPair, ...] = ()
    if isinstance(correlation, list):
        pairs = tuple(correlation)
        _check_pairs(pairs, known, inputs, report)
    elif isinstance(correlation, NamedMatrix):
        _check_names_of(correlation, known, inputs, report)
    elif correlation == SAMPLES and not any(e.form == SAMPLES for e in entries.values()):
        at = root.get("correlation") or root
        report.add(at, "correlation", "no input has samples.", "uncertainty: {x: {samples: ...}}")
    matrix = None if isinstance(correlation, list) else correlation
    return UncertaintySpec(entries, pairs, matrix, covariance)


def _check_input(
    name: str, at: Node, path: str, inputs: Mapping[str, Source], report: ProblemCollector
) -> bool:
    """Report the name of no input, or of one of integers."""
    if name not in inputs:
        hint = partial(did_you_mean, name, inputs)
        report.add(at, path, f"no input named {name!r}.", hint)
        return False
    if inputs[name].dtype == "int64" and not isinstance(inputs[name], MeanOfSamples):
        report.add(at, path, *of_integers(name, "int64"))
    return True


def of_integers(name: str, dtype: str) -> tuple[str, str]:
    """Return the message about an uncertain input of integers, and the hint."""
    message = f"the input {name!r} is of {dtype}; derivatives are taken with respect to floats."
    return message, f"Give the input `dtype: float64`, or leave {name!r} exact."


def _check_covariance(
    covariance: NamedMatrix | None,
    entries: Mapping[str, UncertaintyEntry],
    inputs: Mapping[str, Source],
    root: Node,
    report: ProblemCollector,
) -> None:
    """Report names of a covariance that are unknown, or have an uncertainty besides."""
    for index, name in enumerate(covariance.inputs if covariance is not None else ()):
        assert covariance is not None
        at = covariance.node.get("inputs", str(index)) or covariance.node
        if _check_input(name, at, "covariance.inputs", inputs, report) and name in entries:
            where = entry_node(root, "uncertainty", name) or at
            message = f"{name!r} has an entry here, and its variance under 'covariance'."
            report.add(where, f"uncertainty.{name}", message, "Leave one of them out.")
    if covariance is not None and root.get("correlation") is not None:
        at = root.get("correlation") or root
        message = "the covariance says it already."
        report.add(at, "correlation", message, "Leave one of 'correlation' and 'covariance' out.")


def _check_pairs(
    pairs: Collection[CorrelatedPair],
    known: Collection[str],
    inputs: Mapping[str, Source],
    report: ProblemCollector,
) -> None:
    """Report pairs of inputs that are unknown or exact, and pairs that are there twice."""
    seen = set()
    for pair in pairs:
        if pair is None:
            continue
        for place, name in enumerate((pair.first, pair.second)):
            at = pair.node.get(str(place)) or pair.node
            _check_uncertain(name, at, "correlation", known, inputs, report)
        names = frozenset((pair.first, pair.second))
        if names in seen:
            message = f"the correlation of {pair.first!r} and {pair.second!r} is there twice."
            report.add(pair.node, "correlation", message)
        seen.add(names)


def _check_names_of(
    matrix: NamedMatrix,
    known: Collection[str],
    inputs: Mapping[str, Source],
    report: ProblemCollector,
) -> None:
    """Report inputs of a correlation matrix that are unknown or exact."""
    for index, name in enumerate(matrix.inputs):
        at = matrix.node.get("inputs", str(index)) or matrix.node
        _check_uncertain(name, at, join(matrix.path, "inputs"), known, inputs, report)


def _check_uncertain(
    name: str,
    at: Node,
    path: str,
    known: Collection[str],
    inputs: Mapping[str, Source],
    report: ProblemCollector,
) -> None:
    if name not in inputs:
        report.add(at, path, f"no input named {name!r}.", partial(did_you_mean, name, inputs))
    elif name not in known:
        message = f"the input {name!r} is exact: it has no entry under 'uncertainty'."
        report.add(at, path, message, f"Give it one, or leave {name!r} out here.")


# As plain data


def plain_uncertainty(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return the keys as a spec in `folder` writes them, absent ones as None."""
    entries, correlation = values["uncertainty"], values["correlation"]
    covariance = values["covariance"]
    found = {
        "uncertainty": {name: _plain_entry(entry, folder) for name, entry in entries.items()}
        if entries
        else None,
        "correlation": correlation,
        "covariance": None if covariance is None else _plain_matrix(covariance, folder),
    }
    if isinstance(correlation, NamedMatrix):
        found["correlation"] = _plain_matrix(correlation, folder)
    elif isinstance(correlation, list):
        found["correlation"] = [[p.first, p.second, p.coefficient] for p in correlation]
    return found


def _plain_entry(entry: UncertaintyEntry, folder: Path) -> Any:
    plain = {
        name: value.plain(folder) if isinstance(value, Source) else value
        for name, value in entry.values.items()
        if value is not None
    }
    return plain["std"] if list(plain) == ["std"] and entry.node.get("std") is None else plain


def _plain_matrix(matrix: NamedMatrix, folder: Path) -> dict[str, Any]:
    return {"inputs": list(matrix.inputs), "matrix": matrix.matrix.plain(folder)}
