"""Tables: elided to fit, aligned, calm."""

from __future__ import annotations

import io
import re
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaccli.errors import UsageError
from jaccli.result import Result, render
from jaccli.result.render.table import aligned, elided, fitting

from .samples import POLAR, block, counted, jacobian, result_of, results


def table(result: Result, width: int = 60, **options: object) -> str:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    render(result, "table", out, width=width, **options)  # type: ignore[arg-type]
    out.seek(0)
    return out.read()


def test_a_small_table_is_whole() -> None:
    assert table(POLAR) == (
        "∂(r, theta)/∂(x, y)  (2, 2)\n           x     y\nr       0.6   0.8\ntheta  -0.16  0.12\n"
    )


def test_columns_are_elided_in_the_middle() -> None:
    assert table(jacobian((2,), (20,)), width=30) == (
        "∂y/∂x  (2, 20)\n"
        "      x[0]  x[1]  …  x[19]\n"
        "y[0]     0     1  …     19\n"
        "y[1]    20    21  …     39\n"
    )


def test_rows_are_elided_in_the_middle() -> None:
    lines = table(counted("jacobian", ("y", ("x",), (99,), ((),)))).splitlines()
    assert lines[0] == "∂y/∂x  (99,)"
    assert lines[2:13] == [*(f"y[{i}]    {i}" for i in range(10)), "⋮       ⋮"]
    assert lines[13:] == [f"y[{i}]  {i}" for i in range(89, 99)]


def test_twenty_one_rows_are_not_elided() -> None:
    assert "⋮" not in table(jacobian((21,), (1,)))
    assert "⋮" in table(jacobian((22,), (1,)))


def test_a_batch_is_one_table() -> None:
    text = table(jacobian((1,), (1,), batch=64))
    first, head, *rows = text.splitlines()
    assert first == "∂y/∂x  (1, 1)  64 batch rows"
    assert head.split() == ["batch", "x[0]"]
    assert [row.split()[0] for row in rows] == [*map(str, range(10)), "⋮", *map(str, range(54, 64))]
    assert all(row.split()[1] == "y[0]" for row in rows if "⋮" not in row)


def test_hessians_of_many_entries_are_elided_between_the_grids() -> None:
    entries = table(counted("hessian", ("y", ("x", "x"), (9,), ((1,), (1,)))))
    assert re.findall(r"∂²y\[\d\]/∂x²  \(1, 1\)\n", entries) == [
        "∂²y[0]/∂x²  (1, 1)\n",
        "∂²y[1]/∂x²  (1, 1)\n",
        "∂²y[8]/∂x²  (1, 1)\n",
    ]
    assert "\n\n⋮ 6 more\n\n" in entries


@pytest.mark.parametrize(
    ("result", "title"),
    [
        (counted("jacobian", ("y", ("w",), (2,), ((1, 2),))), "∂y/∂w  (2, 1, 2)"),
        (counted("gradient", ("f", ("x",), (), ((2,),))), "∂f/∂x  (2,)"),
        (counted("hessian", ("f", ("x", "w"), (), ((1,), (2,)))), "∂²f/∂x∂w  (1, 2)"),
        (counted("jvp", ("y", (), (2,), ())), "J v: y  (2,)"),
        (counted("vjp", (None, ("x",), (), ((2,),))), "uᵀJ: x  (2,)"),
        (counted("hvp", ("f", ("x",), (), ((2,),))), "H v: f, x  (2,)"),
        (counted("evaluate", ("y", (), (2,), ())), "y  (2,)"),
        (jacobian((0,), (2,)), "∂y/∂x  (0, 2)"),
    ],
)
def test_titles(result: Result, title: str) -> None:
    assert table(result).splitlines()[0] == title


def test_scalar_values_need_no_title() -> None:
    assert table(counted("evaluate", ("r", (), (), ()), ("t", (), (), ()))) == "r  0\nt  1\n"


def test_nothing_is_said_to_be_empty() -> None:
    assert table(jacobian((0,), (2,))) == "∂y/∂x  (0, 2)\nempty\n"


def test_digits_are_significant_and_points_align() -> None:
    values = np.array([123.456789, -0.00123456789, 7, np.nan, -np.inf, 1e-300])
    assert aligned(values, 4) == [
        "   123.5     ",
        "    -0.001235",
        "     7       ",
        "   nan       ",
        "  -inf       ",
        "1e-300       ",
    ]
    assert aligned(np.array([0.1], np.float32), 12) == ["0.1"]
    assert aligned(np.array([5, -10]), 6) == ["  5", "-10"]


def test_digits_are_an_option_of_tables() -> None:
    result = result_of("evaluate", block("f", (), np.pi, ()))
    assert table(result, digits=3) == "f  3.14\n"
    assert table(result, digits=17) == "f  3.141592653589793\n"
    with pytest.raises(UsageError) as error:
        table(result, digits=0)
    assert str(error.value) == "--digits: 0 is too small.\nExpected 1 or more."


