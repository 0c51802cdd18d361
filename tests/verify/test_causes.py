"""Entries that are not finite: the operation that made them, and what to write instead."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.diagnose.singularity_table import SINGULAR
from jaccli.expression import FUNCTIONS
from jaccli.expression.signature import parameters
from tests.conftest import call
from tests.pipeline import Silent, plan_of, solve

TRAP = "A branch that is not taken still counts, as 0 * inf. Write "

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("sqrt(x)", {"x": [1, 0]},
     "sqrt(x) has no finite derivative at x[1] = 0. Keep it off 0: sqrt(x + 1e-12)."),
    ("x[1:]**0.5", {"x": [1, 0]},
     "x[1:]**0.5 has no finite derivative at x[1:][0] = 0."
     " Keep the base off 0: (x[1:] + 1e-12)**0.5."),
    ("(x - 1)**y", {"x": -1.0, "y": 2.0},
     "(x - 1)**y has no finite derivative at x - 1 = -2 and y = 2."
     " The slope in y takes the logarithm of x - 1, which is negative: keep x - 1 above 0, or"
     " leave y out of wrt."),
    ("ndtri(x)", {"x": 2.0}, "ndtri(x) is not finite at x = 2."
     " Keep x between 0 and 1, as in clip(x, 0 + 1e-12, 1 - 1e-12)."),
    ("y1(x)", {"x": 0.0},
     "y1(x) is not finite at x = 0. Keep x above 0, as in maximum(x, 1e-12)."),
    ("norm(x - 1)", {"x": [1, 1]},
     "norm(x - 1) has no finite derivative at x - 1 = 0."
     " A norm has no slope at 0; write sqrt(sum((x - 1)**2) + 1e-12)."),
    ("std(x)", {"x": [3, 3]},
     "std(x) has no finite derivative at x = 3."
     " Equal entries give it no slope; write sqrt(var(x) + 1e-12)."),
    ("arctan2(y, x)", {"x": 0, "y": 0},
     "arctan2(y, x) has no finite derivative at y = 0 and x = 0."
     " The origin has no angle; leave it out with where."),
    ("acos(x)", {"x": [0.5, 1]},
     "acos(x) has no finite derivative at x[1] = 1."
     " Keep x between -1 and 1, as in clip(x, -1 + 1e-12, 1 - 1e-12)."),
    ("log(x)", {"x": [1, 0]},
     "log(x) is not finite at x[1] = 0. Keep x above 0, as in maximum(x, 1e-12)."),
    ("sin(x) / (y - 1)", {"x": 1, "y": 1},
     "sin(x) / (y - 1) is not finite at sin(x) = 0.841471 and y - 1 = 0. Keep y - 1 off 0."),
    ("sqrt(x - 1)", {"x": [0, 2]},
     "sqrt(x - 1) is not finite at (x - 1)[0] = -1. x - 1 must not be negative."),
    ("x * sum(log(y))", {"x": 1, "y": [1, 0]},
     "log(y) is not finite at y[1] = 0. Keep y above 0, as in maximum(y, 1e-12)."),
    ("exp(x**2)", {"x": [1, 100]}, "exp(x**2) is not finite at (x**2)[1] = 10000. "),
    ("softmax(where(m > 0, x, -inf))", {"x": [1, 2], "m": np.array([0, 0])},
     "softmax(where(m > 0, x, -inf)) is not finite: all entries are -inf. Where everything is"
     " masked, mask with a large negative number, as -1e30, in place of -inf."),
    ("inv(x)", {"x": [[1, 2], [2, 4]]},
     "inv(x) is not finite: its pivot 1 is 0: the matrix is singular. The matrix must be"
     " invertible; adding a small multiple of eye(n) makes it so."),
    ("ndtri(p)", {"p": 2},
     "ndtri(p) is not finite at p = 2."
     " Keep p between 0 and 1, as in clip(p, 0 + 1e-12, 1 - 1e-12)."),
    ("x**k", {"x": -2, "k": 2},
     "x**k has no finite derivative at x = -2 and k = 2. The slope in k takes the logarithm of x,"
     " which is negative: keep x above 0, or leave k out of wrt."),
    ("logsumexp(x + where(m > 0, 0, -inf))", {"x": [1, 2], "m": np.array([0, 0])},
     "logsumexp(x + where(m > 0, 0, -inf)) is not finite: all entries are -inf. Where everything is"
     " masked, mask with a large negative number, as -1e30, in place of -inf."),
    ("svd(x)[0]", {"x": [[2, 0], [0, 2]]},
     "svd(x) has no finite derivative: its singular values 0 and 1 are both 2. Vectors of equal"
     " eigenvalues have no derivative; functions of the values alone do."),
    ("solve(x, y)", {"x": [[1, 2], [0, 0]], "y": [1, 2]},
     "solve(x, y) is not finite: its pivot 1 is 0: the matrix is singular. The matrix must be"
     " invertible; adding a small multiple of eye(n) makes it so."),
    ("eigh(x)[1]", {"x": [[1, 0], [0, 1]]},
     "eigh(x) has no finite derivative: its eigenvalues 0 and 1 are both 1. Vectors of equal"
     " eigenvalues have no derivative; functions of the values alone do."),
]  # fmt: skip

TRAPS: list[tuple[str, dict[str, Any], str]] = [
    ("where(x > 0, sqrt(x), 0)", {"x": [1, 0]},
     "where(x > 0, sqrt(where(x > 0, x, 1)), 0)"),
    ("where(x <= 0, 0, 2 * x**0.5)", {"x": [1, 0]},
     "where(x <= 0, 0, 2 * where(x <= 0, 1, x)**0.5)"),
    ("sin(x) / x if x != 0 else 1", {"x": [1, 0]},
     "sin(x) / where(x != 0, x, 1) if x != 0 else 1"),
    ("where(sum(x) > 0, norm(x), 0)", {"x": [0, 0]},
     "where(sum(x) > 0, norm(where(sum(x) > 0, x, 1)), 0)"),
    ("where(abs(x) < 1, arccos(x), 0)", {"x": [0, 1]},
     "where(abs(x) < 1, arccos(where(abs(x) < 1, x, 0)), 0)"),
    ("where(x > 0, x * log(x), 0)", {"x": [1, 0]},
     "where(x > 0, x * log(where(x > 0, x, 1)), 0)"),
]  # fmt: skip


def said(expression: str, inputs: dict[str, Any], derivative: str = "jacobian", **more: Any) -> str:
    """Return what is said of the first entry that is not finite, without the carets."""
    plan = plan_of({"f": expression}, inputs, derivative, **more)
    from jaccli.diagnose.causes import cause
    from jaccli.execute import execute
    from jaccli.result import first_nonfinite

    found = first_nonfinite(execute(plan, Silent()))
    assert found is not None
    made = cause(plan, found)
    return "" if made is None else f"{made.problem.message} {made.problem.hint}"


def marked(cases: Sequence[tuple[Any, ...]], quick: int) -> list[Any]:
    """Return cases with the mark `slow` on all but the first: they are many."""
    slow = (pytest.mark.slow,)
    return [pytest.param(*case, marks=slow[: n >= quick]) for n, case in enumerate(cases)]


@pytest.mark.parametrize(("expression", "inputs", "text"), marked(CASES, 5))
def test_the_operation_its_arguments_and_the_remedy_are_named(
    expression: str, inputs: dict[str, Any], text: str
) -> None:
    assert said(expression, inputs) == text


@pytest.mark.parametrize(("expression", "inputs", "remedy"), marked(TRAPS, 2))
def test_the_remedy_for_a_branch_that_is_not_taken_is_finite(
    expression: str, inputs: dict[str, Any], remedy: str
) -> None:
    inputs = {name: np.array(value, float) for name, value in inputs.items()}
    assert said(expression, inputs, mode="rev").endswith(f"{TRAP}{remedy}.")
    (fixed,) = solve({"f": remedy}, inputs, "jacobian", mode="rev").values()
    assert np.isfinite(fixed).all()
    before, after = (solve({"f": text}, inputs, "evaluate")["f"] for text in (expression, remedy))
    np.testing.assert_array_equal(before, after)


def test_second_derivatives_are_told_from_first() -> None:
    text = "x**1.5 has no finite second derivative at x[0] = 0."
    inputs = {"x": [0.0, 1.0]}
    assert said("sum(x**1.5)", inputs, "hessian").startswith(text)
    assert said("sum(x**1.5)", inputs, "hvp", vector=[1.0, 1.0]).startswith(text)
    assert said("sum(sqrt(x))", inputs, "hessian").startswith("sqrt(x) has no finite derivative")


@pytest.mark.parametrize(
    ("derivative", "more"),
    [("jvp", {"vector": [1.0, 0.0]}), ("vjp", {"vector": 2.0}), ("gradient", {})],
)
def test_every_derivative_is_explained(derivative: str, more: dict[str, Any]) -> None:
    text = said("sum(sqrt(x))", {"x": [1.0, 0.0]}, derivative, **more)
    assert text.startswith("sqrt(x) has no finite derivative at x[1] = 0.")


def test_of_a_batch_the_row_is_examined() -> None:
    x = np.array([[1.0, 4.0, 0.0], [1.0, 0.0, 1.0]])
    assert said("sqrt(x)", {"x": x}, batch={"x": 1}).startswith(
        "sqrt(x) has no finite derivative at x[1] = 0."
    )


def test_forward_the_branch_that_is_left_out_is_not_blamed() -> None:
    text = said("where(x > 0, sqrt(x), 0) + norm(x)", {"x": [0.0, 0.0]}, mode="fwd")
    assert text.startswith("norm(x) has no finite derivative at x = 0.")


def test_an_input_that_is_not_finite_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "model: {expression: sum(x * y)}\ninputs:\n  x: [1.0, 2.0]\n  y: [1.0, .nan]\n"
    )
    outcome = call("gradient", "a.yaml", "--format", "none", cwd=tmp_path)
    assert outcome.stderr.splitlines()[1:] == [
        "warning: d f / d x[1] is NaN (1 of 4 entries is not finite).",
        "a.yaml:4:6: inputs.y: the input y[1] is NaN.",
        "    y: [1.0, .nan]",
        "       ^",
    ]


def test_the_error_of_fail_on_nonfinite_is_explained() -> None:
    outcome = call(
        "gradient", "-e", "norm(x)", "--at", "x=[0, 0]", "--fail-on-nonfinite", check=False
    )
    assert outcome.exit_code == 3
    assert outcome.stderr == (
        "jaccli: d f / d x[0] is NaN (2 of 2 entries are not finite).\n"
        "--expression: norm(x) has no finite derivative at x = 0.\n"
        "  norm(x)\n"
        "  ^^^^^^^\n"
        "A norm has no slope at 0; write sqrt(sum(x**2) + 1e-12).\n"
    )


def test_what_is_not_finite_is_said_once() -> None:
    outcome = call("gradient", "-e", "where(x > 0, sqrt(x), 0)", "--at", "x=0", "--mode", "rev")
    assert outcome.stderr.count("warning: ") == 1
    assert "sqrt(where(x > 0, x, 1))" in outcome.stderr


PYTHON = """\
import jax.numpy as jnp

