"""Names and signs that people type: read as what they mean, or answered with what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from carets import marked_option

from jaccli.expression import FUNCTIONS, check_name, evaluate, parse
from jaccli.expression.function_table import FREE, INSTEAD, SPELLINGS

READ = [
    ("ln(x)", "log(x)"),
    ("pow(x, 3)", "power(x, 3)"),
    ("gamma(x)", "gammafn(x)"),
    ("beta(x, 2)", "betafn(x, 2)"),
    ("lgamma(x)", "gammaln(x)"),
    ("logistic(x)", "sigmoid(x)"),
    ("psi(x)", "digamma(x)"),
    ("3·x − 2×x", "3*x - 2*x"),
    ("x÷4 – 1", "x/4 - 1"),
    ("2*π*x", "2*pi*x"),
]


@pytest.mark.parametrize(("written", "meant"), READ)
def test_a_spelling_is_read_as_what_it_means(written: str, meant: str) -> None:
    one, other = (evaluate(parse(t), {"x": 2.5}, dtype="float64") for t in (written, meant))
    np.testing.assert_array_equal(one, other)


ANSWERED = [
    # an expression with marks, and the message
    ("x«²»", "'²' is not part of the expression language.\nWrite **2."),
    ("x«³» + 1", "'³' is not part of the expression language.\nWrite **3."),
    ("2«²»", "'²' is not part of the expression language.\nWrite **2."),
    ("«√»x", "'√' is not part of the expression language.\nWrite sqrt(...)."),
    ("x «≤» 2", "'≤' is not part of the expression language.\nWrite <=."),
    ("«2» x", "syntax error: invalid syntax.\nWrite products with '*': 2*x."),
    ("«cso»(x)", "'cso' is not a function.\nDid you mean 'cos'?"),
    ("«lgo»(x)", "'lgo' is not a function.\nDid you mean 'log'?"),
    ("«sqrtt»(x)", "'sqrtt' is not a function.\nDid you mean 'sqrt'?"),
    ("«bessel»(x)", "'bessel' is not a function.\n"
     "There are orders 0 and 1: j0(x), j1(x), y0(x), y1(x), and i0(x), i1(x)."),
    ("«select»", "no input or expression named 'select'.\n"
     "As a function it is called: select(condlist, choicelist, default=0)."),
    ("«gamma»*x", "no input or expression named 'gamma'.\n"
     "As a function it is called: gammafn(x)."),
    ("ln(x, «2»)", "log takes 1 argument, found 2.\nThe signature is log(x): natural logarithm."),
]  # fmt: skip


@pytest.mark.parametrize("case", ANSWERED, ids=[case[0] for case in ANSWERED])
def test_what_is_not_read_is_answered(jaccli: Callable[..., Any], case: tuple[str, str]) -> None:
    text, expected = marked_option("--expression", *case)
    outcome = jaccli("validate", "-e", text, "--at", "x=1", check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)


@pytest.mark.parametrize("name", sorted({*FREE, *SPELLINGS}))
def test_names_of_newer_functions_stay_free_for_inputs(name: str) -> None:
    assert check_name(name) == []
    parsed = parse(f"{name} * 2")
    assert parsed.names == (name,)
    np.testing.assert_array_equal(evaluate(parsed, {name: 3.0}, dtype="float64"), 6.0)


def test_a_value_and_a_function_of_one_name_stand_side_by_side() -> None:
    value = evaluate(parse("y0 * exp1(y0) + 0*y0(y0)"), {"y0": 1.0}, dtype="float64")
    np.testing.assert_allclose(value, 0.21938393439552026, rtol=1e-15)


def test_spellings_lead_to_functions_and_hide_none() -> None:
    assert set(SPELLINGS.values()) <= set(FUNCTIONS)
    assert set(FUNCTIONS) >= FREE
    assert not (set(SPELLINGS) | set(INSTEAD)) & set(FUNCTIONS)


def test_functions_lists_other_spellings(jaccli: Callable[..., Any]) -> None:
    assert "  ln                                           log\n" in jaccli("functions").stdout
    assert jaccli("functions", "lgamma").stdout.splitlines()[1].split() == ["lgamma", "gammaln"]
