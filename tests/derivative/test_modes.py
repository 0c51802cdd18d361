"""Every derivative in every mode, through the whole pipeline, against closed forms by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import CASES, SCALAR_CASES, Blocks, Case
from pipeline import assert_blocks, solve

from jaccli.choices import MODES
from tests.thinned import thinned_pairs

EXACT = 1e-12
_rng = np.random.default_rng(7)


def by_name(case: Case) -> str:
    return case.name


def every(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=by_name)


def some(cases: list[Case], derivative: str, number: int) -> Any:
    """Parametrize with each case in some of the modes, the others being slow."""
    found = thinned_pairs(cases, MODES[derivative], number)
    return pytest.mark.parametrize(
        ("case", "mode"), found, ids=lambda x: x if isinstance(x, str) else by_name(x)
    )


def run(case: Case, derivative: str, **entries: Any) -> Blocks:
    return solve(case.expressions, case.inputs, derivative, wrt=list(case.wrt), **entries)


def tangents(case: Case) -> Blocks:
    return {name: _rng.normal(size=np.shape(case.inputs[name])) for name in case.wrt}


def along(blocks: Blocks, output: str, name: str, vector: Any) -> Any:
    """Contract the last axes of a block, those of the input `name`, with a vector."""
    return np.tensordot(blocks[f"{output}.{name}"], vector, axes=np.ndim(vector))


@every(CASES)
def test_evaluate_gives_the_outputs(case: Case) -> None:
    assert_blocks(run(case, "evaluate"), case.expected(0), EXACT)


@some(CASES, "jacobian", 6)
def test_jacobian_is_the_one_derived_by_hand(case: Case, mode: str) -> None:
    assert_blocks(run(case, "jacobian", mode=mode), case.expected(1), EXACT)


@some(CASES, "hessian", 6)
def test_hessian_is_the_one_derived_by_hand(case: Case, mode: str) -> None:
    assert_blocks(run(case, "hessian", mode=mode), case.expected(2), EXACT)


@some(SCALAR_CASES, "gradient", 4)
def test_gradient_is_the_one_derived_by_hand(case: Case, mode: str) -> None:
    assert_blocks(run(case, "gradient", mode=mode), case.expected(1), EXACT)


@every(CASES)
def test_jvp_equals_jacobian_times_tangent(case: Case) -> None:
    vectors, jacobian = tangents(case), case.expected(1)
    expected = {
        output: sum(along(jacobian, output, name, vectors[name]) for name in case.wrt)
        for output in case.expressions
    }
    assert_blocks(run(case, "jvp", vector=vectors), expected, EXACT)


@every(CASES)
def test_vjp_equals_cotangent_times_jacobian(case: Case) -> None:
    values, jacobian = case.expected(0), case.expected(1)
    vectors = {output: _rng.normal(size=np.shape(value)) for output, value in values.items()}
    expected = {
        name: sum(
            np.tensordot(vector, jacobian[f"{output}.{name}"], axes=np.ndim(vector))
            for output, vector in vectors.items()
        )
        for name in case.wrt
    }
    assert_blocks(run(case, "vjp", vector=vectors), expected, EXACT)


@some(SCALAR_CASES, "hvp", 4)
def test_hvp_equals_hessian_times_tangent(case: Case, mode: str) -> None:
    vectors, hessian = tangents(case), case.expected(2)
    expected = {
        f"{output}.{row}": sum(
            along(hessian, f"{output}.{row}", name, vectors[name]) for name in case.wrt
        )
        for output in case.expressions
        for row in case.wrt
    }
    assert_blocks(run(case, "hvp", mode=mode, vector=vectors), expected, EXACT)


def test_one_wrt_and_one_output_leave_the_others_out() -> None:
    polar = next(case for case in CASES if case.name == "polar")
    found = solve({"theta": "arctan2(y, x)"}, polar.inputs, "jacobian", wrt="y")
    assert_blocks(found, {"theta.y": np.float64(0.12)}, EXACT)


def test_blocks_come_in_the_order_of_wrt() -> None:
    found = solve({"y": "a @ b"}, CASES[4].inputs, "hessian", wrt=["b", "a"])
    assert list(found) == ["y.b.b", "y.b.a", "y.a.b", "y.a.a"]
    assert_blocks(dict(sorted(found.items())), CASES[4].expected(2), EXACT)
