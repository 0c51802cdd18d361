"""`bench`: what it times, what it says of it, and what it refuses before it measures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

from jaccli.derivative import operators
from jaccli.tune import bench as measuring
from jaccli.tune import row_loop
from jaccli.tune.bench import BenchReport, ModeTiming, delta
from tests.thinned import thinned

Call = Callable[..., Any]
DENSE = ("-e", "y = tanh(w @ x)", "--at", "w={random: normal, shape: [3, 5], seed: 1}",
         "--at", "x={random: normal, shape: [5], seed: 2}", "--wrt", "x")  # fmt: skip
BATCH = ("-e", "y = tanh(w @ x)", "--at", "w={random: normal, shape: [2, 3], seed: 1}",
         "--at", "x={random: normal, shape: [3, 4], seed: 2}", "--wrt", "x",
         "--batch", "x=1")  # fmt: skip
SCALAR = ("-e", "f = sum(tanh(x)**2)", "--at", "x={linspace: [0, 1, 4]}")
JACOBIAN = ["eager", "loop", "fwd", "rev", "structured-fwd", "structured-rev"]
HESSIAN = ["eager", "loop", *(name for name in operators.HESSIAN if name != "sparse")]


def measured(jaccli: Call, *args: str, repeat: int = 2) -> dict[str, Any]:
    outcome = jaccli("bench", *args, "--repeat", str(repeat), "--format", "json")
    report: dict[str, Any] = json.loads(outcome.stdout)
    return report


def is_consistent(report: dict[str, Any]) -> None:
    """Assert the arithmetic of a report: winner, speed-ups and deltas follow from the medians."""
    modes = {name: row for name, row in report["modes"].items() if "problem" not in row}
    medians = {name: row["median"] for name, row in modes.items()}
    assert all(median > 0 for median in medians.values())
    winner = report["winner"]
    assert medians[winner] == min(medians.values())
    plain = min((m for n, m in medians.items() if n in measuring.PLAIN), default=None)
    against = {"eager": medians.get("eager"), "loop": medians.get("loop"), "plain": plain}
    for name, row in modes.items():
        assert row["speedup"] == pytest.approx(
            {other: time / medians[name] for other, time in against.items() if time}
        )
    for name, percent in report["performance_delta_percent"].items():
        slower = medians[name]
        assert name != winner
        assert percent == pytest.approx(100 * (slower - medians[winner]) / slower)
        assert 0 <= percent < 100


# What is measured


def test_the_report_of_a_jacobian(jaccli: Call) -> None:
    report = measured(jaccli, *DENSE)
    assert set(report) == {
        "schema", "spec", "derivative", "device", "dtype", "precision", "batch", "blocks", "modes",
        "winner", "performance_delta_percent", "tolerance", "versions",
    }  # fmt: skip
    assert (report["schema"], report["derivative"], report["batch"]) == (1, "jacobian", None)
    assert report["blocks"] == {"y.x": [3, 5]}
    assert list(report["modes"]) == JACOBIAN
    for name, row in report["modes"].items():
        assert set(row) == {
            "compile", "median", "spread", "runs", "estimated_from_rows", "speedup", "temporaries",
            "difference", "agrees",
        }  # fmt: skip
        assert row["runs"] == 2
        assert row["agrees"] is True
        assert row["difference"] <= 1e-14
        assert (row["compile"] == 0) == (name == "eager")
        assert (row["temporaries"] is None) == (name == "eager")
    is_consistent(report)


@pytest.mark.parametrize(
    ("args", "modes"),
    thinned(
        [
            (("--of", "hessian", *DENSE), HESSIAN),
            (("--of", "gradient", *SCALAR), JACOBIAN),
            (("--of", "hvp", "--vector", "[1, 0, 2, 0]", *SCALAR), ["fwd-rev", "rev-rev"]),
            (("--of", "jvp", "--vector", "[1, 0, 2, 0]", *SCALAR), ["fwd"]),
            (("--of", "vjp", "--vector", "2", *SCALAR), ["rev"]),
            (BATCH, JACOBIAN),
            (("--of", "hessian", *BATCH), HESSIAN),
            (("--dtype", "float32", *DENSE), JACOBIAN),
        ],
        4,
    ),
    ids=["hessian", "gradient", "hvp", "jvp", "vjp", "batch", "batched hessian", "float32"],
)
def test_every_derivative_can_be_measured(
    jaccli: Call, args: tuple[str, ...], modes: list[str]
) -> None:
    report = measured(jaccli, *args, repeat=1)
    assert list(report["modes"]) == modes
    for name, row in report["modes"].items():
        assert row.get("agrees"), (name, row)
    is_consistent(report)


def test_a_derivative_without_entries_can_be_measured(jaccli: Call) -> None:
    measured(jaccli, "-e", "x**2", "--at", "x={zeros: 0}")


@pytest.mark.parametrize("asked", ["structured,fwd", "fwd , structured", "auto,fwd,structured"])
def test_modes_are_picked_and_words_decided(jaccli: Call, asked: str) -> None:
    report = measured(jaccli, *DENSE, "--modes", asked)
    assert set(report["modes"]) == {"fwd", "structured-rev"}
    is_consistent(report)


def test_repeat_is_how_often_each_runs_and_otherwise_time_decides(jaccli: Call) -> None:
    assert measured(jaccli, *DENSE, "--modes", "fwd", repeat=5)["modes"]["fwd"]["runs"] == 5
    free = json.loads(jaccli("bench", *SCALAR, "--modes", "fwd", "--format", "json").stdout)
    assert free["modes"]["fwd"]["runs"] >= 3


@pytest.mark.parametrize(
    ("args", "rows"),
    [(DENSE, 3), (("--of", "hessian", *DENSE), 5), (BATCH, 2 * 4), (("--of", "hessian", *BATCH),
                                                                     3 * 4)],
    ids=["jacobian", "hessian", "batch", "batched hessian"],
)  # fmt: skip
def test_an_eager_loop_that_takes_long_is_extrapolated_from_one_row(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], rows: int
) -> None:
    monkeypatch.setattr(row_loop, "TIME_LIMIT", 0.0)
    plain = "fwd-rev" if "hessian" in args else "fwd"
    report = measured(jaccli, *args, "--modes", f"eager,{plain}")
    row = report["modes"]["eager"]
    assert row["estimated_from_rows"] == [1, rows]
    assert row["agrees"] is True
    is_consistent(report)
    text = jaccli("bench", *args, "--modes", "eager", "--repeat", "1").stdout
    assert f"eager: estimated from 1 of {rows} rows" in text


def test_an_eager_loop_that_is_patient_is_not(jaccli: Call) -> None:
    row = measured(jaccli, *DENSE, "--modes", "eager,fwd")["modes"]["eager"]
    assert row["estimated_from_rows"] is None


def test_a_mode_that_cannot_be_derived_shows_its_problem(jaccli: Call, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "import jax\n"
        "def f(x):\n"
        "    return jax.lax.while_loop(lambda y: y.sum() < 9, lambda y: 2 * y, x)\n"
    )
    (tmp_path / "m.yaml").write_text("model: {python: 'm.py:f'}\ninputs: {x: [1.0, 2.0]}\n")
    report = measured(jaccli, "m.yaml", "--allow-python")
    problems = {name for name, row in report["modes"].items() if "problem" in row}
    assert problems == {"eager", "loop", "rev", "structured-rev"}
    is_consistent(report)


# Wrong numbers


@pytest.mark.parametrize("wrong", ["rev", "structured-fwd"])
@pytest.mark.parametrize(("factor", "off"), [(2.0, "1.0e+00"), (1.001, "1.0e-03")])
def test_a_mode_that_computes_wrong_numbers_is_reported(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch, wrong: str, factor: float, off: str
) -> None:
    real = operators.JACOBIAN[wrong]
    scaled = lambda f, x: jax.tree.map(lambda leaf: factor * leaf, real(f, x))  # noqa: E731
    monkeypatch.setitem(operators.JACOBIAN, wrong, scaled)
    args = ("bench", *DENSE, "--modes", f"fwd,{wrong}", "--repeat", "1", "--format", "json")
    outcome = jaccli(*args)
    agrees = {name: row["agrees"] for name, row in json.loads(outcome.stdout)["modes"].items()}
    assert agrees == {"fwd": True, wrong: False}
    warning = f"warning: {wrong} differs by {off} of the largest entry (tolerance 1e-06)."
    assert warning in outcome.stderr.splitlines()


def test_the_eager_loop_finds_a_wrong_reference_out(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = operators.JACOBIAN["fwd"]
    doubled = lambda f, x: jax.tree.map(lambda leaf: 2 * leaf, real(f, x))  # noqa: E731
    monkeypatch.setitem(operators.JACOBIAN, "fwd", doubled)
    report = measured(jaccli, *DENSE, "--modes", "eager,fwd", repeat=1)
    assert report["modes"]["eager"]["agrees"] is False


def test_a_mode_that_computes_nan_is_reported(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = operators.JACOBIAN["rev"]
    nothing = lambda f, x: jax.tree.map(lambda leaf: leaf * float("nan"), real(f, x))  # noqa: E731
    monkeypatch.setitem(operators.JACOBIAN, "rev", nothing)
    report = measured(jaccli, *DENSE, "--modes", "fwd,rev", repeat=1)
    assert report["modes"]["rev"]["agrees"] is False


# The table


def test_the_table_names_the_winner_and_what_it_is_held_against(jaccli: Call) -> None:
    lines = jaccli("bench", *DENSE, "--repeat", "2").stdout.splitlines()
    assert lines[0] == "bench    jacobian y.x (3, 5) of -e"
    assert lines[1] == "device   cpu:0, float64, precision highest"
    assert lines[2].split() == [
        "mode", "compile", "median", "spread", "vs", "eager", "vs", "loop", "vs", "plain",
        "temporaries", "difference",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[3:9]] == JACOBIAN
    assert lines[-1].startswith("performance delta: ")
    assert "% less time than eager, the eager loop" in lines[-1]


def rows(**medians: float) -> tuple[ModeTiming, ...]:
    return tuple(
        ModeTiming(name.replace("_", "-"), seconds=(time,)) for name, time in medians.items()
    )


def test_the_headline_is_slower_minus_faster_over_slower() -> None:
    from types import SimpleNamespace

    from jaccli.tune.render import _headline

    def headline(**medians: float) -> str:
        plan: Any = SimpleNamespace(blocks=())
        return _headline(BenchReport(plan, rows(**medians)))

    assert headline(eager=100.0, loop=10.0, fwd=4.0, rev=2.0, structured_fwd=1.0) == (
        "performance delta: structured-fwd takes 50.0 % less time than rev, the best plain mode "
        "and 99.0 % less time than eager, the eager loop"
    )
    assert headline(loop=10.0, fwd=4.0, structured_fwd=5.0) == (
        "performance delta: fwd takes 20.0 % less time than structured-fwd "
        "and 60.0 % less time than loop, the compiled loop"
    )
    assert headline(eager=1.0, fwd=1e-7) == (
        "performance delta: fwd takes 99.99999 % less time than eager, the eager loop"
    )
    assert headline(fwd=1.0) == "performance delta: fwd takes the least time"
    assert headline() == "performance delta: no mode could be run"


@pytest.mark.parametrize(("a", "b", "percent"), [(1.0, 4.0, 75.0), (4.0, 1.0, 75.0), (2.0, 2.0, 0)])
def test_the_delta_is_the_same_whichever_comes_first(a: float, b: float, percent: float) -> None:
    assert delta(a, b) == percent


def test_the_spread_is_half_the_distance_of_the_quartiles_over_the_median() -> None:
    assert ModeTiming("fwd", seconds=(1.0,) * 5).spread == 0
    assert ModeTiming("fwd", seconds=(1.0,)).spread == 0
    assert ModeTiming("fwd", seconds=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)).spread == 0.375


@pytest.mark.parametrize("seconds", [(1.0, 9.0), (1.0, 2.0, 9.0)])
def test_the_spread_is_within_what_was_measured(seconds: tuple[float, ...]) -> None:
    row = ModeTiming("fwd", seconds=seconds)
    assert row.spread * row.median < (max(seconds) - min(seconds)) / 2


# Files and refusals


def refuse(*args: Any, **kwargs: Any) -> None:
    raise AssertionError("it measures")


def test_the_file_holds_the_report(jaccli: Call) -> None:
    args = ("bench", *DENSE, "--modes", "fwd,rev", "--repeat", "1")
    outcome = jaccli(*args, "-o", "bench.json")
    assert outcome.stdout == ""
    report = json.loads(Path("bench.json").read_text())
    assert list(report["modes"]) == ["fwd", "rev"]
    is_consistent(report)
    both = jaccli(*args, "-o", "b.json", "--format", "json")
    assert json.loads(both.stdout) == json.loads(Path("b.json").read_text())
    assert {path.name for path in Path().glob("*.json")} == {"bench.json", "b.json"}


def test_an_existing_file_is_refused_before_anything_is_measured(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("bench.json").write_text("mine")
    args = ("bench", *DENSE, "--modes", "fwd", "--repeat", "1", "-o", "bench.json")
    with monkeypatch.context() as patch:
        patch.setattr("jaccli.tune.bench.measure", refuse)
        refused = jaccli(*args, check=False)
    assert refused.exit_code == 2
    assert "bench.json" in refused.stderr
    assert "--force" in refused.stderr
    assert Path("bench.json").read_text() == "mine"
    jaccli(*args, "--force")
    assert json.loads(Path("bench.json").read_text())["winner"] == "fwd"


EVERY = (
    "Expected one of 'eager', 'loop', 'fwd', 'rev', 'structured-fwd', 'structured-rev', 'sparse'.\n"
)
REFUSED = {
    ("-o", "x.npy"): "jaccli: -o: x.npy: bench writes JSON.\nExpected a name that ends in .json.\n",
    ("--repeat", "0"): "jaccli: --repeat: 0 is out of range.\nExpected 1 or more.\n",
    ("--repeat", "-1"): "jaccli: --repeat: -1 is out of range.\nExpected 1 or more.\n",
    ("--format", "csv"): "jaccli: --format: 'csv' is not a format of this command.\n"
    "Expected one of 'table', 'plain', 'json', 'none'.\n",
    ("--format", "npy"): "jaccli: --format: 'npy' is not a format of this command.\n"
    "Expected one of 'table', 'plain', 'json', 'none'.\n",
    ("--modes", "fwd,sideways"): "jaccli: --modes: jacobian has no mode 'sideways'.\n" + EVERY,
    ("--modes", "fwd-rev"): "jaccli: --modes: jacobian has no mode 'fwd-rev'.\n" + EVERY,
    ("--modes", ""): "jaccli: --modes: jacobian has no mode ''.\n" + EVERY,
}


@pytest.mark.parametrize("args", REFUSED, ids=" ".join)
def test_what_is_refused_is_refused_before_anything_is_measured(
    jaccli: Call, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    monkeypatch.setattr("jaccli.tune.bench.measure", refuse)
    outcome = jaccli("bench", *DENSE, *args, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", REFUSED[args])
