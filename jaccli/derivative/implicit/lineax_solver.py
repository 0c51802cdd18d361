"""A `LinearSystem` as lineax's solver, with which optimistix takes its Newton steps.

Boundary: imported where a root is found; nothing else imports lineax or optimistix.
"""

from __future__ import annotations

from typing import Any

import equinox
import jax.numpy as jnp
import lineax

from jaccli.derivative.implicit.linear_systems import LinearSystem


class Solver(lineax.AbstractLinearSolver[Any]):  # type: ignore[misc]
    """Solves with the entries of the operator's matrix, which has the structure of `system`."""

    system: LinearSystem = equinox.field(static=True)

    def init(self, operator: Any, options: dict[str, Any]) -> Any:
        """Return the factors."""
        at = jnp.zeros(operator.in_structure().shape, operator.in_structure().dtype)
        return self.system.factors(self.system.entries(operator.mv, at)), False

    def compute(
        self, state: Any, vector: Any, options: dict[str, Any]
    ) -> tuple[Any, lineax.RESULTS, dict[str, Any]]:
        """Return the solution; where the matrix is singular, it is not finite."""
        factors, transposed = state
        solution = self.system.solve(factors, vector, transposed=transposed)
        finite = jnp.all(jnp.isfinite(solution))
        successful = lineax.RESULTS.successful
        result = lineax.RESULTS.where(finite, successful, lineax.RESULTS.singular)
        return solution, result, {}

    def transpose(self, state: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the state of the transposed system."""
        factors, transposed = state
        return (factors, not transposed), {}

    def conj(self, state: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the state as it is: the numbers are real."""
        return state, {}

    def assume_full_rank(self) -> bool:
        """Say that the solution is unique where there is one."""
        return True
