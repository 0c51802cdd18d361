"""Plain text and what the panels of a result are."""

from __future__ import annotations

import io

import numpy as np
import pytest

from jaccli.result import Result, render

from .samples import POLAR, block, counted, jacobian, result_of


def plain(result: Result, show: str | None = None, layout: str = "blocks") -> str:
    out = io.StringIO()
    render(result, "plain", out, show_text=show, layout=layout)
    return out.getvalue()


def test_scalars_are_one_grid() -> None:
    assert plain(POLAR) == (
        "          x    y\n"
        "r       0.6  0.8\n"
        "theta -0.16 0.12\n"
    )  # fmt: skip


def test_scalar_inputs_share_columns() -> None:
    result = counted("jacobian", *(("y", (name,), (2,), ((),)) for name in ("b1", "b2")))
    assert plain(result) == "      b1  b2\ny[0] 0.0 2.0\ny[1] 1.0 3.0\n"


def test_scalar_outputs_share_rows() -> None:
    result = counted("jacobian", *((name, ("x",), (), ((2,),)) for name in ("r", "t")))
    assert plain(result) == "  x[0] x[1]\nr  0.0  1.0\nt  2.0  3.0\n"


def test_other_blocks_have_a_titled_grid_each() -> None:
    result = counted("jacobian", ("y", ("x",), (2,), ((1,),)), ("y", ("w",), (2,), ((1, 2),)))
    assert plain(result) == (
        "# d y / d x  (2, 1)\n"
        "     x[0]\n"
        "y[0]  0.0\n"
        "y[1]  1.0\n"
        "\n"
        "# d y / d w  (2, 1, 2)\n"
        "     w[0,0] w[0,1]\n"
        "y[0]    2.0    3.0\n"
        "y[1]    4.0    5.0\n"
    )


def test_the_matrix_layout_is_one_grid() -> None:
    result = counted("jacobian", ("y", ("x",), (2,), ((1,),)), ("y", ("c",), (2,), ((),)))
    assert plain(result, layout="matrix") == "     x[0]   c\ny[0]  0.0 2.0\ny[1]  1.0 3.0\n"


def test_a_batch_has_a_grid_for_each_row() -> None:
    assert plain(jacobian((1,), (1,), batch=2)) == (
        "# d y / d x  (1, 1)  batch row 0\n"
        "     x[0]\n"
        "y[0]  0.0\n"
        "\n"
        "# d y / d x  (1, 1)  batch row 1\n"
        "     x[0]\n"
        "y[0]  1.0\n"
    )


def test_a_hessian_has_a_grid_for_each_output_entry() -> None:
    result = counted("hessian", ("y", ("x", "x"), (2,), ((1,), (1,))))
    assert plain(result) == (
        "# d2 y[0] / d x d x  (1, 1)\n"
        "     x[0]\n"
        "x[0]  0.0\n"
        "\n"
        "# d2 y[1] / d x d x  (1, 1)\n"
        "     x[0]\n"
        "x[0]  1.0\n"
    )


def test_a_hessian_of_scalars_is_one_grid_for_each_output() -> None:
    pairs = [(a, b) for a in "xy" for b in "xy"]
    one = counted("hessian", *(("f", pair, (), ((), ())) for pair in pairs))
    assert plain(one) == "    x   y\nx 0.0 1.0\ny 2.0 3.0\n"
    two = counted("hessian", *((name, ("x", "x"), (), ((), ())) for name in "fg"))
    assert plain(two) == (
        "# d2 f / d x d x  ()\n    x\nx 0.0\n\n# d2 g / d x d x  ()\n    x\nx 1.0\n"
    )


def test_vectors_are_lists_without_titles() -> None:
    assert plain(counted("evaluate", ("f", (), (), ()))) == "f 0.0\n"
    assert plain(counted("jvp", ("y", (), (2,), ()), ("z", (), (), ()))) == (
        "y[0] 0.0\ny[1] 1.0\nz 2.0\n"
    )
    assert plain(counted("vjp", (None, ("x",), (), ((2,),)))) == "x[0] 0.0\nx[1] 1.0\n"
    assert plain(counted("gradient", ("f", ("x",), (), ((1,),)), ("f", ("c",), (), ((),)))) == (
        "x[0] 0.0\nc 1.0\n"
    )


def test_lists_that_share_names_have_titles() -> None:
    result = counted("gradient", *((name, ("x",), (), ((1,),)) for name in "fg"))
    assert plain(result) == "# d f / d x  (1,)\nx[0] 0.0\n\n# d g / d x  (1,)\nx[0] 1.0\n"


def test_a_batch_of_vectors_is_one_grid() -> None:
    result = counted("evaluate", ("r", (), (), ()), ("t", (), (), ()), batch=2)
    assert plain(result) == "           r   t\nbatch[0] 0.0 2.0\nbatch[1] 1.0 3.0\n"


def test_arrays_of_two_axes_are_grids_and_more_axes_are_stacked() -> None:
    assert plain(counted("evaluate", ("y", (), (2, 2), ()))) == (
        "       y[:,0] y[:,1]\ny[0,:]    0.0    1.0\ny[1,:]    2.0    3.0\n"
    )
    assert plain(counted("vjp", (None, ("w",), (), ((2, 1, 1),)))) == (
        "# u J: w: w[0,:,:]  (1, 1)\n"
        "         w[:,:,0]\n"
        "w[:,0,:]      0.0\n"
        "\n"
        "# u J: w: w[1,:,:]  (1, 1)\n"
        "         w[:,:,0]\n"
        "w[:,0,:]      1.0\n"
    )


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (jacobian((0,), (3,)), "# d y / d x  (0, 3)  empty\n"),
        (jacobian((2,), (3,), batch=0), "# d y / d x  (2, 3)  empty\n"),
        (counted("evaluate", ("y", (), (0,), ())), "# y  (0,)  empty\n"),
    ],
)
def test_nothing_is_printed_as_its_shape(result: Result, text: str) -> None:
    assert plain(result) == text


def test_a_large_grid_is_printed_in_full_and_aligned() -> None:
    values = np.random.default_rng(0).normal(size=(300, 301))
    text = plain(result_of("jacobian", block("y", ("x",), values, (300,), (301,))))
    rows = text.splitlines()
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split() == [f"x[{i}]" for i in range(301)]
    assert [[float(item) for item in row.split()[1:]] for row in rows[1:]] == values.tolist()
    assert [row.split()[0] for row in rows[1:]] == [f"y[{i}]" for i in range(300)]
