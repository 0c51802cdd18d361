"""A `Fit` as text for people: parameters, their correlation, predictions, the residuals.

Boundary: text alone; what is computed was computed before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.numerals import significant
from jaccli.result.render.columns import columns
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.fit import Fit, direction
from jaccli.uncertainty.text_pieces import Number, block, rounded, to_place

_ROWS = 20
"""Rows of a table that are shown at most; with all digits, all."""
_MATRIX = 12
"""Parameters of which the correlation is shown, likewise."""


@np.errstate(all="ignore")
def as_text(fit: Fit, digits: int | None) -> str:
    """Return all that is known, numbers to `digits`; in full with None, and nothing left out."""
    number = rounded(digits)
    parts = [
        _parameters(fit, number, digits),
        *_correlation(fit, number, cut=digits is not None),
        *_predictions(fit, number, digits),
        *_undetermined(fit, digits),
        _residuals(fit, number),
    ]
    return "\n\n".join(parts)


def _chosen(count: int, *, cut: bool) -> list[int]:
    """Return the rows that are shown: of many those at both ends, with -1 between."""
    if not cut or count <= _ROWS:
        return list(range(count))
    half = _ROWS // 2
    return [*range(half), -1, *range(count - half, count)]


def _table(
    names: LabelledAxis, header: list[str], cells: list[Array], number: Number, digits: int | None
) -> str:
    """Return a table of entries: names, values to the place of their errors, the rest."""
    rows = [header]
    for place in _chosen(len(names), cut=digits is not None):
        if place < 0:
            rows.append(["...", *[""] * (len(header) - 1)])
            continue
        value, error, *rest = (float(column[place]) for column in cells)
        shown = [to_place(value, error, digits), number(error)]
        rows.append([names[place], *shown, *map(number, rest)])
    return columns(rows)


def _percent(fit: Fit) -> str:
    return f"{100 * fit.coverage:.10g} %"


def _parameters(fit: Fit, number: Number, digits: int | None) -> str:
    errors = fit.found.standard_errors
    low, high = fit.interval(fit.value, errors)
    header = ["parameter", "value", "standard error", "t", "p", f"{_percent(fit)} from", "to"]
    return _table(fit.labels, header, [fit.value, errors, fit.t, fit.p, low, high], number, digits)


def _correlation(fit: Fit, number: Number, *, cut: bool) -> Iterator[str]:
    names = list(fit.labels) if not cut or len(fit.labels) <= _MATRIX else []
    if len(names) < 2:
        return
    rows = [
        [name, *("-" if math.isnan(value) else number(value) for value in line)]
        for name, line in zip(names, fit.found.correlation(), strict=True)
    ]
    yield block("correlation", columns([["", *names], *rows]))


def _predictions(fit: Fit, number: Number, digits: int | None) -> Iterator[str]:
    if not fit.predictions:
        return
    names = LabelledAxis(tuple(Names.of(one.name, one.shape) for one in fit.predictions))
    value = np.concatenate([one.value for one in fit.predictions])
    error = np.concatenate([one.standard_error for one in fit.predictions])
    header = ["output", "value", "standard error", f"{_percent(fit)} from", "to"]
    cells = [value, error, *fit.interval(value, error)]
    observed = [one.of_observation for one in fit.predictions if one.of_observation is not None]
    if observed:
        header += ["observation from", "to"]
        cells += fit.interval(value, np.concatenate(observed))
    yield block("predictions", _table(names, header, cells, number, digits))


def _undetermined(fit: Fit, digits: int | None) -> Iterator[str]:
    found = fit.found.undetermined
    if not len(found):
        return
    labels = list(fit.labels)
    lines = [direction(labels, vector, digits or 17) for vector in found[: None if digits is None
             else _ROWS]]  # fmt: skip
    if len(lines) < len(found):
        lines.append(f"and {len(found) - len(lines):,} more")
    yield block("the data do not determine", "\n".join(lines))


def counted(count: int, noun: str) -> str:
    """Return a number of things."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _residuals(fit: Fit, number: Number) -> str:
    found = fit.found
    parts = [
        f"{counted(fit.residuals, 'residual')}, {found.dof:,} degree"
        f"{'s' * (found.dof != 1)} of freedom",
        f"sum of squares {number(found.sum_of_squares)}",
    ]
    if not fit.known:
        s = math.sqrt(found.variance) if found.dof else math.nan
        parts.append(f"residual standard deviation {number(s)}")
    parts.append(f"rank {found.rank} of {len(fit.labels)}")
    parts.append(f"condition {significant(found.condition, 3)}")
    return "; ".join(parts)
