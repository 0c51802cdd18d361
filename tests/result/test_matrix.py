"""The matrix layout, against matrices that were put together by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaccli.result.labels import LabelledAxis, Names
from jaccli.result.matrix import Matrix, matrix
from jaccli.result.view import whole

from .samples import POLAR, Result, counted, jacobian


def laid_out(result: Result) -> Matrix:
    return matrix(whole(result))


def labels(result: Result) -> dict[str, list[str]]:
    return {name: list(axis) for name, axis in laid_out(result).labels.items()}


def test_names_list_entries_in_reading_order() -> None:
    assert list(Names.of("y", ())) == ["y"]
    assert list(Names.of("w", (2, 3))) == [
        "w[0,0]",
        "w[0,1]",
        "w[0,2]",
        "w[1,0]",
        "w[1,1]",
        "w[1,2]",
    ]
    assert list(Names("w", (range(1, 9, 3), 5))) == ["w[1,5]", "w[4,5]", "w[7,5]"]
    assert list(Names("w", (range(2), None))) == ["w[0,:]", "w[1,:]"]


@pytest.mark.parametrize(
    "names",
    [
        Names.of("y", ()),
        Names.of("w", (2, 3)),
        Names.of("w", (11, 2, 12)),
        Names("w", (range(12, 2, -3), 5, range(2))),
        Names("w", (None, range(3))),
    ],
)
def test_names_by_position_and_width_agree_with_the_list(names: Names) -> None:
    listed = list(names)
    assert [names[position] for position in range(len(names))] == listed
    assert names.width == max(map(len, listed))


def test_an_axis_joins_its_parts() -> None:
    axis = LabelledAxis((Names.of("a", (2,)), Names.of("b", ()), Names.of("c", (1, 1))))
    assert list(axis) == ["a[0]", "a[1]", "b", "c[0,0]"]
    assert [axis[position] for position in range(len(axis))] == list(axis)
    assert axis.width == 6
    with pytest.raises(IndexError):
        axis[4]


def test_scalars_are_one_row_or_column() -> None:
    assert laid_out(POLAR).values.tolist() == [[0.6, 0.8], [-0.16, 0.12]]
    assert labels(POLAR) == {"rows": ["r", "theta"], "columns": ["x", "y"]}


def test_a_scalar_output_has_a_row_in_a_jacobian_and_none_in_a_gradient() -> None:
    specs = [("f", ("x",), (), ((2,),)), ("f", ("c",), (), ((),))]
    assert laid_out(counted("jacobian", *specs)).values.tolist() == [[0, 1, 2]]
    assert laid_out(counted("gradient", *specs)).values.tolist() == [0, 1, 2]
    assert labels(counted("gradient", *specs)) == {"rows": ["x[0]", "x[1]", "c"]}


def test_blocks_of_all_shapes_are_joined_in_their_order() -> None:
    result = counted(
        "jacobian",
        ("a", ("w",), (2,), ((1, 2),)),
        ("a", ("c",), (2,), ((),)),
        ("b", ("w",), (), ((1, 2),)),
        ("b", ("c",), (), ((),)),
    )
    assert laid_out(result).values.tolist() == [[0, 1, 4], [2, 3, 5], [6, 7, 8]]
    assert labels(result) == {"rows": ["a[0]", "a[1]", "b"], "columns": ["w[0,0]", "w[0,1]", "c"]}


def test_the_batch_stays_in_front() -> None:
    result = counted("jacobian", ("y", ("x",), (2,), ((1,),)), ("y", ("c",), (2,), ((),)), batch=2)
    assert laid_out(result).values.tolist() == [[[0, 4], [1, 5]], [[2, 6], [3, 7]]]


def test_the_hessian_of_one_scalar_output_is_square() -> None:
    specs = [("f", (a, b), (), (s, t)) for a, s in XC for b, t in XC]
    values = laid_out(counted("hessian", *specs)).values
    assert values.tolist() == [[0, 1, 4], [2, 3, 5], [6, 7, 8]]


XC = (("x", (2,)), ("c", ()))


def test_the_hessian_of_other_outputs_has_an_axis_for_them() -> None:
    result = counted("hessian", ("y", ("x", "x"), (2,), ((2,), (2,))))
    assert laid_out(result).values.tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert labels(result) == {
        "outputs": ["y[0]", "y[1]"],
        "rows": ["x[0]", "x[1]"],
        "columns": ["x[0]", "x[1]"],
    }
    two = counted("hessian", *((name, ("x", "x"), (), ((), ())) for name in ("f", "g")))
    assert laid_out(two).values.tolist() == [[[0]], [[1]]]


def test_a_batch_of_vectors_has_columns_only() -> None:
    result = counted("jvp", ("r", (), (2,), ()), ("t", (), (), ()), batch=2)
    assert laid_out(result).values.tolist() == [[0, 1, 4], [2, 3, 5]]
    assert labels(result) == {"columns": ["r[0]", "r[1]", "t"]}


def test_a_single_block_is_not_copied() -> None:
    result = jacobian((2, 3), (4,))
    assert np.shares_memory(laid_out(result).values, result.blocks[0].values)
