"""Where values stand: positions, patterns, and their parts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaccli.derivative.sparse import Entries, Pattern, joined, split

shapes = st.lists(st.lists(st.integers(0, 3), max_size=2).map(tuple), min_size=1, max_size=3)


@given(st.lists(st.integers(0, 11), max_size=20), st.integers(0, 2**32 - 1))
def test_values_at_one_place_are_added(where: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2, len(where)))
    entries = Entries(np.array(where, np.int64), (3, 4))
    expected = np.zeros((2, 12))
    np.add.at(expected, (slice(None), where), values)
    np.testing.assert_allclose(entries.filled(values), expected.reshape(2, 3, 4), atol=1e-12)
    assert entries.nnz == len(set(where))
    assert (np.diff(entries.positions) > 0).all()


@given(shapes, shapes, st.integers(0, 2**32 - 1))
def test_a_pattern_is_its_blocks_joined(
    outs: list[tuple[int, ...]], ins: list[tuple[int, ...]], seed: int
) -> None:
    sizes = [[int(np.prod(shape, dtype=int)) for shape in side] for side in (outs, ins)]
    shape = (sum(sizes[0]), sum(sizes[1]))
    mask = np.random.default_rng(seed).random(shape) < 0.5
    pattern = Pattern(*(index.astype(np.int64) for index in np.nonzero(mask)), shape)
    blocks = split(pattern, outs, ins)
    for entries, (out, wrt) in zip(
        (entries for entries, _ in blocks), [(o, i) for o in outs for i in ins], strict=True
    ):
        assert entries.shape == (*out, *wrt)
    back = joined([entries for entries, _ in blocks], *sizes).sorted()
    np.testing.assert_array_equal(back.rows, pattern.rows)
    np.testing.assert_array_equal(back.columns, pattern.columns)
    assert back.shape == shape
