"""The summary line and the first entry that is not finite."""

from __future__ import annotations

import numpy as np
import pytest

from jaccli.result import duration, first_nonfinite, summary

from .samples import POLAR, block, counted, jacobian, result_of


def test_the_summary_says_all_in_one_line() -> None:
    assert summary(POLAR) == (
        "jacobian r.x (), r.y (), theta.x (), theta.y () · fwd: fewer inputs than outputs · "
        "cpu:0 float64 · compile 71 ms, run 0.1 ms · min -0.16 max 0.8 norm 1.02"
    )


def test_the_summary_of_many_blocks_and_a_long_reason_is_short() -> None:
    result = counted("jacobian", *(("y", (f"w{i}",), (2,), ((),)) for i in range(9)))
    result = result_of("jacobian", *result.blocks, reason="because " * 40)
    line = summary(result)
    assert line.startswith("jacobian y.w0 (2,), y.w1 (2,), y.w2 (2,), 6 more · fwd: because ")
    assert "bec… · cpu:0" in line
    assert len(line) < 250


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([3.0, -4.0], "min -4 max 3 norm 5"),
        ([3.0, -4.0, np.nan, np.inf, -np.inf, np.nan], "min -4 max 3 norm 5, 2 NaN, 2 infinite"),
        ([np.nan], "1 NaN"),
        ([], "empty"),
        ([3e200, 4e200], "min 3e+200 max 4e+200 norm 5e+200"),
        ([True, False], "min 0 max 1 norm 1"),
    ],
)
def test_the_range_is_that_of_what_is_finite(values: list[float], text: str) -> None:
    result = result_of("evaluate", block("y", (), np.array(values), (len(values),)))
    assert summary(result).endswith(f" · {text}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 µs"),
        (8.4e-6, "8 µs"),
        (1e-4, "0.1 ms"),
        (0.0071, "7.1 ms"),
        (0.071, "71 ms"),
        (0.0998, "100 ms"),
        (0.5, "500 ms"),
        (2.5, "2.5 s"),
        (185.2, "3 min 5 s"),
    ],
)
def test_times_are_in_human_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_finite_results_have_no_such_entry() -> None:
    assert first_nonfinite(POLAR) is None
    assert first_nonfinite(jacobian((0,), (3,))) is None


def test_the_first_entry_is_found_in_reading_order_over_blocks() -> None:
    values = np.zeros((3, 2))
    values[2, 0], values[2, 1] = np.nan, np.inf
    result = result_of(
        "jacobian",
        block("y", ("w",), np.zeros((3, 1)), (3,), (1,)),
        block("y", ("x",), values, (3,), (2,)),
    )
    found = first_nonfinite(result)
    assert str(found) == "d y[2] / d x[0] is NaN (2 of 9 entries are not finite)"


@pytest.mark.parametrize(
    ("derivative", "output", "wrt", "out_shape", "in_shapes", "name"),
    [
        ("evaluate", "y", (), (3,), (), "y[2]"),
        ("evaluate", "f", (), (), (), "f"),
        ("jvp", "y", (), (3,), (), "y[2]"),
        ("vjp", None, ("x",), (), ((3,),), "x[2]"),
        ("hvp", "f", ("x",), (), ((3,),), "x[2]"),
        ("gradient", "f", ("w",), (), ((2, 3),), "d f / d w[1,2]"),
        ("jacobian", "y", ("x",), (3,), ((2,),), "d y[2] / d x[1]"),
        ("hessian", "y", ("x", "w"), (3,), ((2,), (4,)), "d2 y[2] / d x[1] d w[3]"),
        ("hessian", "f", ("x", "x"), (), ((2,), (2,)), "d2 f / d x[1] d x[1]"),
    ],
)
def test_the_name_of_the_entry(
    derivative: str,
    output: str | None,
    wrt: tuple[str, ...],
    out_shape: tuple[int, ...],
    in_shapes: tuple[tuple[int, ...], ...],
    name: str,
) -> None:
    for batch in (None, 7):
        lead = () if batch is None else (batch,)
        values = np.zeros((*lead, *out_shape, *(size for one in in_shapes for size in one)))
        last = (*([5] if lead else []), *(size - 1 for size in values.shape[len(lead) :]))
        values[last] = -np.inf
        result = result_of(
            derivative, block(output, wrt, values, out_shape, *in_shapes), batch=batch
        )
        found = first_nonfinite(result)
        assert found is not None
        assert found.entry == name + (" at batch row 5" if lead else "")
        assert (found.kind, found.count, found.total) == ("-inf", 1, values.size)
        assert str(found).endswith(f"is -inf (1 of {values.size} entries is not finite)")


def test_entries_beyond_the_first_chunk_are_named_right() -> None:
    values = np.zeros(1_200_000, np.float32)
    values[1_100_000] = np.inf
    result = result_of("jvp", block("y", (), values, values.shape))
    found = first_nonfinite(result)
    assert found is not None
    assert (found.entry, found.kind) == ("y[1100000]", "inf")
