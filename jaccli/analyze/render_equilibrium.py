"""Eigenvalues and equilibria as text, and as plain data for JSON.

Boundary: plain data; computes nothing but the kind of an equilibrium.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from jaccli.analyze import vectors
from jaccli.analyze.eigenvalues import CONTINUOUS, Eigenvalues
from jaccli.analyze.equilibrium import Equilibrium, equilibrium, number
from jaccli.analyze.problem import SpectrumReport
from jaccli.errors import listed
from jaccli.result.numerals import significant

_MAX_MULTIPLE = 5
"""Maximum number of multiple eigenvalues that a text names."""


class Line(NamedTuple):
    """A statement: its name and text for people, its key and value for JSON."""

    name: str
    text: str
    key: str
    value: Any


def equilibrium_lines(report: SpectrumReport) -> Iterator[Line]:
    """Yield what the eigenvalues say of the point, if it is known which system it is of."""
    if report.system is None:
        return
    (found,) = report.eigenvalues
    kind = equilibrium(found, report.system)
    yield Line("equilibrium", kind.text, "kind", kind.kind)
    yield Line("", "", "classification", kind.text)
    yield Line("", "", "system", report.system)
    for key, value in _facts(kind).items():
        yield Line("", "", key, value)
    yield Line("dimensions", _dimensions(kind, found), "", None)
    residual = residual_of(report, 0)
    if residual is not None:
        state = "an equilibrium" if residual.is_zero else "NOT an equilibrium"
        text = f"{significant(residual.size, 3)} at {residual.where}: {state}"
        yield Line("residual", text, "equilibrium_residual", residual.data())


def eigenvalue_lines(report: SpectrumReport, digits: Callable[[float], str]) -> Iterator[Line]:
    """Yield the statements about the eigenvalues of a square Jacobian as a whole."""
    if not report.eigenvalues:
        return
    (found,) = report.eigenvalues
    system = report.system or CONTINUOUS
    parts = [] if found.complete else [f"{len(found.values)} of {found.total}"]
    for key, sort in (("spectral_abscissa", CONTINUOUS), ("spectral_radius", "discrete")):
        # Of some eigenvalues, only what they were sought for.
        known = found.complete or sort == system
        value, bound = found.extreme(sort) if known else (None, None)
        if value is not None and bound is not None:
            parts.append(f"{key.replace('_', ' ')} {digits(value)} +- {significant(bound, 2)}")
        yield Line("", "", key, value)
        yield Line("", "", f"{key}_error_bound", bound)
    yield Line("eigenvalues", f"{found.method}; {', '.join(parts)}", "eigenvalue_method",
               found.method)  # fmt: skip
    yield Line("", "", "eigenvalues_computed", len(found.values))
    yield Line("", "", "frontier", None if found.complete else found.frontier)
    yield Line("eigenvectors", _eigenvectors(found), "eigenvector_condition",
               found.basis_condition)  # fmt: skip
    yield Line("", "", "defective", found.defective)
    yield Line("", "", "nearly_defective", found.nearly_defective)
    yield Line("", "", "multiplicities", [
        {"re": cluster.value.real, "im": cluster.value.imag, "algebraic": cluster.algebraic,
         "geometric": cluster.geometric, "defective": cluster.defective}
        for cluster in found.clusters
    ])  # fmt: skip
    yield Line("non-normality", _non_normality(found, system), "departure", found.departure)
    growth = "numerical_abscissa" if system == CONTINUOUS else "norm"
    yield Line("", "", growth, found.growth)


def _facts(kind: Equilibrium) -> dict[str, Any]:
    return {
        "stable": kind.stable,
        "verified": kind.verified,
        "hyperbolic": kind.hyperbolic,
        "stable_dimension": kind.stable_dimension,
        "unstable_dimension": kind.unstable_dimension,
        "center_dimension": kind.center_dimension,
        "node": kind.node,
    }


def _dimensions(kind: Equilibrium, found: Eigenvalues) -> str:
    unstable, stable = kind.unstable_dimension, kind.stable_dimension
    parts = [
        "unstable not known" if unstable is None else f"{unstable} unstable",
        "stable not known" if stable is None else f"{stable} stable",
    ]
    if kind.center_dimension:
        parts.append(f"{kind.center_dimension} undecided")
    word = {True: "hyperbolic", False: "not hyperbolic", None: "hyperbolic or not is not known"}
    return f"{', '.join(parts)} (of {found.total}); {word[kind.hyperbolic]}"


def _eigenvectors(found: Eigenvalues) -> str:
    """Return whether there is a basis of eigenvectors, and how well it is conditioned."""
    condition = found.basis_condition
    text = "condition of their basis not known" if condition is None else (
        f"condition of their basis {significant(condition, 3)}"
    )  # fmt: skip
    multiple = [
        f"{number(cluster.value, 6)} (algebraic multiplicity {cluster.algebraic}"
        + (f", geometric {cluster.geometric})" if cluster.geometric else ")")
        for cluster in found.clusters
        if cluster.value.imag >= 0
    ]
    if found.defective:
        text = f"defective, no basis: {text}"
    elif found.nearly_defective:
        change = significant(found.norm / float(found.conditions.max()), 2)
        text = f"nearly defective, a change of {change} makes it so: {text}"
    if multiple:
        more = len(multiple) - _MAX_MULTIPLE
        shown = multiple[:_MAX_MULTIPLE] + [f"{more} more"] * (more > 0)
        text += f"; to rounding equal: {listed(shown)}"
    return text


def _non_normality(found: Eigenvalues, system: str) -> str:
    """Return the departure from normality, and whether perturbations grow before they decay."""
    if found.departure is None:
        return ""
    text = "0: a normal matrix" if not found.departure and not found.departure_is_bound else (
        f"departure {'at least ' if found.departure_is_bound else ''}"
        f"{significant(found.departure, 3)}"
    )  # fmt: skip
    border = 0 if system == CONTINUOUS else 1
    extreme, _ = found.extreme(system)
    if found.growth is not None and extreme < border < found.growth:
        what = "numerical abscissa" if system == CONTINUOUS else "norm"
        text += f"; perturbations may grow at first ({what} {significant(found.growth, 3)})"
    return text


# The point


class Residual(NamedTuple):
    """The entry of `f(x)` (or `f(x) − x`) that is farthest from 0, for what it may be."""

    size: float
    tolerance: float
    where: str

    @property
    def is_zero(self) -> bool:
        """Whether the point is an equilibrium, as far as this entry says."""
        return self.size <= self.tolerance

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"size": self.size, "at": self.where, "tolerance": self.tolerance,
                "is_equilibrium": self.is_zero}  # fmt: skip


def residual_of(report: SpectrumReport, row: int) -> Residual | None:
    """Return how far the point, of a batch one row, is from an equilibrium; None if unknown."""
    problem = report.problem
    if problem.drift is None or problem.drift_tolerance is None:
        return None
    drift = np.abs(np.atleast_2d(problem.drift).astype(float))[row]
    allowed = np.atleast_2d(problem.drift_tolerance)[row]
    excess = drift - allowed
    # Of an equilibrium the greatest entry, of others the one that is least allowed.
    index = int(np.argmax(drift if excess.max() <= 0 else excess))
    return Residual(float(drift[index]), float(allowed[index]), problem.rows[index])


def warnings_of(report: SpectrumReport) -> Iterator[str]:
    """Yield what may be wrong: a point that is no equilibrium, eigenvalues not computed."""
    if report.system is None:
        return
    what = "f(x)" if report.system == CONTINUOUS else "f(x) - x"
    count = 1 if report.problem.batch is None else report.problem.batch
    residuals = ((row, residual_of(report, row)) for row in range(count))
    wrong = [(row, found) for row, found in residuals if found is not None and not found.is_zero]
    if wrong:
        row, worst = wrong[0]
        place = f"{len(wrong)} of {count} rows, such as row {row}: " if count > 1 else ""
        yield (
            f"{report.problem.name}: {place}not an equilibrium: {what} is "
            f"{significant(worst.size, 3)} at {worst.where}, more than "
            f"{significant(worst.tolerance, 2)}; the kind is that of the linearization there."
        )
    for values in report.eigenvalues:
        if not values.complete and not equilibrium(values, report.system).verified:
            hint = "" if values.method != "Arnoldi" or report.system != CONTINUOUS else (
                " --mode sparse searches with shift-invert."
            )  # fmt: skip
            yield (
                f"{report.problem.name}: only {len(values.values)} of {values.total} eigenvalues "
                f"were computed, and others may decide.{hint}"
            )


# Values


def table(
    report: SpectrumReport, digits: Callable[[float], str], top: int | None
) -> list[list[str]]:
    """Return the table of eigenvalues."""
    (found,) = report.eigenvalues
    rows = [["eigenvalue", "residual", "error bound", "condition", "direction"]]
    for index in range(_shown(found, top)):
        value = complex(found.values[index])
        text = digits(value.real)
        if value.imag:
            text += f" {'-' if value.imag < 0 else '+'} {digits(abs(value.imag))}i"
        rows.append([
            text if found.converged[index] else "not converged",
            significant(float(found.residuals[index]), 2),
            significant(float(found.bounds[index]), 2),
            significant(float(found.conditions[index]), 3),
            vectors.complex_text(found.right[index], report.problem.columns),
        ])  # fmt: skip
    return rows


def records(report: SpectrumReport, top: int | None) -> list[dict[str, Any]]:
    """Return the eigenvalues as plain data."""
    (found,) = report.eigenvalues
    return [
        {
            "re": float(found.values[index].real),
            "im": float(found.values[index].imag),
            "residual": float(found.residuals[index]),
            "condition": float(found.conditions[index]),
            "error_bound": float(found.bounds[index]),
            "converged": bool(found.converged[index]),
            "direction": vectors.complex_json(found.right[index], report.problem.columns),
        }
        for index in range(_shown(found, top))
    ]


def _shown(found: Eigenvalues, top: int | None) -> int:
    return len(found.values) if top is None else min(top, len(found.values))


# Batches


def batch_cells(report: SpectrumReport, row: int, digits: Callable[[float], str]) -> dict[str, str]:
    """Return the cells of one row of a batch by column."""
    if report.extremes is not None:
        abscissa, radius = (float(part[row]) for part in report.extremes)
        return {"abscissa": digits(abscissa), "radius": digits(radius)}
    if not report.eigenvalues or report.system is None:
        return {}
    found = report.eigenvalues[row]
    values = {name: found.extreme(system)[0]
              for name, system in (("abscissa", CONTINUOUS), ("radius", "discrete"))}  # fmt: skip
    kind = equilibrium(found, report.system)
    short = kind.text if kind.node == "degenerate" else kind.kind
    residual = residual_of(report, row)
    if residual is not None and not residual.is_zero:
        short += " (no equilibrium)"
    return {name: digits(value) for name, value in values.items()} | {"equilibrium": short}


def batch_record(report: SpectrumReport, row: int) -> dict[str, Any]:
    """Return one row of a batch as plain data."""
    if report.extremes is not None:
        abscissa, radius = (float(part[row]) for part in report.extremes)
        return {"spectral_abscissa": abscissa, "spectral_radius": radius}
    if not report.eigenvalues or report.system is None:
        return {}
    found = report.eigenvalues[row]
    kind = equilibrium(found, report.system)
    residual = residual_of(report, row)
    return {
        "spectral_abscissa": found.extreme(CONTINUOUS)[0],
        "spectral_radius": found.extreme("discrete")[0],
        "eigenvalues": [
            {"re": float(value.real), "im": float(value.imag), "error_bound": float(bound)}
            for value, bound in zip(found.values, found.bounds, strict=True)
        ],
        "kind": kind.kind,
        "classification": kind.text,
        **_facts(kind),
        "defective": found.defective,
        "eigenvector_condition": found.basis_condition or math.inf,
        "equilibrium_residual": None if residual is None else residual.data(),
    }
