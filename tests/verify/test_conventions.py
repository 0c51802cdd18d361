"""What the table says that JAX takes at a kink, held against JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.diagnose.kink_table import KINKS
from jaccli.diagnose.operations import ALIASES, SYMBOLS
from jaccli.diagnose.singularity_table import SINGULAR
from jaccli.expression import FUNCTIONS

SELU = 1.0507009873554805 * 1.6732632423543772
SLOPES: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [
    ("abs", (0.0,), (1.0,)),
    ("sign", (0.0,), (0.0,)),
    ("floor", (2.0,), (0.0,)),
    ("ceil", (2.0,), (0.0,)),
    ("trunc", (2.0,), (0.0,)),
    ("rint", (0.5,), (0.0,)),
    ("round", (0.5,), (0.0,)),
    ("floor_divide", (4.0, 2.0), (0.0, 0.0)),
    ("mod", (4.0, 2.0), (1.0, -2.0)),  # x1 - 2 * x2 between the jumps
    ("fmod", (4.0, 2.0), (1.0, -2.0)),
    ("heaviside", (0.0, 0.5), (0.0, 1.0)),
    ("copysign", (0.0, 2.0), (1.0, 0.0)),
    ("copysign", (2.0, 0.0), (1.0, 0.0)),
    ("maximum", (1.0, 1.0), (0.5, 0.5)),
    ("minimum", (1.0, 1.0), (0.5, 0.5)),
    ("fmax", (1.0, 1.0), (0.0, 1.0)),
    ("fmin", (1.0, 1.0), (0.0, 1.0)),
    ("clip", (0.0, 0.0, 1.0), (0.5, 0.5, 0.0)),
    ("clip", (1.0, 0.0, 1.0), (0.5, 0.0, 0.5)),
    ("hypot", (0.0, 0.0), (0.5, 0.5)),
    ("relu", (0.0,), (0.0,)),
    ("relu6", (0.0,), (0.0,)),
    ("relu6", (6.0,), (0.0,)),
    ("leaky_relu", (0.0,), (1.0,)),
    ("elu", (0.0, 2.0), (2.0, 0.0)),
    ("celu", (0.0, 2.0), (1.0, 0.0)),
    ("selu", (0.0,), (SELU,)),
    ("soft_sign", (0.0,), (1.0,)),
    ("hard_tanh", (-1.0,), (1.0,)),
    ("hard_tanh", (1.0,), (1.0,)),
    ("hard_sigmoid", (-3.0,), (0.0,)),
    ("hard_sigmoid", (3.0,), (0.0,)),
    ("hard_silu", (-3.0,), (0.0,)),
    ("hard_silu", (3.0,), (1.0,)),
    ("i0e", (0.0,), (0.0,)),
    ("max", ([1.0, 1.0, 0.0],), ([0.5, 0.5, 0.0],)),
    ("min", ([1.0, 1.0, 2.0],), ([0.5, 0.5, 0.0],)),
    ("nanmax", ([1.0, 1.0, 0.0],), ([0.5, 0.5, 0.0],)),
    ("nanmin", ([1.0, 1.0, 2.0],), ([0.5, 0.5, 0.0],)),
    ("ptp", ([1.0, 1.0, 0.0],), ([0.5, 0.5, -1.0],)),
    ("median", ([1.0, 1.0, 0.0],), ([1.0, 0.0, 0.0],)),
    ("sort", ([1.0, 1.0, 0.0],), ([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],)),
]
"""A function, a point on its kink, and the derivatives with respect to each argument."""

MADE: list[tuple[str, Callable[[Any], Any], Any, Any]] = [
    ("where", lambda x: jnp.where(x > 0, 3 * x, 5 * x), 0.0, 5.0),
    ("where", lambda x: jnp.where(x >= 0, 3 * x, 5 * x), 0.0, 3.0),
    ("multiply", lambda x: (x > 0) * x, 0.0, 0.0),
    ("multiply", lambda x: (x >= 0) * x, 0.0, 1.0),
    ("pinv", lambda x: jnp.sum(jnp.linalg.pinv(jnp.diag(x))), [2.0, 0.0], [-0.25, 0.0]),
    ("norm", lambda x: jnp.linalg.norm(x, 1), [0.0, 1.0], [1.0, 1.0]),
    ("norm", lambda x: jnp.linalg.norm(x, jnp.inf), [1.0, -1.0, 0.0], [0.5, -0.5, 0.0]),
    ("quantile", lambda x: jnp.quantile(x, 0.5), [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
    ("percentile", lambda x: jnp.percentile(x, 50), [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
]
"""The same for what takes more than numbers."""


WAYS = {"forward": jax.jacfwd, "reverse": jax.jacrev}


@cache
def slopes_of(way: str) -> tuple[list[Any], list[Any]]:
    """Return JAX's derivatives of both tables, compiled as one program."""
    derivative = WAYS[way]

    def all_of_them() -> tuple[list[Any], list[Any]]:
        table = [
            derivative(FUNCTIONS[name].resolve(), tuple(range(len(point))))(*map(jnp.array, point))
            for name, point, _ in SLOPES
        ]
        return table, [derivative(function)(jnp.array(point)) for _, function, point, _ in MADE]

    with jax.enable_x64(True):
        return jax.device_get(jax.jit(all_of_them)())  # type: ignore[no-any-return]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", range(len(SLOPES)), ids=lambda n: f"{SLOPES[n][:2]}")
def test_jax_takes_what_the_table_says(number: int, way: str) -> None:
    for found, slope in zip(slopes_of(way)[0][number], SLOPES[number][2], strict=True):
        np.testing.assert_allclose(found, slope, rtol=1e-12)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("number", range(len(MADE)))
def test_jax_takes_what_the_table_says_of_compositions(number: int, way: str) -> None:
    np.testing.assert_array_equal(slopes_of(way)[1][number], MADE[number][3])


def test_every_kink_of_the_table_is_held_against_jax() -> None:
    assert {row[0] for row in SLOPES} | {row[0] for row in MADE} == set(KINKS)


@pytest.mark.parametrize("table", [KINKS, SINGULAR])
def test_tables_name_functions_of_the_language(table: dict[str, Any]) -> None:
    primitives = {"rsqrt"}
    assert set(table) - primitives <= set(FUNCTIONS)
    assert not set(table) & set(ALIASES)
    assert set(SYMBOLS.values()) - {"matmul"} <= set(FUNCTIONS)
