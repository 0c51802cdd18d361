"""Conclusions from a spectrum: inertia, definiteness, kind of stationary point, rank, condition.

A complete spectrum proves them.  Lanczos' method finds some values only: a Rayleigh quotient below
0 proves a negative eigenvalue, but finding none proves nothing.

Boundary: numbers in, words out.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from jaccli.analyze.spectrum import Spectrum

MINIMUM, MAXIMUM, SADDLE = "minimum", "maximum", "saddle"
DEGENERATE, NOT_STATIONARY = "degenerate", "not stationary"


class Inertia(NamedTuple):
    """How many eigenvalues are positive, negative and zero (within the tolerance)."""

    positive: int
    negative: int
    zero: int

    @staticmethod
    def of(values: np.ndarray, zero: float) -> Inertia:
        """Count the eigenvalues; those up to `zero` in size count as 0."""
        positive = int(np.count_nonzero(values > zero))
        negative = int(np.count_nonzero(values < -zero))
        return Inertia(positive, negative, len(values) - positive - negative)

    @property
    def definiteness(self) -> str:
        """`positive definite`, `negative semidefinite`, `indefinite`, `zero` ..."""
        if self.positive and self.negative:
            return "indefinite"
        if not self.positive and not self.negative:
            return "zero"
        sign = "positive" if self.positive else "negative"
        return f"{sign} {'semi' if self.zero else ''}definite"

    @property
    def kind(self) -> str:
        """The kind of a stationary point with this inertia."""
        if self.positive and self.negative:
            return SADDLE
        if self.zero:
            return DEGENERATE
        return MINIMUM if self.positive else MAXIMUM


class Classification(NamedTuple):
    """A statement; `proven` is false if values that were not computed could contradict it."""

    statement: str | None
    proven: bool


class Rank(NamedTuple):
    """A rank of `at_least`, or more unless `is_exact`; `proven` as in a `Classification`."""

    at_least: int
    is_exact: bool
    proven: bool


def inertia(spectrum: Spectrum) -> Inertia:
    """Return the inertia of the values that were computed."""
    zero = spectrum.zero
    if spectrum.complete:
        return Inertia.of(spectrum.values, zero)
    # A value smaller than its residual may be zero.
    bound = np.maximum(zero, spectrum.residuals)
    positive = int(np.count_nonzero(spectrum.values > bound))
    negative = int(np.count_nonzero(spectrum.values < -bound))
    return Inertia(positive, negative, len(spectrum.values) - positive - negative)


def definiteness(spectrum: Spectrum) -> Classification:
    """Return `positive definite` and so on; None if an end of the spectrum has not converged."""
    counts = inertia(spectrum)
    if spectrum.complete or counts.definiteness == "indefinite":
        return Classification(counts.definiteness, True)
    # The end that could contradict it must have converged.
    if spectrum.converged[0] and spectrum.converged[-1]:
        return Classification(counts.definiteness, False)
    return Classification(None, False)


def kind(spectrum: Spectrum, stationary: bool) -> Classification:
    """Return the kind of the point."""
    if not stationary:
        return Classification(NOT_STATIONARY, True)
    definite = definiteness(spectrum)
    return Classification(inertia(spectrum).kind if definite.statement else None, definite.proven)


def rank(spectrum: Spectrum) -> Rank:
    """Return the rank or a lower bound."""
    count = int(np.count_nonzero(spectrum.values > spectrum.zero))
    if spectrum.complete:
        return Rank(count, True, True)
    # The last value is the smallest.
    smallest = float(spectrum.values[-1] - spectrum.residuals[-1])
    if spectrum.converged[-1] and smallest > spectrum.zero:
        return Rank(spectrum.total, True, False)
    return Rank(count, False, True)


def condition(spectrum: Spectrum) -> float | None:
    """Return the condition number, or a lower bound of it; None if the smallest value is unknown.

    The smallest value of an indefinite matrix is inside the spectrum, not at its ends.
    """
    if not spectrum.complete:
        ends_found = bool(spectrum.converged[0] and spectrum.converged[-1])
        signs = {math.copysign(1, value) for value in spectrum.values}
        if not ends_found or len(signs) > 1:
            return None
    return ratio(spectrum.values)


def ratio(values: np.ndarray) -> float:
    """Return the largest magnitude over the smallest; infinite if that is 0."""
    sizes = np.abs(np.asarray(values, float))
    smallest = float(sizes.min())
    return float(sizes.max()) / smallest if smallest else math.inf
