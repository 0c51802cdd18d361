"""Inputs and outputs may have the names that files, tables and sources use themselves."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.result import read, write
from jaccli.sweep.results_folder import table
from jaccli.sweep.table import summary
from jaccli.sweep.task_record import TaskRecord

from .samples import Shape, block, result_of

TAKEN = ["manifest", "matrix", "rows", "columns", "outputs", "format", "shape", "data", "indptr",
         "value", "values", "blocks", "schema", "indices", "batch"]  # fmt: skip
SCALAR: Shape = ()


@pytest.mark.parametrize("suffix", [".npz", ".json"])
@pytest.mark.parametrize("derivative", ["evaluate", "vjp", "jacobian", "hessian"])
def test_a_block_is_stored_under_its_key_whatever_its_name(
    tmp_path: Path, suffix: str, derivative: str
) -> None:
    depth = {"evaluate": 0, "vjp": 1, "jacobian": 1, "hessian": 2}[derivative]
    blocks = [
        block(None if derivative == "vjp" else name, (name,) * depth, float(number),
              *[SCALAR] * (depth + 1))
        for number, name in enumerate(TAKEN)
    ]  # fmt: skip
    write(result_of(derivative, *blocks), tmp_path / f"r{suffix}")
    stored = read(tmp_path / f"r{suffix}")
    assert stored.layout == "blocks"
    assert {key: float(values) for key, values in stored.arrays.items()} == {
        one.key: float(number) for number, one in enumerate(blocks)
    }
    assert stored.manifest["command"] == derivative


@pytest.mark.parametrize("name", TAKEN)
def test_one_output_alone_has_any_name(tmp_path: Path, name: str) -> None:
    write(result_of("evaluate", block(name, (), [1.0, 2.0], (2,))), tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz") as archive:
        account = ".manifest" if name == "manifest" else "manifest"
        assert sorted(archive) == sorted([name, account])
        np.testing.assert_array_equal(archive[name], [1.0, 2.0])
        assert json.loads(str(archive[account]))["blocks"].keys() == {name}
    stored = read(tmp_path / "r.npz")
    assert (stored.layout, list(stored.arrays)) == ("blocks", [name])


@pytest.mark.parametrize("layout", ["blocks", "matrix"])
def test_outputs_called_as_the_sides_of_a_matrix(tmp_path: Path, layout: str) -> None:
    blocks = [block(name, (), 1.0, SCALAR) for name in ("matrix", "rows")]
    write(result_of("evaluate", *blocks), tmp_path / "r.npz", layout=layout)
    stored = read(tmp_path / "r.npz")
    assert (stored.layout, list(stored.arrays)) == (
        layout,
        ["matrix", "rows"] if layout == "blocks" else ["matrix"],
    )


def test_a_file_of_somebody_elses_may_hold_any_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", manifest=np.ones(2), format=1.0, shape=[3.0], data=2.0)
    stored = read(tmp_path / "a.npz")
    assert list(stored.arrays) == ["manifest", "format", "shape", "data"]


def test_an_older_matrix_of_an_output_called_matrix_stays_one(tmp_path: Path) -> None:
    result = result_of("jacobian", block("matrix", ("x",), [[1.0, 2.0]], (1,), (2,)))
    write(result, tmp_path / "m.npz", layout="matrix")
    assert read(tmp_path / "m.npz").layout == "matrix"


def test_members_of_the_archive_are_different(tmp_path: Path) -> None:
    blocks = [block(name, (), 1.0, SCALAR) for name in TAKEN]
    write(result_of("evaluate", *blocks), tmp_path / "r.npz")
    with zipfile.ZipFile(tmp_path / "r.npz") as archive:
        names = archive.namelist()
    assert len(set(names)) == len(names) == len(TAKEN) + 1


def record(values: dict[str, Any]) -> TaskRecord:
    """Return the account of a finished task."""
    account: dict[str, Any] = {"status": "done", "norm": 1.5, "mode": "rev"}
    return TaskRecord("t", "jacobian", values, "t.npz", "", "", **account)


def test_a_swept_input_keeps_its_column_in_tables() -> None:
    swept = record({"inputs.norm": 7, "inputs.status": 8, "mode": "auto"})
    (row,) = summary([swept])
    assert (row["inputs.norm"], row["norm"]) == (7, 1.5)
    assert (row["inputs.status"], row["status"]) == (8, "done")
    header, cells = csv.reader(io.StringIO(table([swept])))
    assert len(set(header)) == len(header)
    line = dict(zip(header, cells, strict=True))
    assert (line["mode"], line["result.mode"]) == ("auto", "rev")


SPEC = """\
model: {expressions: {manifest: value*x, file: x**2}}
inputs: {x: 2.0, value: 3.0}
"""


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        # d(manifest) = value dx + x dvalue, d(file) = 2 x dx
        (("--vector", "value=1", "--vector", "x=2"), "manifest 8.0\nfile     8.0\n"),
        (("--vector", "{value: 1, x: 2}"), "manifest 8.0\nfile     8.0\n"),
        (("--set", "vector={value: 1, x: 0}", "--vector", "x=2"), "manifest 8.0\nfile     8.0\n"),
        (("--wrt", "value", "--vector", "value=5"), "manifest 10.0\nfile      0.0\n"),
        (("--wrt", "x", "--vector", "{value: 5}"), "manifest 15.0\nfile     20.0\n"),
    ],
)
def test_an_input_called_as_a_source_takes_a_tangent(
    jaccli: Callable[..., Any], options: tuple[str, ...], printed: str
) -> None:
    assert jaccli("jvp", "-", "-q", *options, stdin=SPEC).stdout == printed


def test_an_output_called_as_a_source_takes_a_cotangent(jaccli: Callable[..., Any]) -> None:
    outcome = jaccli("vjp", "-", "-q", "--vector", "file=1", "--vector", "manifest=1", stdin=SPEC)
    assert outcome.stdout == "x     7.0\nvalue 2.0\n"


def test_a_base_keeps_its_inputs_beside_one_called_as_a_source(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "base.yaml").write_text(SPEC)
    child = "base: base.yaml\ninputs: {value: 5.0}\n"
    outcome = jaccli("evaluate", "-", "-q", stdin=child)
    assert outcome.stdout == "manifest 10.0\nfile      4.0\n"
