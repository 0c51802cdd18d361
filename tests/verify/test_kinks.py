"""Kinks at the primal point: what is reported, and what is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.conftest import ROOT, call
from tests.pipeline import plan_of

ONE = "JAX takes the derivative 1 there, the one on the right."
MEAN = "JAX takes the mean of both derivatives there."
FLAT = "JAX takes the derivative 0 everywhere."
SHARED = "JAX shares the derivative equally among the tied entries."
RANKED = "JAX ranks equal entries in the order of their positions."
BRANCH = "JAX takes the derivative of the branch that the condition picks."
BETWEEN = "JAX takes the derivative between the jumps."

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("sum(abs(x - 1))", {"x": [2, 1, 3, 1]},
     "abs(x - 1) is at a kink: (x - 1)[1] = 0 and (x - 1)[3] = 0. " + ONE),
    ("absolute(x)", {"x": 0}, "absolute(x) is at a kink: x = 0. " + ONE),
    ("abs(x)", {"x": np.zeros((2, 3))},
     "abs(x) is at a kink: x[0,0] = 0, x[0,1] = 0 and 4 more entries. " + ONE),
    ("sign(x) * x", {"x": 0}, "sign(x) is at a jump: x = 0. " + FLAT),
    ("floor(x) + x", {"x": [0.5, 2]}, "floor(x) is at a jump: x[1] is whole. " + FLAT),
    ("ceil(x)", {"x": [0.5, 2]}, "ceil(x) is at a jump: x[1] is whole. " + FLAT),
    ("trunc(x)", {"x": [0, -2]}, "trunc(x) is at a jump: x[1] is whole. " + FLAT),
    ("rint(x)", {"x": [1, 1.5]}, "rint(x) is at a jump: x[1] is halfway. " + FLAT),
    ("round(x, 1)", {"x": [0.25, 0.5]}, "round(x, 1) is at a jump: x[0] is halfway. " + FLAT),
    ("x // 2", {"x": [3, 4]}, "x // 2 is at a jump: x[1] is a multiple of 2. " + FLAT),
    ("x % y", {"x": [3, 4], "y": 2}, "x % y is at a jump: x[1] is a multiple of y. " + BETWEEN),
    ("fmod(x, 2)", {"x": [0, 4]}, "fmod(x, 2) is at a jump: x[1] is a multiple of 2. " + BETWEEN),
    ("heaviside(x, 1.0)", {"x": [0, 4]},
     "heaviside(x, 1.0) is at a jump: x[0] = 0. JAX takes the derivative 0 with respect to x."),
    ("copysign(x, y)", {"x": [0, 1], "y": [1, 2]},
     "copysign(x, y) is at a kink: x[0] = 0. JAX takes the derivative 1 at x = 0, and 0 by y."),
    ("maximum(x, y)", {"x": [1, 2], "y": [1, 3]},
     "maximum(x, y) is at a kink: x[0] = y[0]. " + MEAN),
    ("maximum(0, x)", {"x": [1, 0]}, "maximum(0, x) is at a kink: 0 = x[1]. " + MEAN),
    ("minimum(x, y[0])", {"x": [1, 2], "y": [2, 3]},
     "minimum(x, y[0]) is at a kink: x[1] = y[0]. " + MEAN),
    ("fmax(x, 2*y)", {"x": [4], "y": [2]},
     "fmax(x, 2*y) is at a kink: x[0] = (2*y)[0]. JAX takes the derivative of 2*y there."),
    ("clip(x, -1, max=y)", {"x": [-1, 0, 2], "y": 2},
     "clip(x, -1, max=y) is at a kink: x[0] = -1. " + MEAN + "\n"
     "clip(x, -1, max=y) is at a kink: x[2] = y. " + MEAN),
    ("i0e(x)", {"x": [0, 1]},
     "i0e(x) is at a kink: x[0] = 0. JAX takes the derivative 0 there."),
    ("sum(pinv(a))", {"a": [[1, 2], [2, 4]]},
     "pinv(a) is at a jump: a has less than full rank."
     " JAX takes the derivative among matrices of the same rank: nearby, pinv is huge."),
    ("hypot(x, y)", {"x": [0, 1], "y": [0, 0]},
     "hypot(x, y) is at a kink: x[0] = 0 and y[0] = 0."
     " JAX takes the derivative 0.5 with respect to each."),
    ("where(x > 0, x, 0)", {"x": [1, 0]},
     "where(x > 0, x, 0) is at a switch: x[1] = 0."
     " The condition is False there: JAX takes the derivative of 0."),
    ("2*x if x >= y else x**2", {"x": [1, 2], "y": 1},
     "2*x if x >= y else x**2 is at a switch: x[0] = y."
     " The condition is True there: JAX takes the derivative of 2*x."),
    ("where((x > 0) & (y < 1), x, y)", {"x": [0, 1], "y": [0.5, 2]},
     "where((x > 0) & (y < 1), x, y) is at a switch: x[0] = 0. " + BRANCH),
    ("where(0 < x < 1, 1.0, 2)", {"x": [0.5, 1]},
     "where(0 < x < 1, 1.0, 2) is at a switch: x[1] = 1. " + BRANCH),
    ("where(less(x, 1), x, 2)", {"x": [0.5, 1]},
     "where(less(x, 1), x, 2) is at a switch: x[1] = 1."
     " The condition is False there: JAX takes the derivative of 2."),
    ("where(x > 0, 1, -1) * x", {"x": [0, 1]},
     "where(x > 0, 1, -1) is at a switch: x[0] = 0."
     " The condition is False there: JAX takes the derivative of -1."),
    ("3 * x * (x > 0)", {"x": [0, 1]},
     "3 * x * (x > 0) is at a switch: x[0] = 0."
     " The condition is False there, and JAX takes the derivative on that side."),
    ("relu(x)", {"x": [0, 1]},
     "relu(x) is at a kink: x[0] = 0. JAX takes the derivative 0 there."),
    ("relu6(x)", {"x": [1, 6]},
     "relu6(x) is at a kink: x[1] = 6. JAX takes the derivative 0 there."),
    ("leaky_relu(x)", {"x": [0, 6]},
     "leaky_relu(x) is at a kink: x[0] = 0. JAX takes the derivative 1 there."),
    ("elu(x, alpha=2.0)", {"x": [0, 6]},
     "elu(x, alpha=2.0) is at a kink: x[0] = 0. JAX takes the derivative on the left, alpha."),
    ("selu(x)", {"x": [0, 6]},
     "selu(x) is at a kink: x[0] = 0. JAX takes the derivative on the left, 1.758."),
    ("hard_tanh(x)", {"x": [-1, 6]},
     "hard_tanh(x) is at a kink: x[0] = -1. JAX takes the derivative 1 there."),
    ("hard_sigmoid(x)", {"x": [-3, 6]},
     "hard_sigmoid(x) is at a kink: x[0] = -3. JAX takes the derivative 0 there."),
    ("max(abs(x))", {"x": [3, 0, -3]},
     "max(abs(x)) is at a kink: abs(x)[0] and abs(x)[2] are tied. " + SHARED),
    ("min(x, axis=1)", {"x": [[1, 2, 3], [5, 4, 4]]},
     "min(x, axis=1) is at a kink: x[1,1] and x[1,2] are tied. " + SHARED),
    ("ptp(x)", {"x": [1, 2, 1]}, "ptp(x) is at a kink: x[0] and x[2] are tied. " + SHARED),
    ("norm(x, ord=1)", {"x": [1, 0]},
     "norm(x, ord=1) is at a kink: x[1] = 0. JAX takes the derivative of the absolute values."),
    ("norm(x, inf)", {"x": [1, -1]},
     "norm(x, inf) is at a kink: x[0] and x[1] are tied."
     " JAX takes the derivative of the absolute values."),
    ("sort(x)[-1]", {"x": [3, 1, 3]}, "sort(x) is at a kink: x[0] and x[2] are tied. " + RANKED),
    ("median(x)", {"x": [3, 1, 3]}, "median(x) is at a kink: x[0] and x[2] are tied. " + RANKED),
    ("median(x, axis=0)", {"x": [[3, 1], [1, 2], [3, 3]]},
     "median(x, axis=0) is at a kink: x[0,0] and x[2,0] are tied. " + RANKED),
    ("quantile(x, 0.25)", {"x": [1, 1, 2, 3, 4]},
     "quantile(x, 0.25) is at a kink: x[0] and x[1] are tied. " + RANKED),
]  # fmt: skip

SILENT: list[tuple[str, dict[str, Any]]] = [
    ("abs(x)", {"x": [1, -1, 1e-300]}),
    ("maximum(x, y)", {"x": [1, 2], "y": [1.0000000001, 3]}),
    ("where(x > 0, x, 0)", {"x": [1e-9, -1]}),
    # The entry counts for nothing.
    ("max(abs(x))", {"x": [3, 0, 1]}),
    ("abs(x)[0]", {"x": [1, 0]}),
    ("where(x > 1, abs(x), x**2)", {"x": [0, 2]}),
    ("sort(x)[0]", {"x": [3, 1, 3]}),
    ("sum(sort(x)**2)", {"x": [3, 1, 3]}),
    ("where(x > 0, sqrt(where(x > 0, x, 1)), 0) * (x - 0)", {"x": [1, 2]}),
    # The argument does not move.
    ("abs(x * y)", {"x": [1, 2], "y": {"zeros": [2]}}),
    ("abs(x**2)", {"x": [0, 1]}),
    ("abs(floor(x))", {"x": [0.5]}),
    # The pieces meet with one slope.
    ("relu(x)**2", {"x": [0, 1]}),
    ("x * abs(x)", {"x": [0, 1]}),
    ("where(abs(x) <= 0.3, x**2 / 2, 0.3 * (abs(x) - 0.15))", {"x": [0.3, -0.3]}),
    ("elu(x) + celu(x, 0.7) + soft_sign(x)", {"x": [0, 1]}),
    ("median(x)", {"x": [1, 2, 2, 3]}),
    # Smooth, whatever it is made of.
    ("sinc(x) + logaddexp(x, 0) + gelu(x)", {"x": [0, 1]}),
]


def said(expression: str, inputs: dict[str, Any], derivative: str = "jacobian", **more: Any) -> str:
    """Return what is said of the kinks, a line each, without the carets."""
    plan = plan_of({"f": expression}, inputs, derivative, **more)
    from jaccli.diagnose.kinks import explain

    problems = [found.problem for found in explain(plan)]
    return "\n".join(f"{problem.message} {problem.hint}" for problem in problems)


QUICK = {
    "sum(abs(x - 1))",
    "floor(x) + x",
    "x % y",
    "maximum(x, y)",
    "clip(x, -1, max=y)",
    "where(x > 0, x, 0)",
    "where(x > 0, 1, -1) * x",
    "relu(x)",
    "max(abs(x))",
    "median(x, axis=0)",
    "sort(x)[-1]",
    "abs(x)",
    "relu(x)**2",
    "where(abs(x) <= 0.3, x**2 / 2, 0.3 * (abs(x) - 0.15))",
    "where(x > 1, abs(x), x**2)",
    "abs(x * y)",
}
"""What is run at every change; the other cases are slow only because they are many."""


def marked(cases: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Return cases with the mark `slow` where they are not quick ones."""
    return [
        pytest.param(*case, marks=() if case[0] in QUICK else pytest.mark.slow) for case in cases
    ]


