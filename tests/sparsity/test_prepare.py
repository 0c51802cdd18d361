"""Sparse derivatives equal dense ones, by links and by colorings, at every point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli import backend
from jaccli.derivative import sparse
from jaccli.derivative.chunking import cut, index_of
from jaccli.derivative.sparse import from_structured, prepare
from jaccli.derivative.sparse.compressed import Colored
from jaccli.derivative.sparse.sparse_derivative import prepared_by_coloring
from jaccli.derivative.trace_info import facts
from tests.structured.agreement import points
from tests.structured.test_random import composed, programs

Function = Callable[[Any], Any]
_JAX = {"jacobian": jax.jacfwd, "hessian": lambda f: jax.jacfwd(jax.jacrev(f))}
TOLERANCE = 1e-10


@pytest.fixture(autouse=True)
def _double() -> None:
    backend.configure(x64=True)


def close(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.shape == b.shape
        scale = max(1.0, float(np.abs(b).max(initial=0)))
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE * scale)


def check(prepared: sparse.Prepared, derivative: str, f: Function, x: Any) -> None:
    """Compare entries put in place by numpy, and the dense blocks, with JAX's own derivative."""

    def all_three(x: Any) -> tuple[Any, Any, Any]:  # one compilation, which is what takes time here
        return _JAX[derivative](f)(x), prepared.values(f, x), prepared.dense(f, x)

    expected, values, dense = jax.jit(all_three)(x)
    close(prepared.filled(jax.tree.map(np.asarray, values)), expected)
    close(dense, expected)


def without_rest(f: Function) -> Callable[[Any, Any], Any]:
    return lambda x, _: f(x)


WAYS = {
    "linked": lambda kind, f, x: prepare(kind, without_rest(f), x),
    "colored": lambda kind, f, x: prepared_by_coloring(kind, without_rest(f), x, about=facts(f, x)),
}


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=5)
@given(programs)
def test_random_jacobians_equal_dense_ones(way: str, program: tuple[list[str], Any]) -> None:
    f, x = composed(program[0]), points(*program[1], seed="p")
    check(WAYS[way]("jacobian", f, x), "jacobian", f, x)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=3)
@given(programs)
def test_random_hessians_equal_dense_ones(way: str, program: tuple[list[str], Any]) -> None:
    inner = composed(program[0][:3])
    f, x = lambda x: jnp.sum(inner(x) ** 2), points(*program[1], seed="p")
    check(WAYS[way]("hessian", f, x), "hessian", f, x)


@pytest.mark.parametrize("way", WAYS)
def test_hessians_of_several_numbers_stand_under_each(way: str) -> None:
    def f(x: Any) -> Any:
        return {"u": x["b"] * jnp.sin(x["a"][:3]), "v": jnp.sum(x["a"] ** 3) * x["b"][0]}

    x = {"a": points(4, seed="a"), "b": points(3, seed="b")}
    check(WAYS[way]("hessian", f, x), "hessian", f, x)


