"""Products of labelled factors, added through the factor that they share, with the same values."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.derivative import structured
from jaccli.derivative.structured.factored import Product, product, whole
from tests.structured.agreement import points

A, B = points(5, 2, seed="a"), points(2, 7, seed="b")


def matrix_product(a: Any = A, b: Any = B) -> Product:
    """Return Σ_k a[i, k] b[k, j]: large, of small factors."""
    return product(jnp.asarray(a), ["i", "k"], jnp.asarray(b), ["k", "j"], ["i", "j"])


def test_products_that_share_a_factor_are_added_in_the_other() -> None:
    b = jnp.asarray(B)
    p, q = matrix_product(A, b), matrix_product(3 * A**2, b)
    both = p.plus(q)
    assert both is not None
    assert both.factors[1].array is b
    np.testing.assert_allclose(both.value, A @ B + 3 * A**2 @ B, rtol=1e-12)


def test_a_product_and_its_factor_are_added_in_the_scale() -> None:
    value = jnp.asarray(points(5, 7))
    p = product(jnp.asarray(points(5)), ["i"], value, ["i", "j"], ["i", "j"])
    both = p.plus(whole(value))
    assert both is not None
    np.testing.assert_allclose(both.value, value * (1 + points(5)[:, None]), rtol=1e-12)


def test_products_without_a_common_factor_are_not_added() -> None:
    assert matrix_product().plus(matrix_product(2 * A, 2 * B)) is None


@pytest.mark.parametrize("direction", ["fwd", "rev"])
def test_scaled_twice_a_product_stays_in_the_range_of_floats(direction: str) -> None:
    """`c (c (W x))` with c² below and c (c W) above the least float32: no c² is formed."""
    n = 80
    weight = np.full((n, n), 1e30, np.float32)
    c = np.full(n, 1e-24, np.float32)

    @jax.jit
    def jacobian(c: Any, weight: Any) -> Any:
        def f(x: Any) -> Any:
            return c * (c * (weight @ x)) if direction == "fwd" else weight @ (c * (c * x))

        x = jnp.ones(n, jnp.float32)
        return structured.densified(structured.jacobian(f, x, direction, keep=False))

    np.testing.assert_allclose(jacobian(c, weight), np.full((n, n), 1e-18), rtol=1e-5)
