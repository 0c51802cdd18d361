"""Effective degrees of freedom and coverage factors (GUM G.4, G.6.4).

Boundary: numpy and scipy alone.
"""

from __future__ import annotations

from math import inf, isinf, isnan

import numpy as np
from scipy import special

from jaccli.uncertainty.covariance_matrices import Array

_NORMAL = 1e8
"""Degrees of freedom from which on Student's t is normal, to rounding."""


def factor_at(dof: float, coverage: float) -> float:
    """Return the coverage factor k of Student's t, or of the normal for NaN and infinity.

    >>> round(factor_at(4.0, 0.95), 6)
    2.776445
    """
    tail = (1 + coverage) / 2
    if isnan(dof) or isinf(dof):
        return float(special.ndtri(tail))
    if dof > _NORMAL:
        # Hill's expansion: its next term is below 1/dof**2.
        z = float(special.ndtri(tail))
        return z + (z**3 + z) / (4 * dof)
    return float(special.stdtrit(dof, tail))


def factors(dof: Array, coverage: float) -> Array:
    """Return k of each number of degrees of freedom, cut to an integer (GUM G.4.1).

    Below 1 they are taken as they are; NaN stands for `not defined` and gets the normal factor.
    """
    # 3.9999999999 comes of rounding.
    whole = np.where(dof >= 1, np.floor(dof * (1 + 1e-9)), dof)
    different, where = np.unique(whole, return_inverse=True)
    found = np.array([factor_at(float(one), coverage) for one in different], float)
    return np.asarray(found[where].reshape(dof.shape))


def welch_satterthwaite(share: Array, dof: Array) -> Array:
    """Return the effective degrees of freedom of outputs, `(*batch, M)`.

    `share`, `(*batch, M, N)`, holds `c u / u(y)` of each entry, of which `dof`, `(N,)`, has the
    degrees of freedom.  Infinite where all that contribute are, and where nothing does.

    >>> welch_satterthwaite(np.array([[0.6, 0.8]]), np.array([4.0, inf])).round(4).tolist()
    [30.8642]
    """
    finite = np.flatnonzero(np.isfinite(dof))
    if not len(finite):
        return np.full(share.shape[:-1], inf)
    terms = (share[..., finite] ** 4 / dof[finite]).sum(axis=-1)
    with np.errstate(divide="ignore"):
        return np.asarray(1 / terms)
