"""Colorings: no two columns of a color meet, and every entry of a symmetric matrix can be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from jaccli.derivative.sparse.coloring import color_columns, color_symmetric

SHARES = st.sampled_from([0.03, 0.1, 0.3, 0.7])
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 30)


@settings(max_examples=200)
@given(SIZES, SIZES, SHARES, SEEDS)
def test_columns_of_a_color_share_no_row(m: int, n: int, share: float, seed: int) -> None:
    there = np.random.default_rng(seed).random((m, n)) < share
    colors, count = color_columns(*np.nonzero(there), there.shape)
    assert colors.shape == (n,)
    assert count == colors.max() + 1
    for row in there:
        assert np.unique(colors[row]).size == row.sum()


@settings(max_examples=200)
@given(SIZES, SHARES, SEEDS)
def test_every_entry_is_alone_of_a_color_on_one_side(n: int, share: float, seed: int) -> None:
    there = np.random.default_rng(seed).random((n, n)) < share
    there |= there.T
    colors, count = color_symmetric(*np.nonzero(there), n)
    assert count == colors.max(initial=-1) + 1
    for i, j in zip(*np.nonzero(there), strict=True):
        by_column = colors[j] >= 0 and np.sum(colors[there[i]] == colors[j]) == 1
        by_row = colors[i] >= 0 and np.sum(colors[there[j]] == colors[i]) == 1
        assert by_column or by_row


def band(n: int, width: int) -> sparse.coo_array:
    return sparse.diags_array(
        [np.ones(n)] * (2 * width + 1), offsets=range(-width, width + 1), shape=(n, n)
    ).tocoo()


def arrow(n: int) -> sparse.coo_array:
    rows, zeros = np.arange(n), np.zeros(n, int)
    at = np.concatenate([rows, rows, zeros]), np.concatenate([rows, zeros, rows])
    return sparse.coo_array((np.ones(3 * n), at), (n, n))


@pytest.mark.parametrize(
    ("matrix", "columns", "symmetric"),
    [(band(400, 3), 7, 7), (arrow(300), 300, 2), (band(50, 0), 1, 1)],
    ids=["band", "arrow", "diagonal"],
)
def test_known_numbers_of_colors(matrix: sparse.coo_array, columns: int, symmetric: int) -> None:
    """A band of w diagonals needs w columns; the shaft of an arrow one color, and its hub one."""
    rows, cols = (index.astype(np.int64) for index in matrix.coords)
    assert color_columns(rows, cols, matrix.shape)[1] == columns
    assert color_symmetric(rows, cols, matrix.shape[0])[1] == symmetric
