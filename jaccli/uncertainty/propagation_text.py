"""A `Propagation` as text for people: values, budgets, correlations, what Monte Carlo says.

Boundary: text alone; what is computed was computed before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from jaccli.result.numerals import significant
from jaccli.result.render.columns import columns
from jaccli.uncertainty.covariance_matrices import Array
from jaccli.uncertainty.propagation import Propagation

Number = Callable[[float], str]
_ROWS = 20
"""Rows of a table that are shown at most; with all digits, all."""
_BUDGETS = 8
"""Budgets that are shown at most, likewise."""
_MATRIX = 12
"""Outputs of which the correlation is shown, likewise."""
_INDENT = "  "


def as_text(found: Propagation, digits: int | None) -> str:
    """Return all that is known, numbers to `digits`; in full with None, and nothing left out."""
    number: Number = (lambda v: repr(float(v))) if digits is None else _rounded(digits)
    cut = digits is not None
    parts = [
        columns(_cut(list(_outputs(found, number)), _ROWS, cut)),
        *_budgets(found, number, cut),
        *_correlation(found, number, cut),
        *_second(found, number, cut),
        *_monte_carlo(found, number, cut),
    ]
    return "\n\n".join(parts)


def _rounded(digits: int) -> Number:
    return lambda value: significant(float(value), digits)


def _percent(value: float, *, cut: bool) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.1f} %" if cut else f"{float(value)!r} %"


def _cut(rows: list[list[str]], most: int, cut: bool) -> list[list[str]]:
    """Leave out the middle of a table with a header."""
    if not cut or len(rows) <= most + 1:
        return rows
    half = most // 2
    return [*rows[: half + 1], ["...", *[""] * (len(rows[0]) - 1)], *rows[-half:]]


def _places(found: Propagation) -> Iterator[tuple[list[str], tuple[int, ...], str]]:
    """Yield for each output entry of each batch row: cells, its index, its name."""
    names = list(found.rows)
    for row in range(found.batch or 1):
        for place, name in enumerate(names):
            lead = () if found.batch is None else (row,)
            yield [*map(str, lead), name], (*lead, place), name


def _header(found: Propagation) -> list[str]:
    return ["output"] if found.batch is None else ["row", "output"]


def _outputs(found: Propagation, number: Number) -> Iterator[list[str]]:
    """Yield the table of the outputs."""
    coverage = f"{100 * found.coverage:.10g}"
    yield [*_header(found), "value", "u", "dof", "k", f"U ({coverage} %)", "u/|value|"]
    for cells, at, _ in _places(found):
        value, u, dof = found.value[at], found.first.u[at], found.first.dof[at]
        share = u / abs(value) if value else math.nan
        yield [
            *cells,
            number(value),
            number(u),
            "-" if math.isnan(dof) else number(dof),
            number(found.k[at]),
            number(found.expanded[at]),
            "-" if math.isnan(share) else significant(share, 3),
        ]


def _budgets(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield the budget of each output entry."""
    shares, inputs = found.first.budget, found.inputs
    if shares is None:
        return
    names, std, dof = list(found.columns), inputs.std, inputs.dof
    header = ["input", "value", "u", "dof", "sensitivity", "contribution", "percent"]
    if not np.isfinite(dof).any():
        header.remove("dof")
    entries = list(_places(found))
    for cells, at, name in entries[: _BUDGETS if cut else None]:
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
            rows.append([
                names[column], number(value[column]), number(_row(std, row)[column]), *known,
                number(shares.sensitivity[at][column]), number(shares.contribution[at][column]),
                _percent(percent[column], cut=cut),
            ])  # fmt: skip
        left = len(names) - len(chosen)
        if left:
            rest = percent.sum() - percent[list(chosen)].sum()
            rows.append([f"{left:,} more", *[""] * (len(header) - 2), _percent(rest, cut=cut)])
        where = "" if found.batch is None else f", row {cells[0]}"
        yield _block(f"budget of {name}{where}", columns(rows))
    if len(entries) > _BUDGETS and cut:
        yield f"and the budgets of {len(entries) - _BUDGETS:,} more; -o FILE.csv has all."


def _row(values: Array, row: int | None) -> Array:
    """Return values of one batch row; those that all rows share have no batch axis."""
    return values if row is None or values.ndim == 1 else values[row]


def _block(title: str, text: str) -> str:
    return "\n".join([title, *(f"{_INDENT}{line}" for line in text.splitlines())])


def _correlation(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield the correlation of the outputs, of each batch row."""
    matrix, names = found.first.correlation, list(found.rows)
    if matrix is None or len(names) < 2 or (cut and len(names) > _MATRIX):
        return
    for row in range(found.batch or 1):
        one = matrix if found.batch is None else matrix[row]
        shown = [
            [name, *("-" if math.isnan(value) else number(value) for value in line)]
            for name, line in zip(names, one, strict=True)
        ]
        where = "" if found.batch is None else f", row {row}"
        yield _block(f"correlation{where}", columns([["", *names], *shown]))
        if cut and row + 1 >= _BUDGETS:
            return


def _second(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield the table of second-order terms."""
    second = found.second
    if second is None:
        return
    rows = [[*_header(found), "value shift", "u", "valid"]]
    for cells, at, _ in _places(found):
        u = second.u[at]
        shown = "-" if math.isnan(u) else number(u)
        valid = "yes" if second.valid[at] else "no"
        rows.append([*cells, number(second.value_shift[at]), shown, valid])
    yield _block(f"with second-order terms ({second.method})", columns(_cut(rows, _ROWS, cut)))


def _monte_carlo(found: Propagation, number: Number, cut: bool) -> Iterator[str]:
    """Yield what the draws say, beside the law's interval."""
    draws = found.monte_carlo
    if draws is None:
        return
    rows = [[*_header(found), "mean", "u", "shortest", "", "symmetric", "", "law", "", "validated"]]
    low, high = found.value - found.expanded, found.value + found.expanded
    for cells, at, _ in _places(found):
        ends = [*(end[at] for end in (*draws.shortest, *draws.symmetric)), low[at], high[at]]
        allowed = significant(float(draws.tolerance[at]), 1)
        verdict = f"{'yes' if draws.validated[at] else 'no'} (within {allowed})"
        numbers = [draws.mean[at], draws.u[at], *ends]
        rows.append([*cells, *map(number, numbers), verdict])
    coverage = f"{100 * found.coverage:.10g}"
    stable = {None: "", True: ", stable", False: ", not stable"}[draws.stable]
    title = f"Monte Carlo, {draws.draws:,} draws{stable}, seed {draws.seed}: {coverage} % intervals"
    yield _block(title, columns(_cut(rows, _ROWS, cut)))
