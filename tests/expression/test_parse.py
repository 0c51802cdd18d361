"""What the language accepts and refuses, with the messages in full."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from jaccli.errors import Place, SpecError
from jaccli.expression import check_name, check_names, parse


def refused(text: str, **options: object) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sin(x, y)",
            "sin takes 1 argument, found 2.\n"
            "  sin(x, y)\n"
            "         ^\n"
            "The signature is sin(x): sine, x in radians.",
        ),
        (
            "1 + where(x)",
            "where needs x and y.\n"
            "  1 + where(x)\n"
            "      ^^^^^^^^\n"
            "The signature is where(condition, x, y): x where the condition holds, y elsewhere.",
        ),
        (
            "sum(x, axs=0)",
            "sum has no parameter 'axs'.\n"
            "  sum(x, axs=0)\n"
            "         ^^^^^\n"
            "Did you mean 'axis'? The signature is sum(x, axis=None, keepdims=False): sum.",
        ),
        (
            "sum(x, 0, axis=1)",
            "sum got 'axis' twice.\n"
            "  sum(x, 0, axis=1)\n"
            "            ^^^^^^\n"
            "The signature is sum(x, axis=None, keepdims=False): sum.",
        ),
        (
            "max(x, y)",
            "max takes 1 argument, found 2.\n"
            "  max(x, y)\n"
            "         ^\n"
            "The signature is max(x, *, axis=None, keepdims=False): "
            "largest entry; of two arrays: maximum.",
        ),
        (
            "clip(x, 1, 2, 3)",
            "clip takes 1 to 3 arguments, found 4.\n"
            "  clip(x, 1, 2, 3)\n"
            "                ^\n"
            "The signature is clip(x, min=None, max=None): x kept between min and max.",
        ),
        ("tnah(x)", "'tnah' is not a function.\n  tnah(x)\n  ^^^^\nDid you mean 'tanh'?"),
        (
            "zzzz(x)",
            "'zzzz' is not a function.\n  zzzz(x)\n  ^^^^\n'jaccli functions' lists the functions.",
        ),
        (
            "2(x + 1)",
            "only functions can be called.\n  2(x + 1)\n  ^^^^^^^^\n"
            "If this is a product, write '*' before the bracket.",
        ),
        ("2x", "syntax error: invalid decimal literal.\n  2x\n  ^\nWrite products with '*': 2*x."),
        ("x +", "the expression breaks off here.\n  x +\n    ^"),
        ("x y", "syntax error: invalid syntax.\n  x y\n  ^\nWrite products with '*': 2*x."),
        ("x + y)", "')' closes nothing.\n  x + y)\n       ^"),
        ("(x + [y)", "')' does not close '['.\n  (x + [y)\n       ^^^"),
        ("sin(x", "'(' is never closed.\n  sin(x\n     ^"),
        ("'x", "the string is never closed.\n  'x\n  ^"),
        ("", "the expression is empty."),
        (
            "np.sin(x)",
            "np.sin: attributes are not allowed.\n  np.sin(x)\n  ^^^^^^\nWrite sin(x).",
        ),
        ("w.T @ x", "w.T: attributes are not allowed.\n  w.T @ x\n  ^^^\nWrite transpose(w)."),
        (
            "x^2",
            "^ is not an operator here.\n  x^2\n  ^^^\nWrite powers with **: x**2.",
        ),
        (
            "x > 0 and y > 0",
            "'and' does not work on arrays.\n  x > 0 and y > 0\n  ^^^^^^^^^^^^^^^\n"
            "Write (...) & (...) or logical_and(..., ...).",
        ),
        (
            "not x",
            "'not' does not work on arrays.\n  not x\n  ^^^^^\nWrite ~(...) or logical_not(...).",
        ),
        ("x in y", "'in' is not an operator here.\n  x in y\n  ^^^^^^\nWrite any(... == ...)."),
        (
            "1 + sin",
            "sin is a function.\n  1 + sin\n      ^^^\nCall it: sin(x); or choose another name.",
        ),
        ("2j", "2j is not a real number.\n  2j\n  ^^"),
        ("'x' + 1", "a string does not belong here.\n  'x' + 1\n  ^^^\nNames have no quotes."),
        ("x + None", "None does not belong here.\n  x + None\n      ^^^^"),
        ("[]", "an array literal needs at least one entry.\n  []\n  ^^"),
        ("lambda: x", "lambda is not part of the expression language.\n  lambda: x\n  ^^^^^^^^^"),
        ("ｘ + 1", "the name is written with look-alike letters.\n  ｘ + 1\n  ^\nWrite x."),
        (
            "__x + 1",
            "'__x': names do not begin with two underscores.\n  __x + 1\n  ^^^",
        ),
        (
            "1if x else 2",
            "a space is missing in '1if'.\n  1if x else 2\n  ^^^\nWrite '1 if'.",
        ),
        ("x + $y", "'$' is not part of the expression language.\n  x + $y\n      ^"),
    ],
)
def test_message(text: str, message: str) -> None:
    assert refused(text) == message


def test_all_problems_are_reported_in_order() -> None:
    with pytest.raises(SpecError) as caught:
        parse("tnah(x) + x.T * sum(y, axs=1) - (z << 2)")
    assert [problem.message for problem in caught.value.problems] == [
        "'tnah' is not a function",
        "x.T: attributes are not allowed",
        "sum has no parameter 'axs'",
        "<< is not an operator here",
    ]


def test_the_path_and_place_of_the_spec_are_used() -> None:
    place = Place("polar.yaml", 4, 8, "    r: sqrt(x, y)", 7, 10)
    assert refused("sqrt(x, y)", path="model.expressions.r", place=place) == (
        "polar.yaml:4:16: model.expressions.r: sqrt takes 1 argument, found 2.\n"
        "      r: sqrt(x, y)\n"
        "                 ^\n"
        "The signature is sqrt(x): square root."
    )


def test_carets_count_characters_not_bytes_and_find_the_line() -> None:
    text = "αβγ + 1 +\n  ä * sinn(é) # Größe\n  + 2"
    assert refused(text) == (
        "'sinn' is not a function.\n    ä * sinn(é) # Größe\n        ^^^^\nDid you mean 'sin'?"
    )


@pytest.mark.parametrize("text", ["x\n+ y", "x +\r\n y", "x # sum\n+ y", "\tx + y", " x\n\n+ y\n"])
def test_lines_may_break_anywhere(text: str) -> None:
    assert parse(text).names == ("x", "y")


def test_names_are_in_order_of_appearance_without_functions() -> None:
    expression = parse("b * sin(a) + sum(w[i], axis=0) + b*pi if c < a else [d, θ]")
    assert expression.names == ("b", "a", "w", "i", "pi", "c", "d", "θ")
    assert [expression.text[slice(*expression.span(use))] for use in expression.uses] == list(
        expression.names
    )


def test_unknown_names_are_reported_each_once() -> None:
    expression = parse("wieght @ x + pii * wieght + q", path="model.expression")
    known = ["weight", "x"]
    assert [str(problem) for problem in check_names(expression, known)] == [
        "model.expression: no input or expression named 'wieght'.\n"
        "  wieght @ x + pii * wieght + q\n"
        "  ^^^^^^\n"
        "Did you mean 'weight'?",
        "model.expression: no input or expression named 'pii'.\n"
        "  wieght @ x + pii * wieght + q\n"
        "               ^^^\n"
        "Did you mean 'pi'?",
        "model.expression: no input or expression named 'q'.\n"
        "  wieght @ x + pii * wieght + q\n"
        "                              ^\n"
        "Expected one of 'weight', 'x'; or give it a value under inputs, or with --at q=VALUE.",
    ]
    assert check_names(parse("x + pi + e + inf"), ["x"]) == []


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ([], "Give it a value: under inputs, or --at q=VALUE."),
        (["x"], "Expected 'x'; or give it a value under inputs, or with --at q=VALUE."),
        (
            {"y", "x"},
            "Expected one of 'x', 'y'; or give it a value under inputs, or with --at q=VALUE.",
        ),
        (
            "hgfedcba",
            "Expected one of 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'; "
            "or give it a value under inputs, or with --at q=VALUE.",
        ),
        (
            "jihgfedcba",
            "Expected one of 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more; "
            "or give it a value under inputs, or with --at q=VALUE.",
        ),
    ],
)
def test_an_unknown_name_may_be_given_a_value(known: Collection[str], hint: str) -> None:
    assert [problem.hint for problem in check_names(parse("q * pi"), known)] == [hint]


@pytest.mark.parametrize("name", ["x", "e", "pi", "inf", "w1", "_a", "θ", "weight_2"])
def test_inputs_may_have_these_names(name: str) -> None:
    assert check_name(name) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "sin",
            "inputs.sin: 'sin' is a function of the expression language.\n"
            "Choose another name: sin(x) could not be called.",
        ),
        (
            "lambda",
            "inputs.lambda: 'lambda' is a word of the expression language.\nChoose another name.",
        ),
        (
            "2x",
            "inputs.2x: '2x' is not a name.\n"
            "A name has letters, digits and underscores, and begins with a letter.",
        ),
        (
            "__x",
            "inputs.__x: '__x' is not a name.\n"
            "A name has letters, digits and underscores, and begins with a letter.",
        ),
        ("ｘ", "inputs.ｘ: 'ｘ' is written with look-alike letters.\nWrite x."),
    ],
)
def test_inputs_may_not_have_these_names(name: str, message: str) -> None:
    assert [str(problem) for problem in check_name(name, path=f"inputs.{name}")] == [message]
