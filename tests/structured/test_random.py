"""Random compositions of primitives equal plain modes, under jit and vmap and applied twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaccli.derivative import structured
from tests.structured.agreement import (
    assert_close,
    assert_hessian_is_right,
    assert_structured_is_right,
    points,
)

Step = Callable[[Any], Any]


def matrix(x: Any, columns: int) -> Any:
    return jnp.asarray(points(x.shape[-1], columns, seed="m"))


STEPS: dict[str, Step] = {
    "sin": jnp.sin,
    "scale": lambda x: x * jnp.linspace(0.5, 1.5, x.shape[-1]),
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


def composed(names: list[str]) -> Step:
    def f(x: Any) -> Any:
        for name in names:
            x = STEPS[name](x)
        return x

    return f


@settings(max_examples=16)
@given(programs)
def test_random_compositions_equal_plain_modes_and_differences(
    program: tuple[list[str], tuple[int, int]],
) -> None:
    names, shape = program
    assert_structured_is_right(composed(names), points(*shape, seed="p"))


@settings(max_examples=6)
@given(programs)
def test_random_hessians_equal_plain_ones(program: tuple[list[str], tuple[int, int]]) -> None:
    names, shape = program
    assert_hessian_is_right(composed(names[:3]), points(*shape, seed="p"))


@settings(max_examples=6)
@given(programs)
def test_random_compositions_under_vmap(program: tuple[list[str], tuple[int, int]]) -> None:
    f, x = composed(program[0]), points(2, *program[1], seed="p")

    def compute(x: Any) -> Any:
        found = [structured.jacobian(f, x, direction).dense() for direction in ("fwd", "rev")]
        return found, jax.jacrev(f)(x)

    (forward, reverse), expected = jax.jit(jax.vmap(compute))(x)
    assert_close(forward, expected)
    assert_close(reverse, expected)
