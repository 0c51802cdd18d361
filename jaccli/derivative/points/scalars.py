"""A jaxpr of small arrays as operations on single numbers.

Every array is a numpy array: of numbers where it is known while tracing, else of objects, each of
which is a number or what JAX traces.  No number is left out and no product with zero: infinities
and NaN come out as they do from arrays; sums are taken from the left.

Boundary: traces; knows no primitive but calls and control flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaccli.derivative import constants, jaxprs
from jaccli.derivative.points.scalar_rules import RULES, Budget, NotScalar, chosen
from jaccli.derivative.primitives import INLINED, scan_of


class Interpreter:
    """One interpretation; `budget` says how many operations on numbers it may still take."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def run(self, jaxpr: Any, consts: Sequence[Any], args: Sequence[np.ndarray]) -> list[Any]:
        """Return the results of a jaxpr.

        Raises:
            NotScalar: an operation is not one on single numbers, or there are too many of them.
        """
        return jaxprs.evaluate(
            jaxpr, list(map(_array, consts)), args, self.results, literal=constants.constant
        )

    def results(self, eqn: Any, operands: list[np.ndarray]) -> Sequence[np.ndarray]:
        """Return the results of one equation."""
        if eqn.effects:
            raise NotScalar(eqn.primitive.name)
        found = constants.evaluate(eqn, operands) if all(map(_is_known, operands)) else None
        if found is not None:
            return found
        name = eqn.primitive.name
        if name in INLINED:
            return self.run(*jaxprs.closed_parts(eqn.params[INLINED[name]]), operands)
        if name == "scan":
            return self._scan(eqn, operands)
        if name == "cond":
            return self._cond(eqn, operands)
        if name not in RULES:
            raise NotScalar(name)
        return RULES[name](self.budget, eqn, *operands)

    def _scan(self, eqn: Any, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Unroll a loop."""
        scan = scan_of(eqn)
        body, consts = jaxprs.closed_parts(scan.body)
        fixed, carry = operands[: scan.consts], list(operands[scan.consts :][: scan.carry])
        sequences = operands[scan.consts + scan.carry :]
        rows: list[list[Any]] = [[] for _ in eqn.outvars[scan.carry :]]
        steps = range(scan.length)
        for step in reversed(steps) if scan.reverse else steps:
            self.budget.spend(1)
            out = self.run(body, consts, [*fixed, *carry, *(x[step, ...] for x in sequences)])
            carry = out[: scan.carry]
            for row, y in zip(rows, out[scan.carry :], strict=True):
                row.append(y)
        stacked = []
        for row, var in zip(rows, eqn.outvars[scan.carry :], strict=True):
            ordered = row[::-1] if scan.reverse else row
            stacked.append(np.stack(ordered) if row else np.zeros(var.aval.shape, var.aval.dtype))
        return [*map(_plain, carry), *stacked]

    def _cond(self, eqn: Any, operands: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Take every branch and choose, as `vmap` does where points go different ways."""
        which, *args = operands
        branches = eqn.params["branches"]
        if _is_known(which):
            taken = branches[int(np.clip(which, 0, len(branches) - 1))]
            return self.run(*jaxprs.closed_parts(taken), args)
        cases = [self.run(*jaxprs.closed_parts(branch), args) for branch in branches]
        return [
            chosen(self.budget, which, list(case), var.aval.dtype)
            for case, var in zip(zip(*cases, strict=True), eqn.outvars, strict=True)
        ]


def _array(constant: Any) -> np.ndarray:
    """Return a constant of a jaxpr as an array of numbers."""
    if np.size(constant) > _LARGEST:
        raise NotScalar("a large constant")
    try:
        return np.asarray(constant)
    except Exception as error:  # a traced value, a random key
        raise NotScalar("a constant without numbers") from error


_LARGEST = 4096
"""Numbers of a constant."""


def _is_known(array: np.ndarray) -> bool:
    return array.dtype != object


def _plain(array: Any) -> np.ndarray:
    return np.asarray(array)
