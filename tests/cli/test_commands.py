"""The commands around the derivatives, from plan to init, and errors of usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from carets import marked_option

from jaccli import __version__
from jaccli.cli.app import COMMANDS
from jaccli.derivative import operators

BATCH = """\
model: {expressions: {y: "a @ x"}}
inputs: {a: {ones: [2, 3]}, x: {zeros: [10, 3]}}
batch: {x: 0}
wrt: x
memory: 1MiB
"""


# plan


def test_a_plan_in_words(jaccli: Callable[..., Any]) -> None:
    words, table = jaccli("plan", "-", "--chunk", "4", stdin=BATCH).stdout.split("candidate ")
    assert words == (
        "plan     Jacobian of -\n"
        "mode     structured: 3 inputs, 2 outputs: reverse, zeros left out\n"
        "device   cpu:0, float64, precision highest\n"
        "inputs   a (2, 3)\n"
        "         x (10, 3) [wrt, batch axis 0]\n"
        "outputs  y (2,)\n"
        "blocks   y.x (10, 2, 3), 480 B\n"
        "memory   inputs 288 B, result 480 B, budget 1.0 MiB\n"
        "batch    10 rows\n"
        "chunks   3 of up to 4 batch rows\n"
    )
    *rows, said = table.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["fwd", "rev", "structured-fwd", "structured-rev"]
    assert said == "*  structured-rev will run"
    assert ["*" in row for row in rows] == [False, False, False, True]


def test_a_plan_as_json(jaccli: Callable[..., Any]) -> None:
    options = ("--of", "hessian", "--format", "json", "--dtype", "float32", "--mode", "rev-fwd")
    found = json.loads(jaccli("plan", "-", *options, stdin=BATCH).stdout)
    assert list(found.pop("candidates")) == [n for n in operators.HESSIAN if n != "sparse"]
    assert found == {
        "derivative": "hessian",
        "mode": "rev-fwd",
        "reason": "as asked",
        "device": "cpu:0",
        "dtype": "float32",
        "precision": "highest",
        "inputs": {"a": [2, 3], "x": [10, 3]},
        "outputs": {"y": [2]},
        "wrt": ["x"],
        "batch": 10,
        "blocks": {"y.x.x": [10, 2, 3, 3]},
        "bytes": {"inputs": 144, "mapped": 0, "result": 720, "budget": 2**20},
        "chunk": None,
        "output": None,
        "chunks": 1,
    }


def test_a_plan_of_each_derivative_of_the_spec(jaccli: Callable[..., Any]) -> None:
    text = "model: {expression: x**2}\ninputs: {x: 1}\nderivative: [gradient, hessian]\n"
    lines = jaccli("plan", "-", "--format", "json", stdin=text).stdout.splitlines()
    assert [json.loads(line)["derivative"] for line in lines] == ["gradient", "hessian"]


def test_a_plan_checks_what_the_result_is_wanted_for(jaccli: Callable[..., Any]) -> None:
    args = ("plan", "-e", "r = sin(x)", "-e", "s = x", "--at", "x=1")
    outcome = jaccli(*args, "-o", "J.npy", check=False)
    assert outcome.stderr == (
        "jaccli: npy: one array only, and the result has 2 blocks: 'r.x', 's.x'.\n"
        "Use .npz for all of them, or --layout matrix to join them into one array.\n"
    )
    assert outcome.exit_code == 2
    assert "output   J.npz" in jaccli(*args, "-o", "J.npz").stdout.splitlines()
    assert not Path("J.npz").exists()


def test_a_plan_is_of_no_unknown_derivative(jaccli: Callable[..., Any]) -> None:
    name, expected = marked_option(
        "--of",
        "«jacobean»",
        "unknown value 'jacobean'.\nDid you mean 'jacobian'?",
    )
    outcome = jaccli("plan", "-", "--of", name, stdin=BATCH, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, expected)


def test_a_plan_over_the_budget(jaccli: Callable[..., Any]) -> None:
    outcome = jaccli("plan", "-", "--memory", "300", stdin=BATCH, check=False)
    assert outcome.stderr == (
        "jaccli: jacobian: inputs and result take 768 B, more than the memory budget of 300 B "
        "(the largest block, y.x, has the shape (10, 2, 3)).\n"
        "Raise --memory, or choose fewer entries with --wrt and --select, "
        "or keep the non-zeros alone with --mode sparse.\n"
    )
    assert (outcome.exit_code, outcome.stdout) == (3, "")


# validate


def test_validate_prints_several_specs_as_documents(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text("model: {expression: x}\ninputs: {x: 1}\n")
    (tmp_path / "b.yaml").write_text("model: {expression: 2*x}\ninputs: {x: 1}\n")
    printed = jaccli("validate", "a.yaml", "b.yaml", "--mode", "rev").stdout
    found = list(yaml.safe_load_all(printed))
    assert [spec["model"]["expression"] for spec in found] == ["x", "2*x"]
    assert [spec["mode"] for spec in found] == ["rev", "rev"]


def test_validate_reads_no_input_files(jaccli: Callable[..., Any]) -> None:
    outcome = jaccli("validate", "-e", "x", "--at", "x=@absent.npy")
    assert "x: {file: absent.npy}" in outcome.stdout


# functions


def test_functions_lists_by_category(jaccli: Callable[..., Any]) -> None:
    lines = jaccli("functions").stdout.splitlines()
    assert "linear algebra" in lines
    assert "  arctan2(x1, x2)" in "\n".join(lines)
    assert lines[-2:] == ["constants", "  pi, e, inf, nan"]


def test_functions_finds_a_word(jaccli: Callable[..., Any]) -> None:
    found = jaccli("functions", "ROLL").stdout
    assert found == (
        "shape\n"
        "  roll(x, shift, axis=None)                    "
        "entries shifted, the last becoming the first\n"
    )


NO_FUNCTION = {
    "sinn": "jaccli: no function mentions 'sinn'.\nDid you mean 'sin'?\n",
    "zzzzzz": "jaccli: no function mentions 'zzzzzz'.\n",
}


@pytest.mark.parametrize("word", NO_FUNCTION)
def test_functions_finds_nothing(jaccli: Callable[..., Any], word: str) -> None:
    outcome = jaccli("functions", word, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", NO_FUNCTION[word])


# devices


def test_devices_are_listed(jaccli: Callable[..., Any]) -> None:
    assert "cpu:0" in jaccli("devices").stdout
    found = json.loads(jaccli("devices", "--format", "json").stdout)
    assert "cpu:0" in [device["device"] for device in found["devices"]]
    assert [device["default"] for device in found["devices"]].count(True) == 1
    assert found["versions"]["jaccli"] == __version__


ABSENT = {"cpu:7": "no device 'cpu:7' here", "tpu": "no device 'tpu' here"}


@pytest.mark.parametrize("name", ABSENT)
def test_an_absent_device_is_no_other(jaccli: Callable[..., Any], name: str) -> None:
    outcome = jaccli("jacobian", "-e", "x", "--at", "x=1", "--device", name, check=False)
    assert outcome.stderr.startswith(f"jaccli: {ABSENT[name]}.\nAvailable: ")
    assert (outcome.exit_code, outcome.stdout) == (4, "")


# init

STARTERS = {
    "expressions": ("r ", "run start.yaml"),
    "equations": ("rate ", "run start.yaml"),
    "uncertainty": ("R ", "run start.yaml"),
    "fit": ("a ", "run start.yaml"),
    "dynamics": ("method ", "analyze start.yaml --system continuous"),
    "sweep": ("0.1 ", "run start.yaml --no-folder --table all.csv"),
    "forecast": ("y[0] ", "run start.yaml"),
    "python": ("position[0] ", "run start.yaml --allow-python"),
}


@pytest.mark.parametrize("model", list(STARTERS))
def test_what_init_writes_runs(jaccli: Callable[..., Any], tmp_path: Path, model: str) -> None:
    row, command = STARTERS[model]
    said = jaccli("init", "start.yaml", "--model", model)
    assert said.stderr.endswith(f". Next: jaccli {command}\n")
    assert said.stdout == ""
    outcome = jaccli(*command.split())
    assert outcome.stdout.splitlines()[1].startswith(row)


def test_init_of_dynamics_is_a_stable_spiral(jaccli: Callable[..., Any]) -> None:
    """The eigenvalues of [[0, 1], [-g/l, -d]] are -d/2 +- sqrt(d**2/4 - g/l)."""
    jaccli("init", "--model", "dynamics")
    report = jaccli("analyze", "model.yaml", "--system", "continuous", "--format", "json")
    found = json.loads(report.stdout)
    assert found["kind"] == "stable spiral"
    assert found["spectral_abscissa"] == pytest.approx(-0.25, rel=1e-12)


def test_init_prints_and_never_overwrites(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    printed = jaccli("init", "-").stdout
    jaccli("init")
    assert (tmp_path / "model.yaml").read_text() == printed
    for options in ((), ("other.yaml", "--model", "python")):
        (tmp_path / "model.py").write_text("precious")
        outcome = jaccli("init", *options, check=False)
        taken = "model.py" if options else "model.yaml"
        assert outcome.stderr == (f"jaccli: {taken}: exists already.\nOverwrite it with --force.\n")
        assert outcome.exit_code == 2
    assert (tmp_path / "model.py").read_text() == "precious"
    assert not (tmp_path / "other.yaml").exists()
    jaccli("init", "--force", "--model", "forecast")
    assert "model: forecast" in (tmp_path / "model.yaml").read_text()


INIT = {
    ("absent/x.yaml",): "absent/x.yaml: no such file or directory.",
    ("--model", "pyhton"): "--model: unknown value 'pyhton'.\n"
    "Expected one of 'expressions', 'equations', 'uncertainty', 'fit', 'dynamics', 'sweep', "
    "'forecast', 'python'.",
}


@pytest.mark.parametrize("arguments", INIT, ids=" ".join)
def test_init_refuses(jaccli: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    outcome = jaccli("init", *arguments, check=False)
    assert outcome.stderr == f"jaccli: {INIT[arguments]}\n"
    assert (outcome.exit_code, outcome.stdout) == (2, "")


# Help and usage


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(jaccli: Callable[..., Any], command: str) -> None:
    long, short = jaccli(command, "--help"), jaccli(command, "-h")
    assert long.stdout == short.stdout
    assert f"Usage: jaccli {command}" in long.stdout
    assert long.stderr == ""


def test_help_lists_every_command_in_its_panel(jaccli: Callable[..., Any]) -> None:
    printed = jaccli("--help").stdout
    words = [line.split()[1] for line in printed.splitlines() if line.startswith("│ ")]
    assert [word for word in words if word in COMMANDS] == list(COMMANDS)
    assert all(panel in printed for panel in ("Compute", "Inspect", "Set up"))


def test_without_arguments_there_is_help(jaccli: Callable[..., Any]) -> None:
    outcome = jaccli(check=False)
    assert outcome.exit_code == 2
    assert "Usage: jaccli" in outcome.stdout


def test_version(jaccli: Callable[..., Any]) -> None:
    assert jaccli("--version").stdout == f"jaccli {__version__}\n"


USAGE = {
    ("foo",): "jaccli: no such command 'foo'.\nTry 'jaccli --help'.",
    ("jacobain", "a.yaml"): "jaccli: no such command 'jacobain'. Did you mean 'jacobian'?\n"
    "Try 'jaccli --help'.",
    ("--foo",): "jaccli: no such option: --foo\nTry 'jaccli --help'.",
    ("jacobian", "--mod", "fwd"): "jaccli jacobian: no such option: --mod. Did you mean "
    "--mode?\nTry 'jaccli jacobian --help'.",
    ("jacobian", "--digits", "x"): "jaccli jacobian: invalid value for '--digits': 'x' is not a "
    "valid int.\nTry 'jaccli jacobian --help'.",
    ("jacobian", "--chunk", "2.5"): "jaccli jacobian: invalid value for '--chunk': '2.5' is not a "
    "valid int.\nTry 'jaccli jacobian --help'.",
    ("functions", "a", "b"): "jaccli functions: got unexpected extra argument(s) (b)\n"
    "Try 'jaccli functions --help'.",
    ("devices", "--format", "xml"): "jaccli: --format: unknown value 'xml'.\n"
    "Expected one of 'plain', 'json'.",
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_usage_errors_are_one_short_paragraph(
    jaccli: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    outcome = jaccli(*arguments, check=False)
    assert outcome.stderr == f"{USAGE[arguments]}\n"
    assert (outcome.exit_code, outcome.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [("jacobian", "--mode"), ("jacobian", "a.yaml", "--at")])
def test_an_option_without_its_argument(
    jaccli: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    outcome = jaccli(*arguments, check=False)
    assert f"option '{arguments[-1]}' requires an argument.\n" in outcome.stderr
    assert (outcome.exit_code, outcome.stdout) == (2, "")
