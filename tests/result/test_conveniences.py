"""What a result offers by itself: blocks by key, its matrix, files, text and HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from jaccli.errors import UsageError
from jaccli.result import Sparse, read
from tests.result.samples import block, counted, jacobian, result_of

Y_X = ("y", ("x",), (2,), ((3,),))
Y_W = ("y", ("p.w",), (2,), ((2, 1),))
F_X = ("f", ("x",), (), ((3,),))


def cells(text: str) -> list[str]:
    """Return the texts of an HTML piece, after checking that its tags are balanced."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.texts: list[str] = []

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            assert attrs in ([], [("scope", "col")], [("scope", "row")])
            assert tag in {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
            self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

        def handle_data(self, data: str) -> None:
            self.texts.append(data)

    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open
    return reader.texts


def test_blocks_by_key() -> None:
    result = counted("jacobian", Y_X, Y_W)
    assert result["y.x"] is result.blocks[0].values
    assert list(result) == result.keys() == ["y.x", "y.p.w"]
    assert dict(result).keys() == {"y.x", "y.p.w"}
    assert "y.p.w" in result
    assert "y.w" not in result
    with pytest.raises(KeyError) as caught:
        result["y.z"]
    assert caught.value.args == ("no block 'y.z'. Did you mean 'y.x'?",)
    with pytest.raises(KeyError) as caught:
        result["hessian"]
    assert caught.value.args == ("no block 'hessian'. Expected one of 'y.x', 'y.p.w'.",)
    with pytest.raises(KeyError, match="no block 0"):
        result[0]  # type: ignore[index]


def test_the_matrix_and_its_labels() -> None:
    result = counted("jacobian", Y_X, Y_W)
    expected = [[0, 1, 2, 6, 7], [3, 4, 5, 8, 9]]
    np.testing.assert_array_equal(result.matrix(), expected)
    assert result.labels() == {
        "rows": ["y[0]", "y[1]"],
        "columns": ["x[0]", "x[1]", "x[2]", "p.w[0,0]", "p.w[1,0]"],
    }
    np.testing.assert_array_equal(result.to_scipy().toarray(), expected)
    gradient = counted("gradient", F_X)
    np.testing.assert_array_equal(gradient.matrix(), [0, 1, 2])
    assert gradient.labels() == {"rows": ["x[0]", "x[1]", "x[2]"]}
    np.testing.assert_array_equal(gradient.to_scipy().toarray(), [[0], [1], [2]])
    batched = counted("gradient", F_X, batch=2)
    np.testing.assert_array_equal(batched.matrix(), [[0, 1, 2], [3, 4, 5]])
    assert batched.labels() == {"columns": ["x[0]", "x[1]", "x[2]"]}
    values = counted("evaluate", ("a", (), (), ()), ("b", (), (2,), ()))
    assert values.labels() == {"rows": ["a", "b[0]", "b[1]"]}


def test_sparse_storage_stays_sparse() -> None:
    dense = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    result = result_of("jacobian", block("y", ("x",), dense, (2,), (3,)))
    kept = result_of(
        "jacobian",
        result.blocks[0].__class__("y", ("x",), Sparse.from_dense(dense), (2,), ((3,),)),
    )
    for each in (result, kept):
        found = each.to_scipy()
        assert (found.nnz, found.shape) == (1, (2, 3))
        np.testing.assert_array_equal(each.matrix(), dense)
    assert isinstance(kept["y.x"], Sparse)


def test_a_batch_of_matrices_is_no_sparse_matrix() -> None:
    message = r"^a sparse matrix has two axes; this result has the shape \(2, 2, 3\): take its rows"
    with pytest.raises(ValueError, match=message):
        jacobian((2,), (3,), batch=2).to_scipy()


def test_saving(tmp_path: Path) -> None:
    result = counted("jacobian", Y_X)
    for suffix in (".npy", ".npz", ".csv", ".json", ".mtx"):
        path = tmp_path / f"a{suffix}"
        result.save(path)
        (values,) = read(path).arrays.values()
        dense = values.dense() if isinstance(values, Sparse) else values
        np.testing.assert_array_equal(dense, [[0, 1, 2], [3, 4, 5]])
        with pytest.raises(UsageError, match="exists"):
            result.save(str(path))
        result.save(path, force=True)
    kept = result_of("jacobian", block("y", ("x",), np.eye(2), (2,), (2,)))
    sparse_block = kept.blocks[0].__class__(
        "y", ("x",), Sparse.from_dense(np.eye(2)), (2,), ((2,),)
    )
    result_of("jacobian", sparse_block).save(tmp_path / "s.npz")
    np.testing.assert_array_equal(sparse.load_npz(tmp_path / "s.npz").toarray(), np.eye(2))
    two = counted("jacobian", Y_X, Y_W)
    with pytest.raises(UsageError, match="npy: one array only"):
        two.save(tmp_path / "b.npy")
    two.save(tmp_path / "b.npy", layout="matrix")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), two.matrix())
    with pytest.raises(UsageError, match=r"unknown suffix '\.txt'"):
        result.save(tmp_path / "a.txt")
    assert not (tmp_path / "a.txt").exists()


