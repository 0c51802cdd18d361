"""`plan` compiles the candidates for what XLA says of them, and runs none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from pipeline import plan_of

from jaccli.derivative import operators
from jaccli.tune.candidates import candidates

Call = Callable[..., Any]
DENSE = ("-e", "y = tanh(w @ x)", "--at", "w={random: normal, shape: [3, 5], seed: 1}",
         "--at", "x={random: normal, shape: [5], seed: 2}", "--wrt", "x")  # fmt: skip
LOOPING = """\
import jax
def f(x):
    return jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: 2 * y, x)[:2]
"""


@pytest.fixture
def looping(tmp_path: Path) -> tuple[str, ...]:
    """A model of three inputs, two outputs and no reverse mode."""
    (tmp_path / "looping.py").write_text(LOOPING)
    spec = tmp_path / "looping.yaml"
    spec.write_text("model: {python: 'looping.py:f'}\ninputs: {x: [1.0, 2.0, 0.5]}\n")
    return (str(spec), "--allow-python")


@pytest.mark.parametrize(
    ("derivative", "names"),
    [
        ("jacobian", {"fwd", "rev", "structured-fwd", "structured-rev"}),
        ("hessian", set(operators.HESSIAN) - {"sparse"}),
    ],
)
def test_json_has_bytes_and_operations_of_each_candidate(
    jaccli: Call, derivative: str, names: set[str]
) -> None:
    args = ("plan", "--of", derivative, "--format", "json")
    plan = json.loads(jaccli(*args, *DENSE).stdout)
    assert set(plan["candidates"]) == names
    for found in plan["candidates"].values():
        assert found["operations"] > 0
        assert found["predicted_seconds"] > 0
        assert found["bytes"] >= plan["bytes"]["result"] + found["temporaries"]
        assert found["chunk"] is None


def test_the_plain_modes_multiply_by_the_identity_and_the_engine_does_not(jaccli: Call) -> None:
    sets = ("w={random: normal, shape: [64, 64], seed: 1}", "x={linspace: [0, 1, 64]}")
    args = ("plan", "--format", "json", "-e", "tanh(w @ x)", "--wrt", "x")
    found = json.loads(jaccli(*args, "--at", sets[0], "--at", sets[1]).stdout)["candidates"]
    assert found["fwd"]["operations"] > 64**3
    assert found["structured-fwd"]["operations"] < 64**3 / 4
    assert found["structured-fwd"]["predicted_seconds"] < found["fwd"]["predicted_seconds"]


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize("mode", ["auto", "tuned"])
def test_nothing_is_computed(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch, form: str, mode: str
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a compiled program is called")

    monkeypatch.setattr(jax.stages.Compiled, "__call__", refuse)
    assert jaccli("plan", *DENSE, "--mode", mode, "--format", form).stdout
    with pytest.raises(AssertionError):  # as it is when the derivative is asked for
        jaccli("jacobian", *DENSE, "--debug")


def test_a_candidate_that_cannot_be_derived_shows_its_problem(
    jaccli: Call, looping: tuple[str, ...]
) -> None:
    text = jaccli("plan", *looping).stdout
    rows = {line.split()[0]: line for line in text.partition("candidate ")[2].splitlines()[1:]}
    for name in ("rev", "structured-rev"):
        assert "reverse mode does not go through a `while_loop`" in rows[name]
    for name in ("fwd", "structured-fwd"):
        assert "while_loop" not in rows[name]
    found = json.loads(jaccli("plan", *looping, "--format", "json").stdout)["candidates"]
    assert set(found["rev"]) == set(found["structured-rev"]) == {"problem"}
    assert found["fwd"]["operations"] > 0


def test_auto_goes_forward_through_a_loop_even_with_more_inputs_than_outputs(
    jaccli: Call, looping: tuple[str, ...]
) -> None:
    plan = json.loads(jaccli("plan", *looping, "--format", "json").stdout)
    assert plan["mode"] == "structured"
    assert "3 inputs, 2 outputs: forward" in plan["reason"]
    assert "loop" in plan["reason"]
    for derivative, expected in (("jacobian", 8 * np.eye(2, 3)), ("hessian", np.zeros((2, 3, 3)))):
        found = json.loads(jaccli(derivative, *looping, "--format", "json").stdout)
        key = "f.x" if derivative == "jacobian" else "f.x.x"
        np.testing.assert_array_equal(found["blocks"][key]["values"], expected / 2)


def test_the_star_is_at_the_operator_that_is_taken(jaccli: Call) -> None:
    for mode, operator in (("auto", "structured-rev"), ("fwd", "fwd")):
        lines = jaccli("plan", *DENSE, "--mode", mode).stdout.splitlines()
        assert [line.split()[0] for line in lines if "  * " in line] == [operator]


def test_what_has_one_way_has_no_candidates(jaccli: Call) -> None:
    args = ("plan", "--of", "jvp", "--vector", "[1, 0, 0, 0, 0]", *DENSE)
    assert "candidate" not in jaccli(*args).stdout
    assert json.loads(jaccli(*args, "--format", "json").stdout)["candidates"] == {}


def test_candidates_over_the_budget_are_taken_in_chunks() -> None:
    at = {"a": np.ones((60, 24)), "b": np.ones((6, 60)), "x": np.ones(24)}
    model = {"y": "sin(b @ tanh(a @ x))"}
    free = {c.operator: c.program for c in candidates(plan_of(model, at, "jacobian", wrt="x"))}
    assert free["fwd"] is not None
    budget = free["fwd"].cost.held - 1024
    bounded = candidates(plan_of(model, at, "jacobian", wrt="x", memory=budget))
    for candidate in bounded:
        assert candidate.program is not None
        assert candidate.program.cost.held <= budget
        if candidate.operator == "fwd":
            assert candidate.program.plan.chunk is not None
