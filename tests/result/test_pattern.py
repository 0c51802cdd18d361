"""Sparsity patterns go to files and come back; other files are refused in one paragraph."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis.extra import numpy as hnp

from jaccli.errors import SourceError, UsageError
from jaccli.result.io.pattern_files import read_pattern, write_pattern

from .samples import Array

MATRIX = np.array([[0, 1.5, 0], [-2.0, 0, 7.0]])
ACCEPTED = "Expected .mtx, or .npz as scipy.sparse.save_npz writes it."


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_a_pattern_comes_back_in_reading_order(tmp_path: Path, mask: Array) -> None:
    rows, columns = np.nonzero(mask)
    order = np.random.default_rng(0).permutation(len(rows))
    write_pattern(tmp_path / "p.mtx", rows[order], columns[order], mask.shape, force=True)
    back = read_pattern(tmp_path / "p.mtx")
    assert np.array_equal(back[0], rows)
    assert np.array_equal(back[1], columns)
    assert back[2] == mask.shape


def test_the_file_has_no_numbers_and_scipy_reads_it(tmp_path: Path) -> None:
    rows, columns = np.nonzero(MATRIX)
    write_pattern(tmp_path / "p.mtx", rows, columns, (2, 3))
    assert (tmp_path / "p.mtx").read_text() == (
        "%%MatrixMarket matrix coordinate pattern general\n2 3 3\n1 2\n2 1\n2 3\n"
    )
    assert np.array_equal(
        scipy.io.mmread(tmp_path / "p.mtx", spmatrix=False).toarray(), MATRIX != 0
    )


def test_files_of_other_programs_are_patterns(tmp_path: Path) -> None:
    expected = [[0, 1], [1, 0], [1, 2]]
    for name, form in [("array", np.asarray), ("coordinate", scipy.sparse.coo_array)]:
        scipy.io.mmwrite(tmp_path / f"{name}.mtx", form(MATRIX))
        rows, columns, shape = read_pattern(tmp_path / f"{name}.mtx")
        assert np.stack((rows, columns), axis=1).tolist() == expected
        assert shape == (2, 3)
    for form in (scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array):
        scipy.sparse.save_npz(tmp_path / "p.npz", form(MATRIX))
        rows, columns, shape = read_pattern(tmp_path / "p.npz")
        assert np.stack((rows, columns), axis=1).tolist() == expected
    (tmp_path / "s.mtx").write_text(
        "%%MatrixMarket matrix coordinate integer symmetric\n3 3 2\n2 1 0\n3 3 5\n"
    )
    # Symmetric: only the lower triangle is stored.  What is stored counts, even if it is 0.
    rows, columns, _ = read_pattern(tmp_path / "s.mtx")
    assert np.stack((rows, columns), axis=1).tolist() == [[0, 1], [1, 0], [2, 2]]


def test_what_is_no_pattern_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mtx").write_text("hello")
    (tmp_path / "outside.mtx").write_text(
        "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n3 1\n"
    )
    np.savez(tmp_path / "dense.npz", matrix=MATRIX)
    np.savez(tmp_path / "blocks.npz", a=np.zeros((2, 3, 4)))
    np.save(tmp_path / "array.npy", MATRIX)
    messages = {
        "text.mtx": "this is not a MatrixMarket file: it has no %%MatrixMarket line.",
        "outside.mtx": "this file is damaged: line 3: Row index out of bounds.",
        "dense.npz": f"this is not a sparse matrix.\n{ACCEPTED}",
        "blocks.npz": f"this is not a sparse matrix.\n{ACCEPTED}",
        "array.npy": f"this is not the name of a sparsity pattern.\n{ACCEPTED}",
        "missing.mtx": "no such file.",
    }
    for name, message in messages.items():
        with pytest.raises(SourceError) as error:
            read_pattern(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: {message}"


def test_a_pattern_is_not_written_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "p.mtx").write_text("before")
    rows, columns = np.nonzero(MATRIX)
    messages = {
        "p.mtx": "exists already.\nChoose another name, or replace it with --force.",
        "p.npz": "a sparsity pattern is written as .mtx.",
    }
    for name, message in messages.items():
        with pytest.raises(UsageError) as error:
            write_pattern(tmp_path / name, rows, columns, (2, 3))
        assert str(error.value) == f"{tmp_path / name}: {message}"
    assert (tmp_path / "p.mtx").read_text() == "before"
    assert os.listdir(tmp_path) == ["p.mtx"]
