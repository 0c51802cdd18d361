"""Reports as text, and as plain data for JSON.

A statement is a `Line`, which has both; a new one is one line of `_lines`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jaccli import backend
from jaccli.analyze import classify, vectors
from jaccli.analyze.classify import Inertia
from jaccli.analyze.problem import SpectralProblem, SpectrumReport
from jaccli.analyze.spectrum import Array, Spectra, SpectralEstimate, Spectrum
from jaccli.result.numerals import significant
from jaccli.result.render.columns import columns

Number = Callable[[float], str]
_ENDS = 5
"""Values of each end that a table shows at most."""
_NULL = 5
"""Directions of the null space that are shown at most."""
_UNSEEN = "as far as the values found tell"


class Line(NamedTuple):
    """A statement: its name and text for people, its key and value for JSON."""

    name: str
    text: str
    key: str
    value: Any


def as_text(report: SpectrumReport, *, digits: int | None, top: int | None) -> str:
    """Return a report for people: to `digits`, the middle left out; or in full with None."""
    number: Number = (lambda v: repr(float(v))) if digits is None else _rounded(digits)
    lines = [line for line in _lines(report, number) if line.text]
    width = max(len(line.name) for line in lines)
    head = [f"{line.name.ljust(width)}  {line.text}" for line in lines]
    return "\n".join([*head, columns(_table(report, number, top, cut=digits is not None))])


def as_json(report: SpectrumReport, top: int | None) -> dict[str, Any]:
    """Return a report as plain data; what is not finite as JSON's results spell it."""
    found = {"schema": 1, "command": "analyze"}
    found |= {line.key: line.value for line in _lines(report, repr)}
    found |= {_key(report): list(_records(report, top)), "versions": backend.versions()}
    spelled: dict[str, Any] = _spelled(found)
    return spelled


def _rounded(digits: int) -> Number:
    return lambda value: significant(float(value), digits)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


# Statements


def _lines(report: SpectrumReport, number: Number) -> Iterator[Line]:
    """Yield what is said of a subject as a whole."""
    subject, spectrum = report.subject, report.spectrum
    count, width = subject.shape
    kind = str(subject.matrix.dtype)
    of = f"{subject.output}: " if subject.output else ""
    batch = f"{subject.batch} of " if subject.batch is not None else ""
    yield Line(subject.of, f"{of}{batch}{count} x {width}, {kind}, {subject.name}", "source",
               subject.name)  # fmt: skip
    yield Line("", "", "of", subject.of)
    yield Line("", "", "output", subject.output or None)
    yield Line("", "", "shape", [count, width])
    yield Line("", "", "batch", subject.batch)
    yield Line("", "", "dtype", kind)
    if isinstance(spectrum, Spectra):
        zero = f"values up to {significant(spectrum.rtol, 3)} of the row's greatest are zero"
        yield Line("method", "LAPACK", "method", "lapack")
        yield Line("tolerance", zero, "rtol", spectrum.rtol)
        return
    products = spectrum.products
    how = "LAPACK" if products is None else f"Lanczos, {products} products, never formed"
    yield Line("method", how, "method", "lapack" if products is None else "lanczos")
    yield Line("", "", "products", products)
    if subject.of == "hessian":
        yield from _point(report, spectrum, number)
        yield from _definite(spectrum)
    else:
        yield from _ranked(subject, spectrum)
    yield from _condition(spectrum, number)
    if spectrum.determinant is not None:
        determinant = spectrum.determinant
        yield Line("determinant", number(determinant), "determinant", determinant)
    if spectrum.trace is not None:
        yield _estimate("trace", "trace", spectrum.trace, number)
    yield _estimate("Frobenius norm", "frobenius_norm", spectrum.frobenius, number)
    yield Line("", "", "zero", {"rtol": spectrum.rtol, "tolerance": spectrum.zero})


def _point(report: SpectrumReport, spectrum: Spectrum, number: Number) -> Iterator[Line]:
    """Yield what kind of point it is, where the gradient is known."""
    slope, gtol = report.slope, report.gtol
    if slope is None or gtol is None:
        yield Line("", "", "kind", None)
        return
    stationary = bool(slope <= gtol)
    found = classify.kind(spectrum, stationary)
    text = (
        found.said
        or "stationary; which kind is not known: an end of the spectrum has not converged"
    )
    if found.said == classify.DEGENERATE:
        zeros = classify.inertia(spectrum).zero
        text += f": cannot tell, {_counted(zeros, 'zero eigenvalue')}"
        if not spectrum.complete:
            text += " among those found"
    elif found.said and not found.proven:
        text += f", {_UNSEEN}"
    yield Line("point", text, "kind", found.said)
    yield Line("", "", "kind_proven", found.proven)
    relation = "at most" if stationary else "more than"
    norm = f"{number(float(slope))} ({relation} {significant(float(gtol), 3)})"
    yield Line("gradient norm", norm, "gradient_norm", float(slope))
    yield Line("", "", "gtol", float(gtol))


