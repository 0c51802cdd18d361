"""Each mode is what its name says: seen on functions that only some modes can differentiate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.derivative.basis import BasisProduct, forward, reverse
from jaccli.derivative.operators import HESSIAN_SWEEPS, HVP, JACOBIAN_SWEEPS

X = np.array([0.5, 1.0, 2.0], np.float32)


def looped(x: Any) -> Any:
    """x³ by a loop of a length that is not known: no mode may go in reverse."""
    count_and_power = (0, jnp.ones_like(x))
    return jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * x), count_and_power)[
        1
    ]


@jax.custom_vjp
def cube(x: Any) -> Any:
    """x³ with a pullback alone: the first derivative must go in reverse."""
    return x**3


cube.defvjp(lambda x: (x**3, x), lambda x, ct: (3 * x**2 * ct,))


@jax.custom_vjp
def triple_square(x: Any) -> Any:
    """3 x², as `cube` a pullback alone."""
    return 3 * x**2


triple_square.defvjp(lambda x: (3 * x**2, x), lambda x, ct: (6 * x * ct,))


@jax.custom_vjp
def cube_of_pullbacks(x: Any) -> Any:
    """x³ with a pullback whose own derivative has only a pullback: reverse, then reverse."""
    return x**3


cube_of_pullbacks.defvjp(lambda x: (x**3, x), lambda x, ct: (triple_square(x) * ct,))


@jax.custom_jvp
def pushed_cube(x: Any) -> Any:
    """x³ with a pushforward whose own derivative has only a pullback: forward, then reverse."""
    return x**3


pushed_cube.defjvps(lambda t, _, x: triple_square(x) * t)


def total(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: jnp.sum(f(x))


def works(call: Callable[[], Any], expected: Any) -> bool:
    """Whether a call can be differentiated, and then to the right numbers."""
    try:
        found = call()
    except (TypeError, ValueError, NotImplementedError):
        return False
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    return True


@pytest.mark.parametrize(
    ("f", "modes"),
    [(looped, {"fwd"}), (cube, {"rev", "loop"}), (pushed_cube, {"fwd", "rev", "loop"})],
)
def test_jacobian_modes_go_the_way_they_are_named(f: Callable[[Any], Any], modes: set[str]) -> None:
    found = {
        m
        for m, build in JACOBIAN_SWEEPS.items()
        if works(lambda b=build: b(f, X)(X), np.diag(3 * X**2))
    }
    assert found == modes


@pytest.mark.parametrize(
    ("f", "modes"),
    [
        (looped, {"fwd-fwd"}),
        (cube, {"fwd-rev", "rev-rev"}),
        (cube_of_pullbacks, {"rev-rev"}),
        (pushed_cube, {"rev-fwd", "rev-rev"}),
    ],
)
def test_hessian_modes_are_named_outer_inner(f: Callable[[Any], Any], modes: set[str]) -> None:
    g, H = total(f), np.diag(6 * X)
    assert {
        m for m, build in HESSIAN_SWEEPS.items() if works(lambda b=build: b(g, X)(X), H)
    } == modes


@pytest.mark.parametrize(
    ("f", "modes"),
    [
        (looped, {"fwd-fwd"}),
        (cube, {"fwd-rev", "rev-rev"}),
        (cube_of_pullbacks, {"rev-rev"}),
    ],
)
def test_hvp_modes_are_named_outer_inner(f: Callable[[Any], Any], modes: set[str]) -> None:
    g, v = total(f), np.ones(3, np.float32)
    assert {m for m, hvp in HVP.items() if works(lambda h=hvp: h(g, X, v), 6 * X)} == modes


def test_rows_one_by_one_are_a_loop_of_the_program_and_the_others_are_not() -> None:
    loops = {
        mode: "scan" in str(jax.make_jaxpr(lambda x, b=build: b(jnp.sin, X)(x))(X))
        for mode, build in JACOBIAN_SWEEPS.items()
    }
    assert loops == {"fwd": False, "rev": False, "loop": True}


@pytest.mark.parametrize(("build", "count"), [(forward, 5), (reverse, 3)])
def test_a_sweep_takes_any_unit_vectors_in_any_order(
    build: Callable[..., BasisProduct], count: int
) -> None:
    W = np.arange(15, dtype=np.float32).reshape(3, 5)
    x = np.ones(5, np.float32)
    sweep = build(lambda x: W @ x, x)
    assert (sweep.count, sweep.columns) == (count, build is forward)
    slices = sweep.slices(x, jnp.array([2, 0, 2]))
    np.testing.assert_array_equal(slices, (W.T if build is forward else W)[[2, 0, 2]])
