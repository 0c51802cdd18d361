"""Reports as text, and as plain data for JSON.

A statement is a `Line`, with both forms; a new one is one line of `_lines`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from jaccli import backend
from jaccli.analyze import classify, render_equilibrium, vectors
from jaccli.analyze.classify import Inertia
from jaccli.analyze.problem import SpectralProblem, SpectrumReport, is_sparse
from jaccli.analyze.render_equilibrium import Line
from jaccli.analyze.spectrum import Array, Spectra, SpectralEstimate, Spectrum
from jaccli.result.numerals import significant
from jaccli.result.render.columns import columns

Number = Callable[[float], str]
_ENDS = 5
"""Maximum number of values of each end in a table."""
_MAX_NULL = 5
"""Maximum number of directions of the null space."""
_UNSEEN = "as far as the values found tell"


def as_text(report: SpectrumReport, *, digits: int | None, top: int | None) -> str:
    """Return a report for people: to `digits`, without the middle of the table; in full if None."""
    number: Number = (lambda v: repr(float(v))) if digits is None else _rounded(digits)
    lines = [line for line in _lines(report, number) if line.text]
    width = max(len(line.name) for line in lines)
    head = [f"{line.name.ljust(width)}  {line.text}" for line in lines]
    tables = [_table(report, number, top, cut=digits is not None)]
    if report.eigenvalues and report.problem.batch is None:
        rows = render_equilibrium.table(report, number, top)
        shown = _cut(rows[1:], len(rows) if digits is None else 2 * _ENDS)
        tables.insert(0, _left_aligned([rows[0], *shown], 4))
    return "\n".join([*head, *map(columns, tables)])


def as_json(report: SpectrumReport, top: int | None) -> dict[str, Any]:
    """Return a report as plain data, with texts for numbers that are not finite."""
    data = {"schema": 1, "command": "analyze"}
    data |= {line.key: line.value for line in _lines(report, repr) if line.key}
    if report.eigenvalues and report.problem.batch is None:
        data["eigenvalues"] = render_equilibrium.records(report, top)
    data |= {_key(report): list(_records(report, top)), "versions": backend.versions()}
    plain: dict[str, Any] = _json_value(data)
    return plain


def _rounded(digits: int) -> Number:
    return lambda value: significant(float(value), digits)


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


# Statements


def _lines(report: SpectrumReport, number: Number) -> Iterator[Line]:
    """Yield the statements about a problem as a whole."""
    problem, spectrum = report.problem, report.spectrum
    count, width = problem.shape
    kind = str(problem.matrix.dtype)
    of = f"{problem.output}: " if problem.output else ""
    batch = f"{problem.batch} of " if problem.batch is not None else ""
    yield Line(problem.of, f"{of}{batch}{count} x {width}, {kind}, {problem.name}", "source",
               problem.name)  # fmt: skip
    yield Line("", "", "of", problem.of)
    yield Line("", "", "output", problem.output or None)
    yield Line("", "", "shape", [count, width])
    yield Line("", "", "batch", problem.batch)
    yield Line("", "", "dtype", kind)
    if isinstance(spectrum, Spectra):
        zero = f"values up to {significant(spectrum.rtol, 3)} of the row's greatest are zero"
        yield Line("method", "LAPACK", "method", "lapack")
        yield Line("tolerance", zero, "rtol", spectrum.rtol)
        if report.system is not None:
            yield Line("system", report.system, "system", report.system)
        return
    products = spectrum.products
    formed = "sparse" if is_sparse(problem.matrix) else "never formed"
    how = "LAPACK" if products is None else f"Lanczos, {products} products, {formed}"
    yield Line("method", how, "method", "lapack" if products is None else "lanczos")
    yield Line("", "", "products", products)
    if problem.of == "hessian":
        yield from _point_lines(report, spectrum, number)
        yield from _definiteness_lines(spectrum)
    else:
        yield from render_equilibrium.equilibrium_lines(report)
        yield from _rank_lines(problem, spectrum)
    yield from _condition(spectrum, number)
    if spectrum.determinant is not None:
        determinant = spectrum.determinant
        yield Line("determinant", number(determinant), "determinant", determinant)
    if spectrum.trace is not None:
        yield _estimate("trace", "trace", spectrum.trace, number)
    yield _estimate("Frobenius norm", "frobenius_norm", spectrum.frobenius, number)
    yield from render_equilibrium.eigenvalue_lines(report, number)
    yield Line("", "", "zero", {"rtol": spectrum.rtol, "tolerance": spectrum.zero})


def _point_lines(report: SpectrumReport, spectrum: Spectrum, number: Number) -> Iterator[Line]:
    """Yield the kind of the point, if the gradient is known."""
    slope, gtol = report.slope, report.gtol
    if slope is None or gtol is None:
        yield Line("", "", "kind", None)
        return
    stationary = bool(slope <= gtol)
    kind = classify.kind(spectrum, stationary)
    text = (
        kind.statement
        or "stationary; which kind is not known: an end of the spectrum has not converged"
    )
    if kind.statement == classify.DEGENERATE:
        zeros = classify.inertia(spectrum).zero
        text += f": cannot tell, {_counted(zeros, 'zero eigenvalue')}"
        if not spectrum.complete:
            text += " among those found"
    elif kind.statement and not kind.proven:
        text += f", {_UNSEEN}"
    yield Line("point", text, "kind", kind.statement)
    yield Line("", "", "kind_proven", kind.proven)
    relation = "at most" if stationary else "more than"
    norm = f"{number(float(slope))} ({relation} {significant(float(gtol), 3)})"
    yield Line("gradient norm", norm, "gradient_norm", float(slope))
    yield Line("", "", "gtol", float(gtol))


def _definiteness_lines(spectrum: Spectrum) -> Iterator[Line]:
    statement, proven = classify.definiteness(spectrum)
    text = statement or "not known: an end of the spectrum has not converged"
    yield Line("definiteness", text if proven or not statement else f"{text}, {_UNSEEN}",
               "definiteness", statement)  # fmt: skip
    yield Line("", "", "definiteness_proven", proven)
    inertia = classify.inertia(spectrum)
    which = "" if spectrum.complete else f"of the {len(spectrum.values)} looked for: "
    zeros = "zero" if spectrum.complete else "that may be zero"
    counts = f"{inertia.positive} positive, {inertia.negative} negative, {inertia.zero} {zeros}"
    zero = significant(spectrum.zero, 3)
    yield Line("inertia", f"{which}{counts} (zero: up to {zero})", "inertia",
               inertia._asdict() if spectrum.complete else None)  # fmt: skip


def _rank_lines(problem: SpectralProblem, spectrum: Spectrum) -> Iterator[Line]:
    width = problem.shape[1]
    rank = classify.rank(spectrum)
    text = f"{'' if rank.is_exact else 'at least '}{rank.at_least} of {spectrum.total}"
    text += "" if rank.proven else f", {_UNSEEN}"
    yield Line("rank", f"{text} (zero: up to {significant(spectrum.zero, 3)})", "rank",
               rank.at_least if rank.is_exact else None)  # fmt: skip
    yield Line("", "", "rank_at_least", rank.at_least)
    nullity = width - rank.at_least
    nullity_text = f"{'' if rank.is_exact else 'at most '}{_counted(nullity, 'dimension')}"
    basis, _ = vectors.orient(_basis(spectrum), None)
    shown = [vectors.text(vector, problem.columns) for vector in basis[:_MAX_NULL]]
    shown += ["..."] * bool(shown and nullity > len(shown))
    yield Line("null space", "\n  ".join([nullity_text, *shown]), "nullity",
               nullity if rank.is_exact else None)  # fmt: skip
    directions = [vectors.as_json(vector, problem.columns) for vector in basis[:_MAX_NULL]]
    yield Line("", "", "null_space", directions)


def _basis(spectrum: Spectrum) -> Array:
    if spectrum.null_space is not None:
        return spectrum.null_space
    return spectrum.right[(spectrum.values <= spectrum.zero) & spectrum.converged]


def _condition(spectrum: Spectrum, number: Number) -> Iterator[Line]:
    value = classify.condition(spectrum)
    if value is None:
        text = "not known: it takes the smallest value"
    else:
        text = f"{'' if spectrum.complete else 'at least '}{number(value)}"
    yield Line("condition", text, "condition", value if spectrum.complete else None)
    yield Line("", "", "condition_at_least", value)


def _estimate(name: str, key: str, estimate: SpectralEstimate, number: Number) -> Line:
    data = {"value": estimate.value, "standard_error": estimate.error}
    if estimate.error is None:
        return Line(name, number(estimate.value), key, data)
    error = significant(estimate.error, 2)
    return Line(name, f"{number(estimate.value)} +- {error} (standard error)", key, data)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


# Values


def _key(report: SpectrumReport) -> str:
    if isinstance(report.spectrum, Spectra):
        return "rows"
    return "eigenvalues" if report.problem.of == "hessian" else "singular_values"


def _table(
    report: SpectrumReport, number: Number, top: int | None, *, cut: bool
) -> list[list[str]]:
    """Return the table of values: eigenpairs or triplets, or a row for each of a batch."""
    if isinstance(report.spectrum, Spectra):
        rows = [_batch_cells(report, row, number) for row in _batch(report)]
        header = [name for name in _BATCH[report.problem.of] if name in rows[0]]
        body = [[row[name] for name in header] for row in rows]
        return [header, *_cut(body, len(body) if not cut else 2 * _ENDS)]
    problem, spectrum = report.problem, report.spectrum
    header = (
        ["eigenvalue", "residual", "direction"]
        if problem.of == "hessian"
        else ["singular value", "residual", "input direction", "output direction"]
    )
    indices = _shown_indices(report, top)
    right, left = vectors.orient(
        spectrum.right[indices], None if spectrum.left is None else spectrum.left[indices]
    )
    body = []
    for row, index in enumerate(indices):
        value = number(spectrum.values[index]) if spectrum.converged[index] else "not converged"
        cells = [value, significant(float(spectrum.residuals[index]), 2)]
        cells.append(vectors.text(right[row], problem.columns))
        if left is not None:
            cells.append(vectors.text(left[row], problem.rows))
        body.append(cells)
    rows_ = [header, *_cut(body, len(body) if not cut else 2 * _ENDS)]
    return _left_aligned(rows_, 2)


def _left_aligned(rows: list[list[str]], first: int) -> list[list[str]]:
    """Pad the cells of the columns from `first` on, which aligns them left."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return [
        [cell.ljust(widths[c]) if c >= first else cell for c, cell in enumerate(row)]
        for row in rows
    ]


