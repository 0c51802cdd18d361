"""Batches: one batch axis, zipped over the batched inputs, first in every result.

The oracle is the closed form of each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import CASES, Blocks, Case
from pipeline import assert_blocks, solve

BY_NAME = {case.name: case for case in CASES}
_rng = np.random.default_rng(8)


def batched(case: Case, axes: dict[str, int], rows: int) -> tuple[dict[str, Any], list[Any]]:
    """Return inputs with a batch axis where `axes` says, and the inputs of each row."""
    points = [
        case.inputs | {n: _rng.normal(size=np.shape(case.inputs[n])) for n in axes}
        for _ in range(rows)
    ]
    stacked = {n: np.stack([point[n] for point in points], axis) for n, axis in axes.items()}
    return case.inputs | stacked, points


def rowwise(case: Case, points: list[Any], order: int) -> Blocks:
    rows = [case.expected(order, point) for point in points]
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("forecast", {"x": 0}),
        ("forecast", {"x": 1}),
        ("forecast", {"x": -1}),
        ("forecast", {"w": 1, "x": -2}),
        ("forecast", {"w": -1, "b": 0}),  # x, the one that is differentiated, is shared
        ("forecast parameters", {"w": 1, "b": -1, "x": 0}),
        ("matrix product", {"a": 1, "b": -1}),
        ("sums of columns", {"a": -1}),
        ("polar", {"x": 0, "y": -1}),
        ("unrelated outputs", {"x": 1}),  # q does not depend on what is batched
        ("two scalar outputs", {"s": 0}),
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [1, 3])
def test_batched_jacobian_is_the_jacobian_of_each_row(
    name: str, axes: dict[str, int], rows: int
) -> None:
    case = BY_NAME[name]
    inputs, points = batched(case, axes, rows)
    found = solve(case.expressions, inputs, "jacobian", wrt=list(case.wrt), batch=axes)
    assert_blocks(found, rowwise(case, points, 1))


@pytest.mark.parametrize("mode", ["fwd-fwd", "fwd-rev", "rev-fwd", "rev-rev"])
def test_batched_hessian_is_the_hessian_of_each_row(mode: str) -> None:
    case, axes = BY_NAME["forecast parameters"], {"w": 1, "x": 0}
    inputs, points = batched(case, axes, 3)
    found = solve(case.expressions, inputs, "hessian", wrt=list(case.wrt), batch=axes, mode=mode)
    assert_blocks(found, rowwise(case, points, 2))


@pytest.mark.parametrize("mode", ["fwd", "rev", "loop"])
def test_batched_jacobian_is_the_same_in_every_mode(mode: str) -> None:
    case, axes = BY_NAME["forecast"], {"x": 1}
    inputs, points = batched(case, axes, 4)
    found = solve(case.expressions, inputs, "jacobian", wrt="x", batch=axes, mode=mode)
    assert_blocks(found, rowwise(case, points, 1))


def test_batched_evaluate_and_gradient() -> None:
    case, axes = BY_NAME["log-sum-exp"], {"x": 0}
    inputs, points = batched(case, axes, 3)
    for order, derivative in ((0, "evaluate"), (1, "gradient")):
        found = solve(case.expressions, inputs, derivative, batch=axes)
        assert_blocks(found, rowwise(case, points, order))


@pytest.mark.parametrize("own", [False, True], ids=["shared", "one for each row"])
@pytest.mark.parametrize("derivative", ["jvp", "vjp", "hvp"])
def test_vectors_are_shared_or_one_for_each_row(derivative: str, own: bool) -> None:
    case, axes = BY_NAME["log-sum-exp"], {"x": 1}
    inputs, points = batched(case, axes, 3)
    J, H = rowwise(case, points, 1)["f.x"], rowwise(case, points, 2)["f.x.x"]
    shape, key, product = {
        "jvp": ((3, 5), "f", lambda v: np.einsum("bi,bi->b", J, v)),
        "vjp": ((3,), "x", lambda v: np.einsum("bi,b->bi", J, v)),
        "hvp": ((3, 5), "f.x", lambda v: np.einsum("bij,bj->bi", H, v)),
    }[derivative]
    vectors = _rng.normal(size=shape)
    if not own:
        vectors[1:] = vectors[0]
    vector = vectors if own else np.asarray(vectors[0])
    found = solve(case.expressions, inputs, derivative, batch=axes, vector=vector)
    assert_blocks(found, {key: product(vectors)})


def test_a_shared_vector_beside_one_for_each_row() -> None:
    case, axes = BY_NAME["matrix product"], {"a": 0}
    inputs, points = batched(case, axes, 3)
    vectors = {"a": _rng.normal(size=(3, 2, 3)), "b": _rng.normal(size=(3, 4))}
    found = solve(case.expressions, inputs, "jvp", batch=axes, vector=vectors)
    expected = [
        da @ point["b"] + point["a"] @ vectors["b"]
        for da, point in zip(vectors["a"], points, strict=True)
    ]
    assert_blocks(found, {"y": np.stack(expected)})
