"""Files as other programs write them: Fortran's exponents, scipy's formats, newer headers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from jaccli.errors import SourceError
from jaccli.result import dense, read
from jaccli.storage.npy import read_array
from jaccli.storage.reading import undamaged

MATRIX = np.array([[1.0, 0, 2, 0], [0, 0, 3, 4], [0, -5, 0, 0], [6, 0, 0, 0], [0, 7, 0, 0],
                   [0, 0, 0, 8]])  # fmt: skip
FORMATS: dict[str, Any] = {
    "coo": sp.coo_array(MATRIX),
    "csr": sp.csr_array(MATRIX),
    "csc": sp.csc_array(MATRIX),
    "bsr": sp.bsr_array(MATRIX, blocksize=(3, 2)),
    "dia": sp.dia_array(MATRIX),
    "old bsr": sp.bsr_matrix(MATRIX, blocksize=(2, 2)),
    "old dia": sp.dia_matrix(MATRIX),
    "wide dia": sp.dia_array((np.arange(1.0, 13).reshape(2, 6), [1, -2]), shape=(6, 4)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_sparse_matrix_of_scipys_is_read(tmp_path: Path, name: str) -> None:
    matrix = FORMATS[name]
    sp.save_npz(tmp_path / "s.npz", matrix)
    stored = read(tmp_path / "s.npz")
    assert stored.layout == "matrix"
    np.testing.assert_array_equal(dense(stored.arrays["matrix"]), matrix.toarray())


@pytest.mark.parametrize("name", FORMATS)
def test_a_sparse_matrix_of_scipys_is_an_input(
    jaccli: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    matrix = FORMATS[name]
    sp.save_npz(tmp_path / "s.npz", matrix)
    jaccli("jacobian", "-e", "s @ x", "--at", "s=@s.npz", "--at", "x=[1, 2, 3, 4]", "--wrt", "x",
           "-o", "J.npy", "-q")  # fmt: skip
    np.testing.assert_array_equal(np.load(tmp_path / "J.npy"), matrix.toarray())


DAMAGED = [
    # format, the array that is changed, and to what
    ("bsr", "indptr", [0, 1]),
    ("bsr", "indices", [0, 9, 0, 1]),
    ("bsr", "data", np.ones((2, 2))),
    ("dia", "offsets", [0]),
    ("dia", "data", [1.0]),
    ("csr", "indices", [-1] * 8),
]


@pytest.mark.parametrize(("form", "entry", "value"), DAMAGED)
def test_a_damaged_matrix_is_refused(tmp_path: Path, form: str, entry: str, value: Any) -> None:
    sp.save_npz(tmp_path / "s.npz", FORMATS[form])
    with np.load(tmp_path / "s.npz") as archive:
        arrays = dict(archive) | {entry: np.array(value)}
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(SourceError, match="damaged"):
        read(tmp_path / "s.npz")


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", format=np.array(b"lil"), shape=[1, 1], data=[1.0])
    with pytest.raises(SourceError, match="of the format 'lil' are not supported"):
        read(tmp_path / "s.npz")


def test_a_large_matrix_is_not_made_dense(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "s.npz", sp.csr_array(([1.0], ([0], [0])), shape=(10**6, 10**6)))
    outcome = jaccli("evaluate", "-e", "sum(s)", "--at", "s=@s.npz", check=False)
    assert outcome.exit_code == 3
    assert "the matrix with its zeros needs 7.3 TiB, more than the limit" in outcome.stderr


@pytest.mark.parametrize("kind", ["coordinate", "array"])
@pytest.mark.parametrize("letter", ["D", "d", "E"])
def test_exponents_of_fortran_are_read(tmp_path: Path, kind: str, letter: str) -> None:
    numbers = [f"1.5{letter}+03", f"-2.5{letter}-01"]
    places = ["1 1 ", "2 1 "] if kind == "coordinate" else ["", ""]
    size = "2 1 2" if kind == "coordinate" else "2 1"
    lines = [f"%%MatrixMarket matrix {kind} real general", size]
    lines += [place + number for place, number in zip(places, numbers, strict=True)]
    (tmp_path / "m.mtx").write_text("\n".join(lines) + "\n")
    found = read(tmp_path / "m.mtx").arrays["matrix"]
    np.testing.assert_array_equal(dense(found), [[1500.0], [-0.25]])


def version_3(values: np.ndarray) -> bytes:
    """Return an array in the format's version 3."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, values, version=(3, 0))
    return stream.getvalue()


def test_headers_of_version_3_are_read(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    content = version_3(np.arange(6.0).reshape(2, 3))
    (tmp_path / "x.npy").write_bytes(content)
    found = read_array(io.BytesIO(content), len(content), 1000)
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])
    assert read(tmp_path / "x.npy").layout == "array"
    assert jaccli("evaluate", "-e", "sum(x)", "--at", "x=@x.npy", "-q").stdout == "f 15.0\n"


@pytest.mark.parametrize("cut", [7, 9, 11, 40])
def test_a_cut_header_of_version_3_is_refused(cut: int) -> None:
    content = version_3(np.ones(3))[:cut]
    with pytest.raises(SourceError, match=r"file is damaged|not an .npy"), undamaged():
        read_array(io.BytesIO(content), len(content), 1000)


def test_fields_are_refused_whatever_their_names(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "x.npy").write_bytes(version_3(np.zeros(2, [("δ", float)])))
    outcome = jaccli("evaluate", "-e", "x", "--at", "x=@x.npy", check=False)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert "real numbers are read" in outcome.stderr
