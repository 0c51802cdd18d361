"""Figures: colors, labels and captions against entries that are known."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from jaccli.errors import UsageError
from jaccli.result import Sparse
from jaccli.result.figures.cells import cells
from jaccli.result.figures.color_scale import ColorScale
from jaccli.result.figures.shares import ordered
from jaccli.result.figures.style import NONFINITE
from jaccli.result.io.registry import content

from .samples import block, counted, jacobian, result_of

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")

BLUE, WHITE, RED = (27, 79, 147), (255, 255, 255), (161, 16, 34)
"""The ends and the middle of the color scale."""


def matrix(values: Any, name: str = "y", wrt: str = "x") -> Any:
    values = np.asarray(values)
    return result_of("jacobian", block(name, (wrt,), values, values.shape[:1], values.shape[1:]))


def svg(result: Any, layout: str = "blocks") -> ElementTree.Element:
    return ElementTree.fromstring(content(result, ".svg", layout=layout))


def texts(result: Any) -> list[str]:
    return ["".join(one.itertext()) for one in svg(result).iter() if one.tag.endswith("}text")]


def picture(result: Any, number: int = 0) -> np.ndarray[Any, Any]:
    """Return the pixels of one of the heat maps, `(height, width, 3)`."""
    images = [one for one in svg(result).iter() if one.tag.endswith("}image")]
    data = next(value for key, value in images[number].items() if key.endswith("href"))
    raw = base64.b64decode(data.partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(raw)).convert("RGB"))


def colors(result: Any, number: int = 0) -> np.ndarray[Any, Any]:
    """Return the color in the middle of each cell of a heat map of a small matrix."""
    pixels, (rows, columns) = picture(result, number), result.blocks[0].values.shape
    down, across = pixels.shape[0] // rows, pixels.shape[1] // columns
    return pixels[down // 2 :: down, across // 2 :: across]


def nearest(values: Any, row: int, column: int) -> Any:
    return tuple(colors(matrix(values))[row, column].tolist())


def test_zero_is_white_and_the_greatest_size_is_at_the_end_of_the_scale() -> None:
    values = [[0.0, 4.0, 1.0], [-4.0, 0.0, -1.0]]
    assert nearest(values, 0, 0) == WHITE
    assert nearest(values, 0, 1) == RED
    assert nearest(values, 1, 0) == BLUE
    # the scale is symmetrical though the entries are not
    assert nearest([[0.0, 4.0], [-1.0, 2.0]], 0, 1) == RED
    assert nearest([[0.0, 4.0], [-1.0, 2.0]], 1, 0) == tuple(
        ColorScale(4.0).colors(np.array(-1.0)).tolist()
    )
    assert {"-4", "0", "4"} <= set(texts(matrix(values)))


def test_a_quarter_of_the_scale_is_the_color_of_its_anchor() -> None:
    assert ColorScale(4.0).colors(np.array([1.0, 2.0, 3.0, -2.0])).tolist() == [
        [253, 227, 211], [244, 165, 130], [214, 96, 77], [146, 197, 222],
    ]  # fmt: skip


def test_entries_that_are_not_finite_have_colors_and_names_of_their_own() -> None:
    values = np.array([[1.0, np.nan], [np.inf, -np.inf], [np.nan, 0.5]])
    found = colors(matrix(values))
    for (row, column), kind in {(0, 1): "NaN", (1, 0): "inf", (1, 1): "-inf"}.items():
        assert "#{:02x}{:02x}{:02x}".format(*found[row, column]) == NONFINITE[kind]
    said = texts(matrix(values))
    assert said.count("NaN") == 2
    assert "2 NaN, the first at y[0], x[1]" in said
    assert "inf at y[1], x[0]" in said
    assert tuple(found[0, 0]) == RED


def test_labels_title_and_what_the_color_bar_measures() -> None:
    said = texts(jacobian((2,), (3,)))
    assert {"y[0]", "y[1]", "x[0]", "x[1]", "x[2]", "∂y/∂x (2, 3)", "∂y/∂x"} <= set(said)
    scaled = replace(jacobian((2,), (3,)), scale="log")
    assert "x/y · ∂y/∂x" in texts(scaled)
    hessian = counted("hessian", ("y", ("x", "x"), (2,), ((3,), (3,))))
    assert {"∂²y[0]/∂x² (3, 3)", "∂²y[1]/∂x² (3, 3)"} <= set(texts(hessian))


def test_names_are_never_markup() -> None:
    hostile = "a$_b$<script>alert(1)</script>&\"'"
    said = texts(matrix([[1.0, 2.0], [3.0, 4.0]], name=hostile, wrt="x$^2$"))
    assert "x$^2$[0]" in said
    assert any("<script>" in text for text in said)
    assert b"<script" not in content(matrix([[1.0, 2.0], [3.0, 4.0]], name=hostile), ".svg")


def test_long_labels_are_cut_in_their_middle() -> None:
    name = "params.layer_with_a_very_long_name.weights"
    said = texts(matrix(np.eye(2), wrt=name))
    assert "params.layer_w…me.weights[0]" in said


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_figures_are_the_same_bytes_each_time(suffix: str) -> None:
    result = jacobian((3,), (40,))
    first = content(result, suffix)
    assert first == content(result, suffix)
    assert first[:4] == {".png": b"\x89PNG", ".svg": b"<?xm", ".pdf": b"%PDF"}[suffix]
    assert b"CreationDate" not in first
    assert b"DOCTYPE" not in first


def test_a_cell_is_the_entry_of_largest_size() -> None:
    """Each entry of a random matrix is at most its cell's, and each cell's is there."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((1003, 77))
    found = cells(values, 50)
    assert found.values.shape == (48, 39)
    rows = [i * 1003 // 48 for i in range(48)] + [1003]
    columns = [i * 77 // 39 for i in range(39)] + [77]
    for i in range(48):
        for j in range(39):
            part = values[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].reshape(-1)
            assert found.values[i, j] == part[np.argmax(np.abs(part))]
    assert found.each == (21, 2)
    sparse = Sparse.from_dense(np.where(np.abs(values) > 2, values, 0.0))
    dense = cells(sparse.dense(), 50)
    again = cells(sparse, 50)
    assert np.array_equal(dense.values, again.values)
    assert again.kept is not None
    assert np.array_equal(again.kept, dense.values != 0)


@pytest.mark.slow
def test_one_entry_of_a_large_matrix_is_seen_and_the_caption_says_how() -> None:
    values = np.zeros((4000, 4000))
    values[1234, 3210] = -7.0
    values[3999, 0] = np.nan
    result = matrix(values)
    pixels = picture(result)
    each = pixels.shape[0] // 500
    y, x = 1234 // 8 * each, 3210 // 8 * each
    assert tuple(pixels[y, x].tolist()) == BLUE
    assert (pixels != 255).any(axis=-1).sum() == 2 * each * each
    assert "#{:02x}{:02x}{:02x}".format(*pixels[-1, 0]) == NONFINITE["NaN"]
    said = " ".join(texts(result))
    assert "Each cell shows the entry of largest absolute value among 8 × 8." in said
    assert "NaN at y[3999], x[0]" in said
    assert {"y[0]", "y[1000]", "y[3999]", "x[3999]"} <= set(texts(result))


def test_entries_of_very_different_sizes_have_a_logarithmic_scale() -> None:
    values = 10.0 ** -np.arange(0, 16.0).reshape(4, 4)
    scale = ColorScale.of([cells(values, 9)])
    assert scale.decades == 15
    positions = scale.position(values).reshape(-1)
    assert positions[0] == 1
    assert np.allclose(np.diff(positions), -0.9 / 15)
    assert scale.position(np.array([0.0, -1.0])).tolist() == [0.0, -1.0]
    assert "The color scale is logarithmic in the absolute value." in " ".join(
        texts(matrix(values))
    )


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e308, 1.7976931348623157e308])
def test_the_range_of_doubles(size: float) -> None:
    assert nearest([[size, -size], [0.0, size]], 0, 1) == BLUE
    content(result_of("gradient", block("f", ("x",), [size, -size], (), (2,))), ".png")
    content(result_of("gradient", block("f", ("x",), [size] * 99, (), (99,))), ".png")


