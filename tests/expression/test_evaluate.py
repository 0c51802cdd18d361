"""What expressions mean, against numpy; and what is said when the arrays do not fit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaccli.errors import SpecError
from jaccli.expression import evaluate, parse

RNG = np.random.default_rng(7)
VALUES = {
    "x": RNG.normal(size=3),
    "y": RNG.normal(size=4),
    "a": RNG.normal(size=(3, 3)),
    "w": RNG.normal(size=(3, 4)),
    "weight": RNG.normal(size=(4, 5)),
    "long": RNG.normal(size=6),
    "s": np.array(2.5),
    "k": np.array(2),
    "i": np.array([2, 0]),
}
NUMPY = {**VALUES, "np": np, "__builtins__": {}}


def value(text: str, dtype: str = "float64") -> jax.Array:
    return evaluate(parse(text), VALUES, dtype=dtype)


def message(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        value(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("x + y[:3] * 2 - s / 4", "x + y[:3] * 2 - s / 4"),
        ("w @ y", "w @ y"),
        ("x @ w @ y", "x @ w @ y"),
        ("x // 0.3 + x % 0.3", "x // 0.3 + x % 0.3"),
        ("-x**2", "-x**2"),
        ("2**-x", "2**-x"),
        ("+x - -x", "2 * x"),
        ("x**k", "x**k"),
        ("x if x > 0 else s", "np.where(x > 0, x, s)"),
        ("x if s > 0 else -x if k > 1 else 0", "x"),
        ("(x > 0) * x", "(x > 0) * x"),
        ("(x > 0) & ~(x > 1) | (x == 0)", "(x > 0) & ~(x > 1) | (x == 0)"),
        ("-1 < x < 0.5", "(-1 < x) & (x < 0.5)"),
        ("0 < s <= 2.5 < 3", "np.array(True)"),
        ("x, -x", "np.array([x, -x])"),
        ("[[1, 2], [3, s]]", "np.array([[1, 2], [3, s]])"),
        ("[x, [1, 2, 3]] @ x", "np.array([x, [1, 2, 3]]) @ x"),
        ("[1, 2, 3] * x", "np.array([1, 2, 3]) * x"),
        ("3", "3.0"),
        ("True", "True"),
        ("k", "k"),
        ("slogdet(a)[1]", "np.linalg.slogdet(a)[1]"),
        ("concatenate(split(y, 2))", "y"),
        ("zeros(shape(w)[::-1]) + 1", "np.ones((4, 3))"),
        ("x[size(y) - 2]", "x[2]"),
        ("sum(x) / size(x)", "np.mean(x)"),
        ("stack(w, axis=1)", "w.T"),
    ],
)
def test_value_is_numpys(text: str, same: str) -> None:
    expected = np.asarray(eval(same, dict(NUMPY)))
    result = value(text)
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-12)


def test_inputs_shadow_constants() -> None:
    assert float(evaluate(parse("e + pi"), {"e": 1.0, "pi": 2.0}, dtype="float64")) == 3


def test_unknown_names_are_an_error_even_without_check_names() -> None:
    assert message("x + z") == (
        "no input or expression named 'z'.\n  x + z\n      ^\n"
        "Expected one of 'a', 'i', 'k', 'long', 's', 'w', 'weight', 'x' and 1 more; "
        "or give it a value under inputs, or with --at z=VALUE."
    )


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        ("[1, 2]", "float32"),
        ("[True, False]", "bool"),
        ("[k, 1]", "int64"),
        ("[k, 0.5]", "float32"),
        ("eye(2)", "float32"),
        ("arange(3)", "float32"),
        ("full(2, 7)", "float32"),
        ("argmax(x) / 3", "float32"),
        ("sin(2)", "float32"),
        ("1 < 2", "bool"),
        ("size(x)", "float32"),
        ("k / 2", "float32"),
        ("k * 2", "int64"),
        ("k if k > 1 else 0.5", "float32"),
    ],
)
def test_what_an_expression_creates_has_the_dtype_of_the_spec(text: str, dtype: str) -> None:
    assert value(text, "float32").dtype == np.dtype(dtype)


def test_it_traces_under_jit_and_vmap() -> None:
    expression = parse("tanh(w @ y) + x[0] * eye(3)[1]")
    batch = {**{name: VALUES[name] for name in "wy"}, "x": RNG.normal(size=(5, 3))}

    def row(x: jax.Array) -> jax.Array:
        return evaluate(expression, {**batch, "x": x}, dtype="float64")

    result = jax.jit(jax.vmap(row))(batch["x"])
    rows = [np.tanh(batch["w"] @ batch["y"]) + x[0] * np.eye(3)[1] for x in batch["x"]]
    np.testing.assert_allclose(result, rows, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "1 + weight @ long",
            "weight @ long: (4, 5) @ (6,) do not fit.\n"
            "  1 + weight @ long\n"
            "      ^^^^^^^^^^^^^\n"
            "dot_general requires contracting dimensions to have the same shape, "
            "got (5,) and (6,).",
        ),
        (
            "sin(x + y)",
            "x + y: (3,) + (4,) do not fit.\n"
            "  sin(x + y)\n"
            "      ^^^^^\n"
            "add got incompatible shapes for broadcasting: (3,), (4,).",
        ),
        (
            "2 * solve(a, y)",
            "solve(a, y): (3, 3), (4,) do not fit.\n  2 * solve(a, y)\n      ^^^^^^^^^^^",
        ),
        (
            "sum(x, axis=3)",
            "sum(x, axis=3): (3,) cannot be computed.\n"
            "  sum(x, axis=3)\n"
            "  ^^^^^^^^^^^^^^\n"
            "axis 3 is out of bounds for array of dimension 1.",
        ),
        (
            "sum(w, axis=k)",
            "axis of sum must be a literal integer or a tuple of them, not k.\n"
            "  sum(w, axis=k)\n"
            "              ^",
        ),
        (
            "eye(s)",
            "N of eye must be a literal integer, not s.\n  eye(s)\n      ^",
        ),
        (
            "eye(2.0)",
            "N of eye must be a literal integer, not 2.0.\n  eye(2.0)\n      ^^^",
        ),
        (
            "sum(x, keepdims=1)",
            "keepdims of sum must be True or False, not 1.\n"
            "  sum(x, keepdims=1)\n"
            "                  ^",
        ),
        (
            "stack(s * 2, x)",
            "axis of stack must be a literal integer or a tuple of them, not x.\n"
            "  stack(s * 2, x)\n"
            "               ^",
        ),
        (
            "stack(2)",
            "arrays of stack must be a list of arrays, not 2.\n  stack(2)\n        ^",
        ),
        (
            "concatenate([x, w])",
            "concatenate([x, w]): (3,), (3, 4) do not fit.\n"
            "  concatenate([x, w])\n"
            "  ^^^^^^^^^^^^^^^^^^^\n"
            "Cannot concatenate arrays with different numbers of dimensions: "
            "got (3,), (3, 4).",
        ),
        (
            "x if w > 0 else y",
            "x if w > 0 else y: (3,) if (3, 4) else (4,) do not fit.\n"
            "  x if w > 0 else y\n"
            "  ^^^^^^^^^^^^^^^^^\n"
            "Incompatible shapes for broadcasting: shapes=[(3, 4), (3,), (4,)].",
        ),
        (
            "[x, y]",
            "[x, y]: the entries have different shapes, (3,) and (4,).\n  [x, y]\n  ^^^^^^",
        ),
        (
            "[[1, 2], [3]] + 1",
            "[[1, 2], [3]] + 1: the entries have different shapes, (2,) and (1,).\n"
            "  [[1, 2], [3]] + 1\n"
            "  ^^^^^^^^^^^^^^^^^",
        ),
        (
            "slogdet(a)",
            "slogdet(a): this gives several results; choose one by its index, "
            "as in slogdet(a)[1].\n  slogdet(a)\n  ^^^^^^^^^^",
        ),
        (
            "slogdet(a)[2]",
            "slogdet(a)[2]: index 2 is out of range for 2 results.\n"
            "  slogdet(a)[2]\n  ^^^^^^^^^^^^^",
        ),
        (
            "x & k",
            "x & k: (3,) & () cannot be computed.\n  x & k\n  ^^^^^\n"
            "and does not accept dtype float64 at position 0.",
        ),
        (
            "-(x > 0)",
            "-(x > 0): -(3,) cannot be computed.\n  -(x > 0)\n  ^^^^^^^^\n"
            "neg does not accept dtype bool.",
        ),
        (
            "sin(\n  x +\n  y)",
            "x + y: (3,) + (4,) do not fit.\n    x +\n    ^^^\n"
            "add got incompatible shapes for broadcasting: (3,), (4,).",
        ),
    ],
)
def test_message(text: str, expected: str) -> None:
    said = message(text).partition(" Accepted dtypes")[
        0
    ]  # in an order that depends on JAX's version
    assert said == expected


def test_errors_keep_the_path_and_their_cause() -> None:
    with pytest.raises(SpecError) as caught:
        evaluate(parse("x + y", path="model.expressions.r"), VALUES, dtype="float64")
    assert str(caught.value).startswith("model.expressions.r: x + y: (3,) + (4,) do not fit.\n")
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_missing_derivative_is_an_error_of_the_expression() -> None:
    expression = parse("svd(w, full_matrices=True)[0]")
    with pytest.raises(SpecError, match="not implemented for full matrices"):
        jax.jvp(
            lambda w: evaluate(expression, {"w": w}, dtype="float64"),
            (jnp.asarray(VALUES["w"]),),
            (jnp.ones((3, 4)),),
        )
