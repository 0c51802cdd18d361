"""The determinant, with first and second derivatives that are right for singular matrices too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaccli.expression.library.rule import Array


def det(a: Any) -> Array:
    """Return the determinant of a matrix, or of each of several.

    The derivative by an entry is its cofactor.  That of cofactors is made of the products of all
    singular values but two: no value is divided by, so that any number of them may be 0.
    """
    a = jnp.asarray(a, jnp.result_type(a, 1.0))
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"det needs square matrices, not an array of shape {a.shape}")
    # Of the smallest JAX has polynomials, which have no singular points.
    return jnp.linalg.det(a) if a.shape[-1] <= _SMALL else _det(a)


_SMALL = 3


@jax.custom_jvp
def _det(a: Array) -> Array:
    return jnp.linalg.det(a)


@_det.defjvp
def _det_rule(primals: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, Array]:
    (a,), (moved,) = primals, tangents
    return _det(a), jnp.sum(_cofactors(a) * moved, axis=(-2, -1))


@jax.custom_jvp
def _cofactors(a: Array) -> Array:
    """Return the matrix of cofactors: JAX's derivative, which is right for every rank."""
    value, pull = jax.vjp(jnp.linalg.det, a)
    cofactors: Array = pull(jnp.ones_like(value))[0]
    return cofactors


@_cofactors.defjvp
def _cofactors_rule(primals: Sequence[Array], tangents: Sequence[Array]) -> tuple[Array, Array]:
    """With a = U S V and U^T ȧ V^T = E, the cofactors of S + E, to first order, between U and V.

    Off the diagonal they are −E_ji Π_{k ≠ i, j} s_k, and on it Σ_{j ≠ i} E_jj Π_{k ≠ i, j} s_k.
    """
    (a,), (moved,) = primals, tangents
    left, values, right, sign = _factors(a)
    products = _without_two(values)
    inner = _swapped(left) @ moved @ _swapped(right)
    on = jnp.einsum("...ij,...jj->...i", products, inner)
    off = -products * _swapped(inner)
    middle = off + on[..., :, None] * jnp.eye(a.shape[-1], dtype=a.dtype)
    return _cofactors(a), sign * (left @ middle @ right)


def _swapped(a: Array) -> Array:
    return jnp.swapaxes(a, -1, -2)


def _factors(a: Array) -> tuple[Array, Array, Array, Array]:
    """Return the singular value decomposition, and the product of the determinants of U and V."""
    left, values, right = jnp.linalg.svd(a)
    sign = jnp.linalg.slogdet(left)[0] * jnp.linalg.slogdet(right)[0]
    return left, values, right, sign[..., None, None]


def _before(values: Array) -> Array:
    """Return the products of all values before each, along the last axis."""
    ones = jnp.ones_like(values[..., :1])
    return jnp.cumprod(jnp.concatenate([ones, values[..., :-1]], axis=-1), axis=-1)


def _after(values: Array) -> Array:
    return jnp.flip(_before(jnp.flip(values, -1)), -1)


def _without_two(values: Array) -> Array:
    """Return Π_{k ≠ i, j} s_k, `(..., n, n)`, with zeros on the diagonal."""
    n = values.shape[-1]
    later = jnp.triu(jnp.ones((n, n), bool), 1)
    between = _before(jnp.where(later, values[..., None, :], 1))
    upper = _before(values)[..., :, None] * between * _after(values)[..., None, :]
    upper = jnp.where(later, upper, 0)
    return upper + _swapped(upper)
