"""Values written to their places: against numpy's own adding, and what the programs consist of."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.derivative import structured
from jaccli.derivative.structured.spreading import spread_out


@pytest.mark.parametrize("rest", [0, 1])
@pytest.mark.parametrize(
    ("count", "shape"),
    [(7, (7, 5)), (12, (4, 30)), (12, (30, 4)), (40, (3, 3)), (1, (1, 1)), (0, (2, 3))],
)
def test_values_are_added_at_their_places(count: int, shape: tuple[int, int], rest: int) -> None:
    rng = np.random.default_rng(count)
    rows, columns = rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)
    values = rng.normal(size=(count, *(2,) * rest)).astype(np.float32)
    expected = np.zeros((*shape, *(2,) * rest), np.float32)
    np.add.at(expected, (rows, columns), values)
    found = spread_out(jnp.asarray(values), rows, columns, shape, rest)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_an_infinite_value_stands_alone() -> None:
    found = spread_out(jnp.array([jnp.inf, 1.0]), np.array([0, 1]), np.array([1, 0]), (2, 2))
    assert found.tolist() == [[0.0, float("inf")], [1.0, 0.0]]


def primitives(f: Any, x: Any, direction: str) -> set[str]:
    def dense(x: Any) -> Any:
        return structured.densified(structured.jacobian(f, x, direction, keep=False))

    return {eqn.primitive.name for eqn in jax.make_jaxpr(dense)(x).jaxpr.eqns}


@pytest.mark.parametrize("direction", ["fwd", "rev"])
def test_a_gather_s_jacobian_has_no_scatter(direction: str) -> None:
    """Each output reads one input: a comparison says where, in either direction."""
    index = np.random.default_rng(0).integers(0, 300, 200)
    used = primitives(lambda x: x[index] ** 2, jnp.ones(300), direction)
    assert not any(name.startswith("scatter") for name in used)