def test_a_stream_without_unicode_gets_ascii() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    render(counted("hessian", ("f", ("x", "x"), (), ((30,), (30,)))), "table", out, width=40)
    out.flush()
    text = raw.getvalue().decode("ascii")
    assert text.startswith("d2 f / d x d x  (30, 30)\n")
    assert "..." in text


def test_no_color_reaches_a_pipe_or_a_dumb_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        encoding = "utf-8"  # type: ignore[assignment]

        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert "\x1b" not in table(POLAR)
    monkeypatch.setenv("TERM", "xterm-256color")
    colored = Terminal()
    render(POLAR, "table", colored)
    assert "\x1b[36m" in colored.getvalue()
    for name, value in (("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
        out = Terminal()
        render(POLAR, "table", out)
        assert "\x1b[36m" not in out.getvalue()


@settings(max_examples=60, deadline=None)
@given(results(), st.integers(40, 120))
def test_no_line_is_wider_than_the_terminal(result: Result, width: int) -> None:
    # Titles wrap; a label and one column of six digits always fit into 40 characters.
    for line in table(result, width=width).splitlines():
        assert len(line) <= width or "  (" in line


@given(st.integers(0, 300), st.integers(1, 40))
def test_elision_shows_both_ends_and_never_hides_one_alone(count: int, limit: int) -> None:
    shown = elided(count, limit)
    kept = [position for position in shown if position is not None]
    assert kept == sorted(set(kept))
    if count <= limit + 1:
        assert shown == list(range(count))
    else:
        assert len(kept) == limit
        assert shown.count(None) == 1
        assert kept[0] == 0


@given(st.lists(st.integers(3, 12), max_size=30), st.integers(0, 150))
def test_fitting_columns_fill_the_room(widths: list[int], room: int) -> None:
    shown = fitting(len(widths), room, widths.__getitem__, 3)
    kept = [column for column in shown if column is not None]
    assert kept == sorted(set(kept))
    used = sum(widths[column] for column in kept) + 3 * shown.count(None)
    assert used <= room or len(kept) <= 1
    assert (None in shown) == (len(kept) < len(widths))


NUMBERS = [
    # a number, its type, digits, and what the table shows
    (-0.0, np.float64, 6, "0"),
    (-0.0, np.float32, 3, "0"),
    (0.0, np.float64, 6, "0"),
    (2.675, np.float64, 3, "2.67"),  # it is 2.67499999999999982236431605997495353221893310546875
    (2.5, np.float64, 1, "2"),  # ties to even, as numpy and C
    (0.1 + 0.2, np.float64, 16, "0.3"),
    (0.1 + 0.2, np.float64, 17, "0.30000000000000004"),
    (1e23, np.float64, 16, "1e+23"),  # the nearest float64 is 99999999999999991611392
    (1e-320, np.float64, 6, "1e-320"),
    (5e-324, np.float64, 15, "5e-324"),
    (123400.0, np.float64, 6, "123400"),
    (1234000.0, np.float64, 6, "1.234e+06"),
    (0.00012345, np.float64, 6, "0.00012345"),
    (0.000012345, np.float64, 6, "1.2345e-05"),
    (-9.9999999, np.float64, 6, "-10"),
    (1.7976931348623157e308, np.float64, 6, "1.79769e+308"),
    (0.3, np.float32, 8, "0.3"),
    (0.3, np.float32, 6, "0.3"),
    (1 / 3, np.float32, 8, "0.33333334"),
    (16777217.0, np.float32, 8, "16777216"),
    (1e-40, np.float32, 6, "1e-40"),
    (np.nan, np.float64, 6, "nan"),
    (-np.inf, np.float32, 6, "-inf"),
]


@pytest.mark.parametrize(("value", "dtype", "digits", "shown"), NUMBERS)
def test_a_number_is_rounded_right_and_shows_no_digit_that_it_has_not(
    value: float, dtype: type, digits: int, shown: str
) -> None:
    assert aligned(np.array([value], dtype), digits) == [shown]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("digits", [1, 6, 8, 9, 15, 16, 17])
def test_a_shown_number_is_within_half_of_its_last_digit(dtype: type, digits: int) -> None:
    rng = np.random.default_rng(3)
    with np.errstate(over="ignore"):
        values = (rng.normal(size=400) * 10.0 ** rng.integers(-44, 39, 400)).astype(dtype)
    values = np.concatenate([values, [0.0, -0.0]]).astype(dtype)
    enough = 17 if dtype is np.float64 else 9
    for value, text in zip(values, aligned(values, digits), strict=True):
        read = dtype(text)
        if digits >= enough or value == 0:
            assert read == value
            assert np.signbit(read) == (np.signbit(value) and value != 0)  # no -0.0
        elif np.isfinite(value):
            unit = Decimal(1).scaleb(Decimal(float(value)).adjusted() - digits + 1)
            # A float32 that is shown in full is shown by its shortest form.
            near = abs(Decimal(text.strip()) - Decimal(float(value))) <= unit / 2
            assert near or read == value
