"""What holds for every model: random expressions over random shapes, in float64.

The quick tests take a few examples each; `-m slow` takes many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline import Blocks, assert_blocks, result_of, solve

from jaccli.result.matrix import matrix
from jaccli.result.view import whole

from .random_models import RandomModel, models, vectors_like

ROUNDING = 1e-11
DIFFERENCES = 1e-7
QUICK, MANY = 2, 30

Draw = Callable[[st.SearchStrategy[int]], int]
Check = Callable[[RandomModel, Draw], None]


def run(model: RandomModel, derivative: str, **entries: Any) -> Blocks:
    return solve(model.expressions, model.inputs, derivative, **({"wrt": model.wrt} | entries))


def contract(blocks: Blocks, output: str, vectors: Blocks, *before: str) -> Any:
    """Return the sum over wrt of a block's last axes with the vector of that name."""
    keys = {name: ".".join((output, *before, name)) for name in vectors}
    return sum(
        np.tensordot(blocks[keys[name]], vector, axes=vector.ndim)
        for name, vector in vectors.items()
    )


def evaluate_is_numpys_value(model: RandomModel, draw: Draw) -> None:
    assert_blocks(run(model, "evaluate"), model.value(), ROUNDING)


def jacobian_modes_agree_with_finite_differences(model: RandomModel, draw: Draw) -> None:
    tangents = vectors_like(model.inputs, 1)
    forward = run(model, "jacobian", mode="fwd")
    for mode in ("rev", "loop", "structured", "sparse"):
        assert_blocks(run(model, "jacobian", mode=mode), forward, ROUNDING)
    slope = {output: contract(forward, output, tangents) for output in model.expressions}
    assert_blocks(slope, model.slope(tangents), DIFFERENCES)


def hessian_modes_agree_and_are_symmetric(model: RandomModel, draw: Draw) -> None:
    first = run(model, "hessian", mode="fwd-fwd")
    for mode in ("fwd-rev", "rev-fwd", "rev-rev", "structured"):
        assert_blocks(run(model, "hessian", mode=mode), first, ROUNDING)
    for output, value in model.value().items():
        for a, b in ((a, b) for a in model.wrt for b in model.wrt):
            out, left = value.ndim, model.inputs[a].ndim
            block = first[f"{output}.{a}.{b}"]
            axes = [*range(out), *range(out + left, block.ndim), *range(out, out + left)]
            turned = {"": np.transpose(block, axes)}
            assert_blocks(turned, {"": first[f"{output}.{b}.{a}"]}, ROUNDING)


def hessian_is_the_slope_of_the_jacobian(model: RandomModel, draw: Draw) -> None:
    tangents, step = vectors_like(model.inputs, 2), 1e-4
    moved = {
        name: np.stack([x - step * tangents[name], x + step * tangents[name]])
        for name, x in model.inputs.items()
    }
    jacobians = solve(model.expressions, moved, "jacobian", batch=model.wrt, mode="fwd")
    slope = {key: (block[1] - block[0]) / (2 * step) for key, block in jacobians.items()}
    hessian = run(model, "hessian")
    found = {
        f"{output}.{name}": contract(hessian, output, tangents, name)
        for output in model.expressions
        for name in model.wrt
    }
    assert_blocks(found, slope, 1e-5)


def hvp_equals_hessian_times_vector(model: RandomModel, draw: Draw) -> None:
    tangents = vectors_like(model.inputs, 3)
    hessian = run(model, "hessian", mode="rev-fwd")
    expected = {
        f"{output}.{name}": contract(hessian, output, tangents, name)
        for output in model.expressions
        for name in model.wrt
    }
    for mode in ("fwd-rev", "rev-rev"):
        assert_blocks(run(model, "hvp", mode=mode, vector=tangents), expected, ROUNDING)


def jvp_and_vjp_are_adjoint(model: RandomModel, draw: Draw) -> None:
    tangents, cotangents = vectors_like(model.inputs, 4), vectors_like(model.value(), 5)
    pushed = run(model, "jvp", vector=tangents)
    pulled = run(model, "vjp", vector=cotangents)
    left = sum(float(np.sum(cotangents[name] * pushed[name])) for name in pushed)
    right = sum(float(np.sum(tangents[name] * pulled[name])) for name in pulled)
    assert left == pytest.approx(right, rel=1e-10, abs=1e-10)
    assert_blocks(pushed, model.slope(tangents), DIFFERENCES)


