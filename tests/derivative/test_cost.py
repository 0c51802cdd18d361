"""What XLA says of programs whose cost is known by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.derivative import cost
from jaccli.derivative.cost import Cost

NOTHING = Cost(0.0, 0.0, 0.0, 0, 0, 0)


def compiled(f: Any, *shapes: tuple[int, ...]) -> Any:
    arrays = [np.ones(shape, np.float32) for shape in shapes]
    return jax.jit(f).lower(*arrays).compile()


def test_a_matrix_product_has_two_operations_for_each_term() -> None:
    found = cost.of(compiled(jnp.matmul, (30, 20), (20, 50)))
    assert found.operations == pytest.approx(2 * 30 * 20 * 50, rel=0.01)
    assert found.arguments == 4 * (30 * 20 + 20 * 50)
    assert found.outputs == 4 * 30 * 50
    assert found.traffic >= found.arguments + found.outputs


def test_transcendentals_are_counted_apart() -> None:
    assert cost.of(compiled(jnp.tanh, (7, 11))).transcendentals == 77


def test_temporaries_are_what_is_held_between() -> None:
    """A matrix from a vector and back: it has to be somewhere."""
    found = cost.of(compiled(lambda x: jnp.outer(x, x) @ jnp.outer(x, x + 1) @ x, (100,)))
    assert found.temporaries >= 4 * 100 * 100
    assert found.held == found.arguments + found.outputs + found.temporaries


@pytest.mark.parametrize("name", ["operations", "traffic", "transcendentals"])
def test_more_of_anything_takes_longer(name: str) -> None:
    assert NOTHING.seconds == 0
    one, two = (Cost(**(vars(NOTHING) | {name: count})).seconds for count in (1e6, 2e6))
    assert one > 0
    assert two == pytest.approx(2 * one)


@pytest.mark.parametrize("analysis", [None, {}])
def test_what_the_platform_does_not_tell_is_nothing(analysis: Any) -> None:
    silent = SimpleNamespace(cost_analysis=lambda: analysis, memory_analysis=lambda: None)
    assert cost.of(silent) == NOTHING


def test_a_fourier_transform_is_cheaper_than_a_matrix_product() -> None:
    """Each of 128 signals takes n log n operations, not n for each number."""
    x = jnp.ones((128, 128))
    transform = cost.estimated(lambda x: jnp.fft.fft(x), x)
    assert transform < cost.estimated(lambda x: x @ x, x)
    assert cost.estimated(lambda x: jnp.sort(x), x) < cost.estimated(lambda x: x @ x, x)
