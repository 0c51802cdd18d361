"""Random compositions of primitives equal plain modes, under jit and vmap and applied twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaccli.derivative import structured
from tests.structured.agreement import (
    assert_close,
    assert_hessian_is_right,
    assert_structured_is_right,
    points,
    quickly,
)
from tests.thinned import thinned

Step = Callable[[Any], Any]


def matrix(x: Any, columns: int) -> Any:
    return jnp.asarray(points(x.shape[-1], columns, seed="m"), x.dtype)


STEPS: dict[str, Step] = {
    "sin": jnp.sin,
    "scale": lambda x: x * jnp.linspace(0.5, 1.5, x.shape[-1], dtype=x.dtype),
    "square": lambda x: 0.5 * x**2,
    "transpose": lambda x: x.T,
    "reshape": lambda x: x.reshape(x.shape[::-1]),
    "flatten": lambda x: x.reshape(1, -1),
    "half": lambda x: x[: (x.shape[0] + 1) // 2],
    "evens": lambda x: x[:, ::2],
    "flip": lambda x: x[::-1],
    "roll": lambda x: jnp.roll(x, 1, 1),
    "pad": lambda x: lax.pad(x, np.zeros((), x.dtype), [(0, 1, 0), (1, 0, 0)]),
    "stack": lambda x: jnp.concatenate([x, x**2], 0),
    "centre": lambda x: x - x.mean(-1, keepdims=True),
    "sum": lambda x: x.sum(0, keepdims=True),
    "matmul": lambda x: jnp.tanh(x @ matrix(x, 3)),
    "gram": lambda x: 0.1 * x @ x.T,
    "cumsum": lambda x: jnp.cumsum(x, 0),
    "pick": lambda x: x[:, np.array([0, -1, 0])],
    "clip": lambda x: jnp.where(x > 0.1, x, 0.3 * x),
    "mask": lambda x: jnp.where(jnp.arange(x.shape[-1]) % 2 == 0, x, x**2),
    "tril": jnp.tril,
    "softmax": lambda x: jax.nn.softmax(x, -1),
    "sort": lambda x: jnp.sort(x, -1),
    "outer": lambda x: x[:, :1] * x[:1],
    "update": lambda x: x.at[0].add(x[-1] ** 2),
    "scan": lambda x: lax.scan(lambda c, row: (jnp.sin(c + row), c * row), x[0], x)[1],
    "product": lambda x: x * x[:1] * jnp.cos(x[:, :1]),
}

programs = st.tuples(
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5),
    st.sampled_from([(2, 3), (1, 4), (3, 1), (3, 4)]),
)


DTYPES = {"float32": 2e-4, "float64": 1e-9}
"""Tolerances relative to the largest entry."""


def composed(names: list[str]) -> Step:
    def f(x: Any) -> Any:
        for name in names:
            x = STEPS[name](x)
        return x

    return f


@settings(max_examples=8)
@given(programs)
def test_random_compositions_equal_plain_modes_and_differences(
    program: tuple[list[str], tuple[int, int]],
) -> None:
    names, shape = program
    assert_structured_is_right(composed(names), points(*shape, seed="p"))


@settings(max_examples=4)
@given(programs)
def test_random_hessians_equal_plain_ones(program: tuple[list[str], tuple[int, int]]) -> None:
    names, shape = program
    assert_hessian_is_right(composed(names[:3]), points(*shape, seed="p"))


def jacobians(f: Step) -> Callable[[Any], Any]:
    """Return the function that computes both structured Jacobians, dense."""
    return lambda x: [structured.jacobian(f, x, way).dense() for way in ("fwd", "rev")]


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "jit": jax.jit,
    "vmap": jax.vmap,
    "jit of vmap": lambda f: jax.jit(jax.vmap(f)),
    "vmap of jit": lambda f: jax.vmap(jax.jit(f)),
}


@pytest.mark.slow
@settings(max_examples=6)
@given(programs, st.sampled_from(sorted(DTYPES)), st.sampled_from(sorted(TRANSFORMS)))
def test_random_compositions_under_jit_and_vmap_in_both_dtypes(
    program: tuple[list[str], tuple[int, int]], dtype: str, transform: str
) -> None:
    f = composed(program[0])
    rows = () if transform == "jit" else (2,)
    x = points(*rows, *program[1], seed="p").astype(dtype)
    plain = jax.jit(jax.jacrev(f) if transform == "jit" else jax.vmap(jax.jacrev(f)))
    expected = plain(x.astype(np.float64))
    for found in TRANSFORMS[transform](jacobians(f))(x):
        assert found.dtype == plain(x).dtype
        assert_close(found, expected, DTYPES[dtype])


@settings(max_examples=4)
@given(programs)
def test_random_hessians_in_float32(program: tuple[list[str], tuple[int, int]]) -> None:
    f, x = composed(program[0][:3]), points(*program[1], seed="p")
    expected = quickly(lambda x: jax.hessian(f)(x), x)
    small = x.astype(np.float32)
    ways = [(outer, inner) for outer in ("fwd", "rev") for inner in ("fwd", "rev")]
    compute = lambda x: [structured.hessian(f, x, *way).dense() for way in ways]  # noqa: E731
    for found in quickly(compute, small):
        assert_close(found, expected, 2e-3)


@settings(max_examples=4)
@given(programs)
def test_random_jacobians_of_jacobians(program: tuple[list[str], tuple[int, int]]) -> None:
    """The engine applied to what it made dense itself, in all four combinations."""
    f, x = composed(program[0][:3]), points(*program[1], seed="p")

    def twice(outer: str, inner: str) -> Step:
        dense = lambda x: structured.jacobian(f, x, inner).dense()  # noqa: E731
        return lambda x: structured.jacobian(dense, x, outer).dense()

    ways = [(outer, inner) for outer in ("fwd", "rev") for inner in ("fwd", "rev")]
    expected, found = quickly(lambda x: (jax.hessian(f)(x), [twice(*way)(x) for way in ways]), x)
    for result in found:
        assert_close(result, expected)


THIRD = [
    pytest.param(names)
    for names in (["sin"], ["product"], ["softmax"], ["gram"], ["roll"], ["square", "matmul"])
]


@pytest.mark.parametrize("names", thinned(THIRD, 3), ids=str)
@pytest.mark.parametrize("way", ["fwd", "rev"])
def test_third_derivatives(names: list[str], way: str) -> None:
    f, x = composed([*names, "square"]), points(2, 3, seed="third")
    second = lambda x: structured.hessian(f, x, "fwd", "rev").dense()  # noqa: E731

    def compute(x: Any) -> Any:
        return structured.jacobian(second, x, way).dense(), jax.jacfwd(jax.hessian(f))(x)

    found, expected = quickly(compute, x)
    assert_close(found, expected)


@pytest.mark.slow
@settings(max_examples=80)
@given(programs, st.sampled_from(sorted(DTYPES)))
def test_many_random_compositions_in_both_dtypes(
    program: tuple[list[str], tuple[int, int]], dtype: str
) -> None:
    f, x = composed(program[0]), points(*program[1], seed="many")
    expected = quickly(lambda x: jax.jacrev(f)(x), x)
    for found in quickly(jacobians(f), x.astype(dtype)):
        assert_close(found, expected, DTYPES[dtype])
