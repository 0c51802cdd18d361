"""What the table says that JAX takes at a kink, held against JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaccli.expression import FUNCTIONS
from jaccli.verify.singular import SINGULAR
from jaccli.verify.steps import ALIASES, SYMBOLS
from jaccli.verify.ties import KINKS

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
    ("norm", lambda x: jnp.linalg.norm(x, 1), [0.0, 1.0], [1.0, 1.0]),
    ("norm", lambda x: jnp.linalg.norm(x, jnp.inf), [1.0, -1.0, 0.0], [0.5, -0.5, 0.0]),
    ("quantile", lambda x: jnp.quantile(x, 0.5), [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
    ("percentile", lambda x: jnp.percentile(x, 50), [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]),
]
"""The same for what takes more than numbers."""


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("name", "point", "slopes"), SLOPES)
@pytest.mark.parametrize("way", [jax.jacfwd, jax.jacrev])
def test_jax_takes_what_the_table_says(
    name: str, point: tuple[Any, ...], slopes: tuple[Any, ...], way: Any
) -> None:
    function = FUNCTIONS[name].resolve()
    arguments = [jnp.array(each) for each in point]
    found = way(function, tuple(range(len(point))))(*arguments)
    for each, slope in zip(found, slopes, strict=True):
        assert jnp.allclose(each, jnp.array(slope), rtol=1e-12), (each, slope)


@pytest.mark.parametrize(("name", "function", "point", "slope"), MADE)
@pytest.mark.parametrize("way", [jax.jacfwd, jax.jacrev])
def test_jax_takes_what_the_table_says_of_compositions(
    name: str, function: Callable[[Any], Any], point: Any, slope: Any, way: Any
) -> None:
    assert way(function)(jnp.array(point)).tolist() == slope


def test_every_kink_of_the_table_is_held_against_jax() -> None:
    assert {row[0] for row in SLOPES} | {row[0] for row in MADE} == set(KINKS)


@pytest.mark.parametrize("table", [KINKS, SINGULAR])
def test_tables_name_functions_of_the_language(table: dict[str, Any]) -> None:
    primitives = {"rsqrt"}
    assert set(table) - primitives <= set(FUNCTIONS)
    assert not set(table) & set(ALIASES)
    assert set(SYMBOLS.values()) - {"matmul"} <= set(FUNCTIONS)
