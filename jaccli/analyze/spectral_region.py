"""Where all eigenvalues of a sparse real matrix lie: in a rectangle, and outside discs.

The rectangle: real parts are at most those of Gershgorin's discs, by rows or by columns, and at
most the greatest eigenvalue of the symmetric part; imaginary parts are at most the norm of the
skew-symmetric part (I. Bendixson, Acta Math. 25 (1902) 359-365).  The symmetric and the
skew-symmetric part are bounded by Gershgorin's discs again, so that nothing is computed
iteratively: the rectangle is a proof.

A disc is what shift-invert iteration has searched: the eigenvalues in it are those that it found.

Boundary: scipy matrices and numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Disc(NamedTuple):
    """A disc of the complex plane whose eigenvalues are known."""

    center: complex
    radius: float

    def half_height(self, left: float, right: float) -> float:
        """Return up to which height over its center it covers all from `left` to `right`."""
        across = max(abs(left - self.center.real), abs(right - self.center.real))
        return math.sqrt(self.radius**2 - across**2) if across < self.radius else 0.0


class Rectangle(NamedTuple):
    """Eigenvalues have real parts of at most `right`, and imaginary ones of at most `height`."""

    right: float
    height: float


def rectangle(matrix: Any) -> Rectangle:
    """Return a rectangle that holds all eigenvalues, unbounded to the left."""
    transposed = matrix.T.tocsr()
    diagonal = matrix.diagonal()
    radii = [_sums(abs(part)) - np.abs(diagonal) for part in (matrix, transposed)]
    symmetric = abs((matrix + transposed) / 2)
    skew = abs((matrix - transposed) / 2)
    radii.append(_sums(symmetric) - np.abs(diagonal))
    right = min(float((diagonal + radius).max()) for radius in radii)
    height = min(float(_sums(skew).max()), *(float(radius.max()) for radius in radii[:2]))
    rounding = 4 * float(np.finfo(float).eps) * float(_sums(abs(matrix)).max())
    return Rectangle(right + rounding, height + rounding if height else 0.0)


def modulus_bound(matrix: Any) -> float:
    """Return a bound of all moduli: the smaller one of two norms."""
    size = abs(matrix)
    return float(min(_sums(size).max(), _sums(size.T.tocsr()).max()))


def covered(discs: Sequence[Disc], left: float, right: float) -> float:
    """Return up to which height discs cover the strip from `left` to `right`, and its mirror image.

    It is negative where they do not even cover the real axis.

    >>> covered([Disc(0j, 5.0), Disc(8j, 5.0)], -3.0, 3.0)
    12.0
    """
    if left > right:
        return math.inf
    spans = sorted(
        (disc.center.imag - half, disc.center.imag + half)
        for disc in discs
        if (half := disc.half_height(left, right)) > 0
    )
    height = -1.0
    for low, high in spans:
        if low > max(height, 0.0):
            break
        height = max(height, high)
    return height


def _sums(matrix: Any) -> Any:
    return np.asarray(matrix.sum(axis=1)).reshape(-1)
