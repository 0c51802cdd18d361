"""How a function gets its derivatives: one function for the slope by each argument."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

Array = Any
Elementwise = Callable[..., Array]


def with_slopes(*slopes: Elementwise) -> Callable[[Elementwise], Elementwise]:
    """Decorate an element-wise function with its partial derivatives, one for each argument.

    They take the function's arguments.  Slopes by arguments that do not move are not computed.
    """

    def decorate(value: Elementwise) -> Elementwise:
        ruled: Any = jax.custom_jvp(value)

        def rule(primals: Sequence[Array], tangents: Sequence[Any]) -> tuple[Array, Array]:
            out = ruled(*primals)
            parts = [
                slope(*primals) * tangent
                for slope, tangent in zip(slopes, tangents, strict=True)
                if not isinstance(tangent, SymbolicZero)
            ]
            total = sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)
            return out, jnp.broadcast_to(total, out.shape)

        ruled.defjvp(rule, symbolic_zeros=True)

        @functools.wraps(value)
        def function(*args: Any) -> Array:
            dtype = jnp.result_type(*args, 1.0)
            return ruled(*(jnp.asarray(x, dtype) for x in args))

        return function

    return decorate


def horner(coefficients: Sequence[float], x: Array) -> Array:
    """Return the polynomial whose coefficients are given from the constant one upwards."""
    total = jnp.full_like(x, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def is_double(x: Array) -> bool:
    """Whether an array is of float64."""
    return bool(x.dtype == jnp.float64)
