"""Files that lie, are damaged or are something else are refused in one paragraph."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaccli.errors import SourceError
from jaccli.result import Block, Result, Sparse, dense, read, write

from .samples import POLAR, jacobian, result_of


def npy_header(shape: object, dtype: str = "<f8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": dtype, "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()


def saved(values: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, **options)
    return stream.getvalue()


def zipped(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


RAISE = "Raise --memory: what a call reads must fit into it."
MTX = b"%%MatrixMarket matrix coordinate real general\n"
CASES: dict[str, tuple[str, bytes, str]] = {
    "declares 7 TiB": (
        ".npy",
        npy_header((10**6, 10**6)),
        "the array is cut short: its shape (1000000, 1000000) needs 7.3 TiB, and 0 B are there.",
    ),
    "cut": (
        ".npy",
        saved(np.arange(4.0))[:-8],
        "the array is cut short: its shape (4,) needs 32 B, and 24 B are there.",
    ),
    "pickle": (
        ".npy",
        saved(np.array([None]), allow_pickle=True),
        "the array holds Python objects (a pickle), which are never loaded.",
    ),
    "bare pickle": (".npy", pickle.dumps([1]), "this is not an .npy array."),
    "text": (".npy", b"hello", "this is not an .npy array."),
    "nothing": (".npy", b"", "this is not an .npy array."),
    "negative": (
        ".npy",
        npy_header((-1,)),
        "this file is damaged: the array's shape (-1,) is not one.",
    ),
    "no such shape": (
        ".npy",
        npy_header((0, 10**30)),
        f"this file is damaged: the array's shape (0, {10**30}) is not one.",
    ),
    "strings": (".npy", saved(np.array(["a"])), "<U1 is not a type of real numbers."),
    "complex": (".npy", saved(np.array([1j])), "complex128 is not a type of real numbers."),
    "zip of text": (
        ".npz",
        zipped(**{"y.x": b"hello"}),
        "y.x.npy: this is not an .npy array.",
    ),
    "zip that declares": (
        ".npz",
        zipped(**{"y.x": npy_header((10**6,))}),
        "y.x.npy: the array is cut short: its shape (1000000,) needs 7.6 MiB, and 0 B are there.",
    ),
    "bomb": (
        ".npz",
        zipped(a=bytes(3 << 20), b=bytes(3 << 20)),
        f"the arrays need 6.0 MiB, more than the limit 4.0 MiB.\n{RAISE}",
    ),
    "no zip": (".npz", b"hello", "this file is damaged: file is not a zip file."),
    "cut zip": (
        ".npz",
        zipped(a=saved(np.arange(9.0)))[:-30],
        "this file is damaged: file is not a zip file.",
    ),
    "empty zip": (".npz", zipped(), "there are no arrays in it."),
    "large": (
        ".npy",
        saved(np.zeros((3 << 17) * 2, np.float64)),
        f"the array needs 6.0 MiB, more than the limit 4.0 MiB.\n{RAISE}",
    ),
    "empty csv": (".csv", b"", "the table is empty."),
    "ragged csv": (
        ".csv",
        b",a,b\nr,1,2\ns,3\n",
        "line 3: 2 cells where the first line has 3.",
    ),
    "word in csv": (".csv", b",a\nr,one\n", "line 2: 'one' is not a number."),
    "binary csv": (
        ".csv",
        b",a\nr,\xff\n",
        "this file is damaged: 'utf-8' codec can't decode byte 0xff in position 5: invalid "
        "start byte.",
    ),
    "open quote": (".csv", b',"a\nr,1\n', "this file is damaged: unexpected end of data."),
    "no json": (
        ".json",
        b"hello",
        "this file is damaged: expecting value: line 1 column 1 (char 0).",
    ),
    "json list": (".json", b"[1]", "this is not a result: it is no JSON object."),
    "json without blocks": (
        ".json",
        b'{"schema": 1}',
        "this is not a result: it has neither 'blocks' nor 'matrix'.",
    ),
    "ragged json": (
        ".json",
        b'{"blocks": {"f": {"shape": [2, 2], "values": [[1, 2], [3]]}}}',
        "f: this is not an array with a shape and values.",
    ),
    "other shape": (
        ".json",
        b'{"blocks": {"f": {"shape": [3, 2], "values": [[1, 2, 3], [4, 5, 6]]}}}',
        "f: this is not an array with a shape and values.",
    ),
    "word in json": (
        ".json",
        b'{"blocks": {"f": {"shape": [1], "values": ["one"]}}}',
        "f: this is not an array with a shape and values.",
    ),
    "null in json": (
        ".json",
        b'{"blocks": {"f": {"shape": [], "values": null}}}',
        "f: this is not an array with a shape and values.",
    ),
    "no banner": (
        ".mtx",
        b"1 1 1\n1 1 1\n",
        "this is not a MatrixMarket file: it has no %%MatrixMarket line.",
    ),
    "complex mtx": (
        ".mtx",
        b"%%MatrixMarket matrix coordinate complex general\n1 1 0\n",
        "MatrixMarket 'coordinate complex general' is not supported.",
    ),
    "no size": (".mtx", MTX + b"% only this\n", "'' does not give the matrix's size."),
    "bad size": (".mtx", MTX + b"1 1\n", "'1 1' does not give the matrix's size."),
    "huge mtx": (
        ".mtx",
        MTX + b"10000000000 10000000000 1\n1 1 1\n",
        "this file is damaged: an array of the shape (10000000000, 10000000000) has too many "
        "entries.",
    ),
    "huge array": (
        ".mtx",
        MTX.replace(b"coordinate", b"array") + b"100000 100000\n1.0\n",
        "the file is too short for 10000000000 entries.",
    ),
    "large array": (
        ".mtx",
        MTX.replace(b"coordinate", b"array") + b"1000 1000\n" + b"0\n" * 10**6,
        f"1000000 entries need 7.6 MiB, more than the limit 4.0 MiB.\n{RAISE}",
    ),
    "huge count": (
        ".mtx",
        MTX + b"1000000 1000000 1000000000000\n1 1 1.0\n",
        "the file is too short for 1000000000000 entries.",
    ),
    "oblong symmetric": (
        ".mtx",
        MTX.replace(b"general", b"symmetric") + b"2 3 1\n1 1 1.0\n",
        "a symmetric matrix must be square.",
    ),
    "size in words": (".mtx", MTX + b"2 2 1_0\n", "'2 2 1_0' does not give the matrix's size."),
    "size of many digits": (
        ".mtx",
        MTX + b"2 9999999999999999999 0\n",
        "'2 9999999999999999999 0' does not give the matrix's size.",
    ),
    "missing entries": (
        ".mtx",
        MTX + b"2 2 2\n1 1 1.0\n",
        "this file is damaged: truncated file, Expected another 1 lines.",
    ),
    "more entries": (
        ".mtx",
        MTX + b"2 2 1\n1 1 1.0\n2 2 1.0\n",
        "this file is damaged: line 4: Too many lines in file (file too long).",
    ),
    "outside": (
        ".mtx",
        MTX + b"2 2 1\n3 1 1.0\n",
        "this file is damaged: line 3: Row index out of bounds.",
    ),
    "nan place": (
        ".mtx",
        MTX + b"2 2 1\nnan 1 1\n",
        "this file is damaged: line 3: Invalid integer value.",
    ),
    "word in mtx": (
        ".mtx",
        MTX + b"2 2 1\n1 1 one\n",
        "this file is damaged: 'o' in its numbers.",
    ),
    "short array": (
        ".mtx",
        MTX.replace(b"coordinate", b"array") + b"2 2\n1\n2\n3\n",
        "3 entries where 4 are needed.",
    ),
    "word in array": (
        ".mtx",
        MTX.replace(b"coordinate", b"array") + b"1 2\n1\none\n",
        "this file is damaged: could not convert string to float: b'one'.",
    ),
    # These two crash scipy's parser, so they must not get there.
    "open end": (".mtx", MTX + b"2 2 1\n1 1 5,", "this file is damaged: ',' in its numbers."),
    "zero byte": (
        ".mtx",
        MTX + b"2 2 1\n1 1 5\0\n",
        "this file is damaged: '\\x00' in its numbers.",
    ),
    "short line": (
        ".mtx",
        MTX + b"2 2 1\n1 1\n",
        "this file is damaged: line 3: Invalid floating-point value.",
    ),
    "binary mtx": (".mtx", b"\xff\xfe", "this is not a MatrixMarket file."),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, case: str) -> None:
    suffix, content, message = CASES[case]
    (tmp_path / f"r{suffix}").write_bytes(content)
    with pytest.raises(SourceError) as error:
        read(tmp_path / f"r{suffix}", limit=4 << 20)
    assert str(error.value) == f"{tmp_path / f'r{suffix}'}: {message}"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npy")
    messages = {
        "pipe.npy": "this is not a file.",
        "missing.npy": "no such file.",
        "r.txt": "this is not the name of a result file.\n"
        "Expected one of .npy, .npz, .csv, .json, .mtx, .tsv, .parquet, .mat, .h5.",
    }
    for name, message in messages.items():
        with pytest.raises(SourceError) as error:
            read(tmp_path / name)
        assert str(error.value) == f"{tmp_path / name}: {message}"


def test_a_sparse_matrix_may_not_point_outside(tmp_path: Path) -> None:
    for kind in ("csr", "coo"):
        matrix = scipy.sparse.random_array((4, 3), density=0.5, format=kind, rng=0)
        scipy.sparse.save_npz(tmp_path / "s.npz", matrix)
        with np.load(tmp_path / "s.npz") as archive:
            arrays = dict(archive)
        name = "indices" if kind == "csr" else "col"
        for place in (-1, 3):
            np.savez(tmp_path / "s.npz", **arrays | {name: np.full_like(arrays[name], place)})
            with pytest.raises(SourceError, match="this sparse matrix is damaged"):
                read(tmp_path / "s.npz")
        # Flat positions have 63 bits; compressed rows have to be as many as they say.
        np.savez(tmp_path / "s.npz", **arrays | {"shape": np.array([10**10, 10**10])})
        with pytest.raises(SourceError, match="this sparse matrix is damaged"):
            read(tmp_path / "s.npz")
    # Bounds that do not ascend, and that end before or after the entries.
    matrix = scipy.sparse.csr_array(np.eye(3))
    for bounds in (
        [0, 2, 1, 3],
        [0, 1, 2, 2],
        [0, 1, 2, 4],
        [1, 1, 2, 3],
        [0, 1, 3],
        [-1, 0, 2, 3],
    ):
        scipy.sparse.save_npz(tmp_path / "s.npz", matrix)
        with np.load(tmp_path / "s.npz") as archive:
            np.savez(tmp_path / "s.npz", **dict(archive) | {"indptr": np.array(bounds)})
        with pytest.raises(SourceError) as error:
            read(tmp_path / "s.npz")
        assert str(error.value) == f"{tmp_path / 's.npz'}: this sparse matrix is damaged."


def test_an_empty_mtx_is_an_empty_matrix(tmp_path: Path) -> None:
    for kind in ("array", "coordinate"):
        for shape in ("0 2", "2 0", "0 0"):
            sizes = shape if kind == "array" else f"{shape} 0"
            path = tmp_path / "r.mtx"
            path.write_text(f"%%MatrixMarket matrix {kind} real general\n{sizes}\n")
            values = read(path).arrays["matrix"]
            assert values.shape == tuple(map(int, shape.split()))
            assert dense(values).size == 0


def test_plain_csv_without_labels_is_numbers(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "r.csv", [[1.5, 2.0], [3.0, np.nan]], delimiter=",")
    back = read(tmp_path / "r.csv")
    assert np.array_equal(back.arrays["matrix"], [[1.5, 2.0], [3.0, np.nan]], equal_nan=True)
    assert not back.rows
    assert not back.columns


SPARSE = result_of(
    "jacobian", Block("y", ("x",), Sparse.from_dense(np.array([[0.0, 1.5]])), (1,), ((2,),))
)
FUZZED = [
    *((suffix, "blocks", jacobian((2,), (3,))) for suffix in (".npy", ".csv", ".mtx")),
    *((suffix, "blocks", POLAR) for suffix in (".npz", ".json")),
    *((suffix, "matrix", SPARSE) for suffix in (".npz", ".json", ".mtx")),
]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(FUZZED),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 4000),
)
def test_damage_is_never_a_traceback(
    tmp_path: Path, case: tuple[str, str, Result], changes: list[tuple[int, int]], length: int
) -> None:
    suffix, layout, result = case
    path = tmp_path / f"r{suffix}"
    write(result, path, layout=layout, force=True)
    content = bytearray(path.read_bytes())
    for position, value in changes:
        content[position % len(content)] = value
    path.write_bytes(content[: max(1, length)])
    try:
        read(path, limit=1 << 20)
    except SourceError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