@settings(max_examples=5)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_star_colorings_read_every_entry_of_a_random_symmetric_pattern(n: int, seed: int) -> None:
    """H = Σ over random pairs: sin(x_i x_j) couples i and j, and nothing else."""
    draw = np.random.default_rng(seed)
    i, j = draw.integers(0, n, (2, n))
    x = draw.normal(size=n)

    def f(x: Any) -> Any:
        return jnp.sum(jnp.sin(x[i] * x[j]))

    expected = np.zeros((n, n))
    a, b = x[i], x[j]
    first, second = np.cos(a * b), -np.sin(a * b)
    np.add.at(expected, (i, i), second * b * b)
    np.add.at(expected, (j, j), second * a * a)
    np.add.at(expected, (i, j), second * a * b + first)
    np.add.at(expected, (j, i), second * a * b + first)
    prepared = prepared_by_coloring("hessian", without_rest(f), x)
    found = jax.jit(lambda x: prepared.dense(f, x))(x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert prepared.coloring is not None
    assert prepared.coloring.count <= n


def chain(x: Any) -> Any:
    return x[1:] - x[:-1] ** 2


def test_a_chain_is_linked_and_has_two_entries_in_a_row() -> None:
    n = 1000
    prepared = prepare("jacobian", without_rest(chain), np.zeros(n))
    assert prepared.coloring is None
    assert prepared.nnz == 2 * (n - 1)
    x = np.linspace(0.1, 1, n)
    (entries,) = prepared.method.entries
    values = entries.collected(np.asarray(prepared.values(chain, x)))
    row, column = divmod(entries.positions, n)
    np.testing.assert_array_equal(row, np.repeat(np.arange(n - 1), 2))
    np.testing.assert_array_equal(column - row, np.tile([0, 1], n - 1))
    np.testing.assert_array_equal(values[::2], -2 * x[:-1])
    np.testing.assert_array_equal(values[1::2], np.ones(n - 1))


def test_index_arrays_link_what_they_pick() -> None:
    which = np.array([4, 0, 0, 3])
    prepared = prepare("jacobian", lambda x, _: x[which] ** 2, np.ones(5))
    pattern = prepared.pattern
    np.testing.assert_array_equal(pattern.columns, which)
    np.testing.assert_array_equal(pattern.rows, np.arange(4))


def newton(x: Any) -> Any:
    """The square roots of x by a loop that knows no length: the engine has no links through it."""

    def step(state: Any) -> Any:
        y, _ = state
        change = (y * y - x) / (2 * y)
        return y - change, jnp.max(jnp.abs(change))

    return jax.lax.while_loop(lambda state: state[1] > 1e-14, step, (x, jnp.inf))[0]


def test_a_loop_of_unknown_length_is_colored_with_one_color() -> None:
    x = np.linspace(1, 2, 40)
    prepared = prepared_by_coloring("jacobian", without_rest(newton), x, about=facts(newton, x))
    assert isinstance(prepared.method, Colored)
    assert prepared.words == "density 2.5 %, 1 color for 40 columns"
    np.testing.assert_allclose(
        np.diag(prepared.dense(newton, x)), 0.5 / np.sqrt(x), rtol=1e-12, atol=0
    )


def test_a_dense_function_is_not_colored(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = points(1100, 1000, seed="w")
    monkeypatch.setattr(from_structured, "FEW", 0)  # as if the engine had no way to say so
    monkeypatch.setitem(prepare.__globals__, "MOST", 1_000_000)
    monkeypatch.setattr(sparse.compressed, "color", None)
    prepared = prepare("jacobian", lambda x, _: jnp.tanh(weight @ x), np.zeros(1000))
    assert prepared.nnz == 1_100_000


def test_a_few_full_rows_are_taken_apart() -> None:
    def f(x: Any, _: Any) -> Any:
        band = x[0] * x[1:-1] * x[2:]
        return jnp.concatenate([band, jnp.sum(x**2)[None], jnp.sum(x**3)[None]])

    x = points(300, seed="x")
    prepared = prepared_by_coloring("jacobian", f, x)
    assert prepared.coloring is not None
    assert (prepared.coloring.count, prepared.coloring.rows_apart) == (3, 2)
    assert prepared.coloring.words == "3 colors for 300 columns and 2 for full rows"
    check(prepared, "jacobian", lambda x: f(x, None), x)
    chunks = prepared.chunks(lambda x: f(x, None), x, dense=True)
    whole = chunks.empty()
    for kernel in chunks.kernels(1):
        for chunk in cut([kernel.axis], 1):
            index = jnp.asarray(index_of(kernel.axis, chunk.offset))
            kernel.write(whole, chunk, kernel.compute(x, index))
    close(chunks.assemble(whole), jax.jacfwd(lambda x: f(x, None))(x))


def test_linear_blocks_are_known_once_folded() -> None:
    def f(x: Any) -> Any:
        return {"linear": 3 * x[::-1], "square": x**2}

    x = points(6, seed="x")
    folded = prepare("jacobian", without_rest(f), x).folded(f, x)
    assert [known is not None for known in folded.method.constants] == [True, False]  # type: ignore[attr-defined]
    check(folded, "jacobian", f, x)


def test_custom_rules_bar_a_direction() -> None:
    @jax.custom_vjp
    def g(x: Any) -> Any:
        return x**3

    g.defvjp(lambda x: (x**3, x), lambda x, u: (3 * x**2 * u,))
    x = points(30, seed="x")
    prepared = prepared_by_coloring("jacobian", without_rest(g), x, about=facts(g, x))
    assert prepared.coloring is not None
    assert prepared.coloring.way == "rev"
    np.testing.assert_allclose(np.diag(prepared.dense(g, x)), 3 * x**2, rtol=1e-12)

    def scaled(x: Any) -> Any:  # linear in its cotangents, though by a scatter
        return g(x).at[5:9].multiply(2.0)

    prepared = prepared_by_coloring("jacobian", without_rest(scaled), x, about=facts(scaled, x))
    expected = 3 * x**2 * np.where((np.arange(30) >= 5) & (np.arange(30) < 9), 2, 1)
    assert prepared.pattern.nnz == 30
    np.testing.assert_allclose(prepared.dense(scaled, x), np.diag(expected), rtol=1e-12)


def test_the_operator_traces_under_jit_and_vmap_with_arguments_that_are_traced() -> None:
    from jaccli import jacobian

    def f(x: Any, w: Any) -> Any:
        return newton(x) * w

    x, w = np.linspace(1, 2, 20), np.linspace(2, 3, 20)
    expected = np.diag(0.5 * w / np.sqrt(x))
    np.testing.assert_allclose(jax.jit(jacobian(f, mode="sparse"))(x, w), expected, rtol=1e-12)
    mapped = jax.vmap(jacobian(f, mode="sparse"))(np.stack([x, x]), np.stack([w, 2 * w]))
    np.testing.assert_allclose(mapped, np.stack([expected, 2 * expected]), rtol=1e-12)


def test_numbers_of_the_inputs_are_not_structure() -> None:
    """Not even without `jit`, where an order that is computed could be looked at."""
    x = jnp.array([0.3, 0.1, 0.2])
    prepared = sparse.prepare("jacobian", lambda x, _: jnp.sort(x) ** 2, x)
    for point in (x, x[::-1]):
        values = prepared.values(lambda x: jnp.sort(x) ** 2, point)
        expected = np.diag(2 * np.sort(point))[:, np.argsort(np.argsort(point))]
        np.testing.assert_allclose(prepared.to_scipy(values).todense(), expected)
