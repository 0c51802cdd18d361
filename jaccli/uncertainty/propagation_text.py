"""A `Propagation` as text for people: values, budgets, correlations, what Monte Carlo says.

Boundary: text alone; what is computed was computed before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from jaccli.result.numerals import significant
from jaccli.result.render.columns import columns
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.propagation import Propagation
from jaccli.uncertainty.text_pieces import Number, block, rounded, to_place

_ROWS = 20
"""Rows of a table that are shown at most; with all digits, all."""
_BUDGETS = 8
"""Budgets that are shown at most, likewise."""
_MATRIX = 12
"""Outputs of which the correlation is shown, likewise."""


@np.errstate(all="ignore")
def as_text(found: Propagation, digits: int | None) -> str:
    """Return all that is known, numbers to `digits`; in full with None, and nothing left out."""
    number = rounded(digits)
    cut = digits is not None
    parts = [
        _outputs(found, number, digits),
        *_budgets(found, number, digits),
        *_correlation(found, number, cut),
        *_second(found, number, cut),
        *_monte_carlo(found, number, cut),
    ]
    return "\n\n".join(parts)


def _percent(value: float, *, cut: bool) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.1f} %" if cut else f"{float(value)!r} %"


class _Entry(NamedTuple):
    """An output entry of a batch row: the cells that name it, its index, its name."""

    cells: list[str]
    at: tuple[int, ...]
    name: str


def _entries(found: Propagation, most: int | None, *, ends: bool = True) -> Iterator[_Entry | None]:
    """Yield output entries; of more than `most` the first, and at both ends with None between."""
    count = len(found.rows)
    total = count * (found.batch or 1)
    if most is None or total <= most:
        chosen = list(range(total))
    elif ends:
        half = most // 2
        chosen = [*range(half), -1, *range(total - half, total)]
    else:
        chosen = list(range(most))
    for place in chosen:
        if place < 0:
            yield None
            continue
        row, column = divmod(place, count)
        lead = () if found.batch is None else (row,)
        name = found.rows[column]
        yield _Entry([*map(str, lead), name], (*lead, column), name)


def _table(
    found: Propagation, header: list[str], cells: Callable[[_Entry], list[str]], *, cut: bool
) -> str:
    """Return a table with a row for each output entry, the middle of a long one left out."""
    first = ["output"] if found.batch is None else ["row", "output"]
    rows = [[*first, *header]]
    for entry in _entries(found, _ROWS if cut else None):
        if entry is None:
            rows.append(["...", *[""] * (len(rows[0]) - 1)])
        else:
            rows.append([*entry.cells, *cells(entry)])
    return columns(rows)


def _outputs(found: Propagation, number: Number, digits: int | None) -> str:
    """Return the table of the outputs."""

    def cells(entry: _Entry) -> list[str]:
        value, u, dof = (array[entry.at] for array in (found.value, found.first.u, found.first.dof))
        share = u / abs(value) if value else math.nan
        return [
            to_place(value, u, digits),
            number(u),
            "-" if math.isnan(dof) else number(dof),
            number(found.k[entry.at]),
            number(expanded[entry.at]),
            "-" if math.isnan(share) else significant(share, 3) if digits else number(share),
        ]

    expanded, coverage = found.expanded, f"{100 * found.coverage:.10g}"
    header = ["value", "u", "dof", "k", f"U ({coverage} %)", "u/|value|"]
    return _table(found, header, cells, cut=digits is not None)


def _budgets(found: Propagation, number: Number, digits: int | None) -> Iterator[str]:
    """Yield the budget of each output entry."""
    shares, inputs = found.first.budget, found.inputs
    if shares is None:
        return
    names, std, dof = list(found.columns), inputs.std, inputs.dof
    cut = digits is not None
    header = ["input", "value", "u", "dof", "sensitivity", "contribution", "percent"]
    if not np.isfinite(dof).any():
        header.remove("dof")
    for entry in _entries(found, _BUDGETS if cut else None, ends=False):
        assert entry is not None
        cells, at, name = entry
        row = None if found.batch is None else at[0]
        value = np.concatenate([_row(one.value, row) for one in inputs.inputs])
        percent = shares.percent[at]
        chosen = list(range(len(names)))
        if cut and len(names) > _ROWS:  # the greatest
            size = np.nan_to_num(np.abs(percent))
            chosen = sorted(np.argsort(-size, kind="stable")[:_ROWS].tolist())
        rows = [header]
        for column in chosen:
            known = [number(dof[column])] if "dof" in header else []
            u = _row(std, row)[column]
            rows.append([
                names[column], to_place(value[column], u, digits), number(u), *known,
                number(shares.sensitivity[at][column]), number(shares.contribution[at][column]),
                _percent(percent[column], cut=cut),
            ])  # fmt: skip
        left = len(names) - len(chosen)
        if left:
            rest = percent.sum() - percent[list(chosen)].sum()
            rows.append([f"{left:,} more", *[""] * (len(header) - 2), _percent(rest, cut=cut)])
        where = "" if found.batch is None else f", row {cells[0]}"
        yield block(f"budget of {name}{where}", columns(rows))
    more = len(found.rows) * (found.batch or 1) - _BUDGETS
    if more > 0 and cut:
        yield f"and the budgets of {more:,} more; -o FILE.csv has all."


def _row(values: Array, row: int | None) -> Array:
    """Return values of one batch row; those that all rows share have no batch axis."""
    return values if row is None or values.ndim == 1 else values[row]


def _correlation(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield the correlation of the outputs, of each batch row."""
    matrix, count = found.first.correlation, len(found.rows)
    if matrix is None or count < 2 or (cut and count > _MATRIX):
        return
    names = list(found.rows)
    for row in range(found.batch or 1):
        one = matrix if found.batch is None else matrix[row]
        shown = [
            [name, *("-" if math.isnan(value) else number(value) for value in line)]
            for name, line in zip(names, one, strict=True)
        ]
        where = "" if found.batch is None else f", row {row}"
        yield block(f"correlation{where}", columns([["", *names], *shown]))
        if cut and row + 1 >= _BUDGETS:
            return


def _second(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield the table of second-order terms."""
    second = found.second
    if second is None:
        return

    def cells(entry: _Entry) -> list[str]:
        u = second.u[entry.at]
        shown = "-" if math.isnan(u) else number(u)
        valid = "yes" if second.valid[entry.at] else "no"
        return [number(second.value_shift[entry.at]), shown, valid]

    table = _table(found, ["value shift", "u", "valid"], cells, cut=cut)
    yield block(f"with second-order terms ({second.method})", table)


def _monte_carlo(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield what the draws say, beside the law's interval."""
    draws = found.monte_carlo
    if draws is None:
        return
    low, high = found.value - found.expanded, found.value + found.expanded

    def cells(entry: _Entry) -> list[str]:
        at = entry.at
        ends = [*(end[at] for end in (*draws.shortest, *draws.symmetric)), low[at], high[at]]
        allowed = significant(float(draws.tolerance[at]), 1)
        verdict = f"{'yes' if draws.validated[at] else 'no'} (within {allowed})"
        return [*map(number, [draws.mean[at], draws.u[at], *ends]), verdict]

    header = ["mean", "u", "shortest", "", "symmetric", "", "law", "", "validated"]
    coverage = f"{100 * found.coverage:.10g}"
    stable = {None: "", True: ", stable", False: ", not stable"}[draws.stable]
    title = f"Monte Carlo, {draws.draws:,} draws{stable}, seed {draws.seed}: {coverage} % intervals"
    yield block(title, _table(found, header, cells, cut=cut))