def _definite(spectrum: Spectrum) -> Iterator[Line]:
    said, proven = classify.definiteness(spectrum)
    text = said or "not known: an end of the spectrum has not converged"
    yield Line("definiteness", text if proven or not said else f"{text}, {_UNSEEN}",
               "definiteness", said)  # fmt: skip
    yield Line("", "", "definiteness_proven", proven)
    found = classify.inertia(spectrum)
    which = "" if spectrum.complete else f"of the {len(spectrum.values)} looked for: "
    zeros = "zero" if spectrum.complete else "that may be zero"
    counts = f"{found.positive} positive, {found.negative} negative, {found.zero} {zeros}"
    zero = significant(spectrum.zero, 3)
    yield Line("inertia", f"{which}{counts} (zero: up to {zero})", "inertia",
               found._asdict() if spectrum.complete else None)  # fmt: skip


def _ranked(subject: SpectralProblem, spectrum: Spectrum) -> Iterator[Line]:
    width = subject.shape[1]
    rank = classify.rank(spectrum)
    text = f"{'' if rank.known else 'at least '}{rank.least} of {spectrum.total}"
    text += "" if rank.proven else f", {_UNSEEN}"
    yield Line("rank", f"{text} (zero: up to {significant(spectrum.zero, 3)})", "rank",
               rank.least if rank.known else None)  # fmt: skip
    yield Line("", "", "rank_at_least", rank.least)
    nullity = width - rank.least
    many = f"{'' if rank.known else 'at most '}{_counted(nullity, 'dimension')}"
    basis, _ = vectors.orient(_basis(spectrum), None)
    shown = [vectors.text(vector, subject.columns) for vector in basis[:_NULL]]
    shown += ["..."] * bool(shown and nullity > len(shown))
    yield Line("null space", "\n  ".join([many, *shown]), "nullity",
               nullity if rank.known else None)  # fmt: skip
    found = [vectors.as_json(vector, subject.columns) for vector in basis[:_NULL]]
    yield Line("", "", "null_space", found)


def _basis(spectrum: Spectrum) -> Array:
    if spectrum.null_space is not None:
        return spectrum.null_space
    return spectrum.right[(spectrum.values <= spectrum.zero) & spectrum.converged]


def _condition(spectrum: Spectrum, number: Number) -> Iterator[Line]:
    found = classify.condition(spectrum)
    if found is None:
        text = "not known: it takes the smallest value"
    else:
        text = f"{'' if spectrum.complete else 'at least '}{number(found)}"
    yield Line("condition", text, "condition", found if spectrum.complete else None)
    yield Line("", "", "condition_at_least", found)


def _estimate(name: str, key: str, found: SpectralEstimate, number: Number) -> Line:
    value = {"value": found.value, "standard_error": found.error}
    if found.error is None:
        return Line(name, number(found.value), key, value)
    error = significant(found.error, 2)
    return Line(name, f"{number(found.value)} +- {error} (standard error)", key, value)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


# Values


def _key(report: SpectrumReport) -> str:
    if isinstance(report.spectrum, Spectra):
        return "rows"
    return "eigenvalues" if report.subject.of == "hessian" else "singular_values"


def _table(
    report: SpectrumReport, number: Number, top: int | None, *, cut: bool
) -> list[list[str]]:
    """Return the table of values: eigenpairs or triplets, or a row for each of a batch."""
    if isinstance(report.spectrum, Spectra):
        rows = [_batch_cells(report, row, number) for row in _batch(report)]
        header = [name for name in _BATCH[report.subject.of] if name in rows[0]]
        body = [[row[name] for name in header] for row in rows]
        return [header, *_cut(body, len(body) if not cut else 2 * _ENDS)]
    subject, spectrum = report.subject, report.spectrum
    header = (
        ["eigenvalue", "residual", "direction"]
        if subject.of == "hessian"
        else ["singular value", "residual", "input direction", "output direction"]
    )
    places = _places(report, top)
    right, left = vectors.orient(
        spectrum.right[places], None if spectrum.left is None else spectrum.left[places]
    )
    body = []
    for row, place in enumerate(places):
        value = number(spectrum.values[place]) if spectrum.converged[place] else "not converged"
        cells = [value, significant(float(spectrum.residuals[place]), 2)]
        cells.append(vectors.text(right[row], subject.columns))
        if left is not None:
            cells.append(vectors.text(left[row], subject.rows))
        body.append(cells)
    rows_ = [header, *_cut(body, len(body) if not cut else 2 * _ENDS)]
    return _left(rows_, 2)


