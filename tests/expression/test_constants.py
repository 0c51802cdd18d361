"""Constant expressions as values: their numbers, where they may stand, and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from carets import marked, marked_option

from jaccli.expression.constants import constant, is_constant

VALUES: dict[str, float] = {
    "pi": math.pi,
    "pi/2": math.pi / 2,
    "-pi": -math.pi,
    "−2×3÷4": -1.5,
    "1/3": 1 / 3,
    "2**10": 1024,
    "2**0.5": math.sqrt(2),
    "7 // 2": 3,
    "-7 % 3": 2,
    "sqrt(2)": math.sqrt(2),
    "arctan2(1, -1)": 3 * math.pi / 4,
    "exp(1) - e": 0.0,
    "log(2)/2": math.log(2) / 2,
    "1e-3*inf": math.inf,
    "-inf": -math.inf,
    "maximum(2, 3) + hypot(3, 4)": 8,
    "(1 +\n 2)": 3,
    "9**9**2": 9.0**81,
}


@pytest.mark.parametrize("text", VALUES)
def test_a_constant_is_its_number(text: str) -> None:
    assert is_constant(text)
    assert constant(text) == VALUES[text]


def test_nan_is_a_constant() -> None:
    assert math.isnan(constant("nan"))
    assert math.isnan(constant("inf - inf"))


@pytest.mark.parametrize("text", ["a", "1", "1_000", "no", "2020", "", "hello world"])
def test_words_and_numbers_are_no_constant_expressions(text: str) -> None:
    assert not is_constant(text)


PLACES: dict[str, tuple[tuple[str, ...], Any]] = {
    # options, the inputs
    "a number": (("--at", "x=pi/2"), {"x": math.pi / 2}),
    "a typeset minus": (("--at", "x=−1"), {"x": -1.0}),
    "entries of a list": (("--at", "x=[1/3, 2, sqrt(2)]"), {"x": [1 / 3, 2, math.sqrt(2)]}),
    "nested": (("--at", "x=[[pi, 1], [0, 'hypot(3, 4)']]"), {"x": [[math.pi, 1], [0, 5.0]]}),
    "value": (("--at", "x={value: 1/4, dtype: float32}"),
              {"x": {"value": 0.25, "dtype": "float32"}}),
    "ends": (("--at", "x={linspace: [0, 2*pi, 5]}"), {"x": {"linspace": [0, 2 * math.pi, 5]}}),
    "full": (("--at", "x={full: 2, value: -inf}"), {"x": {"full": [2], "value": -math.inf}}),
    "set": (("--set", "inputs.x=e"), {"x": math.e}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_constant_stands_where_a_number_does(jaccli: Callable[..., Any], name: str) -> None:
    options, inputs = PLACES[name]
    outcome = jaccli("validate", "-e", "x**2", *options)
    assert yaml.safe_load(outcome.stdout)["inputs"] == inputs


def test_constants_in_a_spec(jaccli: Callable[..., Any]) -> None:
    spec = "model: {expression: sin(x)*k}\ninputs: {x: pi/6, k: 1/3}\nvector: {x: 1/2, k: 0}\n"
    (line,) = jaccli("evaluate", "-", "-q", stdin=spec).stdout.splitlines()
    assert float(line.split()[1]) == pytest.approx(1 / 6, rel=1e-15)
    (line,) = jaccli("jvp", "-", "-q", stdin=spec).stdout.splitlines()
    assert float(line.split()[1]) == pytest.approx(math.cos(math.pi / 6) / 6, rel=1e-15)


def test_constants_in_a_sweep(jaccli: Callable[..., Any]) -> None:
    options = ("--set", "sweep={inputs.x: {linspace: [0, pi, 2]}, inputs.y: [1/3]}")
    outcome = jaccli("validate", "-e", "x*y", *options)
    assert yaml.safe_load(outcome.stdout)["inputs"] == {"x": 0.0, "y": 1 / 3}


WRONG = [
    # the argument of --at with marks, the message
    ("x=2*«pii»", "no constant named 'pii'.\nDid you mean 'pi'?"),
    ("x=«a»/2", "no constant named 'a'.\nA value is made of numbers, pi, e, inf, nan and functions "
     "of one, as sqrt(2)."),
    ("x=1 + «sqrt(-1)»", "sqrt(-1) has no value: math domain error."),
    ("x=[0, «1/0»]", "1/0 has no value: division by zero."),
    ("x=«sum(2*3)»", "sum is not computed in a value.\nA value is made of numbers, pi, e, inf, nan "
     "and functions of one, as sqrt(2)."),
    ("x=«10**400»", "10**400 does not fit float64."),
    ("x=«2 > 1 + 0»", "2 > 1 + 0 is not a number."),
    ("x=[arctan2«(»1, 2), 3]", "'(' is never closed.\n"
     "Quote an expression with a comma: ['arctan2(1, 2)', 3]."),
    ("x=«cso»(2)", "'cso' is not a function.\nDid you mean 'cos'?"),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=[case[0] for case in WRONG])
def test_wrong_constants(jaccli: Callable[..., Any], case: tuple[str, str]) -> None:
    text, message = case
    argument, expected = marked_option("--at", text, message)
    outcome = jaccli("validate", "-e", "x", "--at", argument, check=False)
    assert outcome.stderr.startswith(expected)
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_a_wrong_constant_in_a_spec_is_told_with_its_place(jaccli: Callable[..., Any]) -> None:
    spec, expected = marked(
        "model: {expression: x}\ninputs:\n  x: [1, «pii»*2]\n",
        "inputs.x: no constant named 'pii'.\nDid you mean 'pi'?",
    )
    outcome = jaccli("validate", "-", stdin=spec, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, expected)
