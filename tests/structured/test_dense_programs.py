"""What the program of a dense result consists of: operations that cost a pass over the array."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.derivative import structured
from jaccli.derivative.operators import HESSIAN, JACOBIAN


def passes(operator: Any, f: Any, x: Any) -> Counter[str]:
    """Count the selections and scatters whose results are as large as the derivative."""
    jaxpr = jax.make_jaxpr(lambda x: operator(f, x))(x).jaxpr
    size = math.prod(jaxpr.outvars[0].aval.shape)
    return Counter(
        eqn.primitive.name
        for eqn in jaxpr.eqns
        if eqn.primitive.name in ("select_n", "scatter-add")
        and math.prod(eqn.outvars[0].aval.shape) == size
    )


def lorenz96(x: Any) -> Any:
    return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + 8


@pytest.mark.parametrize("direction", ["fwd", "rev"])
def test_a_band_is_written_in_one_pass(direction: str) -> None:
    """Four diagonals: placed one by one, each took a comparison for every entry."""
    found = passes(JACOBIAN[f"structured-{direction}"], lorenz96, jnp.linspace(0.0, 1.0, 512))
    assert found == {"scatter-add": 1}


def test_a_banded_hessian_is_written_in_one_pass() -> None:
    def f(x: Any) -> Any:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    found = passes(HESSIAN["structured-fwd-rev"], f, jnp.linspace(-1.0, 1.0, 512))
    assert found == {"scatter-add": 1}


def test_one_diagonal_is_a_comparison() -> None:
    found = passes(JACOBIAN["structured-fwd"], lambda x: jnp.sin(x) ** 2, jnp.ones(512))
    assert found == {"select_n": 1}


def test_numbers_of_a_band_written_in_one_pass() -> None:
    n = 300
    x = np.random.default_rng(0).normal(size=n).astype(np.float32)
    i = np.arange(n)
    expected = np.zeros((n, n), np.float32)
    expected[i, (i + 1) % n] += x[i - 1]
    expected[i, i - 2] -= x[i - 1]
    expected[i, i - 1] += x[(i + 1) % n] - x[i - 2]
    expected[i, i] -= 1
    for direction in ("fwd", "rev"):
        found = JACOBIAN[f"structured-{direction}"](lorenz96, jnp.asarray(x))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_entries_of_two_blocks_at_one_place_are_added() -> None:
    """The second's index is computed, so that the two do not become one diagonal."""
    n = 300
    at = np.random.default_rng(1).permutation(n)
    j = structured.densified(
        structured.jacobian(lambda x: 2 * x[at] ** 2 + 3 * x + 4 * x[::-1], jnp.ones(n), "fwd")
    )
    expected = 3 * np.eye(n) + 4 * np.eye(n)[::-1]
    np.add.at(expected, (np.arange(n), at), 4.0)
    np.testing.assert_array_equal(j, expected.astype(np.float32))


def test_one_row_is_no_batch() -> None:
    """A loop that carries a dim of size 1 copies it in every round."""

    def f(w: Any) -> Any:
        return jax.lax.scan(lambda h, x: (jnp.tanh(w * h + x), None), w, jnp.ones((5, 3)))[0].sum()

    for operator in ("rev", "structured-rev"):
        jaxpr = jax.make_jaxpr(lambda w, op=operator: JACOBIAN[op](f, w))(jnp.ones(3))
        (last, *_) = [e for e in jaxpr.jaxpr.eqns[::-1] if e.primitive.name == "scan"]
        assert all(v.aval.shape[:1] != (1,) for v in last.invars)
