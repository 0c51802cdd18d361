"""The data of the eigenvalues of a matrix that need not be symmetric.

Boundary: plain data; computes nothing but what follows from its own fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jaccli.analyze.spectrum import Array
from jaccli.choices import SYSTEMS

CONTINUOUS, DISCRETE = SYSTEMS
"""`x' = f(x)`, whose stability is that of the real parts, and `x ← f(x)`, that of the moduli."""


@dataclass(frozen=True, slots=True)
class MultipleEigenvalue:
    """Eigenvalues that their error bounds do not tell apart: one, of multiplicity `algebraic`.

    `members` are their indices, `value` is their mean.  `geometric` is the dimension of the
    eigenspace, None where it was not computed.
    """

    value: complex
    members: tuple[int, ...]
    geometric: int | None

    @property
    def algebraic(self) -> int:
        """The algebraic multiplicity."""
        return len(self.members)

    @property
    def defective(self) -> bool | None:
        """Whether eigenvectors are missing; None where it is not known."""
        return None if self.geometric is None else self.geometric < self.algebraic


@dataclass(frozen=True, slots=True, eq=False)
class Eigenvalues:
    """Some or all eigenvalues of an `(n, n)` matrix, those that decide on stability first.

    `values` `(k,)` are complex; `right` `(k, n)` holds unit eigenvectors as rows.  `residuals`
    `(k,)` are `‖Av − λv‖`, `conditions` `(k,)` are `1/|yᴴx|` of the unit left and right
    eigenvectors, `bounds` `(k,)` bound the error of each value to first order.  There are `total`
    in all.

    Every eigenvalue whose real part (discrete: modulus) is above `frontier` is among them: −∞ if
    all are, ∞ if nothing is known of the others.

    `basis_condition` is the condition number of the matrix of eigenvectors, None if not all were
    computed; `departure` Henrici's departure from normality, or a lower bound of it if
    `departure_is_bound`; `growth` the numerical abscissa (discrete: the norm), None if unknown.
    """

    values: Array
    residuals: Array
    conditions: Array
    bounds: Array
    converged: Array
    right: Array
    total: int
    method: str
    frontier: float
    norm: float
    clusters: tuple[MultipleEigenvalue, ...] = ()
    basis_condition: float | None = None
    departure: float | None = None
    departure_is_bound: bool = False
    growth: float | None = None

    @property
    def complete(self) -> bool:
        """Whether all eigenvalues were computed."""
        return len(self.values) == self.total

    @property
    def defective(self) -> bool | None:
        """Whether there is no basis of eigenvectors; None where it is not known."""
        known = [cluster.defective for cluster in self.clusters]
        if any(known):
            return True
        return False if self.complete and None not in known else None

    @property
    def nearly_defective(self) -> bool:
        """Whether a relative change of √eps or so would make the matrix defective.

        A matrix with an eigenvalue of condition κ is at most `‖A‖/√(κ² − 1)` from one in which that
        eigenvalue is multiple (J. Wilkinson, Numer. Math. 19 (1972) 176-178).
        """
        greatest = float(np.max(self.conditions, initial=1.0))
        return not self.defective and greatest > float(np.finfo(float).eps) ** -0.25

    def margin(self, system: str) -> Array:
        """Return the distances beyond the imaginary axis, or beyond the unit circle."""
        return self.values.real if system == CONTINUOUS else np.abs(self.values) - 1

    def extreme(self, system: str) -> tuple[float, float]:
        """Return the spectral abscissa or radius of what has converged, and its error bound."""
        sizes = self.values.real if system == CONTINUOUS else np.abs(self.values)
        sizes = np.where(self.converged, sizes, -math.inf)
        if not self.converged.any():
            return math.nan, math.inf
        # Another value's error may be what bounds the greatest one.
        upper = float(np.max(sizes + np.where(self.converged, self.bounds, 0)))
        index = int(np.argmax(sizes))
        value = float(sizes[index])
        return value, max(float(self.bounds[index]), upper - value)
