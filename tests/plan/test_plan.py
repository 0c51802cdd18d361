"""The plan: shapes, bytes, mode and why; and what is refused before anything is computed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipeline import plan_of

from jaccli import backend, models
from jaccli.derivative.select_mode import choose
from jaccli.derivative.trace_info import TraceInfo
from jaccli.errors import BudgetError, SpecError
from jaccli.memory import total
from jaccli.plan import as_json, as_text, make
from jaccli.spec import load
from jaccli.spec.overrides import from_set

X = np.array([1.0, 2.0, 3.0])
DENSE = {"y": "tanh(w @ x)"}
DENSE_AT = {"w": np.ones((2, 3)), "x": X}


# Shapes and bytes


@pytest.mark.parametrize(
    ("derivative", "entries", "blocks"),
    [
        ("evaluate", {}, {"y": (2,)}),
        ("jacobian", {}, {"y.w": (2, 2, 3), "y.x": (2, 3)}),
        ("jacobian", {"wrt": ["x", "w"]}, {"y.x": (2, 3), "y.w": (2, 2, 3)}),
        ("hessian", {"wrt": "x"}, {"y.x.x": (2, 3, 3)}),
        (
            "hessian",
            {},
            {
                "y.w.w": (2, 2, 3, 2, 3),
                "y.w.x": (2, 2, 3, 3),
                "y.x.w": (2, 3, 2, 3),
                "y.x.x": (2, 3, 3),
            },
        ),
        ("jvp", {"wrt": "x", "vector": X}, {"y": (2,)}),
        ("vjp", {"vector": X[:2]}, {"w": (2, 3), "x": (3,)}),
    ],
)
def test_blocks_have_the_shape_out_times_in(
    derivative: str, entries: dict[str, Any], blocks: dict[str, tuple[int, ...]]
) -> None:
    plan = plan_of(DENSE, DENSE_AT, derivative, **entries)
    assert [(block.key, block.shape) for block in plan.blocks] == list(blocks.items())
    assert plan.result_bytes == 8 * sum(int(np.prod(shape)) for shape in blocks.values())


def test_gradient_and_hvp_have_the_shape_of_the_inputs() -> None:
    at = {"w": np.ones((2, 3)), "x": X}
    for derivative, vectors in (("gradient", {}), ("hvp", {"vector": at})):
        plan = plan_of({"f": "sum(w @ x)"}, at, derivative, **vectors)
        assert [(b.key, b.shape) for b in plan.blocks] == [("f.w", (2, 3)), ("f.x", (3,))]


def test_the_batch_comes_first_and_leaves_the_inputs() -> None:
    at = {"w": np.ones((2, 3)), "x": np.ones((3, 5))}
    plan = plan_of(DENSE, at, "hessian", wrt="x", batch={"x": -1})
    assert [block.shape for block in plan.blocks] == [(5, 2, 3, 3)]
    assert plan.outputs == {"y": (2,)}


def test_bytes_follow_the_dtype() -> None:
    plan = plan_of(DENSE, DENSE_AT, "jacobian", wrt="x", dtype="float32")
    assert (plan.input_bytes, plan.result_bytes) == (4 * 9, 4 * 6)


def test_vectors_count_as_inputs() -> None:
    plan = plan_of(DENSE, DENSE_AT, "jvp", wrt="x", vector=X)
    assert plan.input_bytes == 8 * (9 + 3)


def test_outputs_keep_the_order_of_the_model() -> None:
    plan = plan_of({"z": "x", "a": "x**2"}, {"x": 3.0}, "jacobian")
    assert [block.key for block in plan.blocks] == ["z.x", "a.x"]


def test_the_default_budget_is_half_of_the_memory() -> None:
    assert plan_of(DENSE, DENSE_AT, "jacobian").budget == total() // 2
    assert plan_of(DENSE, DENSE_AT, "jacobian", memory="3MiB").budget == 3 * 2**20


# Modes


@pytest.mark.parametrize(
    ("derivative", "inputs", "outputs", "operator", "reason"),
    [
        ("jacobian", 3, 5, "structured-fwd", "3 inputs, 5 outputs: forward, zeros left out"),
        ("jacobian", 4, 4, "structured-fwd", "4 inputs, 4 outputs: forward, zeros left out"),
        ("jacobian", 5, 3, "structured-rev", "5 inputs, 3 outputs: reverse, zeros left out"),
        ("jacobian", 1, 1, "fwd", "1 input, 1 output: 1 column by forward mode"),
        ("gradient", 2000, 1, "rev", "2,000 inputs, 1 output: 1 row by reverse mode"),
        ("gradient", 1, 1, "fwd", "1 input, 1 output: 1 column by forward mode"),
        (
            "hessian",
            5,
            1,
            "structured-fwd-rev",
            "5 inputs, 1 output: forward over reverse, zeros left out",
        ),
        ("hessian", 1, 1, "fwd-fwd", "1 input, 1 output: forward over forward"),
        (
            "hessian",
            3,
            7,
            "structured-fwd-rev",
            "3 inputs, 7 outputs: forward over reverse, zeros left out",
        ),
        ("jvp", 3, 5, "fwd", "one tangent pushed forward"),
        ("vjp", 3, 5, "rev", "one cotangent pulled back"),
        ("hvp", 3, 1, "fwd-rev", "derivative of the gradient along the tangent, no Hessian formed"),
        ("evaluate", 3, 5, "auto", "no derivative"),
    ],
)
def test_auto_goes_the_cheaper_way_and_says_why(
    derivative: str, inputs: int, outputs: int, operator: str, reason: str
) -> None:
    choice = choose(derivative, TraceInfo(inputs, outputs))
    mode = "structured" if operator.startswith("structured") else operator
    assert (choice.mode, choice.operator, choice.reason) == (mode, operator, reason)


def test_sizes_count_all_wrt_and_outputs_of_one_batch_row() -> None:
    at = {"w": np.ones((2, 3)), "x": np.ones((4, 3))}
    plan = plan_of(DENSE | {"z": "w"}, at, "jacobian", batch=["x"])
    assert (plan.facts.inputs, plan.facts.outputs) == (9, 8)
    assert plan.operator == "structured-rev"
    assert plan.reason.startswith("9 inputs, 8 outputs: ")


def test_a_mode_that_is_asked_for_is_taken() -> None:
    for mode in ("loop", "rev", "structured-fwd"):
        asked = plan_of(DENSE, DENSE_AT, "jacobian", wrt="x", mode=mode)
        assert (asked.mode, asked.operator, asked.reason) == (mode, mode, "as asked")


def test_a_structured_derivative_takes_the_cheaper_direction() -> None:
    asked = plan_of(DENSE, DENSE_AT, "jacobian", wrt="x", mode="structured")
    assert (asked.mode, asked.operator) == ("structured", "structured-rev")


def test_what_is_tuned_is_planned_as_the_rule_would() -> None:
    tuned, auto = (plan_of(DENSE, DENSE_AT, "hessian", mode=mode) for mode in ("tuned", "auto"))
    assert tuned.choice == auto.choice


# Chunks


@pytest.mark.parametrize(
    ("derivative", "entries", "steps"),
    [
        ("jacobian", {"mode": "fwd"}, 9),
        ("jacobian", {"mode": "rev"}, 2),
        ("jacobian", {"mode": "loop"}, 2),
        ("hessian", {"mode": "fwd-rev"}, 9),
        ("hessian", {"mode": "rev-rev"}, 18),
        ("jacobian", {"mode": "structured-fwd"}, 9),
        ("jacobian", {"mode": "structured-rev"}, 2),
        ("hessian", {"mode": "structured-fwd-fwd"}, 9),
        ("hessian", {"mode": "structured-fwd-rev"}, 9),
    ],
)
def test_a_chunk_counts_unit_vectors_of_the_outer_mode(
    derivative: str, entries: dict[str, Any], steps: int
) -> None:
    plan = plan_of(DENSE, DENSE_AT, derivative, chunk=2, **entries)
    assert plan.steps == steps
    if not plan.operator.startswith("structured"):
        assert plan.chunks == -(-steps // 2)


def test_the_engine_takes_the_unit_vectors_of_one_array_after_another() -> None:
    """Six of w by its rows of three, at most four at a time; three of x at once."""
    plan = plan_of(DENSE, DENSE_AT, "jacobian", mode="structured-fwd", chunk=4)
    assert plan.chunk_shapes == ((2, 3), (3,))
    assert plan.chunks == 2 + 1
    assert plan_of(DENSE, DENSE_AT, "jacobian", mode="fwd", chunk=4).chunk_shapes == ((9,),)


def test_a_chunk_of_a_batch_counts_rows() -> None:
    at = {"w": np.ones((2, 3)), "x": np.ones((5, 3))}
    plan = plan_of(DENSE, at, "jacobian", wrt="x", batch=["x"], chunk=2)
    assert (plan.steps, plan.chunks) == (5, 3)


def test_the_outputs_beside_a_chunked_derivative_are_one_piece() -> None:
    plan = plan_of(DENSE, DENSE_AT, "evaluate", chunk=2)
    assert (plan.chunk, plan.chunks) == (None, 1)


# What is refused


@pytest.mark.parametrize(
    ("expressions", "at", "derivative", "entries", "message"),
    [
        (
            {"y": "x*2"},
            {"x": X},
            "gradient",
            {},
            "--set: gradient needs a scalar output; 'y' has the shape (3,).\n"
            '  model={"expressions": {"y": "x*2"}}\n'
            "                              ^^^^^\n"
            "Reduce it (sum, an index), or ask for the jacobian.",
        ),
        (
            {"y": "x*2"},
            {"x": X},
            "hvp",
            {"vector": X},
            "--set: hvp needs a scalar output; 'y' has the shape (3,).\n"
            '  model={"expressions": {"y": "x*2"}}\n'
            "                              ^^^^^\n"
            "Reduce it (sum, an index), or ask for the jacobian.",
        ),
        (
            {"y": "argmax(x)"},
            {"x": X},
            "jacobian",
            {},
            "--set: the output 'y' is of int64, which has no derivative.\n"
            '  model={"expressions": {"y": "argmax(x)"}}\n'
            "                              ^^^^^^^^^^^\n"
            "Choose others with --select.",
        ),
        (
            {"y": "x > 0"},
            {"x": X},
            "vjp",
            {"vector": X},
            "--set: the output 'y' is of bool, which has no derivative.\n"
            '  model={"expressions": {"y": "x > 0"}}\n'
            "                              ^^^^^^^\n"
            "Choose others with --select.",
        ),
        (
            {"y": "x + x[:2]"},
            {"x": X},
            "jacobian",
            {},
            "--set: x + x[:2]: (3,) + (2,) do not fit.\n"
            '  model={"expressions": {"y": "x + x[:2]"}}\n'
            "                               ^^^^^^^^^\n"
            "add got incompatible shapes for broadcasting: (3,), (2,).",
        ),
        (
            {"y": "x*2"},
            {"x": X},
            "jvp",
            {},
            "vector: jvp needs a vector.\nGive one with --vector or `vector:`, for 'x'.",
        ),
        (
            {"y": "x*2"},
            {"x": X, "z": 1.0},
            "jvp",
            {"vector": X},
            "--set: one vector without a name for 2.\n"
            '  vector={"value": [1.0, 2.0, 3.0]}\n'
            "         ^\n"
            "Name each: --vector x=VALUE. Expected 'x', 'z'.",
        ),
        (
            {"y": "x*2"},
            {"x": X, "z": 1.0},
            "jvp",
            {"vector": {"x": X}},
            "--set: the tangent of input 'z' is missing.\n"
            '  vector={"x": {"value": [1.0, 2.0, 3.0]}}\n'
            "         ^\n"
            "Expected 'x', 'z'.",
        ),
        (
            {"y": "x*2"},
            {"x": 3.0, "k": np.array(2)},
            "jvp",
            {"vector": {"x": 1, "k": 1}},
            "--set: no tangent of input 'k'.\n"
            '  vector={"x": 1, "k": 1}\n'
            "                       ^\n"
            "Expected 'x'.",
        ),
        (
            {"y": "x*2"},
            {"x": X},
            "vjp",
            {"vector": X[:2]},
            "--set: the cotangent of output 'y' has the shape (2,), expected (3,).\n"
            '  vector={"value": [1.0, 2.0]}\n'
            "         ^",
        ),
        (
            {"y": "x*2"},
            {"x": np.ones((2, 3))},
            "jvp",
            {"vector": X[:1], "batch": ["x"]},
            "--set: the tangent of input 'x' has the shape (1,), expected (3,) or (2, 3).\n"
            '  vector={"value": [1.0]}\n'
            "         ^",
        ),
        (
            {"y": "x*2"},
            {"x": X},
            "jvp",
            {"vector": X, "chunk": 2},
            "--set: jvp at one point has no rows to take in chunks.\n  chunk=2\n        ^",
        ),
        (
            {"y": "x*2"},
            {"x": X},
            "hessian",
            {"mode": "structured-rev-fwd", "chunk": 2},
            "--set: the mode structured-rev-fwd computes the Hessian of one point in one piece.\n"
            "  chunk=2\n"
            "        ^\n"
            "Leave out the chunk, or choose another mode.",
        ),
    ],
)
def test_errors_show_the_place_and_the_remedy(
    expressions: dict[str, str],
    at: dict[str, Any],
    derivative: str,
    entries: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(SpecError) as caught:
        plan_of(expressions, at, derivative, **entries)
    assert str(caught.value) == message


def test_all_unfit_outputs_are_reported_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        plan_of({"z": "x", "a": "x > 0"}, {"x": X}, "gradient")
    assert [problem.message for problem in caught.value.problems] == [
        "gradient needs a scalar output; 'z' has the shape (3,).",
        "the output 'a' is of bool, which has no derivative.",
    ]


def test_complex_outputs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text("def wave(x):\n    return x * 1j\n")
    sets = [f"model.python={tmp_path}/wave.py:wave", "inputs.x=1.0"]
    spec = load(None, map(from_set, sets))
    loaded = models.load(spec, models.read(spec), allow_python=True)
    with pytest.raises(SpecError) as caught:
        make(spec, loaded, "jacobian", backend.find(None))
    message = "the output 'f' is of complex128; real numbers are differentiated."
    assert [problem.message for problem in caught.value.problems] == [message]


@pytest.mark.parametrize(
    ("derivative", "size", "message"),
    [
        (
            "jacobian",
            1_000_000,
            "jacobian: inputs and result take 7.3 TiB, more than the memory budget of 1.0 GiB "
            "(the largest block, y.x, has the shape (1000000, 1000000)).\n"
            "Raise --memory, or choose fewer entries with --wrt and --select, "
            "or keep the non-zeros alone with --mode sparse.",
        ),
        (
            "hessian",
            1000,
            "hessian: inputs and result take 7.5 GiB, more than the memory budget of 1.0 GiB "
            "(the largest block, y.x.x, has the shape (1000, 1000, 1000)).\n"
            "Raise --memory, or choose fewer entries with --wrt and --select, "
            "or keep the non-zeros alone with --mode sparse.",
        ),
    ],
)
def test_a_result_over_the_budget_is_refused_at_once(
    derivative: str, size: int, message: str
) -> None:
    started = time.perf_counter()
    with pytest.raises(BudgetError) as caught:
        plan_of({"y": "x**2"}, {"x": {"ones": size}}, derivative, memory="1GiB")
    assert str(caught.value) == message
    assert time.perf_counter() - started < 2


def test_a_budget_that_is_just_enough_is_enough() -> None:
    needed = 8 * (3 + 9)
    assert plan_of({"y": "x**2"}, {"x": X}, "jacobian", memory=needed).chunks == 1
    with pytest.raises(BudgetError):
        plan_of({"y": "x**2"}, {"x": X}, "jacobian", memory=needed - 1)


def test_planning_computes_nothing() -> None:
    """The model would take 8 TB and hours; its shapes are all that is looked at."""
    started = time.perf_counter()
    plan = plan_of(
        {"f": "sum(outer(x, x) @ outer(x, x))"},
        {"x": {"ones": 1_000_000}},
        "gradient",
        memory="1000TiB",
    )
    assert [block.shape for block in plan.blocks] == [(1_000_000,)]
    assert time.perf_counter() - started < 2


# The plan in words


def test_as_text() -> None:
    at = {"w": np.ones((2, 3)), "x": np.ones((5, 3))}
    plan = plan_of(DENSE, at, "jacobian", wrt="x", batch=["x"], chunk=2, memory="1MiB")
    assert as_text(plan) == (
        "plan     Jacobian of -e\n"
        "mode     structured: 3 inputs, 2 outputs: reverse, zeros left out\n"
        "device   cpu:0, float64, precision highest\n"
        "inputs   w (2, 3)\n"
        "         x (5, 3) [wrt, batch axis 0]\n"
        "outputs  y (2,)\n"
        "blocks   y.x (5, 2, 3), 240 B\n"
        "memory   inputs 168 B, result 240 B, budget 1.0 MiB\n"
        "batch    5 rows\n"
        "chunks   3 of up to 2 batch rows"
    )


def test_as_json() -> None:
    plan = plan_of({"f": "x**2"}, {"x": 3.0}, "hessian", memory="1MiB")
    assert as_json(plan) == {
        "derivative": "hessian",
        "mode": "fwd-fwd",
        "reason": "1 input, 1 output: forward over forward",
        "device": "cpu:0",
        "dtype": "float64",
        "precision": "highest",
        "inputs": {"x": []},
        "outputs": {"f": []},
        "wrt": ["x"],
        "batch": None,
        "blocks": {"f.x.x": []},
        "bytes": {"inputs": 8, "mapped": 0, "result": 8, "budget": 2**20},
        "chunk": None,
        "chunks": 1,
    }