def _cut(rows: list[list[str]], max_rows: int) -> list[list[str]]:
    """Return at most `max_rows` rows, without the middle."""
    if len(rows) <= max_rows:
        return rows
    half = max_rows // 2
    return [*rows[:half], ["..."] + [""] * (len(rows[0]) - 1), *rows[-half:]]


def _shown_indices(report: SpectrumReport, top: int | None) -> Sequence[int]:
    """Return the indices of the values to show: all, or `top` of a Jacobian or of each end."""
    spectrum = report.spectrum
    count = spectrum.values.shape[-1]
    found_by_top = isinstance(spectrum, Spectrum) and not spectrum.complete
    if top is None or found_by_top:
        return range(count)
    if report.problem.of == "jacobian":
        return range(min(top, count))
    return range(count) if 2 * top >= count else [*range(top), *range(count - top, count)]


def _records(report: SpectrumReport, top: int | None) -> Iterator[dict[str, Any]]:
    """Yield the values as plain data."""
    indices = _shown_indices(report, top)
    if isinstance(report.spectrum, Spectra):
        for one in _batch(report):
            values = _batch_record(one, indices, report.problem.of)
            yield values | render_equilibrium.batch_record(report, one.row)
        return
    problem, spectrum = report.problem, report.spectrum
    right, left = vectors.orient(
        spectrum.right[indices], None if spectrum.left is None else spectrum.left[indices]
    )
    for row, index in enumerate(indices):
        converged = bool(spectrum.converged[index])
        record: dict[str, Any] = {
            "value": float(spectrum.values[index]) if converged else None,
            "residual": float(spectrum.residuals[index]),
            "converged": converged,
            "direction": vectors.as_json(right[row], problem.columns),
        }
        if left is not None:
            record["output_direction"] = vectors.as_json(left[row], problem.rows)
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
        "abscissa", "radius", "equilibrium",
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
    return cells | render_equilibrium.batch_cells(report, row.row, number)


def _batch_record(row: _Row, indices: Sequence[int], of: str) -> dict[str, Any]:
    """Return one row as plain data."""
    record: dict[str, Any] = {
        "values": row.values[indices].tolist(),
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
