"""What does not depend on the inputs is computed while tracing; the function stays the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaccli
from jaccli import backend
from jaccli.derivative import constants, sparse
from jaccli.derivative.jaxprs import inner_jaxprs
from jaccli.derivative.traced_function import traced
from tests.thinned import thinned

N = 30


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def x() -> Any:
    return np.random.default_rng(0).uniform(0.5, 1.5, N)


def names(jaxpr: Any) -> list[str]:
    """Return all primitives of a jaxpr, those within others too."""
    found = []
    for eqn in jaxpr.eqns:
        found.append(eqn.primitive.name)
        for inner in inner_jaxprs(eqn.params):
            found += names(inner)
    return found


# Each expression on constants, as numpy has it.
ARITHMETIC: dict[str, Callable[[], Any]] = {
    "quotient cut towards zero": lambda: lax.div(jnp.arange(-5, 5), jnp.array(3)),
    "remainder with the sign of the dividend": lambda: lax.rem(jnp.arange(-5, 5), jnp.array(3)),
    "floor of a quotient": lambda: jnp.arange(-5, 5) // 3,
    "modulo": lambda: jnp.arange(-5, 5) % 3,
    "powers": lambda: jnp.arange(-3, 4) ** 3,
    "shifts": lambda: (jnp.arange(-4, 4) >> 1) ^ (jnp.arange(8) << 2),
    "logical shift": lambda: lax.shift_right_logical(jnp.arange(-4, 4), 3),
    "cast to integers": lambda: jnp.linspace(-2.0, 2.0, 9).astype(int),
    "rounding to even": lambda: jnp.round(jnp.arange(-5, 6) / 2),
    "sorting by two keys": lambda: jnp.lexsort((jnp.array([3, 1, 2, 1]), jnp.array([0, 1, 0, 1]))),
    "stable order of equal keys": lambda: jnp.argsort(jnp.array([2, 1, 2, 1, 2])),
    "first of equal maxima": lambda: jnp.argmax(jnp.array([1, 3, 3, 0])),
    "running sums backward": lambda: lax.cumsum(jnp.arange(6), reverse=True),
    "running maximum": lambda: lax.cummax(jnp.array([1, 3, 2, 5, 4])),
    "padding that cuts": lambda: lax.pad(jnp.arange(6), 9, [(-1, 2, 1)]),
    "clamping": lambda: jnp.clip(jnp.arange(-3, 9), 0, 4),
    "gather outside, clipped": lambda: jnp.arange(5).at[jnp.array([-9, 7, 2])].get(mode="clip"),
    "gather outside, filled": lambda: (
        jnp.arange(5).at[jnp.array([-9, 7, 2])].get(mode="fill", fill_value=-7)
    ),
    "rows gathered": lambda: jnp.arange(12).reshape(4, 3)[jnp.array([2, 0])],
    "scatter of sums": lambda: jnp.zeros(4, int).at[jnp.array([1, 1, 3, 9])].add(5),
    "slice past the end": lambda: lax.dynamic_slice(jnp.arange(6), (5,), (3,)),
    "triangle": lambda: jnp.tril(jnp.ones((4, 4))) - jnp.eye(4),
    "places of non-zeros": lambda: jnp.nonzero(jnp.arange(9) % 3, size=6)[0],
    "products of integers": lambda: jnp.arange(6).reshape(2, 3) @ jnp.arange(6).reshape(3, 2),
}


FUSED = {
    "iota", "broadcast_in_dim", "lt", "ge", "le", "add", "select_n", "convert_element_type", "sub",
    "eq",
}  # fmt: skip
"""What stays an equation where it costs nothing: XLA computes it on the fly."""


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("wide", [True, False], ids=["64 bits", "32 bits"])
def test_constants_have_the_bits_that_xla_computes(name: str, wide: bool) -> None:
    with jax.enable_x64(wide):
        f = ARITHMETIC[name]
        folded = traced(lambda x: f(), np.float32(0)).folded
        expected = np.asarray(jax.jit(f)())
        (result,) = jax.jit(lambda: jax.core.eval_jaxpr(folded.jaxpr, folded.consts, 0.0))()
        assert set(names(folded.jaxpr)) <= FUSED
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(result, expected)


def test_division_by_zero_is_left_to_xla() -> None:
    divide = traced(lambda x: x + lax.div(jnp.array([1, 2]), jnp.array([0, 1])), 0.0)
    assert "div" in names(divide.folded.jaxpr)


def test_branches_whose_index_is_known_are_taken() -> None:
    f = traced(lambda x: lax.switch(jnp.array(1) + 1, [jnp.sin, jnp.cos, jnp.tanh], x), x())
    assert names(f.folded.jaxpr) == ["tanh"]


def test_what_is_folded_inside_a_branch_or_a_loop_stays_inside() -> None:
    def f(x: Any) -> Any:
        i = jnp.arange(N)
        y = lax.cond(x[0] > 1, lambda x: x[(i + 1) % N], lambda x: x[(2 * i) % N], x)
        step = lambda c, _: (jnp.sin(c[(i * 7) % N]) + y, c.sum())  # noqa: E731
        return lax.scan(step, y, None, length=3)

    once = traced(f, x())
    assert "rem" not in names(once.folded.jaxpr)
    for found, expected in zip(jax.jit(once)(x()), jax.jit(f)(x()), strict=True):
        np.testing.assert_array_equal(found, expected)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14),
        jax.jit(jax.vmap(jax.jacrev(once)))(x()[None]),
        jax.jit(jax.vmap(jax.jacrev(f)))(x()[None]),
    )


def test_effects_are_kept_in_number() -> None:
    seen: list[float] = []

    def f(x: Any) -> Any:
        jax.debug.callback(lambda v: seen.append(float(v)), jnp.arange(3.0).sum())
        return x**2

    jax.jit(traced(f, x()))(x())
    jax.effects_barrier()
    assert seen == [3.0]


def test_keys_and_what_comes_of_them_stay_in_the_program_but_for_indices() -> None:
    def f(x: Any) -> Any:
        key = jax.random.key(3)
        return x[jax.random.permutation(key, N)] * jax.random.normal(key, (N,))

    once = traced(f, x())
    np.testing.assert_array_equal(jax.jit(once)(x()), jax.jit(f)(x()))
    assert "sort" not in names(once.folded.jaxpr)


def test_large_arrays_are_not_computed() -> None:
    n = 1100
    once = traced(lambda x: x @ (jnp.tril(jnp.ones((n, n))) - jnp.eye(n)), np.ones(n))
    assert n * n > constants.LIMIT
    assert max((np.size(c) for c in once.folded.consts), default=0) < n * n


def test_custom_rules_are_kept() -> None:
    @jax.custom_jvp
    def f(x: Any) -> Any:
        return jnp.round(x)

    f.defjvp(lambda p, t: (f(*p), 3 * t[0]))
    once = traced(lambda x: f(x * jnp.arange(N)), x())
    np.testing.assert_array_equal(jax.jacfwd(once)(x()), 3 * np.diag(np.arange(N)))


def test_other_shapes_are_taken_by_the_original() -> None:
    once = traced(lambda x: x * jnp.arange(x.size), x())
    np.testing.assert_array_equal(once(np.ones(4)), np.arange(4))


# Loops whose steps do not wait for each other, and some whose steps do.

LOOPS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "rows written by index": (
        lambda x: lax.fori_loop(
            0, 28, lambda i, y: y.at[i].set(lax.dynamic_slice(x, (i,), (3,)).sum()), jnp.zeros(N)
        ),
        True,
    ),
    "a map over indices": (lambda x: lax.map(lambda i: x[i] * x[(i + 1) % N], jnp.arange(N)), True),
    "the row before": (
        lambda x: lax.scan(lambda h, r: (r, jnp.sin(h) * r), jnp.zeros(5), x.reshape(6, 5)),
        True,
    ),
    "the row after": (lambda x: lax.scan(lambda h, r: (r, h * r), 0.0, x, reverse=True), True),
    "a sum at the same place": (
        lambda x: lax.fori_loop(0, N, lambda i, y: y.at[i // 2].add(x[i]), jnp.ones(N)),
        True,
    ),
    "windows written": (
        lambda x: lax.fori_loop(
            0, 10,
            lambda i, y: lax.dynamic_update_slice(y, lax.dynamic_slice(x, (i,), (2,)), (3 * i,)),
            x,
        ),
        True,
    ),
    "a counter that is read": (
        lambda x: lax.scan(lambda c, i: (c + 2, x[i] * c), 3, jnp.arange(N), reverse=True),
        True,
    ),
    "a place written twice": (
        lambda x: lax.fori_loop(0, N, lambda i, y: y.at[i // 2].set(x[i]), jnp.zeros(N)),
        False,
    ),
    "an array that is read while it is written": (
        lambda x: lax.fori_loop(0, N - 1, lambda i, y: y.at[i + 1].set(y[i] * x[i]), x),
        False,
    ),
    "a recurrence": (lambda x: lax.scan(lambda h, r: (h / 2 + r, h * r), 0.0, x), False),
    "two that change places": (
        lambda x: lax.fori_loop(0, 5, lambda i, c: (c[1], c[0] * x[i]), (x[0], x[1])),
        False,
    ),
    "a window written past the end": (
        lambda x: lax.fori_loop(
            0, 3, lambda i, y: lax.dynamic_update_slice(y, x[:2], (N - 2 + i,)), x
        ),
        False,
    ),
    "one that is seen by a result": (
        lambda x: lax.scan(lambda y, i: (y.at[i].set(x[i]), y.sum()), jnp.zeros(N), jnp.arange(N)),
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", thinned(LOOPS, 3))
def test_loops_are_taken_at_once_where_steps_do_not_wait(name: str) -> None:
    f, at_once = LOOPS[name]
    once = traced(f, x())
    assert ("scan" not in names(once.folded.jaxpr)) is at_once

    def both(f: Callable[[Any], Any]) -> Any:
        floats = lambda x: [y for y in jax.tree.leaves(f(x)) if y.dtype == float]  # noqa: E731
        return jax.tree.leaves((jax.jit(f)(x()), jax.jit(jax.jacrev(floats))(x())))

    for found, expected in zip(both(once), both(f), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)


def test_a_loop_that_would_hold_too_much_stays_one() -> None:
    def f(x: Any) -> Any:
        return lax.map(lambda i: jnp.sum(jnp.outer(x, x) * i), jnp.arange(9000))

    assert "scan" in names(traced(f, x()).folded.jaxpr)


# What was once folded wrongly.


@jax.jit
def damped(x: Any, c: Any) -> Any:
    return x * jnp.cos(jnp.exp(c * 0.01) * 2)


def by_other_constants(x: Any) -> Any:
    """Call one traced function with several constants."""
    for k in range(6):
        x = damped(x, jnp.arange(N * 1.0) * k)
    return x


def drawn_by_another_generator(x: Any) -> Any:
    """Draw numbers that `vmap` would draw otherwise."""
    key = jax.random.key(0, impl="rbg")

    def step(i: Any, y: Any) -> Any:
        return y.at[i].set(x[i] * jax.random.normal(jax.random.fold_in(key, i)))

    return lax.fori_loop(0, N, step, jnp.zeros(N))


def counted_in_eight_bits(x: Any) -> Any:
    """Count beyond 255, which is 0 again."""
    count = lax.scan(lambda c, r: (c + (r > 0).astype(np.uint8) * 200, r), np.uint8(0), x)[0]
    return count * x


def product_of_small_integers(x: Any) -> Any:
    a = jnp.full((3, 3), 100, np.int8)
    return x * (lax.dot(a, a, preferred_element_type=np.int32)[0, 0] > 1000)


def bits_of_negative_numbers(x: Any) -> Any:
    return x[lax.population_count(jnp.arange(-5, 15, dtype=np.int32)) % N] * 2


def saturated_casts(x: Any) -> Any:
    return x[:2] * ((jnp.array([2147483648.0, 1.0], np.float32) * 1).astype(np.int32) > 0)


def case_out_of_range(x: Any) -> Any:
    return x * lax.select_n(jnp.full(N, 3), jnp.ones(N), jnp.full(N, 2.0), jnp.full(N, 3.0))


def scaled_by_powers_of_two(x: Any) -> Any:
    """Use what JAX 0.12 computes from bits, which have no derivatives."""
    return jnp.ldexp(x, 3) * jnp.sin(jnp.arange(N)) + jnp.frexp(x)[0]


def polynomials(x: Any) -> Any:
    return jnp.polyval(x[:3], x) + jnp.polyval(jnp.arange(4.0), x[::-1])


KEY = jax.random.key(0)
ONCE_WRONG = (
    by_other_constants,
    drawn_by_another_generator,
    counted_in_eight_bits,
    product_of_small_integers,
    bits_of_negative_numbers,
    saturated_casts,
    case_out_of_range,
    scaled_by_powers_of_two,
    polynomials,
    lambda x: jnp.cumsum(x[jax.random.permutation(KEY, N)]) ** 2,
)


@pytest.mark.parametrize("f", thinned(ONCE_WRONG, 3))
def test_values_and_patterns_are_those_of_jax_itself(f: Callable[[Any], Any]) -> None:
    expected = np.asarray(jax.jacfwd(f)(x()))
    for mode in ("fwd", "auto", "structured", "sparse"):
        for _ in range(2):
            found = jaccli.jacobian(f, mode=mode)(x())
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    pattern = sparse.prepare("jacobian", lambda x, _: f(x), x()).pattern
    there = np.zeros(expected.shape, np.bool_)
    there[pattern.rows, pattern.columns] = True
    assert not ((expected != 0) & ~there).any()