def f(x):
    root = jnp.sqrt(x)
    return jnp.sum(jnp.where(x > 0, root, 0.0))
"""


def test_lines_of_python_models_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PYTHON)
    (tmp_path / "a.yaml").write_text("model: {python: 'own.py:f'}\ninputs: {x: [1.0, 0.0]}\n")
    outcome = call("gradient", "a.yaml", "--allow-python", "--format", "none", cwd=tmp_path)
    assert outcome.stderr.splitlines()[1:] == [
        "warning: d f / d x[1] is NaN (1 of 2 entries is not finite).",
        "own.py:4:5: sqrt(x) has no finite derivative at x[1] = 0.",
        "  root = jnp.sqrt(x)",
        "  ^^^^^^^^^^^^^^^^^^",
        "A branch that is not taken still counts, as 0 * inf. Write where(condition, x, 1) for its"
        " x.",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [n for n, row in SINGULAR.items() if row.operand == "x" and row.safe and n in FUNCTIONS],
)
def test_safe_values_have_finite_derivatives(name: str) -> None:
    row = SINGULAR[name]
    inputs = {"x": [float(row.safe), float(row.safe) * 0.9] if name == "std" else float(row.safe)}
    (values,) = solve({"f": f"{name}(x)"}, inputs, "jacobian").values()
    assert all(map(math.isfinite, np.ravel(values)))


@pytest.mark.parametrize("name", sorted(set(SINGULAR) & set(FUNCTIONS)))
def test_remedies_name_parameters_of_their_functions(name: str) -> None:
    row, known = SINGULAR[name], {each.name for each in parameters(FUNCTIONS[name])}
    known |= {"x1", "x2"} if name in ("divide", "power") else set()
    fields = {
        field
        for text in (row.remedy, row.domain, row.code, row.within)
        for _, field, _, _ in string.Formatter().parse(text)
        if field
    }
    assert {row.operand, *fields} <= known


def test_a_remedy_that_leaves_the_entry_infinite_is_not_offered() -> None:
    """The base is 0 for the other reason: what is added is lost in x - 1."""
    text = said("sqrt(sqrt(x)) * 0 + sqrt(x - 1) / (x - 1)", {"x": 1.0})
    assert "Write" not in text