def test_a_sparse_matrix_is_dark_where_entries_are_kept() -> None:
    rows = np.arange(100)
    kept = Sparse.from_indices((rows, rows), np.where(rows == 50, 0.0, 1.0), (100, 100))
    made = jacobian((100,), (100,))
    result = replace(made, blocks=(replace(made.blocks[0], values=kept),))
    found = colors(result)
    assert (found[rows, rows].max(axis=-1) < 120).all()  # an entry that is kept and 0 as well
    assert found[3, 4].tolist() == [255, 255, 255]
    assert "100 of 10,000 entries are kept (1 %)." in " ".join(texts(result))


def test_a_vector_is_bars_with_numbers_or_a_line() -> None:
    few = result_of("gradient", block("f", ("x",), [1.25, -3.5, np.nan], (), (3,)))
    assert {"x[0]", "x[2]", "1.25", "-3.5", "NaN", "∂f/∂x"} <= set(texts(few))
    many = result_of("gradient", block("f", ("x",), np.arange(500.0), (), (500,)))
    assert {"x[0]", "x[499]"} <= set(texts(many))
    more = result_of("gradient", block("f", ("x",), np.arange(50_000.0), (), (50_000,)))
    assert "The band goes from the least to the greatest of neighboring entries." in texts(more)


@pytest.mark.slow
def test_what_is_not_shown_is_said() -> None:
    batch = jacobian((2,), (3,), batch=32)
    said = texts(batch)
    assert "6 of 32 panels are shown, the first ones." in said
    assert "∂y/∂x (2, 3) batch row 5" in said
    several = counted("jacobian", ("y", ("x",), (2,), ((3,),)), ("z", ("x",), (2,), ((3,),)))
    assert not [text for text in texts(several) if "are shown" in text]
    assert "All entries are 0." in texts(matrix(np.zeros((3, 3))))
    assert "empty" in texts(counted("jacobian", ("y", ("x",), (0,), ((3,),))))


