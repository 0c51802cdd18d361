"""Products of labelled factors: scaled and added through the factors, with the same values."""

from __future__ import annotations

import operator
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.derivative.structured.product import Product, product, whole
from tests.structured.agreement import points

A, B = points(5, 2, seed="a"), points(2, 7, seed="b")


def matrix_product(a: Any = A, b: Any = B) -> Product:
    """Return Σ_k a[i, k] b[k, j]: large, of small factors."""
    return product(jnp.asarray(a), ["i", "k"], jnp.asarray(b), ["k", "j"], ["i", "j"])


@pytest.mark.parametrize("by", [operator.mul, operator.truediv])
@pytest.mark.parametrize("shape", [(), (7,), (1, 7), (5, 1), (1, 1), (5, 7)])
def test_scaling_a_factor_scales_the_product(by: Any, shape: tuple[int, ...]) -> None:
    c = points(*shape, seed="c")
    scaled = matrix_product().scaled(by, c)
    np.testing.assert_allclose(scaled.value, by(A @ B, c), rtol=1e-12)


def test_only_the_factor_that_has_the_axes_is_scaled() -> None:
    before = matrix_product()
    after = before.scaled(operator.mul, points(5, 1))
    assert after.factors[1].array is before.factors[1].array
    assert after.factors[0].array.shape == (5, 2)


def test_repeated_scales_are_multiplied_with_each_other() -> None:
    val = jnp.asarray(points(5, 7))
    scaled = whole(val).scaled(operator.mul, points(7)).scaled(operator.truediv, points(1, 7))
    scale, kept = scaled.factors
    assert kept.array is val
    assert scale.array.shape == (7,)
    np.testing.assert_allclose(scaled.value, val * points(7) / points(1, 7), rtol=1e-12)


def test_products_that_share_a_factor_are_added_in_the_other() -> None:
    p = matrix_product()
    q = p.scaled(operator.mul, points(5, 1))
    both = p.plus(q)
    assert both is not None
    assert both.factors[1].array is p.factors[1].array
    np.testing.assert_allclose(both.value, A @ B * (1 + points(5, 1)), rtol=1e-12)


def test_a_product_and_its_multiple_are_added_in_the_scale() -> None:
    p = matrix_product()
    c = points(5, 7)
    both = p.plus(p.scaled(operator.mul, c))
    assert both is not None
    np.testing.assert_allclose(both.value, A @ B * (1 + c), rtol=1e-12)


def test_products_without_a_common_factor_are_not_added() -> None:
    assert matrix_product().plus(matrix_product(2 * A, 2 * B)) is None
