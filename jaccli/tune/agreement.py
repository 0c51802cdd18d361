"""The difference between two derivatives as one number."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


class Agreement:
    """The largest difference relative to the largest entry (dimensionless).

    Entries whose reference is not finite are skipped: the engine's structural zeros are 0 where
    plain modes give NaN.  Entries that are not finite although the reference is differ by infinity.
    Relative errors of single entries would be meaningless: where tanh saturates, they are rounding.
    """

    def __init__(self) -> None:
        self.max_difference = 0.0
        self.scale = 0.0

    def add(self, tree: Any, reference: Any) -> Agreement:
        """Compare another pair of trees, which have the same structure; return self."""
        for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(reference), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            finite = np.isfinite(b)
            if finite.any():
                difference = np.abs(a[finite] - b[finite]).max()
                self.max_difference = max(
                    self.max_difference, float(difference) if np.isfinite(difference) else np.inf
                )
                self.scale = max(self.scale, float(np.abs(b[finite]).max()))
        return self

    @property
    def difference(self) -> float:
        """The largest difference relative to the largest entry."""
        return self.max_difference / self.scale if self.scale else self.max_difference
