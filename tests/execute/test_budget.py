"""The memory budget: what does not fit whole is taken in chunks that fit, or refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipeline import Silent, assert_blocks, plan_of

from jaccli.choices import MODES
from jaccli.derivative.operators import REGISTRIES
from jaccli.errors import BudgetError, format_bytes
from jaccli.execute import Program, prepare, run
from jaccli.plan import Plan
from jaccli.result import dense
from tests.thinned import thinned

_rng = np.random.default_rng(17)
N, MIDDLE, M, ROWS = 24, 60, 6, 9
MODEL = {"y": "sin(b @ tanh(a @ x))"}
"""A wide middle layer: much more is held on the way than goes in or comes out."""
SMALL = {"y": "sin(b[:2] @ tanh(a[:, :4] @ x))"}
"""The same for Hessians, which take longer."""
AT = {"a": _rng.normal(size=(MIDDLE, N)), "b": _rng.normal(size=(M, MIDDLE))}
WAYS = [
    (derivative, mode)
    for derivative in ("jacobian", "hessian")
    for mode in (*REGISTRIES[derivative], "auto", "structured")
    if mode != "sparse"  # of a dense model, without a coloring: in one piece
]


def planned(derivative: str, mode: str, rows: int = 0, **entries: Any) -> Plan:
    """Return the plan by x, of a batch if there are rows."""
    size = N if derivative == "jacobian" else 4
    x = np.linspace(-1, 1, max(rows, 1) * size).reshape(max(rows, 1), size)
    model = MODEL if derivative == "jacobian" else SMALL
    batch = {"batch": ["x"]} if rows else {}
    at = AT | {"x": x if rows else x[0]}
    return plan_of(model, at, derivative, wrt="x", mode=mode, **batch, **entries)


def blocks(program: Program) -> dict[str, Any]:
    return {block.key: dense(block.values) for block in run(program, Silent()).blocks}


ONE_PIECE = {"structured-rev-fwd", "structured-rev-rev", "sparse"}
"""What of one point is not taken in chunks; sparse where links serve, as here."""
SEQUENTIAL = {"loop"}
"""What takes its rows one by one anyway: a chunk of one holds no less."""


@pytest.mark.parametrize("rows", [0, ROWS], ids=["one point", "a batch"])
@pytest.mark.parametrize(("derivative", "mode"), thinned(WAYS, 9))
def test_what_does_not_fit_whole_is_taken_in_chunks_that_fit(
    derivative: str, mode: str, rows: int
) -> None:
    whole = prepare(planned(derivative, mode, rows))
    assert whole.plan.chunk is None
    if whole.plan.operator in ONE_PIECE and not rows:
        with pytest.raises(BudgetError):
            prepare(planned(derivative, mode, rows, memory=whole.cost.held - 1))
        return
    least = prepare(planned(derivative, mode, rows, chunk=1)).cost.held
    if mode in SEQUENTIAL and not rows:
        assert least >= whole.cost.held - 1024
        return
    assert least < whole.cost.held
    budget = (whole.cost.held + least) // 2
    program = prepare(planned(derivative, mode, rows, memory=budget))
    assert program.cost.held <= budget
    assert program.plan.chunk is not None
    assert 1 <= program.plan.chunk < program.plan.steps
    assert_blocks(blocks(program), blocks(whole), 1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["fwd", "structured-fwd"])
def test_the_chunks_are_about_as_large_as_fit(mode: str) -> None:
    """Chunks of twice as many would not fit."""
    whole, least = (prepare(planned("jacobian", mode, **e)).cost.held for e in ({}, {"chunk": 1}))
    for share in (0.15, 0.4, 0.8):
        budget = int(least + share * (whole - least))
        chunk = prepare(planned("jacobian", mode, memory=budget)).plan.chunk
        assert chunk is not None
        larger = 2 * chunk + 1
        if larger < N:
            assert prepare(planned("jacobian", mode, chunk=larger)).cost.held > budget


def test_what_fits_whole_is_not_split() -> None:
    needed = prepare(planned("jacobian", "fwd")).cost.held
    program = prepare(planned("jacobian", "fwd", memory=needed))
    assert (program.plan.chunk, program.plan.chunks) == (None, 1)


@pytest.mark.parametrize("rows", [0, ROWS], ids=["one point", "a batch"])
@pytest.mark.parametrize("chunk", [1, 4, 5])
def test_a_chunk_that_is_given_is_kept(chunk: int, rows: int) -> None:
    program = prepare(planned("jacobian", "structured-fwd", rows, chunk=chunk))
    assert program.plan.chunk == chunk
    with pytest.raises(BudgetError):
        prepare(planned("jacobian", "fwd", rows, chunk=chunk, memory=program.plan.input_bytes
                        + program.plan.result_bytes + 8))  # fmt: skip


def test_a_budget_for_less_than_inputs_and_result_names_what_they_need() -> None:
    plan = planned("jacobian", "auto")
    needed = 8 * (MIDDLE * N + M * MIDDLE + N + M * N)
    assert plan.input_bytes + plan.result_bytes == needed
    with pytest.raises(BudgetError) as caught:
        planned("jacobian", "auto", memory=needed - 1)
    assert caught.value.problems[0].message == (
        f"jacobian: inputs and result take {format_bytes(needed)}, more than the memory budget of "
        f"{format_bytes(needed - 1)} (the largest block, y.x, has the shape (6, 24))."
    )


@pytest.mark.parametrize(
    ("mode", "rows"), [("fwd", 0), ("structured-fwd", 0), ("structured-rev", 0), ("rev", ROWS)]
)
def test_a_budget_for_less_than_the_smallest_chunk_names_what_it_needs(
    mode: str, rows: int
) -> None:
    least = prepare(planned("jacobian", mode, rows, chunk=1)).cost.held
    assert prepare(planned("jacobian", mode, rows, memory=least)).plan.chunk == 1
    with pytest.raises(BudgetError) as caught:
        prepare(planned("jacobian", mode, rows, memory=least - 1))
    problem = caught.value.problems[0]
    assert f"inputs, result and temporaries take {format_bytes(least)}, more" in problem.message
    assert "--chunk" not in problem.hint


def test_every_mode_of_the_vocabulary_is_among_the_ways() -> None:
    for derivative in ("jacobian", "hessian"):
        modes = {mode for mode in MODES[derivative] if mode not in ("sparse", "tuned")}
        assert modes == {mode for name, mode in WAYS if name == derivative}
