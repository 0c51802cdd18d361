"""A `Fit` for people: parameters with their intervals and correlations, and documents with tables.

Boundary: formats alone; what is computed was computed before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jaccli.choices import DRAWN
from jaccli.result.documents.document import DocumentContent, Section
from jaccli.result.documents.of_result import about, facts
from jaccli.result.documents.render import as_bytes
from jaccli.result.figures import heat_map, shares, style
from jaccli.result.figures.cells import cells
from jaccli.result.figures.color_scale import ColorScale
from jaccli.result.numerals import significant
from jaccli.result.result import ResultOrigin
from jaccli.uncertainty.fit import Fit
from jaccli.uncertainty.fit_files import rows
from jaccli.uncertainty.text_pieces import Number, rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BARS = 30
"""Parameters whose intervals are drawn at most."""
_MATRIX = 50
"""Parameters of which a document has the correlation."""
_DRAWN = 1000
"""Parameters whose correlation is drawn at most."""


def as_file(
    fit: Fit, origin: ResultOrigin, warnings: Sequence[str], digits: int, suffix: str
) -> bytes:
    """Return what a file of this suffix holds: the figure, or a document."""
    if suffix in DRAWN:
        return style.drawn(lambda: figure(fit), suffix, _alt(fit))
    found, number = fit.found, rounded(digits)
    sigma = "known" if fit.known else "estimated"
    said = [
        ("command", "covariance"),
        ("sigma", sigma),
        ("coverage", f"{fit.coverage:g}"),
        ("residuals", f"{fit.residuals:,}, {found.dof:,} degrees of freedom"),
        ("sum of squares", number(found.sum_of_squares)),
        ("rank", f"{found.rank} of {len(fit.labels)}"),
        ("condition", significant(found.condition, 3)),
    ]
    document = DocumentContent(
        f"Parameters {', '.join(fit.parameters)}",
        _tables(fit, number),
        about=about(origin),
        facts=[*said, *facts(fit.result)[1:]],
        warnings=warnings,
        figure=style.drawn(lambda: figure(fit), ".svg", _alt(fit)) if suffix == ".html" else None,
        alt=_alt(fit),
    )
    return as_bytes(document, suffix)


def _alt(fit: Fit) -> str:
    names = ", ".join(fit.parameters)
    return f"Estimates of {names} with {100 * fit.coverage:g} % intervals, and their correlation"


def figure(fit: Fit) -> Figure:
    """Return the parameters with their intervals, and the heat map of their correlation."""
    names = list(fit.labels)
    shown, count = names[:_BARS], len(names)
    both = 2 <= count <= _DRAWN
    height = 1.2 + 0.4 * len(shown)
    made = style.new_figure(11.0 if both else 5.6, max(height, 4.6 if both else 1.8))
    axes = made.add_subplot(1, 2 if both else 1, 1)
    half = fit.k * fit.found.standard_errors[: len(shown)]
    axes.set_title(f"estimates, {100 * fit.coverage:g} % intervals")
    shares.intervals(axes, shown, fit.value[: len(shown)], half, what="estimate")
    if both:
        beside = made.add_subplot(1, 2, 2)
        beside.set_title("correlation", pad=8)
        picture = cells(fit.found.correlation(), 256)
        heat_map.draw(beside, picture, ColorScale(1.0), fit.labels, fit.labels,
                      measure="correlation coefficient", room=(20, 20))  # fmt: skip
    if count > len(shown):
        style.caption(made, [f"{len(shown)} of {count:,} intervals are shown, the first ones."])
    return made


def _tables(fit: Fit, number: Number) -> Iterator[Section]:
    header, *lines = rows(fit, number)
    count, names = len(fit.labels), list(fit.labels)
    yield Section("Parameters", [name.replace("_", " ") for name in header], lines[:count])
    if lines[count:]:
        kept = [[*line[:3], *line[5:]] for line in lines[count:]]
        yield Section("Predictions", ("output", "value", "standard error", "low", "high"), kept)
    if 2 <= count <= _MATRIX:
        cells_of = [[name, *("-" if math.isnan(value) else number(value) for value in line)]
                    for name, line in zip(names, fit.found.correlation(), strict=True)]  # fmt: skip
        yield Section("Correlation", ("", *names), cells_of)