def test_the_text_is_the_terminals_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert str(counted("jacobian", Y_X)) == (
        "∂y/∂x  (2, 3)\n      x[0]  x[1]  x[2]\ny[0]     0     1     2\ny[1]     3     4     5"
    )
    lines = str(jacobian((500,), (400,))).splitlines()
    assert len(lines) < 30
    assert max(map(len, lines)) <= 60


def test_html_shows_what_the_table_shows() -> None:
    assert cells(counted("jacobian", Y_X)._repr_html_()) == [
        "∂y/∂x (2, 3)", "x[0]", "x[1]", "x[2]", "y[0]", "0", "1", "2", "y[1]", "3", "4", "5",
    ]  # fmt: skip
    assert cells(counted("gradient", F_X)._repr_html_())[1:] == [
        "x[0]", "0", "x[1]", "1", "x[2]", "2",
    ]  # fmt: skip
    kept = result_of("jacobian", block("y", ("x",), np.eye(2), (2,), (2,))).blocks[0]
    diagonal = kept.__class__("y", ("x",), Sparse.from_dense(np.eye(2)), (2,), ((2,),))
    assert cells(result_of("jacobian", diagonal)._repr_html_()) == [
        "∂y/∂x (2, 2) 2 non-zeros", "y[0]", "x[0]", "1", "y[1]", "x[1]", "1",
    ]  # fmt: skip
    assert cells(counted("jacobian", ("y", ("x",), (0,), ((3,),)))._repr_html_())[-1] == "empty"


def test_large_results_are_abbreviated_in_html() -> None:
    text = jacobian((500,), (400,), batch=50)._repr_html_()
    found = cells(text)
    assert "… 47 more batch rows" in found
    assert len(found) < 3 * 22 * 16
    assert {"y[499]", "x[399]", "…"} <= set(found)
    assert "y[250]" not in found
    many = counted("jacobian", *(("y", (f"x{n}",), (2,), ((2,),)) for n in range(40)))
    assert "… 28 more blocks" in cells(many._repr_html_())
    rows = Sparse.from_dense(np.ones((100, 100)))
    kept = jacobian((1,), (1,)).blocks[0].__class__("y", ("x",), rows, (100,), ((100,),))
    assert len(cells(result_of("jacobian", kept)._repr_html_())) < 70


def test_names_are_escaped_in_html() -> None:
    name = "<script>alert('&')</script>\""
    text = counted("jacobian", (name, (name,), (2,), ((2,),)))._repr_html_()
    assert "<script" not in text
    assert f"{name}[0]" in cells(text)
    assert re.search(r"[^=]\"|'", re.sub(r' scope="\w+"', "", text)) is None


def test_numbers_of_every_kind_in_html() -> None:
    values = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-300, 1 / 3])
    result = result_of("gradient", block("f", ("x",), values, (), (6,)))
    found = cells(result._repr_html_())[2::2]
    assert found == ["nan", "inf", "-inf", "0", "1e-300", "0.333333"]
    flags = result_of("evaluate", block("f", (), np.array([True, False]), (2,)))
    assert cells(flags._repr_html_())[2::2] == ["True", "False"]
