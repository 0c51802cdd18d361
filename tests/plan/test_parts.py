"""Rows, columns, diagonals and traces alone, held against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.pipeline import assert_blocks, plan_of, result_of, solve

RNG = np.random.default_rng(5)
W, X, A = RNG.normal(size=(5, 4)), RNG.normal(size=4), RNG.normal(size=(4, 4))
TANH = {"y": "w @ tanh(x)"}
POINT = {"w": W, "x": X}
SLOPE = W * (1 - np.tanh(X) ** 2)
"""The Jacobian of `w @ tanh(x)`."""


@pytest.mark.parametrize(
    ("mode", "rows", "cols", "expected"),
    [
        ("auto", "y[0]", None, SLOPE[0]),
        ("auto", None, "x[3]", SLOPE[:, 3]),
        ("fwd", "y[-1]", "x[1]", SLOPE[4, 1]),
        ("rev", "y[1:4]", "x[::2]", SLOPE[1:4, ::2]),
        ("loop", "y[1:4]", "x[::2]", SLOPE[1:4, ::2]),
        ("structured-fwd", "y[::-2]", "x[::-1]", SLOPE[::-2, ::-1]),
        ("structured-rev", "y[::-2]", "x[1:]", SLOPE[::-2, 1:]),
        ("auto", "y[4], y[0:2]", "x[2], x[0]", SLOPE[[4, 0, 1]][:, [2, 0]]),
        ("sparse", "y[4], y[0:2]", "x[2], x[0]", SLOPE[[4, 0, 1]][:, [2, 0]]),
        ("auto", "y", "x", SLOPE),
    ],
)
def test_rows_and_columns_are_what_indexing_picks(
    mode: str, rows: str | None, cols: str | None, expected: Any
) -> None:
    picked = {"rows": rows, "cols": cols}
    entries = {name: text for name, text in picked.items() if text is not None}
    blocks = solve(TANH, POINT, "jacobian", wrt="x", mode=mode, storage="dense", **entries)
    assert_blocks(blocks, {"y.x": expected})


def test_many_rows_of_one_output_are_gathered() -> None:
    places = RNG.permutation(40)[:20].tolist()
    rows = ", ".join(f"y[{place}]" for place in places)
    blocks = solve({"y": "w @ x"}, {"w": RNG.normal(size=(40, 4)), "x": X}, "jacobian", wrt="w",
                   rows=rows, cols="w[3,1], w[7,:], w[2:4,2]")  # fmt: skip
    expected = np.zeros((20, 7))
    for row, place in enumerate(places):
        for column, (i, j) in enumerate([(3, 1), *((7, k) for k in range(4)), (2, 2), (3, 2)]):
            expected[row, column] = X[j] if place == i else 0.0
    assert_blocks(blocks, {"y.w": expected})


@pytest.mark.parametrize(
    ("cols", "index"),
    [
        ("w[1:3,:]", np.s_[1:3, :]),
        ("w[:,2]", np.s_[:, 2]),
        ("w[::2,1::2]", np.s_[::2, 1::2]),
        ("w[4,::-1]", np.s_[4, ::-1]),
    ],
)
def test_columns_of_an_array_keep_their_shape(cols: str, index: Any) -> None:
    blocks = solve({"y": "w @ x"}, POINT, "jacobian", wrt="w", rows="y[4]", cols=cols)
    by_weight = np.zeros((5, 4))  # y[4] is w[4] @ x
    by_weight[4] = X
    assert_blocks(blocks, {"y.w": by_weight[index]})


def test_columns_of_a_hessian_are_of_both_of_its_axes() -> None:
    model = {"f": "x @ a @ x * z", "g": "sum(x**3)"}
    point = {"x": X, "a": A, "z": np.array(2.0)}
    blocks = solve(model, point, "hessian", wrt=["x", "z"], rows="f", cols="x[1], x[3]")
    assert_blocks(blocks, {"f.x.x": 2.0 * (A + A.T)[np.ix_([1, 3], [1, 3])]})
    blocks = solve(model, point, "hessian", wrt=["x", "z"], rows="g", cols="z, x[2:]")
    assert_blocks(
        blocks,
        {
            "g.x.x": np.diag(6 * X[2:]),
            "g.x.z": np.zeros(2),
            "g.z.x": np.zeros(2),
            "g.z.z": np.zeros(()),
        },
    )


@pytest.mark.parametrize("chunk", [None, 2])
def test_a_batch_is_taken_in_part(chunk: int | None) -> None:
    xs = RNG.normal(size=(4, 3))  # the batch axis is the last one
    more = {} if chunk is None else {"chunk": chunk}
    blocks = solve(TANH, {"w": W, "x": xs}, "jacobian", batch={"x": 1}, wrt="x", rows="y[3]",
                   cols="x[1:]", **more)  # fmt: skip
    assert_blocks(blocks, {"y.x": (W[3] * (1 - np.tanh(xs.T) ** 2))[:, 1:]})


def test_one_row_of_a_vector_has_a_gradient() -> None:
    assert_blocks(solve(TANH, POINT, "gradient", wrt="x", rows="y[2]"), {"y.x": SLOPE[2]})


def test_what_is_planned_is_the_part() -> None:
    plan = plan_of(TANH, POINT, "jacobian", wrt="x", rows="y[2]")
    assert (plan.facts.outputs, plan.operator, plan.result_bytes) == (1, "rev", 32)
    plan = plan_of(TANH, POINT, "jacobian", wrt="x", cols="x[2]")
    assert (plan.facts.inputs, plan.operator, plan.result_bytes) == (1, "fwd", 40)


T = np.tanh(W @ X)
CURVED = {"f": "sum(tanh(w @ x))"}
CURVATURE = (-2 * T * (1 - T**2)) @ W**2
"""The diagonal of its Hessian by x."""


@pytest.mark.parametrize(
    ("mode", "chunk"),
    [
        ("auto", None),
        ("fwd-fwd", 3),
        ("fwd-rev", None),
        ("fwd-rev", 1),
        ("rev-rev", 3),
        ("sparse", 3),
    ],
)
def test_a_hessian_has_a_diagonal_and_a_trace(mode: str, chunk: int | None) -> None:
    more = {} if chunk is None else {"chunk": chunk}
    blocks = solve(CURVED, POINT, "hessian", wrt="x", mode=mode, part="diagonal", **more)
    assert_blocks(blocks, {"f.x.x": CURVATURE})
    blocks = solve(CURVED, POINT, "hessian", wrt="x", mode=mode, part="trace", **more)
    assert_blocks(blocks, {"f.x.x": CURVATURE.sum()})


def test_more_inputs_than_are_taken_at_a_time() -> None:
    w, x = RNG.normal(size=2500), RNG.normal(size=2500) / 50
    blocks = solve({"f": "tanh(w @ x)"}, {"w": w, "x": x}, "hessian", wrt="x", part="diagonal")
    t = np.tanh(w @ x)
    assert_blocks(blocks, {"f.x.x": -2 * t * (1 - t**2) * w**2})


def test_every_output_and_every_input_have_a_diagonal_of_their_own() -> None:
    model = {"f": "sum(x**3)*z**2", "g": "[z**3, x[0]*z]"}
    point = {"x": X, "z": np.array(1.5)}
    diagonals = {
        "f.x.x": 6 * X * 1.5**2,
        "f.z.z": 2 * np.sum(X**3),
        "g.x.x": np.zeros((2, 4)),
        "g.z.z": np.array([9.0, 0.0]),
    }
    assert_blocks(solve(model, point, "hessian", part="diagonal"), diagonals)
    traces = {
        "f.x.x": diagonals["f.x.x"].sum(),
        "f.z.z": diagonals["f.z.z"],
        "g.x.x": np.zeros(2),
        "g.z.z": diagonals["g.z.z"],
    }
    assert_blocks(solve(model, point, "hessian", part="trace"), traces)
    joined = result_of(model, point, "hessian", part="trace", layout="matrix")
    assert joined.labels() == {"rows": ["f", "g[0]", "g[1]"]}
    np.testing.assert_allclose(joined.matrix(), [traces["f.x.x"] + traces["f.z.z"], 9.0, 0.0])


def test_a_batch_has_a_trace_in_each_row() -> None:
    xs = RNG.normal(size=(3, 4))
    blocks = solve({"f": "sum(x**4)"}, {"x": xs}, "hessian", batch=["x"], part="trace")
    assert_blocks(blocks, {"f.x.x": 12 * np.sum(xs**2, axis=1)})


@pytest.mark.parametrize(
    ("model", "directions", "diagonal"),
    [
        ("sum(x**4)", 1, lambda x: 12 * x**2),
        ("sum(x[1:]**2 * x[:-1])", 2, lambda x: np.append(0, 2 * x[:-1])),
        ("sum(x[2:]**2 * x[:-2] * x[1:-1])", 3, lambda x: np.append([0, 0], 2 * x[:-2] * x[1:-1])),
    ],
)
def test_neighbors_alone_need_directions_of_their_own(
    model: str, directions: int, diagonal: Any
) -> None:
    x = RNG.normal(size=60)
    plan = plan_of({"f": model}, {"x": x}, "hessian", part="diagonal")
    assert plan.colors is not None
    assert plan.colors.count == directions
    assert_blocks(solve({"f": model}, {"x": x}, "hessian", part="diagonal"),
                  {"f.x.x": diagonal(x)})  # fmt: skip
    assert_blocks(solve({"f": model}, {"x": x}, "hessian", part="trace"),
                  {"f.x.x": diagonal(x).sum()})  # fmt: skip


def test_traces_of_many_outputs_share_their_directions() -> None:
    x = RNG.normal(size=30)
    plan = plan_of({"y": "x**3"}, {"x": x}, "hessian", part="trace")
    assert plan.reason == "1 direction for 30 inputs, the trace alone"
    assert_blocks(solve({"y": "x**3"}, {"x": x}, "hessian", part="trace"), {"y.x.x": 6 * x})


@pytest.mark.parametrize("mode", ["auto", "rev", "sparse"])
def test_a_square_jacobian_has_a_diagonal_and_a_trace(mode: str) -> None:
    point = {"a": A, "x": X, "z": X}
    model = {"y": "a @ x**2 + z @ a", "v": "x * z"}
    expected = {
        "y.x": 2 * np.diag(A) * X,
        "y.z": np.diag(A),
        "v.x": X,
        "v.z": X,
    }
    wrt = ["x", "z"]
    blocks = solve(model, point, "jacobian", wrt=wrt, mode=mode, part="diagonal")
    assert_blocks(blocks, expected)
    blocks = solve(model, point, "jacobian", wrt=wrt, mode=mode, part="trace", chunk=3)
    assert_blocks(blocks, {key: values.sum() for key, values in expected.items()})


def test_a_banded_jacobian_takes_as_many_directions_as_its_band_asks_for() -> None:
    x = RNG.normal(size=50)
    model = {"y": "x**2 + concatenate([x[1:]*x[:-1], x[:1]])"}
    plan = plan_of(model, {"x": x}, "jacobian", part="diagonal")
    assert plan.colors is not None
    assert plan.colors.count == 2
    expected = 2 * x + np.append(x[1:], 0)
    assert_blocks(solve(model, {"x": x}, "jacobian", part="diagonal"), {"y.x": expected})


def test_a_field_of_several_outputs_has_a_divergence() -> None:
    model = {"u": "x**2 * y", "v": "x * y**3"}
    entries: dict[str, Any] = {"layout": "matrix", "part": "trace"}
    result = result_of(model, {"x": 1.5, "y": 2.0}, "jacobian", **entries)
    assert result.labels() == {"rows": ["(u, v)"]}
    np.testing.assert_allclose(result.matrix(), [2 * 1.5 * 2 + 3 * 1.5 * 4], rtol=1e-15)
    entries["part"] = "diagonal"
    result = result_of(model, {"x": 1.5, "y": 2.0}, "jacobian", **entries)
    assert result.labels() == {"rows": ["x", "y"]}
    np.testing.assert_allclose(result.matrix(), [6, 18], rtol=1e-15)


def test_a_diagonal_of_some_entries() -> None:
    blocks = solve({"y": "a @ x**2"}, {"a": W, "x": X}, "jacobian", wrt="x", rows="y[1:]",
                   cols="x", part="diagonal")  # fmt: skip
    assert_blocks(blocks, {"y.x": 2 * np.diag(W[1:]) * X})
    blocks = solve(CURVED, POINT, "hessian", wrt="x", cols="x[::-3]", part="diagonal")
    assert_blocks(blocks, {"f.x.x": CURVATURE[::-3]})
