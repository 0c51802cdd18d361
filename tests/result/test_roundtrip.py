"""Every format gives back the numbers that went in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaccli.errors import UsageError
from jaccli.result import Result, read, render, write
from jaccli.result.io.csv import csv_lines
from jaccli.result.io.json import nested
from jaccli.result.matrix import matrix
from jaccli.result.numerals import lines, longest, shortest
from jaccli.result.view import whole

from .samples import POLAR, block, counted, jacobian, result_of, results, same

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def joined(result: Result) -> np.ndarray[Any, Any]:
    return matrix(whole(result)).values


@quick
@given(results(), st.sampled_from([".npz", ".json"]))
def test_blocks_come_back_exactly(tmp_path: Path, result: Result, suffix: str) -> None:
    write(result, tmp_path / f"r{suffix}", force=True)
    back = read(tmp_path / f"r{suffix}")
    assert back.layout == "blocks"
    assert list(back.arrays) == [block.key for block in result.blocks]
    for one in result.blocks:
        values = back.arrays[one.key]
        # An empty array has no numbers to tell its type in JSON.
        assert same(values.astype(one.values.dtype) if not values.size else values, one.values)


@quick
@given(results(), st.sampled_from([".npz", ".json", ".npy"]))
def test_matrices_come_back_exactly(tmp_path: Path, result: Result, suffix: str) -> None:
    write(result, tmp_path / f"r{suffix}", layout="matrix", force=True)
    back = read(tmp_path / f"r{suffix}")
    (values,) = back.arrays.values()
    expected = joined(result)
    assert same(values.astype(expected.dtype) if not values.size else values, expected)
    if suffix != ".npy":
        labels = matrix(whole(result)).labels
        assert list(back.rows) == list(labels.get("rows", ()))
        assert list(back.columns) == list(labels.get("columns", ()))


@quick
@given(results(), st.sampled_from([".csv", ".mtx"]))
def test_tables_come_back_exactly(tmp_path: Path, result: Result, suffix: str) -> None:
    expected = joined(result)
    if expected.ndim > 2:
        with pytest.raises(UsageError, match="two axes at most"):
            write(result, tmp_path / f"r{suffix}", force=True)
        return
    write(result, tmp_path / f"r{suffix}", force=True)
    back = read(tmp_path / f"r{suffix}")
    values = back.arrays["matrix"].astype(expected.dtype)
    assert same(values, expected.reshape(len(expected), int(np.prod(expected.shape[1:]))))


@quick
@given(results(("jacobian", "gradient", "vjp", "hvp", "jvp", "evaluate", "hessian")))
def test_plain_text_holds_every_number(result: Result) -> None:
    out = io.StringIO()
    render(result, "plain", out, layout="matrix")
    expected = joined(result)
    if 0 in expected.shape:
        assert out.getvalue().startswith("# ")
        assert out.getvalue().endswith("  empty\n")
        return
    found = []
    for line in out.getvalue().splitlines():
        label, *numbers = line.split() or ["#"]
        # A line of column names begins with a blank, as it has no row to name.
        if label != "#" and not line.startswith(" "):
            found += numbers
    assert same(np.array(found, expected.dtype).reshape(expected.shape), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8, np.bool_])
def test_the_longest_number_fits_into_the_width_of_its_type(dtype: type) -> None:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        info = np.finfo(dtype)
        extremes = [-info.max, -info.tiny, -info.smallest_subnormal, -1.2345678901234567e-300]
    else:
        extremes = [0, 1] if dtype is np.bool_ else [np.iinfo(dtype).min, np.iinfo(dtype).max]
    with np.errstate(all="ignore"):
        assert max(map(len, shortest(np.array(extremes).astype(dtype)))) <= longest(kind)


def test_float32_is_shortest_as_float32() -> None:
    assert shortest(np.array([0.1, 1e-10, 1234.5], np.float32)) == ["0.1", "1e-10", "1234.5"]


def test_rows_longer_than_a_chunk_and_many_chunks_are_whole() -> None:
    wide = np.arange(2 * 70_000.0).reshape(2, 70_000)
    assert [[float(text) for text in row] for row in lines(wide)] == wide.tolist()
    assert [[float(text) for text in row] for row in lines(wide.T)] == wide.T.tolist()


def test_integers_and_booleans_stay_what_they_are(tmp_path: Path) -> None:
    result = result_of(
        "evaluate",
        block("n", (), np.array([[1, -2], [3, 2**62]]), (2, 2)),
        block("b", (), np.array([True, False]), (2,)),
    )
    for suffix in (".npz", ".json"):
        write(result, tmp_path / f"r{suffix}")
        back = read(tmp_path / f"r{suffix}").arrays
        assert same(back["n"], result.blocks[0].values)
        assert same(back["b"], result.blocks[1].values)
    truths = result_of("evaluate", block("b", (), np.array([True, False]), (2,)))
    assert list(csv_lines(whole(truths))) == [",value\n", "b[0],True\n", "b[1],False\n"]
    for suffix in (".csv", ".mtx"):
        write(truths, tmp_path / f"t{suffix}")
        assert same(
            read(tmp_path / f"t{suffix}").arrays["matrix"].astype(int), np.array([[1], [0]])
        )


def test_json_is_the_document_of_the_interface(tmp_path: Path) -> None:
    out = io.StringIO()
    render(POLAR, "json", out)
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().endswith("\n")
    assert json.loads(out.getvalue()) == {
        "schema": 1,
        "derivative": "jacobian",
        "mode": "fwd",
        "reason": "fewer inputs than outputs",
        "device": "cpu:0",
        "dtype": "float64",
        "precision": "highest",
        "batch": None,
        "blocks": {
            "r.x": {"shape": [], "values": 0.6},
            "r.y": {"shape": [], "values": 0.8},
            "theta.x": {"shape": [], "values": -0.16},
            "theta.y": {"shape": [], "values": 0.12},
        },
        "value": {"r": 5.0, "theta": 0.9272952180016122},
        "seconds": {"compile": 0.071, "run": 0.0001},
        "cache": "off",
        "versions": {"jaccli": "0.1.0", "jax": "0.10.1"},
        "spec_sha256": "ab" * 32,
    }
    write(POLAR, tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text() == out.getvalue()


def test_json_spells_what_is_not_finite() -> None:
    values = np.array([[np.nan, np.inf], [-np.inf, 0.1]], np.float32)
    assert "".join(nested(values)) == '[["NaN", "Infinity"], ["-Infinity", 0.1]]'
    assert "".join(nested(np.array(np.nan))) == '"NaN"'
    assert "".join(nested(np.array([True, False]))) == "[true, false]"


def test_json_in_the_matrix_layout_has_labels() -> None:
    out = io.StringIO()
    render(POLAR, "json", out, layout="matrix")
    document = json.loads(out.getvalue())
    assert document["matrix"] == {"shape": [2, 2], "values": [[0.6, 0.8], [-0.16, 0.12]]}
    assert (document["rows"], document["columns"]) == (["r", "theta"], ["x", "y"])
    assert "blocks" not in document


def test_csv_quotes_labels_with_commas() -> None:
    result = counted("jacobian", ("y", ("w",), (2,), ((1, 2),)))
    assert list(csv_lines(whole(result))) == [
        ',"w[0,0]","w[0,1]"\n',
        "y[0],0.0,1.0\n",
        "y[1],2.0,3.0\n",
    ]


def test_csv_of_a_batch_of_vectors_has_a_row_for_each() -> None:
    result = counted("gradient", ("f", ("x",), (), ((2,),)), batch=2)
    assert list(csv_lines(whole(result))) == [
        ",x[0],x[1]\n",
        "batch[0],0.0,1.0\n",
        "batch[1],2.0,3.0\n",
    ]


def test_npz_holds_the_manifest_and_numpy_reads_it(tmp_path: Path) -> None:
    result = jacobian((2,), (3,), batch=4)
    write(result, tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz") as archive:
        assert archive.files == ["y.x", "manifest"]
        manifest = json.loads(str(archive["manifest"]))
        assert archive["manifest"].shape == ()
    assert manifest == {
        "schema": 1,
        "command": "jacobian",
        "mode": "fwd",
        "reason": "fewer inputs than outputs",
        "device": "cpu:0",
        "dtype": "float64",
        "precision": "highest",
        "batch": 4,
        "seconds": {"compile": 0.071, "run": 0.0001},
        "cache": "off",
        "versions": {"jaccli": "0.1.0", "jax": "0.10.1"},
        "spec_sha256": "ab" * 32,
        "blocks": {"y.x": {"out_shape": [2], "in_shapes": [[3]]}},
    }


def test_npz_is_not_compressed_and_the_same_every_time(tmp_path: Path) -> None:
    result = counted("jacobian", ("y", ("x",), (50,), ((40,),)), step=0.0)
    write(result, tmp_path / "a.npz")
    write(result, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").stat().st_size > 50 * 40 * 8
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_npy_is_what_numpy_writes(tmp_path: Path) -> None:
    for number, values in enumerate([np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2).T]):
        write(
            result_of("jacobian", block("y", ("x",), values, (2,), (3,))),
            tmp_path / f"{number}.npy",
        )
        np.save(tmp_path / "numpy.npy", np.ascontiguousarray(values))
        assert (tmp_path / f"{number}.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


def test_scipy_reads_the_mtx_and_we_read_scipys(tmp_path: Path) -> None:
    values = np.array([[0, 1.5, 0], [-2e-300, 0, np.inf]])
    write(result_of("jacobian", block("y", ("x",), values, (2,), (3,))), tmp_path / "r.mtx")
    assert (tmp_path / "r.mtx").read_text() == (
        "%%MatrixMarket matrix coordinate real general\n"
        "% row 1: y[0]\n% row 2: y[1]\n% column 1: x[0]\n% column 2: x[1]\n% column 3: x[2]\n"
        "2 3 3\n1 2 1.5\n2 1 -2E-300\n2 3 Infinity\n"
    )
    assert same(scipy.io.mmread(tmp_path / "r.mtx", spmatrix=False).toarray(), values)
    square = np.array([[1.0, 2.0, 0.0], [2.0, 0.0, 3.5], [0.0, 3.5, 4.0]])
    skew = np.array([[0.0, 2.0], [-2.0, 0.0]])
    for name, matrix_ in (("square", square), ("skew", skew), ("whole", values[:1, :2] * 2)):
        for form in (np.asarray, scipy.sparse.coo_array):
            scipy.io.mmwrite(tmp_path / name, form(matrix_), precision=17)
            assert same(read(tmp_path / f"{name}.mtx").arrays["matrix"], matrix_)


def test_we_read_scipys_sparse_npz(tmp_path: Path) -> None:
    values = np.array([[0, 1.5, 0], [-2.0, 0, 7.0]])
    for form in (scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array):
        scipy.sparse.save_npz(tmp_path / "s.npz", form(values))
        back = read(tmp_path / "s.npz")
        assert back.layout == "matrix"
        assert same(back.arrays["matrix"], values)
