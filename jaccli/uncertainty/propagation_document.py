"""A `Propagation` for people: the budget as bars, and documents with tables.

Boundary: formats alone; what is computed was computed before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jaccli.choices import DRAWN
from jaccli.result.documents.document import DocumentContent, Section
from jaccli.result.documents.of_result import about, facts
from jaccli.result.documents.render import as_bytes
from jaccli.result.figures import shares, style
from jaccli.result.result import ResultOrigin
from jaccli.uncertainty.propagation import Propagation
from jaccli.uncertainty.text_pieces import Number, rounded, to_place

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANELS = 6
"""Budgets that are drawn at most."""
_MATRIX = 50
"""Outputs of which a document has the correlation."""


def as_file(
    found: Propagation, origin: ResultOrigin, warnings: Sequence[str], digits: int, suffix: str
) -> bytes:
    """Return what a file of this suffix holds: the figure, or a document."""
    if suffix in DRAWN:
        return style.drawn(lambda: figure(found), suffix, _alt(found))
    has_figure = suffix == ".html" and found.first.budget is not None
    account = facts(found.result)[1:]
    document = DocumentContent(
        f"Uncertainty of {', '.join(found.outputs)}",
        _tables(found, digits),
        about=about(origin),
        facts=[("command", "propagate"), ("coverage", f"{found.coverage:g}"), *account],
        warnings=warnings,
        figure=style.drawn(lambda: figure(found), ".svg", _alt(found)) if has_figure else None,
        alt=_alt(found),
    )
    return as_bytes(document, suffix)


def _alt(found: Propagation) -> str:
    return f"Budget of {', '.join(found.outputs)}: percent of the variance by input"


def _places(found: Propagation) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the index of each output entry of each batch row, and its name."""
    for row in range(found.batch or 1):
        for place, name in enumerate(found.rows):
            if found.batch is None:
                yield (place,), name
            else:
                yield (row, place), f"{name}, row {row}"


def figure(found: Propagation) -> Figure:
    """Return the budgets as bars, the greatest share first; a panel for each output entry."""
    budget = found.first.budget
    assert budget is not None
    every = list(_places(found))
    shown, names = every[:_PANELS], list(found.columns)
    across = min(len(shown), 2)
    down = -(-len(shown) // across)
    count = min(len(names), shares.MOST)
    made = style.new_figure(5.2 * across, (1.2 + 0.24 * count) * down)
    for number, (at, name) in enumerate(shown, 1):
        axes = made.add_subplot(down, across, number)
        u = f"u = {rounded(3)(found.first.u[at])}"
        axes.set_title(f"{style.cut(name)}: {u}")
        shares.bars(axes, names, budget.percent[at], measure="percent of the variance")
    if len(every) > len(shown):
        text = f"{len(shown)} of {len(every):,} budgets are shown, the first ones."
        style.caption(made, [text])
    return made


def _tables(found: Propagation, digits: int) -> Iterator[Section]:
    number = rounded(digits)
    first = found.first
    lines = [
        [name, to_place(found.value[at], first.u[at], digits), number(first.u[at]),
         _or_dash(first.dof[at], number), number(found.k[at]), number(found.expanded[at])]
        for at, name in _places(found)
    ]  # fmt: skip
    yield Section("Outputs", ("output", "value", "u", "dof", "k", "U"), lines)
    yield from _budgets(found, number)
    yield from _correlation(found, number)
    second = found.second
    if second is not None:
        lines = [[name, number(second.value_shift[at]), _or_dash(second.u[at], number),
                  "yes" if second.valid[at] else "no"] for at, name in _places(found)]  # fmt: skip
        title = f"With second-order terms ({second.method})"
        yield Section(title, ("output", "value shift", "u", "valid"), lines)
    draws = found.monte_carlo
    if draws is not None:
        ends = (*draws.shortest, *draws.symmetric)
        lines = [
            [name, *(number(part[at]) for part in (draws.mean, draws.u, *ends)),
             "yes" if draws.validated[at] else "no"]
            for at, name in _places(found)
        ]  # fmt: skip
        header = ["output", "mean", "u", "shortest from", "to", "symmetric from", "to", "validated"]
        title = f"Monte Carlo, {draws.draws:,} draws, seed {draws.seed}"
        yield Section(f"{title}: {100 * found.coverage:g} % intervals", header, lines)


def _or_dash(value: float, number: Number) -> str:
    return "-" if math.isnan(value) else number(value)


def _budgets(found: Propagation, number: Number) -> Iterator[Section]:
    budget, inputs = found.first.budget, found.inputs
    if budget is None:
        return
    names, std, dof = list(found.columns), inputs.std, inputs.dof
    header = ("input", "value", "u", "dof", "sensitivity", "contribution", "percent")
    for at, name in _places(found):
        row = None if found.batch is None else at[0]
        value = np.concatenate([
            one.value if row is None or one.value.ndim == 1 else one.value[row]
            for one in inputs.inputs
        ])  # fmt: skip
        u = std if row is None or std.ndim == 1 else std[row]
        columns = (value, u, dof, *(part[at] for part in (budget.sensitivity, budget.contribution)))
        lines = [
            [label, *(number(column[place]) for column in columns),
             _or_dash(budget.percent[at][place], rounded(4))]
            for place, label in enumerate(names)
        ]  # fmt: skip
        yield Section(f"Budget of {name}", header, lines)


def _correlation(found: Propagation, number: Number) -> Iterator[Section]:
    matrix, names = found.first.correlation, list(found.rows)
    if matrix is None or not 2 <= len(names) <= _MATRIX:
        return
    for row in range(found.batch or 1):
        one = matrix if found.batch is None else matrix[row]
        lines = [[name, *(_or_dash(value, number) for value in line)]
                 for name, line in zip(names, one, strict=True)]  # fmt: skip
        where = "" if found.batch is None else f", row {row}"
        yield Section(f"Correlation{where}", ("", *names), lines)
