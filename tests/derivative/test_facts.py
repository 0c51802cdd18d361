"""Facts: sizes, and the directions that loops and custom rules bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaccli.derivative.operators import JACOBIAN
from jaccli.derivative.trace_info import facts

X = np.array([0.5, 1.0, 2.0], np.float32)
Function = Callable[[Any], Any]


def doubled(x: Any, stop: float = 9.0) -> Any:
    return lax.while_loop(lambda y: y.sum() < stop, lambda y: 2 * y, x)


@jax.custom_vjp
def cube(x: Any) -> Any:
    """x³ with a pullback alone."""
    return x**3


cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))


@jax.custom_jvp
def pushed(x: Any) -> Any:
    """x³ by a loop, with a pushforward of its own that has none."""
    return lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), (0, x / x))[1]


pushed.defjvps(lambda t, _, x: 3 * x**2 * t)


def newton(x: Any) -> Any:
    """sqrt(x), solved with a loop that is not differentiated."""
    solve = lambda g, y: lax.while_loop(  # noqa: E731
        lambda y: jnp.abs(g(y)).sum() > 1e-3, lambda y: y - g(y) / (2 * y), y
    )
    linear = lambda g, y: y / g(jnp.ones_like(y))  # noqa: E731
    return lax.custom_root(lambda y: y * y - x, jnp.ones_like(x), solve, linear)


# The function, and whether forward, then reverse mode is barred.
CASES: dict[str, tuple[Function, bool, bool]] = {
    "plain": (jnp.sin, False, False),
    "while loop": (doubled, False, True),
    "loop of unknown length": (lambda x: lax.fori_loop(0, x[0].astype(int), lambda _, y: y * x, x),
                               False, True),
    "loop of known length": (lambda x: lax.fori_loop(0, 3, lambda _, y: y * x, x), False, False),
    "scan": (lambda x: lax.scan(lambda c, y: (c * y, c), x[0], x)[1], False, False),
    "while loop in a call": (jax.jit(doubled), False, True),
    "while loop in a scan": (
        lambda x: lax.scan(lambda c, _: (doubled(c), None), x, length=2)[0], False, True),
    "while loop in a branch": (
        lambda x: lax.cond(x[0] > 0, doubled, lambda x: x, x), False, True),
    "while loop in checkpoint": (jax.checkpoint(doubled), False, True),
    "loop on a constant": (lambda x: x * doubled(jnp.ones(3)), False, False),
    "loop on a constant in a call": (
        jax.jit(lambda x: x * doubled(jnp.ones(3))), False, False),
    "custom_vjp": (cube, True, False),
    "custom_vjp in a scan": (
        lambda x: lax.scan(lambda c, _: (cube(c), None), x, length=2)[0], True, False),
    "custom_vjp on a constant": (lambda x: x * cube(jnp.ones(3)), False, False),
    "custom_vjp of its own loop": (lambda x: looping_cube(x), True, False),
    "custom_jvp of its own loop": (pushed, False, False),
    "custom_root": (newton, False, False),
    "both": (lambda x: doubled(cube(x)), True, True),
}  # fmt: skip


@jax.custom_vjp
def looping_cube(x: Any) -> Any:
    """x³ by a loop that a pullback of its own hides."""
    return pushed(x)


looping_cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))


@pytest.mark.parametrize("name", CASES)
def test_what_bars_a_direction(name: str) -> None:
    f, no_forward, no_reverse = CASES[name]
    found = facts(f, X)
    assert (found.no_forward, found.no_reverse) == (no_forward, no_reverse)


@pytest.mark.parametrize("name", CASES)
def test_facts_are_what_jax_does(name: str) -> None:
    """Barred is what JAX refuses, and nothing else."""
    f, no_forward, no_reverse = CASES[name]
    for mode, barred in (("fwd", no_forward), ("rev", no_reverse)):
        try:
            jax.eval_shape(lambda x, m=mode: JACOBIAN[m](f, x), X)
            refused = False
        except (TypeError, ValueError):
            refused = True
        assert refused == barred, mode


def test_sizes_count_all_numbers_of_all_arrays() -> None:
    found = facts(lambda t: {"y": t["a"] @ t["b"], "z": t["s"]}, TREE)
    assert (found.inputs, found.outputs) == (6 + 3 + 1 + 0, 2 + 1)


TREE = {"a": np.ones((2, 3)), "b": np.ones(3), "s": np.float64(1.0), "none": np.ones((0, 4))}


def test_the_text_depends_on_structure_and_shapes_but_not_on_numbers_or_addresses() -> None:
    def text(scale: Any, size: int = 3, f: Any = jnp.sin) -> str:
        a = np.full((2, size), scale, np.float32)
        return facts(lambda x: f(a @ x) + cube(x[:2]), np.ones(size, np.float32)).text

    assert text(1.0) == text(2.0)
    assert "0x" not in text(1.0)
    assert len({text(1.0), text(1.0, size=4), text(1.0, f=jnp.cos)}) == 3


def test_nothing_is_computed() -> None:
    big = jax.ShapeDtypeStruct((10_000_000,), np.float32)
    found = facts(lambda x: jnp.sum(jnp.outer(x, x)), big)
    assert (found.inputs, found.outputs) == (10_000_000, 1)
