"""`--show` picks what numpy's indexing picks, under the true names."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from jaccli.errors import UsageError
from jaccli.result import Result, render
from jaccli.result.selection import show

from .samples import POLAR, counted, jacobian

Y_X = jacobian((4, 2), (5,))
BATCHED = jacobian((2,), (3,), batch=6)
HESSIAN = counted(
    "hessian",
    *(
        ("f", (a, b), (), (s, t))
        for a, s in (("x", (3,)), ("w", (2,)))
        for b, t in (("x", (3,)), ("w", (2,)))
    ),
)


@pytest.mark.parametrize(
    ("text", "index", "names"),
    [
        ("y[0]", np.s_[0], ["y[0,0]", "y[0,1]"]),
        ("y[-1, 1]", np.s_[-1, 1], ["y[3,1]"]),
        ("y[1:3]", np.s_[1:3], ["y[1,0]", "y[1,1]", "y[2,0]", "y[2,1]"]),
        ("y[::-2,1]", np.s_[::-2, 1], ["y[3,1]", "y[1,1]"]),
        ("y[2:99, :1]", np.s_[2:99, :1], ["y[2,0]", "y[3,0]"]),
        ("x[3]", np.s_[:, :, 3], None),
        ("y[0:2] , x[ 1:4 ]", np.s_[0:2, :, 1:4], None),
        ("x[3], y[1]", np.s_[1, :, 3], ["y[1,0]", "y[1,1]"]),
        ("y.x", np.s_[:], None),
        ("y[4:]", np.s_[4:], []),
    ],
)
def test_a_part_is_what_numpy_indexing_gives(
    text: str, index: tuple[int | slice, ...], names: list[str] | None
) -> None:
    (part,) = show(Y_X, text).parts
    assert np.array_equal(part.values, Y_X.blocks[0].values[index])
    if names is not None:
        assert list(part.slot.output or ()) == names


def test_batch_rows_are_picked_before_everything_else() -> None:
    values = BATCHED.blocks[0].values
    view = show(BATCHED, "batch[5], y[1]")
    assert view.batch_shape == ()
    assert np.array_equal(view.parts[0].values, values[5, 1])
    view = show(BATCHED, "y[1], batch[::2], x[0]")
    assert view.batch is not None
    assert list(view.batch) == ["batch[0]", "batch[2]", "batch[4]"]
    assert np.array_equal(view.parts[0].values, values[::2, 1, 0])


def test_outputs_and_inputs_pick_their_blocks() -> None:
    assert [part.slot.key for part in show(POLAR, "theta").parts] == ["theta.x", "theta.y"]
    assert [part.slot.key for part in show(POLAR, "y").parts] == ["r.y", "theta.y"]
    assert [part.slot.key for part in show(POLAR, "r, y").parts] == ["r.y"]
    assert [part.slot.key for part in show(POLAR, "theta.x").parts] == ["theta.x"]


def test_the_first_mention_of_an_input_is_the_first_axis_of_a_hessian() -> None:
    view = show(HESSIAN, "x[1]")
    assert [part.slot.key for part in view.parts] == ["f.x.x", "f.x.w"]
    assert np.array_equal(view.parts[0].values, HESSIAN.blocks[0].values[1])
    (part,) = show(HESSIAN, "x[1], x[::2]").parts
    assert np.array_equal(part.values, HESSIAN.blocks[0].values[1, ::2])
    assert [list(names) for names in part.slot.wrt] == [["x[1]"], ["x[0]", "x[2]"]]
    (part,) = show(HESSIAN, "f, w[1], x[0]").parts
    assert part.values == HESSIAN.blocks[2].values[1, 0]


def test_a_name_of_an_output_and_an_input_is_the_output_first() -> None:
    result = counted("jacobian", ("f", ("f",), (3,), ((4,),)))
    (part,) = show(result, "f[1], f[2]").parts
    assert part.values == result.blocks[0].values[1, 2]


def test_the_printed_part_has_its_true_names() -> None:
    out = io.StringIO()
    render(jacobian((3,), (4,)), "plain", out, show_text="y[1:], x[::-2]")
    assert out.getvalue() == "     x[3] x[1]\ny[1]  7.0  5.0\ny[2] 11.0  9.0\n"
    out = io.StringIO()
    render(BATCHED, "csv", out, show_text="batch[2], y[1]")
    assert out.getvalue() == ",x[0],x[1],x[2]\ny[1],15.0,16.0,17.0\n"
    out = io.StringIO()
    render(BATCHED, "plain", out, show_text="batch[2:4], y[1], x[0]")
    assert out.getvalue() == (
        "# d y[1] / d x[0]  ()  batch row 2\n"
        "     x[0]\n"
        "y[1] 15.0\n"
        "\n"
        "# d y[1] / d x[0]  ()  batch row 3\n"
        "     x[0]\n"
        "y[1] 21.0\n"
    )


def test_json_says_what_is_shown() -> None:
    out = io.StringIO()
    render(POLAR, "json", out, show_text="theta")
    document = json.loads(out.getvalue())
    assert document["show"] == "theta"
    assert list(document["blocks"]) == ["theta.x", "theta.y"]
    assert "value" not in document


@pytest.mark.parametrize(
    ("result", "text", "message"),
    [
        (Y_X, "z[0]", "--show: nothing named 'z' to show.\nExpected one of 'y', 'x', 'y.x'."),
        (
            BATCHED,
            "z",
            "--show: nothing named 'z' to show.\nExpected one of 'y', 'x', 'batch', 'y.x'.",
        ),
        (
            Y_X,
            "batch[0]",
            "--show: nothing named 'batch' to show.\nExpected one of 'y', 'x', 'y.x'.",
        ),
        (
            Y_X,
            "y[4]",
            "--show: index 4 is out of range for 'y' in 'y[4]'.\n'y' has the shape (4, 2).",
        ),
        (
            BATCHED,
            "batch[-7]",
            "--show: index -7 is out of range for 'batch' in 'batch[-7]'.\n"
            "'batch' has the shape (6,).",
        ),
        (
            Y_X,
            "x[0,0]",
            "--show: too many indices for 'x' in 'x[0,0]'.\n'x' has the shape (5,).",
        ),
        (
            Y_X,
            "y[a]",
            "--show: 'a' is not an index in 'y[a]'.\n"
            "Expected integers and slices, such as '0', '-1', '0:4' or '::2'.",
        ),
        (
            Y_X,
            "y[::0]",
            "--show: '::0' is not an index in 'y[::0]'.\n"
            "Expected integers and slices, such as '0', '-1', '0:4' or '::2'.",
        ),
        (
            Y_X,
            "y[]",
            "--show: '' is not an index in 'y[]'.\n"
            "Expected integers and slices, such as '0', '-1', '0:4' or '::2'.",
        ),
        (
            Y_X,
            "y[0], x[1",
            "--show: cannot read 'x[1'.\n"
            "Expected names with indices, such as 'y[0]' or 'y[0:4], x[3]'.",
        ),
        (
            Y_X,
            "",
            "--show: cannot read ''.\n"
            "Expected names with indices, such as 'y[0]' or 'y[0:4], x[3]'.",
        ),
        (
            Y_X,
            "x[0], x[1]",
            "--show: 'x' is one name too many in 'x[0], x[1]'.\n"
            "Expected at most one output, then one name for each of a block's inputs.",
        ),
        (
            POLAR,
            "r.x, theta",
            "--show: 'r.x, theta' picks nothing.\n"
            "Expected one of 'r.x', 'r.y', 'theta.x', 'theta.y'.",
        ),
    ],
)
def test_what_cannot_be_shown_is_refused(result: Result, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        show(result, text)
    assert str(error.value) == message
