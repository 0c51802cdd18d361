"""Chunks: the same numbers in pieces of any size, from one compiled program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pipeline import Silent, assert_blocks, plan_of, solve

from jaccli.execute import execute
from tests.thinned import thinned

MODEL = {"y": "tanh(w @ x) * s", "z": "sum(x**3)"}
_rng = np.random.default_rng(9)
AT = {"w": _rng.normal(size=(2, 3)), "x": _rng.normal(size=3), "s": 1.5}


class Counting(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.total, self.advances = 0, list[int]()

    def begin(self, what: str) -> None: ...

    def start(self, total: int, done: int = 0) -> None:
        self.total = total

    def advance(self, steps: int) -> None:
        self.advances.append(steps)


@pytest.mark.parametrize(
    ("derivative", "mode", "steps"),
    thinned(
        [
            ("jacobian", "fwd", 4),
            ("jacobian", "loop", 3),
            ("jacobian", "rev", 3),
            ("hessian", "structured-fwd-rev", 4),
            ("hessian", "fwd-fwd", 4),
            ("jacobian", "structured-fwd", 4),
            ("jacobian", "structured-rev", 3),
            ("hessian", "structured-fwd-fwd", 4),
        ],
        3,
    ),
)
def test_every_basis_chunk_gives_the_same(derivative: str, mode: str, steps: int) -> None:
    entries: dict[str, Any] = {"mode": mode, "wrt": ["x", "s"]}
    expected = solve(MODEL, AT, derivative, **entries)
    for chunk in range(1, steps + 2):
        assert_blocks(solve(MODEL, AT, derivative, chunk=chunk, **entries), expected, 1e-14)


def test_the_outer_sweep_of_a_hessian_by_rows_is_split_too() -> None:
    entries: dict[str, Any] = {"mode": "rev-rev", "wrt": ["x", "s"]}
    expected = solve(MODEL, AT, "hessian", **entries)
    for chunk in (1, 5, 12, 13):
        assert_blocks(solve(MODEL, AT, "hessian", chunk=chunk, **entries), expected, 1e-14)


@pytest.mark.parametrize("derivative", thinned(["jacobian", "evaluate", "vjp"], 3))
def test_every_batch_chunk_gives_the_same(derivative: str) -> None:
    at = AT | {"x": _rng.normal(size=(3, 5)), "s": _rng.normal(size=5)}
    entries: dict[str, Any] = {"batch": {"x": -1, "s": 0}}
    if derivative == "vjp":
        entries["vector"] = {"y": _rng.normal(size=(5, 2)), "z": np.array(1.0)}
    expected = solve(MODEL, at, derivative, **entries)
    for chunk in range(1, 7):
        assert_blocks(solve(MODEL, at, derivative, chunk=chunk, **entries), expected, 1e-14)


def test_a_chunk_of_nothing_is_nothing() -> None:
    found = solve({"y": "2 * x"}, {"x": np.zeros(0)}, "jacobian", chunk=3)
    assert_blocks(found, {"y.x": np.zeros((0, 0))})


@pytest.mark.parametrize(
    ("chunk", "advances"), [(1, [1, 1, 1, 1]), (2, [2, 2]), (3, [3, 1]), (4, []), (9, [])]
)
def test_progress_counts_each_step_once(chunk: int, advances: list[int]) -> None:
    plan = plan_of(MODEL, AT, "jacobian", mode="fwd", wrt=["x", "s"], chunk=chunk)
    progress = Counting()
    execute(plan, progress)
    assert (progress.total, progress.advances) == (4 if advances else 0, advances)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_assembling_chunks_copies_nothing(mode: str) -> None:
    """The blocks are views of what was collected, so the result is in memory once."""
    plan = plan_of(MODEL, AT, "jacobian", mode=mode, wrt=["x", "s"], chunk=2)
    result = execute(plan, Silent())
    for output in MODEL:
        first, second = (block.values for block in result.blocks if block.output == output)
        if mode == "fwd":  # columns of all inputs lie beside each other
            assert np.shares_memory(_base(first), _base(second))
        assert not first.flags.owndata


def _base(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