@pytest.mark.parametrize(("expression", "inputs", "text"), marked(CASES))
def test_a_kink_is_named_with_its_entries_and_what_jax_takes(
    expression: str, inputs: dict[str, Any], text: str
) -> None:
    assert said(expression, inputs) == text


@pytest.mark.parametrize(("expression", "inputs"), marked(SILENT))
def test_no_alarm_where_there_is_a_derivative(expression: str, inputs: dict[str, Any]) -> None:
    assert said(expression, inputs, wrt="x") == ""


def test_parts_that_are_not_differentiated_have_no_kinks() -> None:
    assert said("abs(y) * x + maximum(y, 0)", {"x": 1.0, "y": 0.0}, wrt="x") == ""
    assert said("abs(y) * x", {"x": 1.0, "y": 0.0}, wrt="y") != ""


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("sum(relu(x)**2)", "relu(x) is at a kink: x[1] = 0. JAX takes the derivative 0 there."),
        ("sum(x * abs(x))", "abs(x) is at a kink: x[1] = 0. " + ONE),
        ("sum(x**2 * sign(x))", "sign(x) is at a jump: x[1] = 0. " + FLAT),
        ("sum(soft_sign(x))",
         "soft_sign(x) is at a kink: x[1] = 0. JAX takes the derivatives on the right."),
        ("sum(where(x <= 1, x**2 / 2, x - 0.5))",
         "where(x <= 1, x**2 / 2, x - 0.5) is at a switch: x[0] = 1."
         " The condition is True there: JAX takes the derivative of x**2 / 2."),
        ("sum(x**3 * abs(x))", ""),
        ("sum(exp(x) + x**4)", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("derivative", ["hessian", pytest.param("hvp", marks=pytest.mark.slow)])
def test_second_derivatives_have_kinks_of_their_own(
    expression: str, text: str, derivative: str
) -> None:
    vector = {"vector": [1.0, 1.0]} if derivative == "hvp" else {}
    assert said(expression, {"x": [1.0, 0.0]}, derivative, **vector) == text


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ([1], ", at batch row 1"),
        ([0, 2], ", at batch rows 0 and 2"),
        ([0, 1, 2, 4, 5], ", at batch rows 0, 1, 2 and 2 more"),
    ],
)
def test_batch_rows_are_named(rows: list[int], where: str) -> None:
    x = np.ones((2, 6))
    x[1, rows] = 0
    text = said("abs(x)", {"x": x}, batch={"x": 1})
    assert text == f"abs(x) is at a kink: x[1] = 0{where}. {ONE}"


