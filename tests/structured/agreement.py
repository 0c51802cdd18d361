"""What the tests of the engine share: random points, and the comparison with other derivatives."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaccli.derivative import structured
from jaccli.derivative.structured.structured_jacobian import is_structured


def points(*shape: int, seed: str = "") -> np.ndarray:
    """Return normal random numbers, the same for the same shape and seed."""
    return np.random.default_rng([zlib.crc32(seed.encode()), *shape]).normal(size=shape)


QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""Compiling is most of the time that these tests take."""


def quickly(f: Any, x: Any) -> Any:
    """Return f(x), compiled without optimization."""
    return jax.jit(f).lower(x).compile(QUICK)(x)


def differences(f: Any, x: Any) -> Any:
    """Return the Jacobian of f at the array x by central differences, (*out, *in)."""
    step = 1e-6
    steps = step * jnp.eye(x.size).reshape(x.size, *x.shape)
    columns = jax.vmap(lambda h: (f(x + h) - f(x - h)) / (2 * step))(steps)
    return jnp.moveaxis(columns, 0, -1).reshape(*columns.shape[1:], *x.shape)


def assert_close(found: Any, expected: Any, tolerance: float = 1e-9) -> None:
    """Compare trees leaf by leaf, with a tolerance scaled by the largest entry."""
    ours, theirs = jax.tree.leaves(found), jax.tree.leaves(expected)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert np.shape(a) == np.shape(b)
        scale = 1 + np.abs(b).max(initial=0)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=tolerance * scale)


def assert_structured_is_right(f: Any, *primals: Any, numeric: bool = True) -> None:
    """Compare both directions, dense and COO, with the plain modes and finite differences."""

    def compute(x: Any) -> Any:
        found = [structured.jacobian(f, x, direction) for direction in ("fwd", "rev")]
        dense = [structured.densified(result) for result in found]
        return found, dense, jax.jacrev(f)(x), differences(f, x) if numeric and x.size else None

    for found, dense, expected, numbers in quickly(lambda xs: list(map(compute, xs)), primals):
        if numbers is not None:
            assert_close(expected, numbers, 1e-6)
        for result, array in zip(found, dense, strict=True):
            assert_close(array, expected)
            leaves = jax.tree.leaves(result, is_leaf=is_structured)
            for leaf, block in zip(leaves, jax.tree.leaves(expected), strict=True):
                matrix = leaf.to_scipy().toarray()
                assert_close(matrix, np.reshape(block, matrix.shape))


def assert_hessian_is_right(f: Any, x: Any) -> None:
    """Compare all four combinations with the plain Hessian."""
    combinations = [(outer, inner) for outer in ("fwd", "rev") for inner in ("fwd", "rev")]

    def compute(x: Any) -> Any:
        found = [structured.densified(structured.hessian(f, x, *c)) for c in combinations]
        return jax.hessian(f)(x), found

    expected, found = quickly(compute, x)
    for result in found:
        assert_close(result, expected)
