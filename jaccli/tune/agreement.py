"""How far two derivatives are apart, with one number."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


class Agreement:
    """The largest difference relative to the largest entry (dimensionless).

    Where the reference is not finite, nothing is compared: the engine's structural zeros are 0
    where plain modes give NaN.  What is not finite where the reference is differs by infinity.
    Relative to each entry it would say nothing: where tanh saturates, entries are rounding errors.
    """

    def __init__(self) -> None:
        self.off = 0.0
        self.scale = 0.0

    def add(self, found: Any, reference: Any) -> Agreement:
        """Take two trees of arrays alike into account."""
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(reference), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            known = np.isfinite(b)
            if known.any():
                off = np.abs(a[known] - b[known]).max()
                self.off = max(self.off, float(off) if np.isfinite(off) else np.inf)
                self.scale = max(self.scale, float(np.abs(b[known]).max()))
        return self

    @property
    def difference(self) -> float:
        """The largest difference relative to the largest entry."""
        return self.off / self.scale if self.scale else self.off