def test_expressions_that_no_output_needs_are_left_out() -> None:
    model = {"expressions": {"a": "abs(x)", "b": "relu(x)"}, "outputs": "b"}
    plan = plan_of({}, {"x": 0.0}, "jacobian", model=model)
    from jaccli.diagnose.kinks import explain

    assert [found.problem.message for found in explain(plan)] == ["relu(x) is at a kink: x = 0."]


def test_conditions_are_followed_through_names() -> None:
    model = {"expressions": {"m": "x > 0", "y": "where(m, x, 2 * x)"}, "outputs": "y"}
    plan = plan_of({}, {"x": 0.0}, "jacobian", model=model)
    from jaccli.diagnose.kinks import explain

    assert [found.problem.message for found in explain(plan)] == [
        "where(m, x, 2 * x) is at a switch: x = 0."
    ]


LEAVES = st.sampled_from(["x", "y", "x[0]", "sum(y)", "0", "1", "2.5"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.sampled_from(["sin", "exp", "tanh", "softplus", "sigmoid", "erf", "arctan", "cosh"])
    return st.one_of(
        st.builds("{}({})".format, one, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner),
        st.builds("({})**{}".format, inner, st.integers(0, 3)),
        st.builds("logaddexp({}, {})".format, inner, inner),
    )


@hypothesis.settings(max_examples=12)
@hypothesis.given(st.recursive(LEAVES, _grown, max_leaves=6), st.sampled_from([0.0, 1.0, -0.5]))
def test_smooth_expressions_have_no_kinks(text: str, value: float) -> None:
    inputs = {"x": np.full(2, value), "y": np.array([value, 0.0])}
    assert said(f"x + {text}", inputs) == ""
    assert said(f"sum(x + {text})", inputs, "hessian") == ""


@hypothesis.settings(max_examples=6)
@hypothesis.given(
    st.lists(st.sampled_from([-1.0, 0.0, 2.0]), min_size=1, max_size=5),
    st.sampled_from(["abs(x)", "relu(x)", "maximum(x, -x)", "leaky_relu(x)"]),
)
def test_exactly_the_entries_at_zero_are_found(entries: list[float], expression: str) -> None:
    text = said(expression, {"x": entries})
    zeros = [index for index, entry in enumerate(entries) if entry == 0]
    assert re.findall(r"\bx\[(\d)\] = ", text) == [str(index) for index in zeros[:2]]
    assert ("more entr" in text) == (len(zeros) > 2)


# From the shell.

MODEL = """\
model:
  expressions:
    a: sum(abs(x - 1))
    b: maximum(x[0], x[1])
inputs: {x: [1.0, 1.0, 2.0]}
"""


def test_a_warning_has_the_place_in_the_spec(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MODEL)
    outcome = call("jacobian", "a.yaml", "--format", "none", cwd=tmp_path)
    assert outcome.stderr.splitlines()[1:] == [
        "warning: a.yaml:3:12: model.expressions.a: "
        "abs(x - 1) is at a kink: (x - 1)[0] = 0 and (x - 1)[1] = 0.",
        "      a: sum(abs(x - 1))",
        "             ^^^^^^^^^^",
        ONE,
        "warning: a.yaml:4:8: model.expressions.b: maximum(x[0], x[1]) is at a kink: x[0] = x[1].",
        "      b: maximum(x[0], x[1])",
        "         ^^^^^^^^^^^^^^^^^^^",
        MEAN,
    ]


def test_quiet_says_nothing_and_json_tells(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MODEL)
    outcome = call("jacobian", "a.yaml", "--format", "json", "--quiet", cwd=tmp_path)
    assert outcome.stderr == ""
    assert '"warnings": ["a.yaml:3:12: model.expressions.a: abs(x - 1) is' in outcome.stdout


def test_evaluate_has_no_kinks() -> None:
    assert "warning" not in call("evaluate", "-e", "abs(x)", "--at", "x=0").stderr


def test_five_warnings_at_most() -> None:
    expression = " + ".join(f"abs(x[{i}])" for i in range(8))
    outcome = call("gradient", "-e", expression, "--at", "x={zeros: [8]}")
    warnings = [line for line in outcome.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) == 6
    assert warnings[-1] == "warning: and 3 more."


PYTHON = """\
import jax
import jax.numpy as jnp

def f(x, y):
    a = jnp.abs(x - 1)
    b = jnp.where(x > y, x, 2 * y)
    c = jax.nn.relu(x)
    d = jnp.abs(y)
    return a + b + c + 0 * jax.lax.stop_gradient(d)
"""


def test_lines_of_python_models_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PYTHON)
    (tmp_path / "a.yaml").write_text(
        "model: {python: 'own.py:f'}\ninputs: {x: [1.0, 0.0, 2.0], y: [0.0, 5.0, 2.0]}\nwrt: x\n"
    )
    outcome = call("jacobian", "a.yaml", "--allow-python", "--format", "none", cwd=tmp_path)
    assert outcome.stderr.splitlines()[1:] == [
        "warning: own.py:5:5: abs(float64[3]) is at a kink: argument[0] = 0.",
        "  a = jnp.abs(x - 1)",
        "  ^^^^^^^^^^^^^^^^^^",
        ONE,
        "warning: own.py:6:5: where(bool[3], x, float64[3]) is at a switch: x[2] = y[2].",
        "  b = jnp.where(x > y, x, 2 * y)",
        "  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
        "The condition is False there: JAX takes the derivative of the second branch.",
        "warning: own.py:7:5: relu(x) is at a kink: x[1] = 0.",
        "  c = jax.nn.relu(x)",
        "  ^^^^^^^^^^^^^^^^^^",
        "JAX takes the derivative 0 there.",
    ]


LOOP = """\
import jax
import jax.numpy as jnp

def f(x):
    return jax.lax.while_loop(lambda y: jnp.sum(y) < 9, lambda y: y + 1, jnp.abs(x))
"""


def test_models_without_a_reverse_mode_are_examined_too(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(LOOP)
    (tmp_path / "a.yaml").write_text("model: {python: 'own.py:f'}\ninputs: {x: [1.0, 0.0]}\n")
    outcome = call("jacobian", "a.yaml", "--allow-python", "--format", "none", cwd=tmp_path)
    assert "own.py:5:5: abs(x) is at a kink: x[1] = 0." in outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_examples_are_on_no_kink(path: Path) -> None:
    outcome = call("run", path, "--allow-python", "--format", "none")
    assert "warning" not in outcome.stderr


@pytest.mark.parametrize(
    ("expression", "examined"), [("tanh(x) + x**2 / y - sqrt(y)", False), ("abs(x)", True)]
)
def test_models_without_such_functions_cost_nothing(
    expression: str, examined: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of({"f": expression}, {"x": [1.0], "y": 2.0}, "jacobian")
    from jaccli.diagnose import kinks

    ran: list[Any] = []
    monkeypatch.setattr(kinks, "at_rows", lambda plan, f: ran.append(f))
    kinks.explain(plan)
    assert bool(ran) == examined


CONTROL = """\
import jax
import jax.numpy as jnp

def remade(x):
    return jax.checkpoint(lambda x: jnp.abs(x - 1) * 2)(x)

@jax.custom_jvp
def ruled(x):
    return jnp.abs(x - 1)

ruled.defjvps(lambda t, out, x: jnp.sign(x - 1) * t)

@jax.custom_vjp
def pulled(x):
    return jnp.abs(x - 1)

pulled.defvjp(lambda x: (pulled(x), x), lambda x, u: (u * jnp.sign(x - 1),))

def scanned(x):
    return jax.lax.scan(lambda c, w: (jnp.abs(c - w), c), x, jnp.array([3.0, 2.0, 2.0]))[0]

def scanned_off(x):
    return jax.lax.scan(lambda c, w: (jnp.abs(c - w), c), x, jnp.array([3.0, 2.5, 2.0]))[0]

def counted(x):
    return jax.lax.fori_loop(0, 3, lambda i, c: jnp.abs(c - 1.0), x)

def looped(x):
    return jax.lax.while_loop(lambda c: c < 5, lambda c: c + 1 + jnp.abs(c - 1), x)

def looped_off(x):
    return jax.lax.while_loop(lambda c: c < 5, lambda c: c + 1 + jnp.abs(c - 2.5), x)

def switched(x):
    return jax.lax.cond(x > 1, lambda x: x * 2, lambda x: x + 1, x)

def branched(x):
    return jax.lax.cond(x > 0, lambda x: jnp.abs(x - 1), lambda x: x + 1, x)

def not_taken(x):
    return jax.lax.cond(x > 0, lambda x: x * 2, lambda x: jnp.abs(x - 1), x)

def picked(x):
    branches = [jnp.sin, lambda x: jnp.maximum(x, 1.0), jnp.cos]
    return jax.lax.switch(1, branches, x) + jax.lax.switch(jnp.int32(x), branches, x)
"""
ABS = "abs(float64[]) is at a kink: argument = 0."


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("remade", f"{ABS} {ONE}"),
        ("ruled", f"{ABS} The derivative there is what the custom_jvp around it says."),
        ("pulled", f"{ABS} The derivative there is what the custom_vjp around it says."),
        ("scanned", f"{ABS} {ONE}"),
        ("counted", f"{ABS} {ONE}"),
        ("looped", f"{ABS} {ONE}"),
        ("looped_off", ""),
        ("scanned_off", ""),
        (
            "switched",
            "cond is at a switch: x = 1."
            " The condition is False there: JAX takes the derivative of the second branch.",
        ),
        ("branched", f"{ABS} {ONE}"),
        ("not_taken", ""),
        ("picked", f"maximum(x, 1) is at a kink: x = 1. {MEAN}"),
    ],
)
def test_kinks_inside_rules_loops_and_branches(
    function: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text(CONTROL)
    spec = f"model: {{python: 'own.py:{function}'}}\ninputs: {{x: 1.0}}\n"
    (tmp_path / "own.yaml").write_text(spec)
    outcome = call(
        "jacobian", "own.yaml", "--allow-python", "--format", "none", cwd=tmp_path, check=False
    )
    lines = outcome.stderr.splitlines()[1:]
    shown = " ".join([lines[0].partition(": ")[2].partition(": ")[2], lines[3]]) if lines else ""
    assert shown == said, outcome.stderr
