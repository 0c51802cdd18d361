"""`jaccli run` on specs with a sweep: results, accounts, what is kept, what fails, reports."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ROOT
from pipeline import assert_blocks

from jaccli.choices import SUFFIXES
from jaccli.spec import load
from jaccli.sweep import expand
from jaccli.sweep.fingerprint import fingerprints
from tests.processes import started

CHOICES = ", ".join(map(repr, (".npz", *(name for name in SUFFIXES if name != ".npz"))))

Jaccli = Callable[..., Any]

TANH = """\
model: {expressions: {y: tanh(w @ x)}}
inputs:
  w: {random: normal, shape: [3, 4], seed: 1, std: 0.5}
  x: {random: normal, shape: [4], seed: 2}
wrt: x
"""
POLAR = """\
model: {expressions: {r: sqrt(x**2 + y**2), theta: 'arctan2(y, x)'}}
inputs: {x: 3.0, y: 4.0}
layout: matrix
"""


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def arrays(path: Path) -> dict[str, Any]:
    """Return the blocks of an .npz."""
    with np.load(path) as archive:
        return {key: archive[key] for key in archive if key != "manifest"}


def accounts(folder: str) -> dict[str, Any]:
    """Return the account of each task by name."""
    manifest = json.loads((Path(folder) / "manifest.json").read_text())
    return {task["name"]: task for task in manifest["tasks"]}


def rows(folder: str) -> list[dict[str, str]]:
    """Return the rows of the table."""
    with (Path(folder) / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def stamps(folder: str) -> dict[str, int]:
    """Return when each result was written."""
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).glob("*=*")}


# Results


def test_each_task_has_the_jacobian_of_its_own_point(jaccli: Jaccli) -> None:
    write("s.yaml", TANH + "sweep: {inputs.x.seed: {range: [0, 7, 1]}, inputs.w.std: [0.5, 2]}\n")
    jaccli("run", "s.yaml")
    w = np.random.default_rng(1).standard_normal((3, 4))
    for seed in range(7):
        x = np.random.default_rng(seed).standard_normal(4)
        for std in ("0.5", "2"):
            y = np.tanh(float(std) * w @ x)
            expected = {"y.x": (1 - y**2)[:, None] * float(std) * w}
            found = arrays(Path("s.results") / f"x.seed={seed},w.std={std}.npz")
            assert_blocks(found, expected)


SAME = {
    "a hessian": (TANH, "derivative: hessian", "inputs.x.seed: [1, 2, 3]"),
    "wrt is shared": (TANH, "", "inputs.w.seed: [1, 2, 3]"),
    "a product with other vectors": (
        TANH,
        "derivative: jvp\nvector: {random: normal, shape: [4], seed: 9}",
        "inputs.x.seed: [1, 2], vector.seed: [1, 2, 3]",
    ),
    "vectors alone": (TANH, "derivative: vjp\nvector: [1, 2, 3]", "vector: [[1, 0, 0], [0, 1, 2]]"),
    "a batch of the spec's own": (
        TANH.replace("shape: [4]", "shape: [5, 4]"),
        "batch: {x: 0}",
        "inputs.x.seed: [1, 2, 3], inputs.w.seed: [1, 2]",
    ),
    "chunks": (TANH, "chunk: 2\nmode: fwd", "inputs.x.seed: [1, 2, 3]"),
    "chunks of a batch": (
        TANH.replace("shape: [4]", "shape: [5, 4]"),
        "batch: {x: 0}\nchunk: 2",
        "inputs.x.seed: [1, 2, 3]",
    ),
    "float32 and float64": (TANH, "", "dtype: [float32, float64], inputs.x.seed: [1, 2]"),
    "modes": (TANH, "", "mode: [loop, sparse], inputs.x.seed: [1, 2]"),
    "tuned": (TANH, "mode: tuned", "inputs.x.seed: [1, 2], inputs.w.seed: [1, 2]"),
    "models": (TANH, "", "model.expressions.y: [w @ x, sum(x**2) * x], inputs.x.seed: [1, 2]"),
    "indices": (
        "model: {expression: 'x[k] ** 3'}\nwrt: x\n"
        "inputs: {x: [1, 2, 3, 4], k: {value: [0, 2], dtype: int64}}\n",
        "mode: structured",
        "inputs.k.value: [[0, 2], [1, 1]], inputs.x: [[1, 2, 3, 4], [5, 6, 7, 8]]",
    ),
    "several derivatives": (
        TANH + "select: y\n",
        "derivative: [jacobian, evaluate]",
        "inputs.x.seed: [1, 2]",
    ),
}


SLOW = ("tuned", "chunks of a batch", "float32 and float64", "several derivatives")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] if name in SLOW else [], id=name)
        for name, case in SAME.items()
    ],
)
def test_results_are_those_of_single_runs(jaccli: Jaccli, case: tuple[str, str, str]) -> None:
    model, entries, sweep = case
    write("one.yaml", f"{model}{entries}\n")
    write("s.yaml", f"base: one.yaml\nsweep: {{{sweep}}}\n")
    jaccli("run", "s.yaml", "--format", "none", "--layout", "matrix")
    tasks = accounts("s.results").values()
    assert len(tasks) > 1
    for task in tasks:
        settings = [f"--set={path}={json.dumps(value)}" for path, value in task["values"].items()]
        options = (*settings, f"--set=derivative={task['derivative']}", "--layout", "matrix")
        jaccli("run", "one.yaml", *options, "-o", "one.npz", "--force")
        found = jaccli("compare", Path("s.results") / task["file"], "one.npz", "--rtol", "1e-14",
                       "--atol", "1e-15" if "float32" not in task["name"] else "1e-6")  # fmt: skip
        assert found.exit_code == 0
        with np.load("one.npz") as single, np.load(Path("s.results") / task["file"]) as swept:
            one, other = (json.loads(str(file["manifest"])) for file in (single, swept))
            assert other["spec_sha256"] == task["spec_sha256"]
            assert one["spec_sha256"] == task["spec_sha256"] or "[jacobian, eval" in entries


def test_sparse_results_are_those_of_single_runs(jaccli: Jaccli) -> None:
    write("s.yaml", "model: {expression: x**3}\ninputs: {x: [1, 2, 3]}\nstorage: sparse\n"
          "sweep: {inputs.x: [[1, 2, 3], [4, 0, 6]]}\n")  # fmt: skip
    jaccli("run", "s.yaml", "--suffix", ".mtx")
    lines = Path("s.results/x=4_0_6.mtx").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("%")][1:]
    assert [[row, column, float(value)] for row, column, value in entries] == [
        ["1", "1", 48.0],
        ["2", "2", 0.0],
        ["3", "3", 108.0],
    ]


def test_tasks_of_one_structure_are_compiled_once(
    jaccli: Jaccli, monkeypatch: pytest.MonkeyPatch
) -> None:
    jaccli("evaluate", "-e", "1.0", "--at", "x=1")  # JAX is set up
    from jaccli.sweep import batching
    from jaccli.tune import tuned

    monkeypatch.setattr(batching, "MAX_ROWS", 20)
    compiled: list[Any] = []
    prepare = tuned.prepare
    monkeypatch.setattr(tuned, "prepare", lambda plan: compiled.append(plan) or prepare(plan))
    sweep = "sweep: {inputs.x.seed: {range: [0, 30, 1]}, inputs.x.shape: [[4], [2, 4]]}\n"
    text = TANH.replace("w @ x", "x @ w.T").replace("w.T", "transpose(w)")
    write("s.yaml", text + sweep)
    jaccli("run", "s.yaml", "--format", "none", "--suffix", ".csv", "--layout", "matrix")
    assert [plan.model.batch_size for plan in compiled] == [15, 15]
    assert len(stamps("s.results")) == 60


def test_a_model_that_cannot_be_batched_is_computed_one_by_one(jaccli: Jaccli) -> None:
    write("m.py", "import jax, numpy as np\n\ndef f(x):\n"
          "    return jax.pure_callback(lambda x: np.asarray(x) * 2, x, x)\n")  # fmt: skip
    write("s.yaml", "model: {python: 'm.py:f'}\ninputs: {x: 1.0}\nderivative: evaluate\n"
          "sweep: {inputs.x: [1.0, 2.5, 4.0]}\n")  # fmt: skip
    jaccli("run", "s.yaml", "--allow-python")
    assert [float(arrays(Path(f"s.results/x={x}.npz"))["f"]) for x in (1.0, 2.5, 4.0)] == [2, 5, 8]


def test_json_results_hold_the_outputs_too(jaccli: Jaccli) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [3, 0]}\n")
    jaccli("run", "s.yaml", "--suffix", ".json", "--layout", "blocks")
    found = json.loads(Path("s.results/x=3.json").read_text())
    assert found["value"] == {"r": 5.0, "theta": pytest.approx(np.arctan2(4, 3))}
    assert found["blocks"]["r.x"] == {"shape": [], "values": pytest.approx(0.6)}


# Accounts


def test_the_table_has_a_row_for_each_task(jaccli: Jaccli) -> None:
    """Of polar coordinates: ‖J‖² = 1 + 1/r², and the singular values are 1 and 1/r."""
    write("s.yaml", POLAR + "sweep: {zip: {inputs.x: [3, 5], inputs.y: [4, 12]}}\n")
    jaccli("run", "s.yaml")
    found = rows("s.results")
    assert [row["task"] for row in found] == ["x=3,y=4", "x=5,y=12"]
    for row, r in zip(found, (5, 13), strict=True):
        assert (row["status"], row["mode"], row["device"]) == ("done", "structured", "cpu:0")
        assert row["shapes"] == "r.x (), r.y (), theta.x (), theta.y ()"
        assert float(row["norm"]) == pytest.approx(np.sqrt(1 + 1 / r**2))
        assert float(row["condition"]) == pytest.approx(r)
        assert float(row["max"]) == pytest.approx(max(float(row[f"inputs.{n}"]) for n in "xy") / r)
        assert row["file"] == f"{row['task']}.npz"
        assert (row["nonfinite"], row["expect"], row["error"]) == ("0", "", "")


def test_standard_output_is_a_summary(jaccli: Jaccli) -> None:
    write("s.yaml", "model: {expression: a * x**2}\ninputs: {x: 1, a: 2}\nwrt: x\n"
          "sweep: {inputs.x: [0.5, 2], inputs.a: [1, 3]}\n")  # fmt: skip
    outcome = jaccli("run", "s.yaml")
    assert outcome.stdout == (
        "x    a  status  shapes  norm  min   max\n"
        "0.5  1  done    f.x ()  1.0   1.0   1.0\n"
        "0.5  3  done    f.x ()  3.0   3.0   3.0\n"
        "2    1  done    f.x ()  4.0   4.0   4.0\n"
        "2    3  done    f.x ()  12.0  12.0  12.0\n"
    )
    assert outcome.stderr.startswith("4 tasks: 4 done · ")
    assert outcome.stderr.endswith(" · s.results\n")
    again = jaccli("run", "s.yaml", "--format", "csv")
    assert again.stdout.splitlines()[:2] == [
        "x,a,status,shapes,norm,min,max",
        "0.5,1,done,f.x (),1.0,1.0,1.0",
    ]
    (first, *_) = json.loads(jaccli("run", "s.yaml", "--format", "json").stdout)["tasks"]
    assert first == {"x": 0.5, "a": 1, "status": "done", "shapes": "f.x ()", "norm": 1.0,
                     "min": 1.0, "max": 1.0}  # fmt: skip
    assert jaccli("run", "s.yaml", "--format", "none", "--quiet").stderr == ""


def test_a_long_table_for_a_person_leaves_out_its_middle(jaccli: Jaccli) -> None:
    write(
        "s.yaml",
        "model: {expression: x**2}\ninputs: {x: 1}\nsweep: {inputs.x: {range: [0, 99, 1]}}\n",
    )
    lines = jaccli("run", "s.yaml", "--format", "table", "--digits", "3").stdout.splitlines()
    assert (len(lines), lines[21]) == (42, "… 59 more …")
    assert lines[-1].split() == ["98", "done", "f.x", "()", "196", "196", "196"]


# What is kept


def test_running_again_does_what_is_missing_or_changed(jaccli: Jaccli) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2, 3]}\n")
    jaccli("run", "s.yaml")
    before = stamps("s.results")
    Path("s.results/x=2.npz").unlink()
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2, 4]}\ndescription: Counts for nothing.\n")
    assert "3 tasks: 2 done, 1 kept" in jaccli("run", "s.yaml").stderr
    after = stamps("s.results")
    assert after["x=1.npz"] == before["x=1.npz"]
    assert after["x=3.npz"] == before["x=3.npz"]  # no longer a task, and left alone
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2, 3, 4]}\n")
    assert "4 tasks: 4 kept" in jaccli("run", "s.yaml", "--resume").stderr
    assert stamps("s.results") == after
    assert [row["task"] for row in rows("s.results")] == ["x=1", "x=2", "x=3", "x=4"]
    jaccli("run", "s.yaml", "--force")
    assert all(stamps("s.results")[name] > stamp for name, stamp in after.items())
    write("s.yaml", POLAR + "dtype: float32\nsweep: {inputs.x: [1, 2, 3, 4]}\n")
    assert "4 tasks: 4 done" in jaccli("run", "s.yaml").stderr


def test_a_result_is_redone_when_a_file_it_was_made_of_changes(jaccli: Jaccli) -> None:
    np.save("a.npy", np.array([1.0, 2.0]))
    np.save("b.npy", np.array([3.0, 4.0]))
    write("s.yaml", "model: {expression: x**2}\ninputs: {x: {file: a.npy}}\n"
          "sweep: {inputs.x.file: [a.npy, b.npy]}\n")  # fmt: skip
    jaccli("run", "s.yaml")
    np.save("b.npy", np.array([5.0, 6.0]))
    assert "2 tasks: 1 done, 1 kept" in jaccli("run", "s.yaml").stderr
    found = arrays(Path("s.results/x.file=b.npy.npz"))
    np.testing.assert_array_equal(found["f.x"], np.diag([10.0, 12.0]))


def test_files_of_others_are_not_replaced(jaccli: Jaccli) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2]}\n")
    Path("out").mkdir()
    write("out/x=2.npz", "precious")
    outcome = jaccli("run", "s.yaml", "--out-dir", "out", check=False)
    assert (outcome.exit_code, outcome.stderr) == (
        2,
        "jaccli: out/x=2.npz: exists already.\nChoose another name, or replace it with --force.\n",
    )
    assert os.listdir("out") == ["x=2.npz"]
    assert Path("out/x=2.npz").read_text() == "precious"
    jaccli("run", "s.yaml", "--out-dir", "out", "--force")
    assert list(stamps("out")) != []


def test_a_folder_is_one_processs_at_a_time(jaccli: Jaccli) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2]}\n")
    jaccli("run", "s.yaml")
    with Path("s.results/journal.jsonl").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        outcome = jaccli("run", "s.yaml", "--force", check=False)
    assert (outcome.exit_code, outcome.stderr) == (
        2,
        "jaccli: s.results: another process is writing there.\n",
    )


def test_a_killed_sweep_goes_on_where_it_was(jaccli: Jaccli, cache_home: Path) -> None:
    """Killed at a random moment after its first results: the rest alone is computed, the same."""
    write("s.yaml", POLAR + "sweep: {inputs.x: {linspace: [1, 2, 250]}}\n")
    options = ("--suffix", ".csv", "--format", "none")
    jaccli("run", "s.yaml", *options, "--out-dir", "whole")
    command = [sys.executable, "-m", "jaccli", "run", "s.yaml", *options, "--out-dir", "killed"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with started(command, env=environment, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(Path("killed").glob("*.csv")):
            time.sleep(0.02)
        time.sleep(0.05 * random.random())
    done = stamps("killed")
    assert 0 < len(done) < 250
    with Path("killed/journal.jsonl").open("a") as journal:
        journal.write('{"name": "x=1.')  # as if the power had gone in the middle of a line
    outcome = jaccli("run", "s.yaml", *options, "--out-dir", "killed")
    kept = int(outcome.stderr.split(" kept")[0].split()[-1])
    assert len(done) - 1 <= kept <= len(done)
    same = [name for name, stamp in done.items() if stamps("killed")[name] == stamp]
    assert len(same) == kept
    for path in Path("whole").glob("x=*.csv"):
        assert (Path("killed") / path.name).read_bytes() == path.read_bytes()
    assert sorted(os.listdir("killed")) == sorted(os.listdir("whole"))


MODULE = {
    "m.py": "import helper, numpy\nfrom pkg.part import g\ndef f(x):\n    return g(helper.h(x))\n",
    "helper.py": "def h(x):\n    return 2 * x\n",
    "pkg/part.py": "from . import deep\ndef g(x):\n    from late import add\n"
    "    return add(deep.square(x))\n",
    "pkg/deep.py": "def square(x):\n    return x**2\n",
    "late.py": "def add(x):\n    return x + 1\n",
    "unused.py": "",
}


@pytest.mark.parametrize("changed", ["m.py", "helper.py", "pkg/part.py", "pkg/deep.py", "late.py"])
def test_a_file_that_a_python_model_imports_counts(jaccli: Jaccli, changed: str) -> None:
    Path("pkg").mkdir()
    for name, text in MODULE.items():
        write(name, text)
    write("s.yaml", "model: {python: 'm.py:f'}\ninputs: {x: 1.0}\nsweep: {inputs.x: [1, 2]}\n")
    spec = load("s.yaml")

    def hashes() -> list[str]:
        return [fingerprints(".npz", {})(task) for task in expand(spec)]

    before = hashes()
    write("unused.py", "x = 1\n")
    assert hashes() == before
    write(changed, MODULE[changed] + "# more\n")
    assert not set(hashes()) & set(before)


# What fails

FAILING = """\
model: {expressions: {y: w @ x}}
inputs: {w: {random: normal, shape: [3, 2], seed: 1}, x: {ones: 2}}
wrt: x
sweep: {inputs.w.shape: [[3, 2], [3, 3], [4, 2]]}
"""


def test_a_failure_is_told_and_does_not_stop_the_others(jaccli: Jaccli) -> None:
    write("s.yaml", FAILING)
    outcome = jaccli("run", "s.yaml", check=False)
    assert outcome.exit_code == 1
    error = (
        "s.yaml:1:26: model.expressions.y: w @ x: (3, 3) @ (2,) do not fit.\n"
        "  model: {expressions: {y: w @ x}}\n"
        "                           ^^^^^\n"
        "dot_general requires contracting dimensions to have the same shape, got (3,) and (2,)."
    )
    told, _, line = outcome.stderr.rstrip().rpartition("\n")
    assert told == f"failed: w.shape=3_3: {error}"
    assert line.startswith("3 tasks: 2 done, 1 failed · ")
    assert [row["status"] for row in rows("s.results")] == ["done", "failed", "done"]
    assert rows("s.results")[1]["error"] == error
    assert set(stamps("s.results")) == {"w.shape=3_2.npz", "w.shape=4_2.npz"}
    again = jaccli("run", "s.yaml", check=False)
    assert again.exit_code == 1
    assert "3 tasks: 2 kept, 1 failed · " in again.stderr


def test_fail_fast_stops_at_the_first_failure(jaccli: Jaccli) -> None:
    write("s.yaml", FAILING)
    outcome = jaccli("run", "s.yaml", "--fail-fast", check=False)
    assert outcome.exit_code == 1
    assert "3 tasks: 1 done, 1 failed, 1 not run · " in outcome.stderr
    assert [row["status"] for row in rows("s.results")] == ["done", "failed", "pending"]


def test_one_task_of_a_group_may_fail(jaccli: Jaccli) -> None:
    np.save("a.npy", np.array([1.0, 2.0]))
    model = "model: {expression: sum(sqrt(x))}\nderivative: gradient\ninputs: {x: 1}\n"
    sweep = "sweep: {inputs.x: [{file: a.npy}, {file: gone.npy}, [0, 1]]}\n"
    write("s.yaml", model + sweep)
    outcome = jaccli("run", "s.yaml", "--fail-on-nonfinite", check=False)
    statuses = [(row["status"], row["error"].split("\n")[0]) for row in rows("s.results")]
    assert outcome.exit_code == 1
    assert statuses == [
        ("done", ""),
        ("failed", "s.yaml:4:42: inputs.x: gone.npy: no such file."),
        ("failed", "d f / d x[0] is inf (1 of 2 entries is not finite)."),
    ]


def test_a_result_of_an_earlier_spec_goes_when_its_task_fails(jaccli: Jaccli) -> None:
    write("s.yaml", FAILING.replace("[3, 3], ", ""))
    jaccli("run", "s.yaml")
    write("s.yaml", FAILING.replace("[3, 3], ", "").replace("x: {ones: 2}", "x: {ones: 3}"))
    jaccli("run", "s.yaml", check=False)
    assert stamps("s.results") == {}


def test_expectations_are_verdicts(jaccli: Jaccli) -> None:
    jaccli("jacobian", "-e", "f = x**2", "--at", "x=[1, 2]", "-o", "one.npy")
    write("s.yaml", "model: {expression: x**2}\ninputs: {x: [1, 2]}\nexpect: {file: one.npy}\n"
          "sweep: {inputs.x: [[1, 2], [1, 3]]}\n")  # fmt: skip
    outcome = jaccli("run", "s.yaml", "--junit", "r.xml", check=False)
    assert outcome.exit_code == 1
    assert [(row["status"], row["expect"]) for row in rows("s.results")] == [
        ("done", "passed"),
        ("failed", "failed"),
    ]
    error = "expect: f.x: 1 of 4 entries differ\n  f.x[1,1]: 6.0 and 4.0"
    assert rows("s.results")[1]["error"] == error
    suite = ElementTree.parse("r.xml").getroot()[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    failure = suite[1].find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == (error.split("\n")[0], error)


# Reports


def test_a_junit_report_has_a_case_for_each_task(jaccli: Jaccli) -> None:
    write("s.yaml", FAILING)
    jaccli("run", "s.yaml", "--fail-fast", "--junit", "r.xml", check=False)
    root = ElementTree.parse("r.xml").getroot()
    (suite,) = root
    counts = ("tests", "failures", "errors", "skipped")
    assert [suite.get(name) for name in counts] == ["3", "0", "1", "1"]
    assert [(case.get("classname"), case.get("name")) for case in suite] == [
        ("s", "w.shape=3_2"),
        ("s", "w.shape=3_3"),
        ("s", "w.shape=4_2"),
    ]
    assert [[child.tag for child in case] for case in suite] == [[], ["error"], ["skipped"]]
    assert all(float(str(case.get("time"))) >= 0 for case in suite)


def test_a_page_of_markdown(jaccli: Jaccli) -> None:
    write("s.yaml", FAILING)
    jaccli("run", "s.yaml", "--markdown", "s.md", check=False)
    heading, _, line, *rest = Path("s.md").read_text().splitlines()
    assert heading == "## s"
    assert line.startswith("3 tasks: 2 done, 1 failed · ")
    assert rest == [
        "",
        "**w.shape=3\\_3** failed:",
        "",
        "```",
        "s.yaml:1:26: model.expressions.y: w @ x: (3, 3) @ (2,) do not fit.",
        "  model: {expressions: {y: w @ x}}",
        "                           ^^^^^",
        "dot_general requires contracting dimensions to have the same shape, got (3,) and (2,).",
        "```",
        "",
        "| w.shape | status | shapes | norm | min | max | condition |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| \\[3, 2\\] | done | y.x (3, 2) | 1.90284 | -1.30316 | 0.905356 | 1.61224 |",
        "| \\[3, 3\\] | failed | - | - | - | - | - |",
        "| \\[4, 2\\] | done | y.x (4, 2) | 2.06078 | -1.30316 | 0.905356 | 1.4771 |",
    ]


# Dry runs, and what is refused


def test_a_dry_run_lists_tasks_with_their_bytes_and_writes_nothing(jaccli: Jaccli) -> None:
    write(
        "s.yaml", TANH + "sweep: {inputs.w.shape: [[3, 4], [300, 4]], dtype: [float32, float64]}\n"
    )
    outcome = jaccli("run", "s.yaml", "--dry-run")
    assert outcome.stdout == (
        "w.shape   dtype    status  shapes        bytes  seconds\n"
        "[3, 4]    float32  to do   y.x (3, 4)    48     0.3\n"
        "[3, 4]    float64  to do   y.x (3, 4)    96     0.3\n"
        "[300, 4]  float32  to do   y.x (300, 4)  4800   0.3\n"
        "[300, 4]  float64  to do   y.x (300, 4)  9600   0.3\n"
    )
    assert outcome.stderr == "4 tasks: 4 to do · 14.2 KiB, about 1 s · s.results\n"
    outcome = jaccli("run", "s.yaml", "--dry-run", "--jobs", "2", "--format", "none")
    assert outcome.stderr == "4 tasks: 4 to do · 14.2 KiB, about 600 ms · s.results\n"
    assert os.listdir() == ["s.yaml"]
    jaccli("run", "s.yaml")
    Path("s.results/w.shape=3_4,dtype=float64.npz").unlink()
    reader = csv.DictReader(
        io.StringIO(jaccli("run", "s.yaml", "--dry-run", "--format", "csv").stdout)
    )
    again = list(reader)
    assert [row["status"] for row in again] == ["kept", "to do", "kept", "kept"]
    assert all(float(row["seconds"]) > 0 for row in again)


REFUSED = {
    ("-o", "a.npz"): "-o: a sweep writes a file for each task.\n"
    "Use --out-dir DIR, and --suffix for the format.",
    ("--suffix", ".txt"): f"--suffix: unknown value '.txt'.\nExpected one of {CHOICES}.",
    ("--show", "r"): "--show goes with one result; a sweep has many.",
    ("--format", "npy"): "--format: 'npy' holds a result; a sweep prints a table.\n"
    "Expected one of 'table', 'plain', 'json', 'csv', 'none'.",
    ("--dry-run", "--junit", "r.xml"): "--junit: a dry run has nothing to report.",
    ("--at", "x=3"): "--at: the sweep sets 'inputs.x'.\n"
    "Give the sweep other values: --set 'sweep={inputs.x: [...]}'.",
    ("s.yaml",): "a spec with a sweep is run by itself.\nRun one spec at a time.",
    ("--markdown", "no/where.md"): "no/where.md: there is no folder '{here}/no'.\nCreate it first.",
    ("--suffix", ".npy", "--layout", "blocks"): "npy: one array only, and the result has 4 "
    "blocks: 'r.x', 'r.y', 'theta.x', 'theta.y'.\n"
    "Use .npz for all of them, or --layout matrix to join them into one array.",
    ("--out-dir", "s.yaml"): "s.yaml: this is not a folder.",
    ("--out-dir", "other"): "other/manifest.json: this is not the manifest of a sweep.\n"
    "Choose another folder with --out-dir.",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_does_not_go_with_a_sweep_is_refused(jaccli: Jaccli, options: tuple[str, ...]) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2]}\n")
    Path("other").mkdir()
    write("other/manifest.json", '{"name": "an app"}')
    outcome = jaccli("run", "s.yaml", *options, check=False)
    expected = REFUSED[options].replace("{here}", str(Path.cwd()))
    assert (outcome.exit_code, outcome.stderr) == (2, f"jaccli: {expected}\n")
    assert sorted(os.listdir()) == ["other", "s.yaml"]


@pytest.mark.parametrize("options", [("--dry-run",), ("--fail-fast",), ("--junit", "r.xml")])
def test_options_of_sweeps_need_one(jaccli: Jaccli, options: tuple[str, ...]) -> None:
    write("s.yaml", POLAR)
    outcome = jaccli("run", "s.yaml", *options, check=False)
    expected = f"jaccli: {options[0]} goes with a sweep, and the spec has none.\n"
    assert (outcome.exit_code, outcome.stderr) == (2, expected)


def test_other_commands_take_no_sweep(jaccli: Jaccli) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2]}\n")
    outcome = jaccli("jacobian", "s.yaml", check=False)
    assert (outcome.exit_code, outcome.stderr) == (
        2,
        "s.yaml:4:8: sweep: this command takes one task.\n"
        "  sweep: {inputs.x: [1, 2]}\n"
        "         ^\n"
        "`jaccli run` computes all of its tasks.\n",
    )


def test_a_device_that_is_not_there_is_no_tasks_failure(jaccli: Jaccli) -> None:
    write("s.yaml", POLAR + "sweep: {inputs.x: [1, 2]}\n")
    outcome = jaccli("run", "s.yaml", "--device", "tpu:7", check=False)
    assert (outcome.exit_code, outcome.stdout) == (4, "")
    assert outcome.stderr == "jaccli: no device 'tpu:7' here.\nAvailable: cpu:0.\n"
    assert os.listdir() == ["s.yaml"]


def test_python_code_needs_its_permission(jaccli: Jaccli) -> None:
    write("m.py", "def f(x):\n    return x\n")
    write("s.yaml", "model: {python: 'm.py:f'}\ninputs: {x: 1.0}\nsweep: {inputs.x: [1, 2]}\n")
    outcome = jaccli("run", "s.yaml", check=False)
    assert outcome.exit_code == 2
    assert "'m.py:f' is Python code, which runs only with --allow-python." in outcome.stderr
