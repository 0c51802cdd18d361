"""How far two derivatives are apart, with one number."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


class Agreement:
    """The largest difference where both are finite, relative to the largest entry (dimensionless).

    Relative to each entry it would say nothing: where tanh saturates, entries are rounding errors.
    """

    def __init__(self) -> None:
        self.off = 0.0
        self.scale = 0.0

    def add(self, found: Any, reference: Any) -> Agreement:
        """Take two trees of arrays alike into account."""
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(reference), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            both = np.isfinite(a) & np.isfinite(b)
            if both.any():
                self.off = max(self.off, float(np.abs(a - b)[both].max()))
                self.scale = max(self.scale, float(np.abs(b)[both].max()))
        return self

    @property
    def difference(self) -> float:
        """The largest difference relative to the largest entry."""
        return self.off / self.scale if self.scale else self.off
