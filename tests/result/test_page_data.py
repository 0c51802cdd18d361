"""Results as the data that the page in the browser draws."""

from __future__ import annotations

import json

import numpy as np
import pytest

from jaccli.result import Block, Sparse
from jaccli.result.render.data import tables
from jaccli.result.view import whole

from .samples import POLAR, Result, block, counted, jacobian, result_of


def test_a_grid_is_whole_with_all_digits() -> None:
    (found,) = tables(whole(POLAR))
    assert found["title"] == "∂(r, theta)/∂(x, y) (2, 2)"
    assert found["header"] == ["", "x", "y"]
    assert found["rows"] == [["r", "0.6", "0.8"], ["theta", "-0.16", "0.12"]]
    assert found["named"] == 1
    third = result_of("jacobian", block("y", ("x",), 1 / 3, (), ()))
    assert tables(whole(third))[0]["rows"] == [["y", "0.3333333333333333"]]
    assert tables(whole(third))[0]["map"] is None  # one row is no matrix


def test_a_long_grid_is_abbreviated() -> None:
    (found,) = tables(whole(jacobian((500,), (100,))))
    rows = found["rows"]
    assert (len(rows), len(rows[0])) == (121, 42)
    assert rows[60] == [None] * 42
    assert {row[21] for row in rows} == {None}
    assert rows[-1][-1] == "49999.0"
    assert found["header"][-1] == "x[99]"


@pytest.mark.parametrize("result", [jacobian((40,), (2, 30), batch=9), jacobian((2,) * 6, (9,))])
def test_the_whole_answer_is_bounded(result: Result) -> None:
    assert len(json.dumps(tables(whole(result)))) < 400_000


def test_a_heat_map_says_which_entries_it_shows() -> None:
    values = np.zeros((200, 3))
    values[77, 1], values[150, 2], values[3, 0] = -8.0, 2.0, np.nan
    (found,) = tables(whole(result_of("jacobian", block("y", ("x",), values, (200,), (3,)))))
    picture = found["map"]
    assert picture["each"] == (3, 1)
    assert (len(picture["rows"]), picture["columns"]) == (67, ["x[0]", "x[1]", "x[2]"])
    row = next(i for i, texts in enumerate(picture["values"]) if "-8" in texts)
    assert picture["places"][row][1] == -1000
    first, following = (int(name[2:-1]) for name in picture["rows"][row : row + 2])
    assert first <= 77 < following
    bad = picture["values"][1]
    assert bad[0].lower() == "nan"
    assert picture["places"][1][0] is None
    assert picture["scale"] == {"size": "8", "name": "linear"}


def test_a_sparse_result_lists_what_is_kept() -> None:
    kept = Sparse(np.array([1, 6, 11]), np.array([1.5, -2.0, 0.1]), (3, 4))
    (found,) = tables(whole(result_of("jacobian", block_of(kept))))
    assert found["named"] == 2
    assert found["rows"] == [
        ["y[0]", "x[1]", "1.5"],
        ["y[1]", "x[2]", "-2.0"],
        ["y[2]", "x[3]", "0.1"],
    ]
    assert found["map"]["values"][0] == [None, "1.5", None, None]


def block_of(values: Sparse) -> Block:
    return Block("y", ("x",), values, (3,), ((4,),))


def test_what_is_empty_is_said() -> None:
    (found,) = tables(whole(counted("jacobian", ("y", ("x",), (0,), ((3,),)))))
    assert found["title"].endswith(", empty")
    assert found["rows"] == []