def batch_equals_a_loop_over_rows(model: RandomModel, draw: Draw) -> None:
    rows = [vectors_like(model.inputs, 10 + row) for row in range(3)]
    axes = {"v": -1, "w": 1}  # s is shared
    stacked = {n: np.stack([row[n] for row in rows], axis) for n, axis in axes.items()}
    together = solve(
        model.expressions, model.inputs | stacked, "jacobian", wrt=model.wrt, batch=axes
    )
    alone = [
        solve(model.expressions, row | {"s": model.inputs["s"]}, "jacobian", wrt=model.wrt)
        for row in rows[:2]
    ]
    for index, row in enumerate(alone):
        assert_blocks({key: block[index] for key, block in together.items()}, row, ROUNDING)


def every_basis_chunk_gives_the_same(model: RandomModel, draw: Draw) -> None:
    inputs = sum(array.size for array in model.inputs.values())
    chunk = draw(st.integers(1, inputs + 1))
    derivative, mode = (("jacobian", "fwd"), ("hessian", "fwd-rev"))[draw(st.integers(0, 1))]
    expected = run(model, derivative, mode=mode)
    assert_blocks(run(model, derivative, mode=mode, chunk=chunk), expected, ROUNDING)


def every_row_chunk_gives_the_same(model: RandomModel, draw: Draw) -> None:
    outputs = sum(value.size for value in model.value().values())
    chunk, mode = draw(st.integers(1, outputs + 1)), ("rev", "loop")[draw(st.integers(0, 1))]
    expected = run(model, "jacobian", mode=mode)
    assert_blocks(run(model, "jacobian", mode=mode, chunk=chunk), expected, ROUNDING)


def every_batch_chunk_gives_the_same(model: RandomModel, draw: Draw) -> None:
    rows = draw(st.integers(1, 5))
    v = np.stack([model.inputs["v"] + row for row in range(rows)], axis=-1)
    entries: dict[str, Any] = {"wrt": model.wrt, "batch": {"v": -1}}
    expected = solve(model.expressions, model.inputs | {"v": v}, "jacobian", **entries)
    chunk = draw(st.integers(1, rows + 1))
    found = solve(model.expressions, model.inputs | {"v": v}, "jacobian", chunk=chunk, **entries)
    assert_blocks(found, expected, ROUNDING)


def matrix_layout_is_the_blocks_joined(model: RandomModel, draw: Draw) -> None:
    result = result_of(model.expressions, model.inputs, "jacobian", wrt=model.wrt)
    blocks = {block.key: block.values for block in result.blocks}
    rows = [
        np.hstack([blocks[f"{output}.{name}"].reshape(value.size, -1) for name in model.wrt])
        for output, value in model.value().items()
    ]
    assert_blocks({"": matrix(whole(result)).values}, {"": np.vstack(rows)}, 0)


def float32_agrees_with_float64_to_its_accuracy(model: RandomModel, draw: Draw) -> None:
    double, single = (run(model, "jacobian", dtype=dtype) for dtype in ("float64", "float32"))
    for key, values in double.items():
        assert single[key].dtype == np.float32
        scale = max(1.0, np.max(np.abs(values)))
        np.testing.assert_allclose(single[key], values, rtol=0, atol=1e-4 * scale, err_msg=key)


ANY: list[Check] = [
    evaluate_is_numpys_value,
    jacobian_modes_agree_with_finite_differences,
    hessian_modes_agree_and_are_symmetric,
    hessian_is_the_slope_of_the_jacobian,
    jvp_and_vjp_are_adjoint,
    batch_equals_a_loop_over_rows,
    every_basis_chunk_gives_the_same,
    every_row_chunk_gives_the_same,
    every_batch_chunk_gives_the_same,
    matrix_layout_is_the_blocks_joined,
    float32_agrees_with_float64_to_its_accuracy,
]
SCALAR: list[Check] = [hvp_equals_hessian_times_vector]


@pytest.mark.parametrize("check", [*ANY, *SCALAR], ids=lambda check: check.__name__)
@settings(max_examples=QUICK, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_for_random_models(check: Check, data: st.DataObject) -> None:
    check(data.draw(models(scalar=check in SCALAR)), data.draw)


@pytest.mark.slow
@pytest.mark.parametrize("check", [*ANY, *SCALAR], ids=lambda check: check.__name__)
@settings(max_examples=MANY, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_for_many_random_models(check: Check, data: st.DataObject) -> None:
    check(data.draw(models(scalar=check in SCALAR, depth=3)), data.draw)
