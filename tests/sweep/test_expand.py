"""The tasks of a sweep: their values by the rules of their ends, their names, what is wrong."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from carets import marked
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli.spec import load
from jaccli.spec.overrides import from_set
from jaccli.sweep import SweepTask, expand
from jaccli.sweep.task_names import stems

MODEL = """\
model: {expression: a * x**2}
inputs: {a: 2, x: 1}
wrt: x
"""


def tasks_of(sweep: object, *changes: str) -> tuple[SweepTask, ...]:
    """Return the tasks of the model with this sweep."""
    model = ("model={expression: a * x**2}", "inputs={a: 2, x: 1}", "wrt=x")
    return expand(load(None, map(from_set, (*model, f"sweep={json.dumps(sweep)}", *changes))))


def swept(values: object) -> list[Any]:
    """Return the values that x takes."""
    return [task.values["inputs.x"] for task in tasks_of({"inputs.x": values})]


# Values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"range": [0, 5, 2]}, [0, 2, 4]),
        ({"range": [0, 4, 2]}, [0, 2]),
        ({"range": [3, 0, -1]}, [3, 2, 1]),
        ({"range": [0, 1, 0.1]}, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
        ({"range": [1, 1.3, 0.1]}, [1.0, 1.1, 1.2]),  # numpy's arange has four
        ({"linspace": [0, 1, 5]}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"linspace": [0, 0.3, 4]}, [0.0, 0.1, 0.2, 0.3]),
        ({"linspace": [2, -2, 3]}, [2.0, 0.0, -2.0]),
        ({"linspace": [7, 9, 1]}, [7.0]),
        ({"logspace": [-2, 2, 5]}, [0.01, 0.1, 1.0, 10.0, 100.0]),
        ({"logspace": [0, 1, 3]}, [1.0, 10**0.5, 10.0]),
        ({"logspace": [3, 0, 1]}, [1000.0]),
        ([1, 2.5, [3, 4]], [1, 2.5, [3, 4]]),
    ],
)
def test_values_are_exact_decimals_up_to_the_documented_ends(
    values: object, expected: list[Any]
) -> None:
    found = swept(values)
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


decimals = st.integers(-1000, 1000).map(lambda n: n / 100)


@settings(max_examples=40)
@given(start=decimals, steps=st.integers(1, 50), step=decimals.filter(bool))
def test_a_range_never_holds_its_stop_and_has_the_count_of_exact_division(
    start: float, steps: int, step: float
) -> None:
    exact = [Fraction(str(number)) for number in (start, step)]
    stop = float(exact[0] + steps * exact[1])
    found = swept({"range": [start, stop, step]})
    assert [float(exact[0] + index * exact[1]) for index in range(steps)] == found
    assert stop not in found


@settings(max_examples=40)
@given(first=decimals, last=decimals, count=st.integers(2, 50))
def test_a_linspace_holds_both_ends(first: float, last: float, count: int) -> None:
    if first == last:
        return
    found = swept({"linspace": [first, last, count]})
    assert (found[0], found[-1], len(found)) == (first, last, count)
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert all(math.isclose(gap, gaps[0], rel_tol=1e-9, abs_tol=1e-12) for gap in gaps)


# Combinations

lists = st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True)


@settings(max_examples=40)
@given(xs=lists, others=lists)
def test_a_product_has_every_combination_once_the_last_entry_fastest(
    xs: list[int], others: list[int]
) -> None:
    tasks = tasks_of({"inputs.x": xs, "inputs.a": others})
    pairs = [tuple(task.spec.resolved["inputs"][name] for name in "xa") for task in tasks]
    assert pairs == list(itertools.product(xs, others))
    assert all(task.spec.sweep is None for task in tasks)


@settings(max_examples=40)
@given(pairs=st.lists(st.tuples(st.integers(), st.integers()), min_size=1, max_size=9, unique=True))
def test_a_zip_goes_in_step(pairs: list[tuple[int, int]]) -> None:
    sweep = {"zip": {"inputs.x": [x for x, _ in pairs], "inputs.a": [a for _, a in pairs]}}
    found = [task.spec.resolved["inputs"] for task in tasks_of(sweep)]
    assert [(one["x"], one["a"]) for one in found] == pairs


def test_each_derivative_is_a_task() -> None:
    tasks = tasks_of({"inputs.x": [1, 2]}, "derivative=[gradient, hessian]")
    assert [(task.name, task.derivative) for task in tasks] == [
        ("x=1.gradient", "gradient"),
        ("x=1.hessian", "hessian"),
        ("x=2.gradient", "gradient"),
        ("x=2.hessian", "hessian"),
    ]


def test_an_entry_may_stand_in_the_sweep_alone_and_any_entry_can_be_swept() -> None:
    sweep = {
        "inputs.b": [{"random": "normal", "shape": [2], "seed": 1}],
        "mode": ["fwd", "rev"],
        "model.expression": ["x * sum(b)"],
    }
    tasks = tasks_of(sweep)
    assert [task.spec.mode for task in tasks] == ["fwd", "rev"]
    assert tasks[0].spec.inputs["b"].shape() == (2,)
    assert tasks[0].spec.resolved["model"] == {"expression": "x * sum(b)"}


def test_a_task_is_the_spec_with_the_values_set() -> None:
    (task,) = tasks_of({"inputs.x": [3.5]})
    model = ("model={expression: a * x**2}", "inputs={a: 2, x: 3.5}", "wrt=x")
    assert task.spec.sha256 == load(None, map(from_set, model)).sha256


def test_a_sweep_may_come_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(MODEL + "sweep: {inputs.x: [1, 2]}\n")
    (tmp_path / "child.yaml").write_text("base: base.yaml\ninputs: {a: 7}\n")
    tasks = expand(load(str(tmp_path / "child.yaml")))
    assert [task.spec.resolved["inputs"] for task in tasks] == [{"a": 7, "x": 1}, {"a": 7, "x": 2}]


# Names


def test_names_are_the_values() -> None:
    tasks = tasks_of({"inputs.x": [0.5, 1e-9, -3], "inputs.a": [2]})
    assert [task.name for task in tasks] == ["x=0.5,a=2", "x=1e-09,a=2", "x=-3,a=2"]


def test_names_keep_the_path_where_the_last_part_would_mean_two() -> None:
    model = "model={expression: a * x**mode}"
    tasks = tasks_of({"mode": ["fwd"], "inputs.mode": [1], "inputs.a": [2]}, model)
    assert [task.name for task in tasks] == ["mode=fwd,inputs.mode=1,a=2"]


titles = st.lists(st.text(min_size=1, max_size=120), min_size=1, max_size=20, unique=True)


@settings(max_examples=40)
@given(titles)
def test_file_names_are_safe_short_and_different_whatever_case_counts(titles: list[str]) -> None:
    found = stems(titles)
    assert len({name.casefold() for name in found}) == len(titles)
    assert all(re.fullmatch(r"[A-Za-z0-9._+=,-]{1,80}", name) for name in found)


def test_file_names_stay_when_a_sweep_grows() -> None:
    few = tasks_of({"inputs.x": [1, [1, 2]]})
    many = tasks_of({"inputs.x": [0, 1, [1, 2], 3]})
    assert [task.name for task in few] == ["x=1", "x=1_2"]
    assert {task.name for task in few} < {task.name for task in many}


# What is wrong

WRONG = [
    (
        "{inputs.x: {range: «[»0, 1, 0]}}",
        "sweep.inputs.x.range: the step is 0.\nrange: [start, stop, step].",
    ),
    (
        "{inputs.x: {range: «[»1, 1, 1]}}",
        "sweep.inputs.x.range: no values from 1 to 1 in steps of 1.\nstop is excluded.",
    ),
    (
        "{inputs.x: {linspace: «[»0, 1, 2.5]}}",
        "sweep.inputs.x.linspace: 2.5 is not a count.\nExpected [first, last, count].",
    ),
    (
        "{inputs.x: {logspace: «[»0, 400, 2]}}",
        "sweep.inputs.x.logspace: exponents of 10 are from -307 to 308.\n"
        "logspace: [first, last, n].",
    ),
    (
        "«{»inputs.x: {range: [0, 1000000000000, 1]}}",
        "sweep: 1,000,000,000,000 tasks, more than the limit of 10,000.\n"
        "Sweep fewer values, or split it into several specs.",
    ),
    ("«{»}", "sweep: there is nothing to sweep.\nExpected PATH: [values]."),
    ("«{»inputs.x: [1, 2, 1]}", "sweep: the task x=1 is there a second time."),
    (
        "{zip: «{»inputs.x: [1, 2], inputs.a: [1]}}",
        "sweep.zip: values in step are equally many; inputs.x has 2, inputs.a has 1.",
    ),
    ("{«inputs..x»: [1]}", "sweep: 'inputs..x' is not the path of an entry."),
    (
        "{«output.path»: [a.npy]}",
        "sweep: 'output' holds for the whole sweep.\nAny other entry of the spec can be swept.",
    ),
    (
        "{inputs.x: [1], «inputs.x.seed»: [1]}",
        "sweep: 'inputs.x.seed' is a part of 'inputs.x', which is swept too.",
    ),
    ("{inputs.x: [1, «a»]}", "inputs.x: 'a' is not a number."),
    ("{mode: [fwd, «fwd-rev»]}", "mode: jacobian has no mode 'fwd-rev'.\n"
     "Expected one of 'auto', 'fwd', 'rev', 'loop', 'structured', 'structured-fwd', "
     "'structured-rev', 'sparse', 'tuned'."),
    ("{«moode»: [fwd]}", "unknown key 'moode'.\nDid you mean 'mode'?"),
    ("{«inputs.x.seed»: [1]}", "'inputs.x.seed': there is no entry 'seed' in 1."),
    (
        "{inputs.x: [1, «a», «b»]}",
        "inputs.x: 'a' is not a number.",
        "inputs.x: 'b' is not a number.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=[case[0] for case in WRONG])
def test_wrong_sweeps_are_pointed_at(jaccli: Callable[..., Any], case: tuple[str, ...]) -> None:
    line, *messages = case
    text, expected = marked(f"{MODEL}sweep: {line}\n", *messages)
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")