def _left(rows: list[list[str]], first: int) -> list[list[str]]:
    """Pad the columns from `first` on, so that they stand to the left."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return [
        [cell.ljust(widths[c]) if c >= first else cell for c, cell in enumerate(row)]
        for row in rows
    ]


def _cut(rows: list[list[str]], most: int) -> list[list[str]]:
    """Leave out the middle of more than `most` rows."""
    if len(rows) <= most:
        return rows
    half = most // 2
    return [*rows[:half], ["..."] + [""] * (len(rows[0]) - 1), *rows[-half:]]


def _places(report: SpectrumReport, top: int | None) -> Sequence[int]:
    """Return which values are shown: all, or the `top` of a Jacobian, or of each end."""
    spectrum = report.spectrum
    count = spectrum.values.shape[-1]
    found_by_top = isinstance(spectrum, Spectrum) and not spectrum.complete
    if top is None or found_by_top:
        return range(count)
    if report.subject.of == "jacobian":
        return range(min(top, count))
    return range(count) if 2 * top >= count else [*range(top), *range(count - top, count)]


def _records(report: SpectrumReport, top: int | None) -> Iterator[dict[str, Any]]:
    """Yield the values as plain data."""
    places = _places(report, top)
    if isinstance(report.spectrum, Spectra):
        yield from (_batch_record(row, places, report.subject.of) for row in _batch(report))
        return
    subject, spectrum = report.subject, report.spectrum
    right, left = vectors.orient(
        spectrum.right[places], None if spectrum.left is None else spectrum.left[places]
    )
    for row, place in enumerate(places):
        converged = bool(spectrum.converged[place])
        record: dict[str, Any] = {
            "value": float(spectrum.values[place]) if converged else None,
            "residual": float(spectrum.residuals[place]),
            "converged": converged,
            "direction": vectors.as_json(right[row], subject.columns),
        }
        if left is not None:
            record["output_direction"] = vectors.as_json(left[row], subject.rows)
        yield record


# Batches


class _Row(NamedTuple):
    """One matrix of a batch."""

    row: int
    values: Array
    residual: float
    zero: float
    frobenius: float
    trace: float | None
    determinant: float | None
    slope: float | None
    gtol: float | None

    @property
    def inertia(self) -> Inertia:
        return Inertia.of(self.values, self.zero)

    @property
    def kind(self) -> str | None:
        if self.slope is None or self.gtol is None:
            return None
        return self.inertia.kind if self.slope <= self.gtol else classify.NOT_STATIONARY


_BATCH = {
    "hessian": (
        "row", "smallest", "greatest", "inertia +/-/0", "condition", "trace", "residual",
        "gradient norm", "point",
    ),
    "jacobian": (
        "row", "greatest", "smallest", "rank", "condition", "determinant", "residual",
    ),
}  # fmt: skip
"""The columns of a batch's table; those that do not apply are left out."""


def _batch(report: SpectrumReport) -> Iterator[_Row]:
    spectra = report.spectrum
    assert isinstance(spectra, Spectra)
    slope, gtol = report.slope, report.gtol

    def at(values: Array | None, row: int) -> float | None:
        return None if values is None else float(values[row])

    for row, values in enumerate(spectra.values):
        yield _Row(
            row,
            values,
            float(spectra.residuals[row]),
            float(spectra.zero[row]),
            float(spectra.frobenius[row]),
            at(spectra.trace, row),
            at(spectra.determinant, row),
            at(slope, row),
            at(gtol, row),
        )


def _batch_cells(report: SpectrumReport, row: _Row, number: Number) -> dict[str, str]:
    """Return the cells of one row by column."""
    cells = {
        "row": str(row.row),
        "smallest": number(float(row.values.min())),
        "greatest": number(float(row.values.max())),
        "rank": str(row.inertia.positive),
        "inertia +/-/0": "/".join(map(str, row.inertia)),
        "condition": number(classify.ratio(row.values)),
        "residual": significant(row.residual, 2),
    }
    for name, value in (("trace", row.trace), ("determinant", row.determinant)):
        if value is not None:
            cells[name] = number(value)
    if row.slope is not None and row.kind is not None:
        cells |= {"gradient norm": number(row.slope), "point": row.kind}
    return cells


def _batch_record(row: _Row, places: Sequence[int], of: str) -> dict[str, Any]:
    """Return one row as plain data."""
    record: dict[str, Any] = {
        "values": row.values[places].tolist(),
        "residual": row.residual,
        "zero": row.zero,
        "condition": classify.ratio(row.values),
        "frobenius_norm": row.frobenius,
    }
    if of == "jacobian":
        record |= {"rank": row.inertia.positive, "determinant": row.determinant}
        return record
    return record | {
        "inertia": row.inertia._asdict(),
        "definiteness": row.inertia.definiteness,
        "trace": row.trace,
        "gradient_norm": row.slope,
        "gtol": row.gtol,
        "kind": row.kind,
    }
