"""Models defined by equations, from the shell: commands, and everything that can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optimistix")

Jaccli = Callable[..., Any]

QUADRATIC = """\
model:
  equations: {balance: k*c**2 + c - feed}
  unknowns: {c: 1.0}
  expressions: {rate: k*c**2}
inputs: {k: 2.0, feed: 3.0}
"""
FOLD = """\
model:
  equations: {fold: mu - c**2}
  unknowns: {c: 1.0}
inputs: {mu: 4.0}
"""


@pytest.fixture
def quadratic(tmp_path: Path) -> str:
    (tmp_path / "q.yaml").write_text(QUADRATIC)
    return "q.yaml"


@pytest.fixture
def fold(tmp_path: Path) -> str:
    (tmp_path / "fold.yaml").write_text(FOLD)
    return "fold.yaml"


def blocks(jaccli: Jaccli, *args: str) -> dict[str, Any]:
    found = json.loads(jaccli(*args, "--format", "json", "-q").stdout)["blocks"]
    return {name: block["values"] for name, block in found.items()}


@pytest.mark.slow
def test_a_hessian_is_that_of_the_closed_form(jaccli: Jaccli, quadratic: str) -> None:
    """Rate = feed - c: minus the derivatives of c = (sqrt(1 + 4 k f) - 1)/(2 k) at (2, 3)."""
    found = blocks(jaccli, "hessian", quadratic)
    expected = {"k.k": -0.128, "k.feed": 0.048, "feed.k": 0.048, "feed.feed": 0.032}
    for name, value in expected.items():
        assert found[f"rate.{name}"] == pytest.approx(value, rel=1e-13), name


@pytest.mark.slow
def test_each_batch_row_has_its_solution_in_every_mode(jaccli: Jaccli, fold: str) -> None:
    """C = sqrt(mu), dc/dmu = 1/(2 sqrt(mu))."""
    mu = np.array([1.0, 4.0, 9.0])
    at = ("--at", f"mu={mu.tolist()}", "--batch", "mu")
    for mode in ("structured", "sparse"):
        slope = blocks(jaccli, "jacobian", fold, *at, "--mode", mode, "--storage", "dense")
        np.testing.assert_allclose(slope["c.mu"], 0.5 / np.sqrt(mu), rtol=1e-15)


@pytest.mark.slow
def test_check_solves_again(jaccli: Jaccli, quadratic: str) -> None:
    done = jaccli("check", quadratic)
    assert "differences of outputs" in done.stdout
    assert "note:" not in done.stdout


def test_a_point_without_a_solution_says_so(jaccli: Jaccli, fold: str) -> None:
    done = jaccli("evaluate", fold, "--at", "mu=-1", check=False)
    assert done.exit_code == 3
    said = done.stderr
    assert said.startswith("fold.yaml:2:21: model.equations.fold: no solution was found: a trust-")
    assert "with the residuals fold = -1." in said
    assert "Start nearer to a solution" in said


@pytest.mark.slow
def test_a_batch_row_without_a_solution_is_named(jaccli: Jaccli, fold: str) -> None:
    at = ("--at", "mu=[1, 4, -1, 9, -2]", "--batch", "mu")
    done = jaccli("jacobian", fold, *at, check=False)
    assert done.exit_code == 3
    assert "model.equations.fold: batch row 2: no solution was found" in done.stderr
    assert "1 more row failed, too." in done.stderr


@pytest.mark.slow
def test_a_turning_point_is_singular(jaccli: Jaccli, fold: str) -> None:
    done = jaccli("jacobian", fold, "--at", "mu=0", check=False)
    assert done.exit_code == 3
    assert "the equations are singular at their solution c = " in done.stderr
    assert "the residuals do not change along c, so" in done.stderr


@pytest.mark.slow
def test_dependent_equations_name_the_direction(jaccli: Jaccli, tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(
        "model:\n  equations: {one: c + d - k, two: 2*c + 2*d - 2*k}\n"
        "  unknowns: {c: 1.0, d: 4.0}\ninputs: {k: 3.0}\n"
    )
    done = jaccli("hessian", "two.yaml", check=False)  # structurally zero, and refused all the same
    assert done.exit_code == 3
    assert "the residuals do not change along 0.71 c - 0.71 d, so" in done.stderr


@pytest.mark.slow
def test_a_start_where_an_equation_is_not_defined_names_it(jaccli: Jaccli, fold: str) -> None:
    done = jaccli("jacobian", fold, "--set", "model.equations.fold=mu - log(-c)", check=False)
    assert done.exit_code == 3
    assert "the equation fold is NaN at the start, c = 1." in done.stderr


@pytest.mark.slow
def test_a_failed_point_of_a_sweep_is_that_tasks_failure(
    jaccli: Jaccli, tmp_path: Path, fold: str
) -> None:
    spec = FOLD + "sweep: {inputs.mu: [1.0, -1.0, 9.0]}\n"
    (tmp_path / "sweep.yaml").write_text(spec)
    done = jaccli("run", "sweep.yaml", "--out-dir", "out", check=False)
    assert done.exit_code == 1
    assert done.stderr.count("no solution was found") == 1
    assert len(list((tmp_path / "out").rglob("*.npz"))) == 2


WRONG = {
    "unknown that is an input": (
        "{equations: {a: c - k}, unknowns: {c: 1, k: 2}}",
        "model.unknowns.k: 'k' is an input already.",
    ),
    "expression that is an unknown": (
        "{equations: {a: c - k}, unknowns: {c: 1}, expressions: {c: 2*k}}",
        "model.expressions.c: 'c' is an unknown already.",
    ),
    "unknown in no equation": (
        "{equations: {a: c - k}, unknowns: {c: 1, d: 2}}",
        "model.unknowns.d: no equation has the unknown 'd'.",
    ),
    "equation without unknowns": (
        "{equations: {a: c - k, b: k - 1}, unknowns: {c: 1}}",
        "model.equations.b: no unknown is in 'b'.",
    ),
    "too few equations": (
        "{equations: {a: c + d - k}, unknowns: {c: 1, d: 2}}",
        "1 equation (a), and 2 unknowns (c, d): there must be as many equations as unknowns.",
    ),
    "too many entries": (
        "{equations: {a: 'c - [k, 1]'}, unknowns: {c: 1}}",
        "2 equations (2 entries of a), and 1 unknown (c)",
    ),
    "a comparison": (
        "{equations: {a: c == k}, unknowns: {c: 1}}",
        "an equation is what is zero at the solution, not a comparison",
    ),
    "no unknowns": ("{equations: {a: k - 1}}", "the key 'unknowns' is missing."),
    "a name that is not there": (
        "{equations: {a: feeed - c}, unknowns: {c: 1}}",
        "no input or expression named 'feeed'",
    ),
    "a start that is not finite": (
        "{equations: {a: c - k}, unknowns: {c: {full: [], value: inf}}}",
        "model.unknowns.c: the start is inf; it must be finite.",
    ),
    "an output that is not there": (
        "{equations: {a: c - k}, unknowns: {c: 1}, outputs: [b]}",
        "model.outputs: no output named 'b'.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(jaccli: Jaccli, tmp_path: Path, case: str) -> None:
    model, said = WRONG[case]
    (tmp_path / "wrong.yaml").write_text(f"model: {model}\ninputs: {{k: 3.0, feed: 1.0}}\n")
    done = jaccli("jacobian", "wrong.yaml", check=False)
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_value_for_an_unknown_is_its_start(jaccli: Jaccli, quadratic: str) -> None:
    done = jaccli("evaluate", quadratic, "--at", "c=2", check=False)
    assert done.exit_code == 2
    assert "--set model.unknowns.c=VALUE" in done.stderr


HINT = "Move an input away from it, or replace an equation.\n"
SINGULAR = {
    "(c-k)**3": (
        "the equations are singular at their solution c = 2: the residuals do not change along c, ",
        "a turning point, a multiple root, a kink, or equations that depend on each other",
    ),
    "sqrt(abs(c-1))": (
        "the equations have no finite Jacobian at their solution c = 1: ∂balance/∂c is infinite, ",
        "a kink, or one with a vertical tangent",
    ),
}


@pytest.mark.parametrize("equation", SINGULAR)
def test_a_singular_point_is_called_no_more_than_that(
    jaccli: Jaccli, quadratic: str, equation: str
) -> None:
    """At a triple root, and at a vertical tangent; under the text that the option gives."""
    said, kind = SINGULAR[equation]
    changed = f"model.equations.balance={equation}"
    start = ("--set", "model.unknowns.c=1.5")
    done = jaccli("jacobian", "-q", quadratic, "--set", changed, *start, check=False)
    assert done.exit_code == 3
    carets = " " * len("model.equations.balance=") + "^" * len(equation)
    assert done.stderr == (
        f"--set: {said}so the solution has no derivative.\n  {changed}\n  {carets}\n"
        f"Such a point is {kind}. {HINT}"
    )


def test_a_jacobian_that_overflows_is_said(jaccli: Jaccli, quadratic: str) -> None:
    """2 k c = 2e308 at c = 1."""
    done = jaccli("jacobian", "-q", quadratic, "--at", "k=1e308", check=False)
    assert done.exit_code == 3
    said = done.stderr.splitlines()[0]
    assert said.endswith(
        "residuals balance = 1e+308. There, ∂balance/∂c is infinite: it overflows."
    )


def test_a_long_first_step_is_shortened(jaccli: Jaccli, quadratic: str) -> None:
    """Exp(20 c) = 2e9 from c = 0, by a first Newton step to 1e8: dc/dk = 1/(20 k)."""
    changed = ("--set", "model.equations.balance=exp(20*c)-1e9*k", "--set", "model.unknowns.c=0.0")
    found = blocks(jaccli, "jacobian", quadratic, *changed, "--set", "model.outputs=[c]")
    assert found["c.k"] == pytest.approx(0.025, rel=1e-13)


REFUSED = {
    "model.unknowns={}": "--set: no unknowns.\n  model.unknowns={}\n                 ^\n",
    "model.equations={}": "--set: no equations.\n  model.equations={}\n                  ^\n",
    "model.expression=k": "--set: 'equations' and 'expression' are different kinds of model.\n"
    "  model.expression=k\n  ^^^^^^^^^^^^^^^^^^\nKeep one of them.\n",
    "model.expressions.balance=k": "--set: 'balance' is an equation already.\n"
    "  model.expressions.balance=k\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^^\nRename one of them.\n",
}


@pytest.mark.parametrize("changed", REFUSED)
def test_the_cause_alone_is_said(jaccli: Jaccli, quadratic: str, changed: str) -> None:
    done = jaccli("evaluate", quadratic, "--set", changed, check=False)
    assert (done.exit_code, done.stderr) == (2, REFUSED[changed])


def test_a_model_of_the_command_line_is_not_changed(jaccli: Jaccli) -> None:
    changed = "model.unknowns={c: 1}"
    done = jaccli("jacobian", "-e", "y=x", "--at", "x=1.0", "--set", changed, check=False)
    assert (done.exit_code, done.stderr) == (
        2,
        "--set: -e gives the whole model, which model.unknowns would change.\n"
        f"  {changed}\n  {'^' * len(changed)}\n"
        "Unknowns go with equations, in place of -e: --set model.equations.NAME=EXPR and "
        "--set model.unknowns.NAME=START.\n",
    )