def test_rows_of_a_batch_share_their_color_scale() -> None:
    values = np.array([[[1.0, 0.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 4.0]]])
    made = jacobian((2,), (2,), batch=2)
    result = replace(made, blocks=(replace(made.blocks[0], values=values),))
    images = [picture(result, number) for number in (0, 2)]  # color bars between them
    assert images[0][5, 5].tolist() == [253, 227, 211]
    assert tuple(images[1][5, 5].tolist()) == RED


def test_shares_are_in_descending_order_and_the_rest_is_summed() -> None:
    percent = np.arange(1.0, 21.0)
    names = [f"x[{n}]" for n in range(20)]
    shown, sizes = ordered(names, percent)
    assert shown[:2] == ["x[19]", "x[18]"]
    assert shown[-1] == "6 more"
    assert sizes[-1] == 1 + 2 + 3 + 4 + 5 + 6
    assert len(shown) == 15


def test_matplotlib_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError) as raised:
        content(jacobian((2,), (3,)), ".png")
    assert "png: matplotlib is needed" in str(raised.value)
    assert "pip install 'jaccli[figures]'" in str(raised.value)


def test_the_settings_of_matplotlib_stay_and_pyplot_is_not_imported() -> None:
    code = (
        "import sys, matplotlib; matplotlib.rcParams['font.size'] = 31.0\n"
        "sys.path.insert(0, '.')\n"
        "from tests.result.samples import jacobian\n"
        "from jaccli.result.io.registry import content\n"
        "content(jacobian((2,), (3,)), '.svg')\n"
        "print(matplotlib.rcParams['font.size'], 'matplotlib.pyplot' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "31.0 False\n"


def test_nothing_of_an_svg_is_elsewhere() -> None:
    text = content(jacobian((2,), (3,)), ".svg").decode()
    links = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
