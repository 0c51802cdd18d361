"""Whether a sparse derivative has all its entries: a pattern that misses one gives wrong products.

The entries as they are computed with the plan's pattern (detected, linked, or the user's) times
random tangents, against products without a pattern.  An entry that the pattern lacks makes them
differ, except for chance cancellation; nothing dense is formed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from jaccli.context import Silent
from jaccli.derivative.select_mode import Choice
from jaccli.execute import execute
from jaccli.plan import Plan, with_choice
from jaccli.result import Sparse, dense
from jaccli.result.matrix import matrix
from jaccli.result.result import Array
from jaccli.result.view import whole
from jaccli.verify.flat_model import Flat


class PatternCheck:
    """The entries of a plan's derivative by its pattern, to be multiplied."""

    def __init__(self, plan: Plan, flat: Flat) -> None:
        self._plan = plan
        self._flat = flat

    @property
    def are_there(self) -> bool:
        """Whether the plan has a pattern: its own, or one that the user vouches for."""
        return self._plan.prepared is not None or self._plan.given is not None

    @cached_property
    def _values(self) -> Sparse:
        spec = replace(self._plan.spec, storage="sparse", mode="sparse", chunk=None)
        plan = with_choice(replace(self._plan, spec=spec), Choice("sparse", "sparse", ""))
        values = matrix(whole(execute(plan, Silent()))).values
        return values if isinstance(values, Sparse) else Sparse.from_dense(dense(values))

    def times(self, tangents: Array) -> tuple[Array, Array]:
        """Return the products with tangents `kbn` over the last axis, and with their magnitudes.

        Of a Jacobian they are `kbm`, of a Hessian `kbmn`.
        """
        rows, n = self._flat.rows, self._flat.n
        height = self._values.size // (rows * n)
        batch, rest = np.divmod(self._values.where, height * n)
        row, column = np.divmod(rest, n)
        target = batch * height + row
        shape = (
            (rows, self._flat.m, height // self._flat.m) if height > self._flat.m else (rows, -1)
        )
        products: list[Array] = []
        sizes: list[Array] = []
        for tangent in tangents:
            terms = self._values.values * tangent[batch, column]
            for each, into in ((terms, products), (np.abs(terms), sizes)):
                into.append(np.bincount(target, each, rows * height).reshape(shape))
        return np.stack(products), np.stack(sizes)
