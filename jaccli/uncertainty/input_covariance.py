"""The covariance of the inputs, never formed where it is diagonal.

It is `D L Lᵀ D`: standard uncertainties D, and a factor L of the correlation that is there for
coupled entries alone.

Boundary: data and products with it; how it is read is in `read_uncertainty.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from jaccli.uncertainty.covariance_matrices import Array

NORMAL, STUDENT = "normal", "t"


@dataclass(frozen=True, eq=False)
class UncertainInput:
    """An input that is not exact.

    `shape` is without a batch axis; `value` and `std` are `(*batch, n)`, flattened, where `std`
    has the batch axis only if it differs among rows.  `dof` counts degrees of freedom (infinite
    where nothing is said), `distribution` is what Monte Carlo draws from.
    """

    name: str
    shape: tuple[int, ...]
    value: Array
    std: Array
    dof: float
    distribution: str

    @property
    def size(self) -> int:
        """How many entries it has, without a batch axis."""
        return int(self.std.shape[-1])


@dataclass(frozen=True, eq=False)
class Coupled:
    """Entries that are correlated: `index`, (sites, k), of the joined inputs.

    The k entries of a site have the correlation L Lᵀ, `factor`, `(*batch, k, k)`; those of
    different sites none.  `path` names where the user says so.
    """

    index: Array
    factor: Array
    path: str

    @property
    def correlation(self) -> Array:
        """The correlation matrix, `(*batch, k, k)`."""
        found: Array = self.factor @ np.swapaxes(self.factor, -1, -2)
        return found


@dataclass(frozen=True, eq=False)
class InputCovariance:
    """The uncertain inputs in the order of the spec, and how their entries are correlated.

    N is the number of all entries, without a batch axis; a batch has `batch` rows.
    """

    inputs: tuple[UncertainInput, ...]
    coupled: tuple[Coupled, ...]
    batch: int | None

    @property
    def size(self) -> int:
        """N, the number of uncertain entries."""
        return sum(one.size for one in self.inputs)

    @property
    def std(self) -> Array:
        """Standard uncertainties of all entries, `(N,)`, or `(batch, N)` where rows differ."""
        if all(one.std.ndim == 1 for one in self.inputs):
            return np.concatenate([one.std for one in self.inputs])
        rows = [np.broadcast_to(one.std, (self.batch or 1, one.size)) for one in self.inputs]
        return np.concatenate(rows, axis=-1)

    @property
    def dof(self) -> Array:
        """Degrees of freedom of all entries, `(N,)`."""
        return np.concatenate([np.full(one.size, one.dof) for one in self.inputs])

    def slices(self) -> Iterator[tuple[UncertainInput, slice]]:
        """Yield each input with the place of its entries among all."""
        start = 0
        for one in self.inputs:
            yield one, slice(start, start + one.size)
            start += one.size

    def decorrelate(self, contributions: Array) -> None:
        """Replace G, `(*batch, M, N)`, by G L: its rows have the outputs' standard uncertainties.

        G has the contributions `c u` of all entries; only columns of coupled ones change.
        """
        self._on_coupled(contributions, lambda part, factor: part @ factor)

    def correlate(self, decorrelated: Array) -> None:
        """Replace G L by G L Lᵀ: by what each entry contributes together with the others."""
        self._on_coupled(decorrelated, lambda part, factor: part @ np.swapaxes(factor, -1, -2))

    def _on_coupled(self, rows: Array, product: Callable[[Array, Array], Array]) -> None:
        """Replace the columns of coupled entries by a product with their factor, in place."""
        for one in self.coupled:
            if len(one.index) == 1:
                columns = one.index[0]
                rows[..., columns] = product(rows[..., columns], one.factor)
                continue
            # (*batch, M, sites, k), with a factor (*batch, k, k) of all sites
            factor = one.factor if one.factor.ndim == 2 else one.factor[:, None]
            rows[..., one.index] = product(rows[..., one.index], factor)
