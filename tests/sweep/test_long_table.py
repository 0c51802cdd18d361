"""`jaccli run SWEEP --table`: one long table of all tasks, against closed forms."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Jaccli = Callable[..., Any]

SPEC = """\
model: {expressions: {y: a*x**2, z: sum(x)*a}}
inputs: {x: [1.0, 2.0], a: 3.0}
wrt: [x, a]
sweep: {inputs.a: [1, 2.5], inputs.x: [[1.0, 2.0], [4.0, 5.0]]}
"""


def write(text: str = SPEC, name: str = "s.yaml") -> str:
    Path(name).write_text(text)
    return name


def table(name: str) -> list[dict[str, str]]:
    with Path(name).open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t" if name.endswith(".tsv") else ","))


def expected() -> dict[tuple[str, str, float, str], float]:
    """Return d y / d x = diag(2 a x), d y / d a = x², d z / d x = a, d z / d a = Σx by index."""
    found = {}
    for a in (1.0, 2.5):
        for x in ([1.0, 2.0], [4.0, 5.0]):
            key = (a, json.dumps(x))
            for i in range(2):
                for j in range(2):
                    found[f"y[{i}]", f"x[{j}]", *key] = 2 * a * x[i] * (i == j)
                found[f"y[{i}]", "a", *key] = x[i] ** 2
                found["z", f"x[{i}]", *key] = a
            found["z", "a", *key] = sum(x)
    return found


def by_index(rows: list[dict[str, Any]]) -> dict[tuple[str, str, float, str], float]:
    found = {
        (row["output"], row["wrt"], float(row["inputs.a"]), row["inputs.x"]): float(row["value"])
        for row in rows
    }
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("name", ["all.csv", "all.tsv"])
def test_one_table_of_all_tasks(jaccli: Jaccli, name: str) -> None:
    jobs = ("--jobs", "2") if name.endswith("tsv") else ()
    jaccli("run", write(), "--table", name, *jobs)
    rows = table(name)
    assert list(rows[0]) == ["output", "wrt", "inputs.a", "inputs.x", "value"]
    assert by_index(rows) == expected()
    assert Path("s.results", "manifest.json").exists()


def test_a_table_in_parquet(jaccli: Jaccli) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    jaccli("run", write(), "--table", "all.parquet", "--no-folder")
    found = parquet.read_table("all.parquet")
    assert by_index(found.to_pylist()) == expected()
    assert str(found.schema.field("inputs.a").type) == "double"
    assert sorted(os.listdir()) == ["all.parquet", "s.yaml"]


SUFFIXES = (".npy", ".json", ".csv", ".tsv", ".mtx", ".npz")
STORED = [(s, layout) for layout in ("blocks", "matrix") for s in SUFFIXES]
STORED.remove((".npy", "blocks"))  # one array holds one block


@pytest.mark.parametrize(("suffix", "layout"), STORED)
def test_rows_come_from_stored_results_in_any_format(
    jaccli: Jaccli, suffix: str, layout: str
) -> None:
    options = ("--suffix", suffix, "--layout", layout, "--format", "none")
    jaccli("run", write(), *options)
    done = jaccli("run", write(), *options, "--table", "all.csv")
    assert "4 kept" in done.stderr
    right = expected()
    if suffix == ".mtx":  # which keeps no zeros
        right = {key: value for key, value in right.items() if value}
    assert by_index(table("all.csv")) == right


def test_long_results_and_hessians_and_values(jaccli: Jaccli) -> None:
    spec = SPEC.replace("y: a*x**2, ", "").replace("sum(x)*a", "sum(x**2)*a")
    spec += "derivative: [hessian, gradient, evaluate]\nlayout: long\n"
    jaccli("run", write(spec), "--suffix", ".csv", "--table", "all.csv", "--format", "none")
    rows = table("all.csv")
    assert list(rows[0]) == [
        "derivative", "output", "wrt", "wrt1", "wrt2", "inputs.a", "inputs.x", "value",
    ]  # fmt: skip
    assert len(rows) == 4 * (9 + 3 + 1)
    chosen = [
        row
        for row in rows
        if row["inputs.a"] == "2.5" or row["inputs.a"] == "2"
        if row["inputs.x"] == "[4.0, 5.0]"
    ]
    hessian = {(r["wrt1"], r["wrt2"]): float(r["value"]) for r in chosen if r["wrt1"]}
    assert hessian["x[0]", "x[0]"] == 5
    assert hessian["x[1]", "a"] == hessian["a", "x[1]"] == 10
    gradient = {r["wrt"]: float(r["value"]) for r in chosen if r["wrt"]}
    assert gradient == {"x[0]": 20, "x[1]": 25, "a": 41}
    (value,) = [float(r["value"]) for r in chosen if r["derivative"] == "evaluate"]
    assert value == 102.5


def test_a_batch_has_its_column(jaccli: Jaccli) -> None:
    spec = "model: {expression: x**2*a}\ninputs: {x: [1.0, 2.0], a: 1.0}\nbatch: x\nwrt: x\n"
    jaccli("run", write(spec + "sweep: {inputs.a: [1.0, 3.0]}\n"), "--table", "all.csv")
    rows = table("all.csv")
    assert list(rows[0]) == ["batch", "output", "wrt", "inputs.a", "value"]
    assert [float(row["value"]) for row in rows] == [2, 4, 6, 12]


def test_a_swept_entry_that_is_called_as_a_column(jaccli: Jaccli) -> None:
    spec = "model: {expression: x*a}\ninputs: {x: 2.0, a: 5.0}\nsweep: {wrt: [[x], [a]]}\n"
    jaccli("run", write(spec), "--table", "all.csv")
    assert [tuple(row.values()) for row in table("all.csv")] == [
        ("f", "x", '["x"]', "5.0"), ("f", "a", '["a"]', "2.0"),
    ]  # fmt: skip
    assert list(table("all.csv")[0])[2] == "sweep.wrt"


FAILS = """\
model: {expression: x + y}
inputs: {x: [1.0, 2.0], y: 3.0}
wrt: x
sweep: {inputs.y: [[1.0, 2.0, 3.0], 4.0]}
"""


def test_failed_tasks_are_named_and_the_others_are_there(jaccli: Jaccli) -> None:
    done = jaccli("run", write(FAILS), "--table", "all.csv", check=False)
    assert done.exit_code == 1
    assert done.stderr.startswith("failed: y=1.0_2.0_3.0: ")
    assert {row["inputs.y"] for row in table("all.csv")} == {"4.0"}
    fast = ("--table", "fast.csv", "--no-folder", "--fail-fast")
    done = jaccli("run", write(FAILS), *fast, check=False)
    assert done.exit_code == 1
    assert "\nfast.csv: not written, since 1 task was not run.\n" in done.stderr
    assert not Path("fast.csv").exists()


def test_an_existing_table_is_refused_before_computing(jaccli: Jaccli) -> None:
    Path("all.csv").write_text("precious")
    done = jaccli("run", write(), "--table", "all.csv", check=False)
    message = "jaccli: all.csv: exists already.\nChoose another name, or replace it with --force.\n"
    assert (done.exit_code, done.stderr) == (2, message)
    assert (Path("all.csv").read_text(), Path("s.results").exists()) == ("precious", False)
    jaccli("run", write(), "--table", "all.csv", "--force")
    assert by_index(table("all.csv")) == expected()
    again = jaccli("run", write(), "--table", "all.csv", "--force", "--resume")
    assert "4 kept" in again.stderr


@pytest.mark.parametrize("name", ["all.csv", "all.tsv", "all.parquet"])
def test_a_sweep_of_propagate_writes_its_table(jaccli: Jaccli, name: str) -> None:
    spec = "model: {expression: 3*x}\ninputs: {x: 1.0}\nuncertainty: {x: 0.1}\n"
    spec += "derivative: propagate\nsweep: {inputs.x: [1.0, 2.0]}\n"
    if name.endswith("parquet"):
        parquet = pytest.importorskip("pyarrow.parquet")
    done = jaccli("run", write(spec), "--table", name, "--format", "csv")
    if name.endswith("csv"):
        assert Path(name).read_text().strip() == done.stdout.strip()
    rows = parquet.read_table(name).to_pylist() if name.endswith("parquet") else table(name)
    assert [(float(r["inputs.x"]), float(r["value"])) for r in rows] == [(1, 3), (2, 6)]
    assert [float(r["u"]) for r in rows] == pytest.approx([0.3, 0.3])


REFUSED = {
    ("--table", "all.txt"): "--table: all.txt: this is not the name of a table.\n"
    "Expected a name that ends in .csv, .tsv, .parquet, .png, .svg, .pdf.",
    ("--table", "no/all.csv"): "no/all.csv: there is no folder 'FOLDER/no'.\nCreate it first.",
    ("--no-folder",): "--no-folder goes with --table: nothing would be written.",
    ("--table", "all.csv", "--no-folder", "--out-dir", "d"): "--out-dir and --no-folder do not go "
    "together.",
    ("--table", "all.csv", "--no-folder", "--resume"): "--resume and --no-folder do not go "
    "together.",
    ("--table", "all.csv", "--dry-run"): "--table: a dry run has nothing to report.",
}  # fmt: skip


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_cannot_be_written_is_refused(
    jaccli: Jaccli, options: tuple[str, ...], tmp_path: Path
) -> None:
    done = jaccli("run", write(), *options, check=False)
    message = REFUSED[options].replace("FOLDER", str(tmp_path))
    assert (done.exit_code, done.stderr) == (2, f"jaccli: {message}\n")
    assert os.listdir() == ["s.yaml"]


def test_a_table_goes_with_a_sweep(jaccli: Jaccli) -> None:
    done = jaccli("run", "-e", "x", "--at", "x=1.0", "--table", "all.csv", check=False)
    message = "jaccli: --table goes with a sweep, and the spec has none.\n"
    assert (done.exit_code, done.stderr) == (2, message)


def test_records_of_earlier_versions_are_said(jaccli: Jaccli) -> None:
    jaccli("run", write())
    manifest = Path("s.results", "manifest.json")
    data = json.loads(manifest.read_text())
    for task in data["tasks"]:
        del task["blocks"], task["batch"]
    manifest.write_text(json.dumps(data))
    done = jaccli("run", write(), "--table", "all.csv", check=False)
    assert done.exit_code == 3
    assert "run the sweep again with --force" in done.stderr
    assert not Path("all.csv").exists()
