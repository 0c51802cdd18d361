"""What follows from a spectrum, in words, and what does not.

A matrix whose values are all there is known.  Of one that Lanczos' method has looked at, only what
the found values prove is said: a Rayleigh quotient below 0 proves a negative eigenvalue, but that
none was found proves nothing.

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
        """What a stationary point with this inertia is."""
        if self.positive and self.negative:
            return SADDLE
        if self.zero:
            return DEGENERATE
        return MINIMUM if self.positive else MAXIMUM


class Classification(NamedTuple):
    """What is said of a matrix; `proven` is false where values that nobody saw may belie it."""

    said: str | None
    proven: bool


class Rank(NamedTuple):
    """A rank of `least`, or of more where it is not `known`; `proven` as in a `Classification`."""

    least: int
    known: bool
    proven: bool


def inertia(spectrum: Spectrum) -> Inertia:
    """Return the inertia of the values that are there."""
    certain = spectrum.zero
    if spectrum.complete:
        return Inertia.of(spectrum.values, certain)
    # What a residual leaves open may be zero.
    uncertain = np.maximum(certain, spectrum.residuals)
    positive = int(np.count_nonzero(spectrum.values > uncertain))
    negative = int(np.count_nonzero(spectrum.values < -uncertain))
    return Inertia(positive, negative, len(spectrum.values) - positive - negative)


def definiteness(spectrum: Spectrum) -> Classification:
    """Return `positive definite` and so on, or nothing where the ends have not been found."""
    found = inertia(spectrum)
    if spectrum.complete or found.definiteness == "indefinite":
        return Classification(found.definiteness, True)
    # The end that would belie it must have been found.
    if spectrum.converged[0] and spectrum.converged[-1]:
        return Classification(found.definiteness, False)
    return Classification(None, False)


def kind(spectrum: Spectrum, stationary: bool) -> Classification:
    """Return what kind of point this is."""
    if not stationary:
        return Classification(NOT_STATIONARY, True)
    definite = definiteness(spectrum)
    return Classification(inertia(spectrum).kind if definite.said else None, definite.proven)


def rank(spectrum: Spectrum) -> Rank:
    """Return the rank, or what is known of it."""
    found = int(np.count_nonzero(spectrum.values > spectrum.zero))
    if spectrum.complete:
        return Rank(found, True, True)
    # The last value is the smallest one that was found.
    smallest = float(spectrum.values[-1] - spectrum.residuals[-1])
    if spectrum.converged[-1] and smallest > spectrum.zero:
        return Rank(spectrum.total, True, False)
    return Rank(found, False, True)


def condition(spectrum: Spectrum) -> float | None:
    """Return the condition number; of found values at least so much, or None if they tell nothing.

    An indefinite matrix has its smallest value inside the spectrum, where nobody has looked.
    """
    if not spectrum.complete:
        ends_found = bool(spectrum.converged[0] and spectrum.converged[-1])
        signs = {math.copysign(1, value) for value in spectrum.values}
        if not ends_found or len(signs) > 1:
            return None
    return ratio(spectrum.values)


def ratio(values: np.ndarray) -> float:
    """Return the greatest size over the smallest; infinite if that is 0."""
    sizes = np.abs(np.asarray(values, float))
    smallest = float(sizes.min())
    return float(sizes.max()) / smallest if smallest else math.inf
