"""The long layout: rows read back by the `csv` module and pyarrow, against closed forms."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.errors import SourceError
from jaccli.result import Block, Result, Sparse, content, dense, read
from jaccli.result.long import long_rows
from jaccli.result.view import whole

Run = Callable[..., Any]
QUADRATIC = ("-e", "y = a * x**2", "--at", "x=[1.0, 3.0]", "--at", "a=0.1")
"""dy/dx = diag(2 a x), dy/da = x²."""


def rows_of(text: str, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text), delimiter=separator))


def made(
    blocks: tuple[Block, ...], derivative: str = "jacobian", batch: int | None = None
) -> Result:
    return Result(derivative, blocks, batch, "", "", "", "float64", "", {}, {}, "")


@pytest.mark.parametrize(("form", "separator"), [("csv", ","), ("tsv", "\t")])
def test_a_row_for_each_entry(jaccli: Run, form: str, separator: str) -> None:
    done = jaccli("jacobian", *QUADRATIC, "--layout", "long", "--format", form)
    header, *rows = rows_of(done.stdout, separator)
    assert header == ["output", "wrt", "value"]
    entries = {(output, wrt): float(value) for output, wrt, value in rows}
    assert len(rows) == len(entries) == 6
    expected = {
        ("y[0]", "x[0]"): 0.2, ("y[0]", "x[1]"): 0, ("y[1]", "x[0]"): 0, ("y[1]", "x[1]"): 0.6,
        ("y[0]", "a"): 1, ("y[1]", "a"): 9,
    }  # fmt: skip
    assert entries == pytest.approx(expected)


@pytest.mark.parametrize(
    ("command", "header", "rows"),
    [
        (("evaluate",), "output,value", ["y[0],0.1", "y[1],0.9"]),
        (("gradient", "--select", "s"), "output,wrt,value", ["s,x[0],0.2", "s,x[1],0.6"]),
        (
            ("hessian", "--select", "s"),
            "output,wrt1,wrt2,value",
            ["s,x[0],x[0],0.2", "s,x[0],x[1],0.0", "s,x[1],x[0],0.0", "s,x[1],x[1],0.2"],
        ),
        (("jvp", "--vector", "[1, 2]"), "output,value", ["y[0],0.2", "y[1],1.2"]),
        (("vjp", "--vector", "[1, 2]"), "wrt,value", ["x[0],0.2", "x[1],1.2"]),
        (("hvp", "--select", "s", "--vector", "[1, 2]"), "output,wrt,value",
         ["s,x[0],0.2", "s,x[1],0.4"]),
    ],
    ids=lambda part: part[0] if isinstance(part, tuple) else "",
)  # fmt: skip
def test_the_columns_of_each_derivative(
    jaccli: Run, command: tuple[str, ...], header: str, rows: list[str]
) -> None:
    model: tuple[str, ...] = (*QUADRATIC, "--wrt", "x")
    if "s" in command:
        model = (*model, "-e", "s = a * sum(x**2)")
    elif "--select" not in command:
        command = (*command, "--select", "y")
    done = jaccli(*command, *model, "--layout", "long", "--format", "csv")
    found, right = rows_of(done.stdout), [row.split(",") for row in rows]
    assert found[0] == header.split(",")
    assert [row[:-1] for row in found[1:]] == [row[:-1] for row in right]
    numbers = [[float(row[-1]) for row in some] for some in (found[1:], right)]
    assert numbers[0] == pytest.approx(numbers[1])


def test_rows_of_a_batch_are_numbered(jaccli: Run) -> None:
    options = ("-e", "x**2", "--at", "x=[3.0, 4.0, 5.0]", "--batch", "x", "--layout", "long")
    found = rows_of(jaccli("jacobian", *options, "--format", "csv").stdout)
    assert found == [["batch", "output", "wrt", "value"], ["0", "f", "x", "6.0"],
                     ["1", "f", "x", "8.0"], ["2", "f", "x", "10.0"]]  # fmt: skip
    shown = jaccli("jacobian", *options, "--format", "csv", "--show", "batch[1:]").stdout
    assert [row[0] for row in rows_of(shown)] == ["batch", "1", "2"]
    one = jaccli("jacobian", *options, "--format", "csv", "--show", "batch[2]").stdout
    assert rows_of(one)[1:] == [["2", "f", "x", "10.0"]]


def test_sparse_results_have_the_stored_entries_alone(jaccli: Run) -> None:
    options = ("-e", "x[1:] - x[:-1]", "--at", "x={zeros: [1000]}", "--mode", "sparse")
    done = jaccli("jacobian", *options, "--layout", "long", "--format", "csv")
    _, *rows = rows_of(done.stdout)
    assert len(rows) == 2 * 999
    found = {(output, wrt): float(value) for output, wrt, value in rows}
    right = {(f"f[{i}]", f"x[{i + j}]"): 2.0 * j - 1 for i in range(999) for j in (0, 1)}
    assert found == right


def test_labels_with_commas_and_dots_survive_quoting() -> None:
    values = np.arange(4.0).reshape(1, 2, 2)
    result = made((Block("y", ("params.w1",), values, (1,), ((2, 2),)),))
    text = content(result, ".csv", layout="long").decode()
    assert text.splitlines()[1] == 'y[0],"params.w1[0,0]",0.0'
    assert [row[1] for row in rows_of(text)[1:]] == [
        f"params.w1[{i},{j}]" for i in (0, 1) for j in (0, 1)
    ]


def test_rows_are_made_in_pieces() -> None:
    """No piece is longer than asked, and together they are all of it."""
    values = np.arange(60.0).reshape(3, 4, 5)
    result = made((Block("y", ("x",), values, (4,), ((5,),)),), batch=3)
    pieces = list(long_rows(whole(result), 7))
    assert {len(piece.values) for piece in pieces} == {7, 4}
    np.testing.assert_array_equal(np.concatenate([p.values for p in pieces]), np.arange(60.0))
    labels = [cell for piece in pieces for cell in piece.columns["wrt"]]
    assert labels == [f"x[{i}]" for i in range(5)] * 12


def test_text_that_is_not_finite(jaccli: Run) -> None:
    done = jaccli("jacobian", "-e", "sqrt(x)", "--at", "x=0.0", "--layout", "long", "--format",
                  "csv", "-q")  # fmt: skip
    assert done.stdout == "output,wrt,value\nf,x,inf\n"


def test_plain_and_table(jaccli: Run) -> None:
    plain = jaccli("jacobian", *QUADRATIC, "--wrt", "x", "--layout", "long").stdout
    assert plain.splitlines()[0].split() == ["output", "wrt", "value"]
    assert len(plain.splitlines()) == 5
    many = ("-e", "x / 3", "--at", "x={linspace: [1, 9, 9]}", "--layout", "long")
    table = jaccli("jacobian", *many, "--digits", "3").stdout.splitlines()
    assert table[0].split() == ["output", "wrt", "value"]
    assert table[1].split() == ["f[0]", "x[0]", "0.333"]
    assert table[11] == "... 61 more"
    assert table[-1].split() == ["f[8]", "x[8]", "0.333"]
    assert len(table) == 1 + 10 + 1 + 10


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_what_was_written_is_compared_with_other_files(jaccli: Run, suffix: str) -> None:
    jaccli("jacobian", *QUADRATIC, "--layout", "long", "-o", f"J{suffix}")
    jaccli("jacobian", *QUADRATIC, "-o", "J.npz")
    assert jaccli("compare", f"J{suffix}", "J.npz", "--rtol", "0").exit_code == 0
    text = Path(f"J{suffix}").read_text()
    Path(f"K{suffix}").write_text(text.replace("9.0", "9.5"))
    assert jaccli("compare", f"K{suffix}", "J.npz", check=False).exit_code == 1
    again = ("--at", f"x=@J{suffix}:value") if suffix == ".csv" else ()
    if again:
        done = jaccli("evaluate", "-e", "sum(x)", *again)
        assert float(done.stdout.split()[1]) == pytest.approx(0.2 + 0.6 + 10)


def test_tsv_has_the_matrix_layout_as_csv_has(jaccli: Run) -> None:
    texts = [jaccli("jacobian", *QUADRATIC, "--format", form).stdout for form in ("csv", "tsv")]
    assert rows_of(texts[0]) == rows_of(texts[1], "\t")
    jaccli("jacobian", *QUADRATIC, "-o", "J.tsv")
    stored = read("J.tsv")
    np.testing.assert_allclose(dense(stored.arrays["matrix"]), [[0.2, 0, 1], [0, 0.6, 9]])
    assert list(stored.columns) == ["x[0]", "x[1]", "a"]


DAMAGED = {
    "cells.csv": ("output,wrt,value\ny,x\n", "line 2: 2 cells where the first line has 3."),
    "number.csv": ("output,wrt,value\ny,x,one\n", "line 2: 'one' is not a number."),
    "label.csv": ("output,wrt,value\ny[,x,1\n", "line 2: 'y[' is not a label such as x or y[0]."),
    "twice.csv": ("output,value\ny[0],1\ny[0],2\n", "y: 2 rows where the labels go up to 1"),
    "missing.csv": ("output,value\ny[0],1\ny[2],2\n", "y: 2 rows where the labels go up to 3"),
    "again.csv": ("output,value\ny[0],1\ny[2],2\ny[2],2\n", "y: an entry has two rows."),
    "axes.csv": ('output,value\ny[0],1\n"y[0,1]",2\n', "line 3: y[0,1] has not as many indices"),
    "batch.csv": ("batch,output,value\n-1,y,1\n", "line 2: '-1' is not the number of a row of a"),
    "huge.csv": ("output,value\ny[999999999999999999],1\n", "y: 1 rows where the labels go up to"),
    "longer.csv": (f"output,value\ny[{10**30}],1\n", f"line 2: 'y[{10**30}]' is not a label"),
    "empty.csv": ("output,value\n", "the table has no rows."),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_tables_are_refused(tmp_path: Path, name: str) -> None:
    text, message = DAMAGED[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError) as error:
        read(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: {message}")


def test_a_table_is_read_within_the_limit(tmp_path: Path) -> None:
    rows = "".join(f"y[{i}],1\n" for i in range(1000))
    (tmp_path / "J.csv").write_text(f"output,value\n{rows}")
    with pytest.raises(SourceError, match="rows need"):
        read(tmp_path / "J.csv", limit=20_000)


REFUSED: dict[tuple[str, ...], str] = {
    ("-o", "J.npz"): "npz", ("-o", "J.json"): "json", ("-o", "J.mtx"): "mtx",
    ("-o", "J.npy"): "npy",
    ("--format", "json"): "json", ("--format", "npy"): "npy",
}  # fmt: skip


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_formats_without_the_layout_refuse_it(jaccli: Run, options: tuple[str, ...]) -> None:
    done = jaccli("jacobian", "-e", "x", "--at", "x=1.0", "--layout", "long", *options, check=False)
    assert (done.exit_code, done.stdout, done.stderr) == (
        2, "", f"jaccli: {REFUSED[options]}: this format has no long layout.\n"
        "Expected one of 'table', 'plain', 'csv', 'tsv', 'parquet'.\n",
    )  # fmt: skip


def test_parquet_without_pyarrow_names_the_extra(
    jaccli: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    done = jaccli("jacobian", "-e", "x", "--at", "x=1.0", "-o", "J.parquet", check=False)
    assert done.exit_code == 2
    assert done.stderr.startswith("jaccli: parquet: pyarrow is needed: ")
    assert done.stderr.endswith("\nInstall the extra: pip install 'jaccli[parquet]'.\n")
    Path("there.parquet").write_bytes(b"PAR1")
    compared = jaccli("compare", "there.parquet", "there.parquet", check=False)
    assert compared.exit_code == 3
    assert "jaccli[parquet]" in compared.stderr


def test_parquet_has_typed_columns(jaccli: Run) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    options = ("-e", "y = a * x**2", "--at", "x=[[1.0, 3.0], [2.0, 4.0]]", "--at", "a=0.5",
               "--batch", "x", "--dtype", "float32")  # fmt: skip
    jaccli("jacobian", *options, "-o", "J.parquet")
    table = parquet.read_table("J.parquet")
    types = [str(field.type) for field in table.schema]
    assert table.column_names == ["batch", "output", "wrt", "value"]
    assert (types[0], types[-1]) == ("int64", "float")
    found = {tuple(row.values())[:-1]: row["value"] for row in table.to_pylist()}
    assert len(found) == 2 * 2 * 3
    assert found[1, "y[1]", "x[1]"] == 4
    assert found[1, "y[1]", "a"] == 16
    jaccli("jacobian", *options, "-o", "J.npz")
    assert jaccli("compare", "J.parquet", "J.npz").exit_code == 0
    done = jaccli("jacobian", *options, "--layout", "matrix", "-o", "K.parquet", check=False)
    assert done.stderr == (
        "jaccli: parquet: the layout is long, never matrix.\n"
        "Use --layout long, which is the layout of all parquet files here, or .csv.\n"
    )
    for name, data in (
        ("text.parquet", b"hello"),
        ("cut.parquet", Path("J.parquet").read_bytes()[:99]),
    ):
        Path(name).write_bytes(data)
        broken = jaccli("compare", name, "J.npz", check=False)
        assert (broken.exit_code, broken.stderr[:23]) == (3, f"jaccli: {name}: not"[:23])


def test_sparse_parquet() -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    kept = Sparse(np.array([1, 5]), np.array([2.0, -3.0]), (2, 3))
    result = made((Block("y", ("x",), kept, (2,), ((3,),)),))
    table = parquet.read_table(io.BytesIO(content(result, ".parquet")))
    assert json.loads(json.dumps(table.to_pylist())) == [
        {"output": "y[0]", "wrt": "x[1]", "value": 2.0},
        {"output": "y[1]", "wrt": "x[2]", "value": -3.0},
    ]
