"""`jaccli compare`: any two result files, a verdict, an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Outcome, call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from result.samples import POLAR, results

from jaccli.errors import UsageError
from jaccli.result import Result, write

Jaccli = Callable[..., Outcome]
SUFFIXES = (".npy", ".npz", ".csv", ".json", ".mtx")
quick = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def compare(*args: Any) -> Outcome:
    return call("compare", *map(str, args), check=False)


@quick
@given(results(), st.sampled_from(SUFFIXES), st.sampled_from(["entry", "max", "fro"]))
def test_a_file_equals_itself(tmp_path: Path, result: Result, suffix: str, norm: str) -> None:
    path = tmp_path / f"a{suffix}"
    try:
        write(result, path, force=True)
    except UsageError:
        return
    assert compare(path, path, "--rtol", 0, "--norm", norm).exit_code == 0


@quick
@given(results(), results(), st.sampled_from([".npz", ".json"]), st.sampled_from(SUFFIXES))
def test_the_order_of_the_files_does_not_matter(
    tmp_path: Path, one: Result, two: Result, suffix: str, other: str
) -> None:
    a, b = tmp_path / f"a{suffix}", tmp_path / f"b{other}"
    try:
        write(one, a, force=True)
        write(two, b, force=True)
    except UsageError:
        return
    there, back = compare(a, b, "--rtol", 0.5), compare(b, a, "--rtol", 0.5)
    assert there.exit_code == back.exit_code
    assert there.exit_code in (0, 1)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".json", ".mtx"])
def test_every_format_holds_the_same_numbers(tmp_path: Path, suffix: str) -> None:
    write(POLAR, tmp_path / "a.npz")
    write(POLAR, tmp_path / f"b{suffix}", layout="matrix")
    outcome = compare(tmp_path / "a.npz", tmp_path / f"b{suffix}", "--rtol", 0)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout == "matrix: equal within rtol 0\n"


def test_worst_entries_are_named_and_missing_keys_count(jaccli: Jaccli) -> None:
    np.savez("a.npz", **{"y.x": np.array([[1.0, 2.0], [3.0, 4.0]]), "y.w": np.array(1.0)})
    np.savez("b.npz", **{"y.x": np.array([[1.0, 2.5], [3.0, 4.1]]), "z.w": np.array(1.0)})
    outcome = compare("a.npz", "b.npz")
    assert outcome.exit_code == 1
    assert outcome.stdout == (
        "y.x: 2 of 4 entries differ\n"
        "y.w: only in the first\n"
        "z.w: only in the second\n"
        "  y.x[0,1]: 2.0 and 2.5\n"
        "  y.x[1,1]: 4.0 and 4.1\n"
    )
    table = compare("a.npz", "b.npz", "--format", "table").stdout
    assert table == (
        "array               shape  difference  entries off    verdict\n"
        "y.x                (2, 2)         0.5       2 of 4  different\n"
        "y.w     only in the first           -            -  different\n"
        "z.w    only in the second           -            -  different\n"
        "  y.x[0,1]: 2.0 and 2.5\n"
        "  y.x[1,1]: 4.0 and 4.1\n"
    )
    assert compare("a.npz", "b.npz", "--format", "none").stdout == ""


def test_shapes_and_types_are_differences(jaccli: Jaccli) -> None:
    np.save("v.npy", np.array([1.0, 2.0]))
    np.save("m.npy", np.array([[1.0, 2.0]]))
    np.save("i.npy", np.array([1, 2]))
    np.save("s.npy", np.array([1.0, 2.0], np.float32))
    assert compare("v.npy", "m.npy").stdout == "array: the shapes are (2,) and (1, 2)\n"
    assert compare("v.npy", "m.npy").exit_code == 1
    assert compare("v.npy", "i.npy").exit_code == 1
    single = compare("v.npy", "s.npy")
    assert single.exit_code == 0
    assert single.stdout == (
        "array: equal within rtol 0.0001\narray: the types are float64 and float32\n"
    )


def test_tolerances_and_norms(jaccli: Jaccli) -> None:
    np.save("a.npy", np.array([1.0, 1e-3]))
    np.save("b.npy", np.array([1.0, 1.1e-3]))
    assert compare("a.npy", "b.npy", "--rtol", 1e-2).exit_code == 1
    assert compare("a.npy", "b.npy", "--rtol", 1e-2, "--norm", "max").exit_code == 0
    assert compare("a.npy", "b.npy", "--rtol", 1e-2, "--norm", "fro").exit_code == 0
    assert compare("a.npy", "b.npy", "--rtol", 0, "--atol", 1.1e-4).exit_code == 0


def test_json_has_every_number(jaccli: Jaccli) -> None:
    np.save("a.npy", np.array([1.0, np.nan]))
    np.save("b.npy", np.array([1.5, 2.0]))
    outcome = compare("a.npy", "b.npy", "--format", "json")
    assert json.loads(outcome.stdout) == {
        "schema": 1,
        "a": "a.npy",
        "b": "b.npy",
        "norm": "entry",
        "passed": False,
        "arrays": {
            "array": {
                "passed": False,
                "shapes": [[2], [2]],
                "dtypes": ["float64", "float64"],
                "rtol": 1e-6,
                "atol": 0.0,
                "difference": 0.5,
                "allowed": None,
                "entries_off": 2,
                "entries": 2,
            }
        },
        "only_a": [],
        "only_b": [],
        "worst": [
            {"entry": "array[1]", "a": "NaN", "b": 2.0},
            {"entry": "array[0]", "a": 1.0, "b": 1.5},
        ],
        "notes": [],
    }


def test_a_step_of_continuous_integration(jaccli: Jaccli) -> None:
    model = ("-e", "x**2 * y", "--at", "x=3", "--at", "y=2", "-q")
    jaccli("gradient", *model, "-o", "golden.npz")
    jaccli("gradient", *model, "-o", "J.npz")
    assert compare("J.npz", "golden.npz", "--rtol", 1e-9).exit_code == 0


def test_files_that_cannot_be_read_exit_3(jaccli: Jaccli) -> None:
    np.savez("a.npz", **{"y.x": np.ones(100)})
    Path("cut.npz").write_bytes(Path("a.npz").read_bytes()[:300])
    Path("text.npz").write_text("hello\n")
    Path("text.txt").write_text("hello\n")
    Path("text.csv").write_text("hello\n")
    Path("folder.npz").mkdir()
    messages = {
        "absent.npz": "absent.npz: no such file.",
        "cut.npz": "cut.npz: this file is damaged: file is not a zip file.",
        "text.npz": "text.npz: this file is damaged: file is not a zip file.",
        "text.txt": "text.txt: this is not the name of a result file.\n"
        "Expected one of .npy, .npz, .csv, .json, .mtx, .tsv, .parquet, .mat, .h5.",
        "text.csv": "text.csv: line 1: 'hello' is not a number.",
        "folder.npz": "folder.npz: this is not a file.",
    }
    for name, message in messages.items():
        outcome = compare("a.npz", name)
        assert (outcome.exit_code, outcome.stdout) == (3, ""), name
        assert outcome.stderr == f"jaccli: {message}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--norm", "2"), "--norm: no norm '2'.\nExpected one of 'entry', 'max', 'fro'."),
        (("--rtol", "-1"), "--rtol: -1.0 is out of range.\nExpected 0 or more."),
        (("--atol", "nan"), "--atol: nan is out of range.\nExpected 0 or more."),
        (
            ("--format", "csv"),
            "--format: unknown value 'csv'.\nExpected one of 'table', 'plain', 'json', 'none'.",
        ),
    ],
)
def test_wrong_options_exit_2(jaccli: Jaccli, options: tuple[str, str], message: str) -> None:
    np.save("a.npy", np.ones(2))
    outcome = compare("a.npy", "a.npy", *options)
    assert (outcome.exit_code, outcome.stderr) == (2, f"jaccli: {message}\n")


def test_comparing_imports_no_jax(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(2))
    script = (
        "import sys\nfrom jaccli.cli.main import run\n"
        "code = run(['compare', 'a.npy', 'a.npy', '--format', 'none'])\n"
        "print(code, *sorted({'jax', 'jaxlib', 'scipy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, cwd=tmp_path, timeout=60, text=True, check=True, env=os.environ,
    )  # fmt: skip
    assert done.stdout == "0\n"
