"""Arithmetic of plain numbers: Python's, but bounded."""

from __future__ import annotations

import math
import time

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli.errors import SpecError
from jaccli.expression import evaluate, parse
from jaccli.expression.scalars import binary, bounded, unary


def value(text: str) -> float:
    return float(evaluate(parse(text), {}, dtype="float64"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/3", 1 / 3),
        ("2*pi", 2 * math.pi),
        ("2**0.5", math.sqrt(2)),
        ("2**-1", 0.5),
        ("3//2", 1),
        ("7 % 3", 1),
        ("-7 % 3", 2),
        ("-7 // 2", -4),
        ("-2**2", -4),
        ("(-2)**2", 4),
        ("2**3**2", 512),
        ("+5", 5),
        ("6 & 3 | 8", 10),
        ("~5", -6),
        ("1e3", 1000),
        ("0x1F", 31),
        ("1_000", 1000),
        ("10**15 + 1", 10**15 + 1),
        ("10**18 + 1 - 10**18", 1),
        ("e", math.e),
        ("-inf", -math.inf),
        ("(-1)**(2**62 + 1)", -1),
        ("0**0", 1),
        ("1 if 2 > 1 else 1/0", 1),
    ],
)
def test_constants_are_pythons(text: str, expected: float) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9**9**9", math.inf),
        ("2**100000", math.inf),
        ("(-2)**100001", -math.inf),
        ("10**400", math.inf),
        ("2**-100000", 0.0),
        ("2**64", 2.0**64),
        ("9**9**9**9**9", math.inf),
        ("1e308 * 10", math.inf),
        ("9999999999999999999999 * 3", 29999999999999999999997.0),
    ],
)
def test_integers_do_not_grow_without_bound(text: str, expected: float) -> None:
    began = time.perf_counter()
    assert value(text) == expected
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1/0", "1/0: division by zero.\n  1/0\n  ^^^"),
        ("2 + 1 // 0", "1 // 0: integer division or modulo by zero.\n  2 + 1 // 0\n      ^^^^^^"),
        ("0**-1", "0**-1: division by zero.\n  0**-1\n  ^^^^^"),
        (
            "(-8)**0.5",
            "(-8)**0.5: a negative number to a fractional power is not real.\n"
            "  (-8)**0.5\n"
            "  ^^^^^^^^^",
        ),
        ("~0.5", "~0.5: ~ needs a truth value or an integer.\n  ~0.5\n  ^^^^"),
        ("2 @ 3", "2 @ 3: @ needs arrays.\n  2 @ 3\n  ^^^^^"),
    ],
)
def test_impossible_arithmetic_is_an_error(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        value(text)
    assert str(caught.value) == message


def test_truth_values_negate() -> None:
    assert unary("~", True) is False
    assert binary("&", True, False) is False


@given(st.integers())
def test_integers_have_at_most_63_bits(number: int) -> None:
    result = bounded(number)
    assert result == float(number) if number.bit_length() > 63 else result is number


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.one_of(st.integers(0, 9).map(str), st.floats(0.1, 9.0).map(lambda f: f"{f:.3f}")),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(
                lambda t: f"({t[0]} {t[1]} {t[2]})"
            ),
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
            inner.map(lambda t: f"-({t})"),
        ),
        max_leaves=12,
    )
)
def test_sums_and_products_are_pythons(text: str) -> None:
    expected = eval(text)  # of digits, brackets and + - * only
    assert value(text) == pytest.approx(float(expected), rel=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_next_to_arrays_are_weakly_typed(dtype: str) -> None:
    values = {"x": jnp.ones(3, dtype)}
    for text in ("2*x", "x/3", "0.1 + x", "pi*x", "x**0.5", "9999999999*x", "x + sqrt(2)"):
        assert evaluate(parse(text), values, dtype=dtype).dtype == np.dtype(dtype), text
