"""Indexing is numpy's; what JAX would clamp is an error or NaN."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli.errors import SpecError
from jaccli.expression import evaluate, parse

VALUES = {
    "x": np.arange(5.0) ** 2,
    "w": np.arange(12.0).reshape(3, 4),
    "c": np.arange(24.0).reshape(2, 3, 4),
    "n": np.arange(5) * 7,
    "k": np.array(2),
    "i": np.array([3, -1, 0]),
    "j": np.array([[0, 2], [1, 1]]),
    "s": np.array(1.5),
}


def value(text: str) -> jax.Array:
    return evaluate(parse(text), VALUES, dtype="float64")


@pytest.mark.parametrize(
    "text",
    [
        "x[0]", "x[-1]", "x[-5]", "x[1:]", "x[:-1]", "x[::-1]", "x[4:0:-2]", "x[10:]", "x[None]",
        "x[()]", "w[1]", "w[:, 2]", "w[1, -1]", "w[..., 0]", "w[0, ...]", "w[None, :, 1]",
        "w[:, None, :]", "c[1, ..., 2]", "c[:, 1]", "c[..., ::2, -1]", "x[[0, 2]]", "x[[-1, -5]]",
        "x[[[0, 1], [2, 3]]]", "w[[0, 2], [1, 3]]", "w[[0, 2]]", "w[:, [3, 0]]", "c[0, [0, 2], 1:]",
        "x[k]", "x[i]", "x[j]", "w[k]", "w[k, 1]", "w[:, k]", "w[j]", "w[1:, j]",
        "w[i - 1, [0, 1, 2]]",
        "x[2:4][0]", "w[0][1]", "n[k]", "x[k - 3]",
    ],
)  # fmt: skip
def test_index_is_numpys(text: str) -> None:
    expected = np.asarray(eval(text, {**VALUES, "__builtins__": {}}))
    result = value(text)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_a_list_with_an_integer_input_is_an_index() -> None:
    np.testing.assert_array_equal(value("x[[k, 0]]"), [4.0, 0.0])


_part = st.one_of(
    st.integers(-5, 4).map(str),
    st.tuples(*[st.one_of(st.just(""), st.integers(-6, 6).map(str))] * 2, st.sampled_from(
        ["", "1", "2", "-1", "-3"])).map(":".join),
    st.sampled_from(["None", "...", "[0, -1]"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(_part, min_size=1, max_size=4).map(", ".join))
def test_any_index_is_numpys_or_an_error(parts: str) -> None:
    text = f"c[{parts}]"
    try:
        expected = eval(text, {**VALUES, "__builtins__": {}})
    except (IndexError, ValueError):
        with pytest.raises(SpecError):
            value(text)
    else:
        np.testing.assert_array_equal(value(text), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x[5]", "x[5]: index 5 is out of range for axis 0 with size 5.\n  x[5]\n  ^^^^"),
        ("x[-6]", "x[-6]: index -6 is out of range for axis 0 with size 5.\n  x[-6]\n  ^^^^^"),
        (
            "1 + w[:, 4]",
            "w[:, 4]: index 4 is out of range for axis 1 with size 4.\n"
            "  1 + w[:, 4]\n      ^^^^^^^",
        ),
        (
            "c[..., -5]",
            "c[..., -5]: index -5 is out of range for axis 2 with size 4.\n"
            "  c[..., -5]\n  ^^^^^^^^^^",
        ),
        (
            "x[[0, 7]]",
            "x[[0, 7]]: index 7 is out of range for axis 0 with size 5.\n  x[[0, 7]]\n  ^^^^^^^^^",
        ),
        ("x[0, 1]", "x[0, 1]: 2 indices for 1 axes.\n  x[0, 1]\n  ^^^^^^^"),
        ("pi[0]", "pi[0]: a scalar has no entries to pick: leave the index out.\n  pi[0]\n  ^^^^^"),
        ("x[..., ...]", "x[..., ...]: '...' may stand only once.\n  x[..., ...]\n  ^^^^^^^^^^^"),
        ("x[::0]", "x[::0]: the step of a slice is not 0.\n  x[::0]\n  ^^^^^^"),
        ("x[1:k]", "the bounds of a slice must be literal integers, not k.\n  x[1:k]\n      ^"),
        (
            "x[:1.5]",
            "the bounds of a slice must be literal integers, not 1.5.\n  x[:1.5]\n     ^^^",
        ),
        ("x[s]", "s: an index holds integers.\n  x[s]\n    ^"),
        ("x[1.0]", "1.0: an index is an integer, not 1.0.\n  x[1.0]\n    ^^^"),
        ("x[True]", "True: a truth value is not an index.\n  x[True]\n    ^^^^"),
        ("x[[0.5]]", "[0.5]: an index holds integers.\n  x[[0.5]]\n    ^^^^^"),
        (
            "x[x > 1]",
            "x > 1: a mask gives a shape that depends on the values; "
            "write where(mask, x, 0) instead.\n  x[x > 1]\n    ^^^^^",
        ),
        (
            "take(w, 4, axis=1)",
            "take(w, 4, axis=1): (3, 4) cannot be computed.\n"
            "  take(w, 4, axis=1)\n  ^^^^^^^^^^^^^^^^^^\n"
            "index 4 is out of range for axis 1 with size 4.",
        ),
    ],
)
def test_message(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        value(text)
    assert str(caught.value) == message


def test_an_integer_input_out_of_range_gives_nan_not_a_neighbor() -> None:
    values = {**VALUES, "i": np.array([0, 5, -6, -1])}
    result = evaluate(parse("x[i]"), values, dtype="float64")
    np.testing.assert_array_equal(result, [0, np.nan, np.nan, 16])


def test_derivative_of_a_gather_adds_up_repeated_positions() -> None:
    expression = parse("sum(x[i] * [1, 10, 100])")
    gradient = jax.grad(
        lambda x: evaluate(expression, {"x": x, "i": np.array([2, 0, 2])}, dtype="float64")
    )(jnp.ones(3))
    assert gradient.tolist() == [10.0, 0.0, 101.0]


def test_literal_indices_are_static_slices() -> None:
    jaxpr = jax.make_jaxpr(lambda c: evaluate(parse("c[0, 1:, ::-1]"), {"c": c}, dtype="float64"))
    primitives = {equation.primitive.name for equation in jaxpr(VALUES["c"]).eqns}
    assert primitives <= {"slice", "squeeze", "rev"}
