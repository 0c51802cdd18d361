"""The comparison of results: its bounds, its pairs, its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaccli.errors import UsageError
from jaccli.result import Result, Stored, read, write
from jaccli.result.compare.compare import compare

from .samples import POLAR, block, counted, jacobian, result_of, results

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
norms = st.sampled_from(["entry", "max", "fro"])


def one(values: Any, key: str = "y") -> Stored:
    return Stored({key: np.asarray(values)}, "blocks")


def passes(a: Any, b: Any, **options: Any) -> bool:
    there = compare(one(a), one(b), **options).passed
    assert compare(one(b), one(a), **options).passed == there
    return there


@quick
@given(results(), norms)
def test_a_result_equals_itself(result: Result, norm: Any) -> None:
    comparison = compare(result, result, rtol=0, norm=norm)
    assert comparison.passed
    assert comparison.worst == ()


@quick
@given(results(), st.sampled_from([".npy", ".npz", ".csv", ".json", ".mtx"]), st.booleans())
def test_a_result_equals_its_file_in_every_layout(
    tmp_path: Path, result: Result, suffix: str, matrix: bool
) -> None:
    path = tmp_path / f"r{suffix}"
    try:
        write(result, path, layout="matrix" if matrix else "blocks", force=True)
    except UsageError:
        return
    if suffix == ".npy" and len(result.blocks) == 1 and matrix:
        # A single block and an .npy have to have the same shape.
        return
    assert compare(result, read(path), rtol=0).passed
    assert compare(read(path), result, rtol=0).passed


@quick
@given(results(), st.integers(0, 10**6), norms)
def test_a_changed_entry_is_found(result: Result, position: int, norm: Any) -> None:
    sizes = [one.values.size for one in result.blocks]
    if not sum(sizes):
        return
    number = next(i for i, size in enumerate(sizes) if size)
    values = result.blocks[number].values.copy()
    place = np.unravel_index(position % values.size, values.shape)
    values[place] = np.float32(1.0) if not np.isfinite(values[place]) else np.nan
    blocks = list(result.blocks)
    changed = blocks[number]
    blocks[number] = block(
        changed.output, changed.wrt, values, changed.out_shape, *changed.in_shapes
    )
    comparison = compare(
        result, result_of(result.derivative, *blocks, batch=result.batch), norm=norm
    )
    assert not comparison.passed
    index = f"[{','.join(map(str, place))}]" if place else ""
    assert comparison.worst[0].name == f"{changed.key}{index}"


@given(
    st.lists(st.floats(width=32), min_size=3, max_size=3),
    st.lists(st.floats(width=32), min_size=3, max_size=3),
    norms,
)
def test_comparison_is_symmetric(a: list[float], b: list[float], norm: Any) -> None:
    passes(a, b, norm=norm, rtol=0.5)


def test_the_bound_of_entries_is_the_one_of_the_interface() -> None:
    assert passes(100.0, 101.0, rtol=0.01)
    assert not passes(100.0, 101.1, rtol=0.01)
    assert passes(0.0, 0.25, rtol=0, atol=0.25)
    assert not passes(0.0, 0.25, rtol=0.9, atol=0)
    assert passes(1.0, 2.0, rtol=0.25, atol=0.5)
    assert not passes([1.0, 1e-3], [1.0, 1.1e-3], rtol=1e-2)


def test_norms_forgive_small_entries() -> None:
    a, b = [1.0, 1e-3], [1.0, 1.1e-3]
    assert passes(a, b, rtol=1e-3, norm="max")
    assert passes(a, b, rtol=1e-3, norm="fro")
    assert not passes(a, b, rtol=1e-5, norm="max")
    assert not passes(a, b, rtol=1e-5, norm="fro")
    # Frobenius: |a - b| = 0.2 for two differences of 0.1 * sqrt(2), |b| = 5.
    c, d = [3.0, 4.0, 0.0, 0.0], [3.0, 4.0, 0.1, 0.1]
    assert passes(c, d, rtol=0.03, norm="fro")
    assert not passes(c, d, rtol=0.028, norm="fro")
    assert not passes(c, d, rtol=0.024, norm="max")
    assert passes(c, d, rtol=0.025, norm="max")


def test_frobenius_norms_do_not_overflow() -> None:
    assert not passes([1e200, 0.0], [1.1e200, 0.0], rtol=1e-3, norm="fro")
    assert passes([1e200, 0.0], [1.0001e200, 0.0], rtol=1e-3, norm="fro")
    assert not passes([1e-200], [2e-200], rtol=1e-3, norm="fro")


def test_the_default_tolerance_knows_float32() -> None:
    assert not passes(1.0, 1.00005)
    assert passes(np.float32(1.0), 1.00005)
    assert not passes(np.float32(1.0), np.float32(1.0005))


@pytest.mark.parametrize("norm", ["entry", "max", "fro"])
def test_what_is_not_finite_equals_only_itself(norm: str) -> None:
    for value in (np.nan, np.inf, -np.inf):
        assert passes([value, 1.0], [value, 1.0], rtol=0, norm=norm)
        for other in {0.0, 1e308, np.inf, -np.inf} - {value}:
            assert not passes([value, 1.0], [other, 1.0], rtol=0.5, atol=1e300, norm=norm)


def test_integers_and_booleans_are_numbers_of_one_kind() -> None:
    assert passes([True, False], [1, 0])
    assert not passes([True], [False])


def test_floats_in_a_file_are_not_the_integers_of_another() -> None:
    assert not passes([1, 2], [1.0, 2.0])
    comparison = compare(one([1, 2]), one([1.0, 2.0]))
    assert str(comparison) == "y: the types are int64 and float64"
    assert comparison.worst == ()
    assert not passes([True, False], [1.0, 0.0])


def test_text_that_says_no_type_differs_from_none() -> None:
    integers = Stored({"y": np.array([1, 2])}, "blocks", typed=False)
    assert compare(integers, one([1.0, 2.0])).passed
    assert compare(one([1.0, 2.0]), integers).passed


def test_a_result_may_be_expected_in_integers() -> None:
    result = result_of("gradient", block("f", ("x",), [2.0, 4.0], (), (2,)))
    assert compare(result, Stored({"": np.array([2, 4])}, "array")).passed


def test_large_arrays_are_compared_to_their_end() -> None:
    a = np.ones(600_000)
    b = a.copy()
    b[[5, 300_000, 599_999]] = 1.5, 2.0, 1.25
    comparison = compare(one(a), one(b))
    assert [entry.name for entry in comparison.worst] == ["y[300000]", "y[5]", "y[599999]"]
    assert comparison.verdicts[0].failed == 3


def test_at_most_five_entries_are_named_the_worst_first() -> None:
    comparison = compare(one(np.zeros(9)), one(np.arange(9.0)), atol=1e-3, rtol=0)
    assert [(entry.name, entry.a, entry.b) for entry in comparison.worst] == [
        (f"y[{i}]", 0.0, float(i)) for i in (8, 7, 6, 5, 4)
    ]
    assert comparison.verdicts[0].failed == 8


def test_differences_within_the_tolerance_are_named_too() -> None:
    comparison = compare(one([1.0, 2.0]), one([1.0, 2.0 + 1e-9]))
    assert comparison.passed
    assert [entry.name for entry in comparison.worst] == ["y[1]"]


def test_entries_within_the_tolerance_are_no_reason_of_a_failure() -> None:
    a, b = one([1.0, 2.0, 3.0]), one([1.0, 2.5, 3.0 + 1e-9])
    comparison = compare(a, b)
    assert [entry.name for entry in comparison.worst] == ["y[1]", "y[2]"]
    assert [entry.name for entry in comparison.off] == ["y[1]"]
    assert str(comparison) == "y: 1 of 3 entries differ\n  y[1]: 2.0 and 2.5"
    assert len(compare(a, b, norm="fro").off) == 2
    assert compare(a, a).off == ()


def test_keys_that_are_missing_fail() -> None:
    a = counted("jacobian", ("y", ("x",), (2,), ((3,),)), ("y", ("w",), (2,), ((1,),)))
    b = counted("jacobian", ("y", ("x",), (2,), ((3,),)), ("y", ("b",), (2,), ((1,),)))
    comparison = compare(a, b)
    assert not comparison.passed
    assert (comparison.only_a, comparison.only_b) == (("y.w",), ("y.b",))
    assert str(comparison) == "y.w: only in the first\ny.b: only in the second"


def test_shapes_that_differ_fail_in_words() -> None:
    comparison = compare(jacobian((2,), (3,)), jacobian((3,), (2,)))
    assert not comparison.passed
    assert str(comparison) == "y.x: the shapes are (2, 3) and (3, 2)"


def test_a_failure_in_words() -> None:
    a, b = one([[1.0, 2.0], [3.0, 4.0]], "y.x"), one([[1.0, 2.5], [3.0, 4.0]], "y.x")
    assert str(compare(a, b)) == "y.x: 1 of 4 entries differ\n  y.x[0,1]: 2.0 and 2.5"
    assert str(compare(a, b, norm="fro", rtol=1e-3)) == (
        "y.x: the difference has the norm 0.5, allowed is 0.00568\n  y.x[0,1]: 2.0 and 2.5"
    )
    assert str(compare(a, a)) == "y.x: equal within rtol 1e-06"


def test_types_that_differ_are_a_note() -> None:
    comparison = compare(one(np.float32([1.0])), one([1.0]))
    assert comparison.passed
    assert comparison.notes == ("y: the types are float32 and float64",)


def test_a_single_block_compares_with_npy_whatever_its_key(tmp_path: Path) -> None:
    np.save(tmp_path / "golden.npy", jacobian((2,), (3,)).blocks[0].values)
    golden = read(tmp_path / "golden.npy")
    assert compare(jacobian((2,), (3,)), golden).passed
    assert compare(golden, jacobian((2,), (3,))).passed
    assert not compare(golden, jacobian((3,), (2,))).passed
    assert not compare(golden, POLAR).passed
    assert not compare(POLAR, golden).passed
    assert str(compare(POLAR, golden)) == "matrix: the shapes are (2, 2) and (2, 3)"


def test_several_blocks_compare_with_an_npy_that_is_their_matrix(tmp_path: Path) -> None:
    np.save(tmp_path / "golden.npy", [[0.6, 0.8], [-0.16, 0.12]])
    assert compare(POLAR, read(tmp_path / "golden.npy")).passed


def test_entries_of_labelled_matrices_are_named_by_their_labels(tmp_path: Path) -> None:
    write(POLAR, tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "b.csv").write_text(text.replace("0.12", "0.13"))
    comparison = compare(read(tmp_path / "a.csv"), read(tmp_path / "b.csv"))
    assert str(comparison) == "matrix: 1 of 4 entries differ\n  theta, y: 0.12 and 0.13"
    (tmp_path / "c.csv").write_text(text.replace("theta", "phi"))
    for other in (POLAR, read(tmp_path / "a.csv")):
        comparison = compare(other, read(tmp_path / "c.csv"))
        assert comparison.passed
        assert comparison.notes == ("the labels of the rows differ",)
    gradient = counted("gradient", ("f", ("x",), (), ((3,),)))
    write(gradient, tmp_path / "g.csv")
    other = counted("gradient", ("f", ("x",), (), ((3,),)), step=2)
    worst = compare(other, read(tmp_path / "g.csv")).worst
    assert {(entry.name, entry.a, entry.b) for entry in worst} == {
        ("x[1]", 2.0, 1.0),
        ("x[2]", 4.0, 2.0),
    }


@quick
@given(results(), st.sampled_from([".npz", ".json"]), st.sampled_from([".csv", ".mtx", ".npz"]))
def test_stored_blocks_meet_a_stored_matrix(
    tmp_path: Path, result: Result, blocks: str, matrix: str
) -> None:
    # In a Hessian of several outputs, the axis that joins them belongs to no single block.
    outputs = {one.output: one.out_shape for one in result.blocks}
    if result.derivative == "hessian" and list(outputs.values()) != [()]:
        return
    write(result, tmp_path / f"blocks{blocks}", force=True)
    try:
        write(result, tmp_path / f"matrix{matrix}", layout="matrix", force=True)
    except UsageError:
        return
    a, b = read(tmp_path / f"blocks{blocks}"), read(tmp_path / f"matrix{matrix}")
    assert compare(a, b, rtol=0).passed
    assert compare(b, a, rtol=0).passed


def test_a_matrix_is_never_compared_transposed(tmp_path: Path) -> None:
    write(jacobian((2, 2), (3,)), tmp_path / "r.csv")
    assert compare(jacobian((2, 2), (3,)), read(tmp_path / "r.csv")).passed
    turned = jacobian((3,), (2, 2))
    comparison = compare(turned, read(tmp_path / "r.csv"))
    assert not comparison.passed
    assert str(comparison) == "matrix: the shapes are (3, 4) and (4, 3)"


def test_options_that_are_no_tolerance_are_refused() -> None:
    for options, message in [
        ({"norm": "l2"}, "--norm: no norm 'l2'.\nExpected one of 'entry', 'max', 'fro'."),
        ({"rtol": -1.0}, "--rtol: -1.0 is not a tolerance.\nExpected 0 or more."),
        ({"atol": float("nan")}, "--atol: nan is not a tolerance.\nExpected 0 or more."),
    ]:
        with pytest.raises(UsageError) as error:
            compare(POLAR, POLAR, **options)  # type: ignore[arg-type]
        assert str(error.value) == message


def test_a_signaling_nan_is_a_nan() -> None:
    a = np.array([0x7F800001, 0x3F800000], np.uint32).view(np.float32)
    other = Stored({"": a}, "array"), Stored({"": np.array([np.nan, 5.0], np.float32)}, "array")
    assert compare(*other).verdicts[0].failed == 1
