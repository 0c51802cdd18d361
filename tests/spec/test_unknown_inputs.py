"""Inputs that the model does not have: refused where an option gives them, named where a spec."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from carets import marked, marked_option

SPEC = """\
model: {expressions: {r: a*x**2, s: r + velocity}}
inputs: {x: 2.0, a: 3.0, velocity: 1.0, spare: 4.0}
"""
UNUSED = "warning: <stdin>: the model does not use the input 'spare'; its derivative is 0.\n"

REFUSED = [
    # option, its argument with marks, the message
    ("--at", "«velocty=3»", "the model has no input named 'velocty'.\nDid you mean 'velocity'?"),
    ("--at", "«V={zeros: 3}»", "the model has no input named 'V'.\n"
     "Expected one of 'a', 'x', 'velocity', 'spare'."),
    ("--set", "«inputs.vel=1»", "the model has no input named 'vel'.\n"
     "Expected one of 'a', 'x', 'velocity', 'spare'."),
    ("--set", "«inputs.spar.value=1»", "the model has no input named 'spar'.\n"
     "Did you mean 'spare'?"),
    ("--set", "sweep={«inputs.xa»: [1, 2]}", "the model has no input named 'xa'.\n"
     "Did you mean 'x'?"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[case[1] for case in REFUSED])
def test_an_option_gives_no_input_that_the_model_does_not_have(
    jaccli: Callable[..., Any], case: tuple[str, str, str]
) -> None:
    option, text, message = case
    argument, expected = marked_option(option, text, message)
    outcome = jaccli("validate", "-", option, argument, stdin=SPEC, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)


def test_a_sweep_gives_no_input_that_the_model_does_not_have(jaccli: Callable[..., Any]) -> None:
    text, expected = marked(
        f"{SPEC}sweep: {{«inputs.velo»: [1, 2]}}\n",
        "inputs.velo: the model has no input named 'velo'.\nDid you mean 'velocity'?",
    )
    outcome = jaccli("run", "-", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, expected)


def test_the_forecast_has_three_inputs(jaccli: Callable[..., Any]) -> None:
    given = ["--set", "model=forecast", "--at", "weight=[[1]]", "--at", "bias=[1]", "--at", "x=[1]"]
    _, expected = marked_option(
        "--at", "«baias=1»", "the model has no input named 'baias'.\nDid you mean 'bias'?"
    )
    outcome = jaccli("validate", *given, "--at", "baias=1", check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, expected)


@pytest.mark.parametrize("command", ["validate", "jacobian", "plan", "check"])
def test_what_a_spec_declares_and_no_expression_uses_is_a_warning(
    jaccli: Callable[..., Any], command: str
) -> None:
    said = jaccli(command, "-", stdin=SPEC).stderr
    assert said.count(UNUSED) == said.count("spare'") == 1
    assert "spare'" not in jaccli(command, "-", "-q", stdin=SPEC).stderr
    assert UNUSED in jaccli(command, "-", "--at", "spare=7", stdin=SPEC).stderr


def test_inputs_set_as_a_whole_are_declared(jaccli: Callable[..., Any]) -> None:
    given = ("--set", "inputs={x: 1, a: 1, velocity: 1, spare: 2}")
    outcome = jaccli("validate", "-", *given, stdin=SPEC)
    assert outcome.stderr == UNUSED


def test_the_warning_stands_in_json(jaccli: Callable[..., Any]) -> None:
    spec = SPEC.replace("spare: 4.0", "spare: 4.0, more: [1, 2]")
    outcome = jaccli("jacobian", "-", "-q", "--wrt", "x", "--format", "json", stdin=spec)
    assert json.loads(outcome.stdout)["warnings"] == [
        "<stdin>: the model does not use the inputs 'spare', 'more'; their derivatives are 0."
    ]
    assert outcome.stderr == ""


def test_a_constant_model_takes_any_input_without_a_warning(jaccli: Callable[..., Any]) -> None:
    assert jaccli("evaluate", "-e", "2*pi", "--at", "x=1", "-q").stdout == "f 6.283185307179586\n"
    assert jaccli("validate", "-e", "2*pi", "--at", "x=1").stderr == ""


def test_a_constant_that_an_input_hides_is_an_input(jaccli: Callable[..., Any]) -> None:
    outcome = jaccli("evaluate", "-e", "e*x", "--at", "e=2", "--at", "x=1", "-q")
    assert outcome.stdout == "f 2.0\n"


PYTHON = "def f(position, speed=1.0):\n    return position * speed\n"


def test_a_python_function_takes_the_names_of_its_signature(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "m.py").write_text(PYTHON)
    text, expected = marked(
        'model: {python: "m.py:f"}\ninputs: {position: 1.0, sped: «2.0»}\n',
        "inputs.sped: m.py:f takes no input named 'sped'.\nDid you mean 'speed'?",
    )
    outcome = jaccli("evaluate", "-", "--allow-python", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)
    text, expected = marked(
        'model: {python: "m.py:f"}\ninputs: «{»speed: 1.0}\n',
        "inputs: m.py:f needs the input 'position'.\n"
        "Give it a value: under inputs, or --at position=VALUE.",
    )
    outcome = jaccli("evaluate", "-", "--allow-python", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)


def test_a_python_function_may_take_all_names(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(**inputs):\n    return inputs['x'] + inputs['y']\n")
    text = 'model: {python: "m.py:f"}\ninputs: {x: 1.0, y: 2.0}\n'
    assert jaccli("evaluate", "-", "--allow-python", "-q", stdin=text).stdout == "f 3.0\n"
