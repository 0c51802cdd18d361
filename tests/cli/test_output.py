"""Where results go: standard output, files, several specs, verdicts and warnings."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.choices import SUFFIXES

CHOICES = ", ".join(map(repr, (".npz", *(name for name in SUFFIXES if name != ".npz"))))
ACCEPTED = f"{', '.join(SUFFIXES)}."

POLAR = "model: {expressions: {r: x**2 + y, t: x*y}}\ninputs: {x: 3.0, y: 4.0}\n"
SQUARES = "model: {expression: sum(x**2)}\ninputs: {x: [1, 2]}\nderivative: gradient\n"
PLAIN = "    x   y\nr 6.0 1.0\nt 4.0 3.0\n"


@pytest.fixture
def polar(tmp_path: Path) -> str:
    (tmp_path / "polar.yaml").write_text(POLAR)
    return "polar.yaml"


def written(folder: Path) -> list[str]:
    """Return the files below a folder that are no specs."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".yaml")
    return sorted(str(path.relative_to(folder)) for path in files)


FORMATS = {
    "plain": PLAIN,
    "table": "∂(r, t)/∂(x, y)  (2, 2)\n   x  y\nr  6  1\nt  4  3\n",
    "csv": ",x,y\nr,6.0,1.0\nt,4.0,3.0\n",
    "none": "",
}


@pytest.mark.parametrize("form", FORMATS)
def test_formats_of_standard_output(jaccli: Callable[..., Any], polar: str, form: str) -> None:
    outcome = jaccli("jacobian", polar, "--format", form, "-q")
    assert (outcome.stdout, outcome.stderr) == (FORMATS[form], "")


def test_plain_is_the_default_when_nobody_watches(jaccli: Callable[..., Any], polar: str) -> None:
    assert jaccli("jacobian", polar, "-q").stdout == PLAIN


def test_json_holds_blocks_and_values(jaccli: Callable[..., Any], polar: str) -> None:
    found = json.loads(jaccli("jacobian", polar, "--format", "json", "-q").stdout)
    assert found["value"] == {"r": 13.0, "t": 12.0}
    assert {key: block["values"] for key, block in found["blocks"].items()} == {
        "r.x": 6.0,
        "r.y": 1.0,
        "t.x": 4.0,
        "t.y": 3.0,
    }


def test_npy_of_standard_output(jaccli: Callable[..., Any], polar: str) -> None:
    outcome = jaccli("jacobian", polar, "--format", "npy", "--layout", "matrix", "-q")
    found = np.load(io.BytesIO(outcome.stdout_bytes))
    np.testing.assert_array_equal(found, [[6, 1], [4, 3]])


def test_o_dash_is_standard_output(jaccli: Callable[..., Any], polar: str, tmp_path: Path) -> None:
    for options in (("-o", "-"), ("-o", "-", "--format", "plain")):
        assert jaccli("jacobian", polar, *options, "-q").stdout == PLAIN
    assert jaccli("jacobian", polar, "-o", "-", "--format", "csv", "-q").stdout == FORMATS["csv"]
    assert written(tmp_path) == []


def test_a_file_silences_standard_output_unless_a_format_is_named(
    jaccli: Callable[..., Any], polar: str
) -> None:
    assert jaccli("jacobian", polar, "-o", "a.npz", "-q").stdout == ""
    assert jaccli("jacobian", polar, "-o", "b.npz", "--format", "plain", "-q").stdout == PLAIN
    assert jaccli("jacobian", polar, "-o", "c.npz", "--show", "t", "-q").stdout == (
        "    x   y\nt 4.0 3.0\n"
    )
    for name in ("a.npz", "b.npz", "c.npz"):
        with np.load(name) as file:
            assert float(file["t.x"]) == 4.0


def test_the_output_of_a_spec_is_relative_to_it(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "s.yaml").write_text(f"{SQUARES}output: {{path: g.npy, format: plain}}\n")
    outcome = jaccli("run", "sub/s.yaml", "-q")
    assert outcome.stdout == "x[0] 2.0\nx[1] 4.0\n"
    assert written(tmp_path) == ["sub/g.npy"]
    jaccli("run", "sub/s.yaml", "-q", "-o", "g.npy")
    assert written(tmp_path) == ["g.npy", "sub/g.npy"]


def test_devices_take_files(jaccli: Callable[..., Any], polar: str) -> None:
    assert jaccli("jacobian", polar, "-o", "/dev/null", "-q").stdout == ""


REFUSED = {
    # options: message
    ("-o", "taken.npz"): "taken.npz: exists already.\n"
    "Choose another name, or replace it with --force.",
    (
        "-o",
        "J.txt",
    ): f"J.txt: unknown suffix '.txt'.\nExpected one of {ACCEPTED}",
    (
        "-o",
        "J",
    ): f"J: the name has no suffix.\nExpected one of {ACCEPTED}",
    ("-o", "absent/J.npz"): "absent/J.npz: there is no folder 'FOLDER/absent'.\nCreate it first.",
    ("-o", "folder.npz"): "folder.npz: this is a folder.\nExpected the name of a file.",
    ("-o", "J.npy"): "npy: one array only, and the result has 4 blocks: 'r.x', 'r.y', 't.x', "
    "'t.y'.\nUse .npz for all of them, or --layout matrix to join them into one array.",
    ("--format", "npy"): "npy: one array only, and the result has 4 blocks: 'r.x', 'r.y', 't.x', "
    "'t.y'.\nUse .npz for all of them, or --layout matrix to join them into one array.",
    ("--suffix", ".json"): "--suffix goes with --out-dir.",
    ("--out-dir", "out", "--suffix", ".txt"): "--suffix: unknown value '.txt'.\n"
    f"Expected one of {CHOICES}.",
    ("--out-dir", "out", "-o", "J.npz"): "-o and --out-dir do not go together.",
    ("--out-dir", "taken.npz"): "--out-dir: taken.npz: File exists.",
    ("--digits", "0"): "--digits: 0 is out of range.\nExpected 1 to 17.",
    ("--digits", "18"): "--digits: 18 is out of range.\nExpected 1 to 17.",
    ("--show", "z"): "--show: nothing named 'z' to show.\n"
    "Expected one of 'r', 'x', 'y', 't', 'r.x', 'r.y', 't.x', 't.y'.",
    ("--vector", "1"): "jacobian: --vector is an option of jvp, vjp, hvp, run, plan, bench, check, "
    "validate.\nTry 'jaccli jacobian --help'.",
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_cannot_be_done_is_refused_before_computing(
    jaccli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    polar: str,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    (tmp_path / "taken.npz").write_text("precious")
    (tmp_path / "folder.npz").mkdir()
    monkeypatch.setattr("jaccli.execute.run_plan", None)
    outcome = jaccli("jacobian", polar, *options, check=False)
    expected = REFUSED[options].replace("FOLDER", str(tmp_path))
    assert (
        outcome.stderr.replace("jaccli jacobian: ", "jaccli: jacobian: ") == f"jaccli: {expected}\n"
    )
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert (tmp_path / "taken.npz").read_text() == "precious"
    assert written(tmp_path) == ["taken.npz"]


def test_force_replaces(jaccli: Callable[..., Any], polar: str, tmp_path: Path) -> None:
    (tmp_path / "J.csv").write_text("old")
    jaccli("jacobian", polar, "-o", "J.csv", "--force", "-q")
    assert (tmp_path / "J.csv").read_text() == FORMATS["csv"]


# Several results


def test_several_specs_go_to_a_folder(
    jaccli: Callable[..., Any], polar: str, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "squares.yaml").write_text(SQUARES)
    jaccli("jacobian", polar, "b/squares.yaml", "--out-dir", "out/deep", "-q")
    jaccli("jacobian", polar, "b/squares.yaml", "--out-dir", "out", "--suffix", ".csv", "-q")
    expected = ["deep/polar.npz", "deep/squares.npz", "polar.csv", "squares.csv"]
    assert written(tmp_path / "out") == expected
    assert (tmp_path / "out" / "squares.csv").read_text() == ",x[0],x[1]\nf,2.0,4.0\n"


def test_several_derivatives_go_to_a_file_each(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    text = SQUARES.replace("gradient", "[gradient, evaluate]")
    jaccli("run", "-", "--out-dir", "out", "--suffix", ".npy", "-q", stdin=text)
    assert written(tmp_path) == ["out/stdin.evaluate.npy", "out/stdin.gradient.npy"]
    assert np.load("out/stdin.evaluate.npy") == 5.0


def test_several_results_on_standard_output_have_headings(
    jaccli: Callable[..., Any], polar: str, tmp_path: Path
) -> None:
    (tmp_path / "squares.yaml").write_text(SQUARES)
    outcome = jaccli("evaluate", polar, "squares.yaml", "-q")
    assert outcome.stdout == (
        "# polar.yaml: evaluate\nr 13.0\nt 12.0\n# squares.yaml: evaluate\nf 5.0\n"
    )
    text = SQUARES.replace("gradient", "[gradient, evaluate]")
    assert jaccli("run", "-", "-q", stdin=text).stdout == (
        "# -: gradient\nx[0] 2.0\nx[1] 4.0\n# -: evaluate\nf 5.0\n"
    )


TANGLED = {
    ("a/s.yaml", "b/s.yaml", "--out-dir", "out"): "out/s.npz: two results would go to this file.",
    ("a/s.yaml", "a/s.yaml", "--out-dir", "out"): "out/s.npz: two results would go to this file.",
    ("a/s.yaml", "b/s.yaml", "-o", "J.npz"): "-o names one file for several results.\n"
    "Use --out-dir DIR.",
    ("two.yaml", "-o", "J.npz"): "-o names one file for several results.\nUse --out-dir DIR.",
}


@pytest.mark.parametrize("arguments", TANGLED, ids=" ".join)
def test_results_do_not_overwrite_each_other(
    jaccli: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "s.yaml").write_text(SQUARES)
    (tmp_path / "two.yaml").write_text(SQUARES.replace("gradient", "[gradient, hessian]"))
    outcome = jaccli("run", *arguments, check=False)
    assert outcome.stderr == f"jaccli: {TANGLED[arguments]}\n"
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert written(tmp_path) == []


def test_problems_of_all_specs_are_told(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("model: {expression: x}\ninputs: {x: a}\n")
    (tmp_path / "b.yaml").write_text("model: {expression: x}\ninputs: {x: b}\n")
    for command in ("validate", "jacobian"):
        outcome = jaccli(command, "a.yaml", "absent.yaml", "b.yaml", check=False)
        assert outcome.stderr == (
            "a.yaml:2:13: inputs.x: 'a' is not a number.\n"
            "  inputs: {x: a}\n              ^\n"
            "jaccli: absent.yaml: no such file or directory.\n"
            "SPEC is a YAML file, or - for standard input.\n"
            "b.yaml:2:13: inputs.x: 'b' is not a number.\n"
            "  inputs: {x: b}\n              ^\n"
        )
        assert (outcome.exit_code, outcome.stdout) == (2, "")


# What standard error gets


def test_one_line_sums_up(jaccli: Callable[..., Any], polar: str) -> None:
    (line,) = jaccli("jacobian", polar).stderr.splitlines()
    assert line.startswith("jacobian r.x (), r.y (), t.x (), t.y () · structured: 2 inputs, 2")
    assert " · cpu:0 float64 · compile " in line
    assert line.endswith(" · min 1 max 6 norm 7.874")


def test_explain_prints_the_plan_first(jaccli: Callable[..., Any], polar: str) -> None:
    plan = jaccli("plan", polar).stdout.partition("candidate ")[0]
    assert jaccli("jacobian", polar, "--explain", "-q").stderr == plan
    verbose = jaccli("jacobian", polar, "--verbose").stderr
    versions, rest = verbose.split("\n", 1)
    assert versions.startswith("jaccli 0.")
    assert rest.startswith(plan)


def test_digits_concern_tables_alone(jaccli: Callable[..., Any]) -> None:
    options = ("-e", "x**2", "--at", "x=0.123456789", "-q")
    table = jaccli("gradient", *options, "--format", "table", "--digits", "3").stdout
    assert table.split() == ["∂f/∂x", "()", "x", "0.247"]
    assert jaccli("gradient", *options, "--digits", "3").stdout == table
    for form in ("plain", "json", "csv", "none"):
        refused = jaccli("gradient", *options, "--format", form, "--digits", "3", check=False)
        assert refused.exit_code == 2
        assert f"--digits: it rounds tables, and the format is {form!r}." in refused.stderr


def test_digits_round_a_document_and_print_nothing(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    options = ("-e", "x/y", "--at", "x=1", "--at", "y=3", "--digits", "3", "-o", "third.md")
    assert jaccli("gradient", *options).stdout == ""
    assert "0.333 " in (tmp_path / "third.md").read_text()
    assert jaccli("gradient", *options, "--force", "--format", "none").stdout == ""


UNTAKEN = {
    "plan": ("--show x", "--digits 3", "--explain", "--format csv"),
    "validate": ("-o K.csv", "--format json", "--force", "--show x", "--resume", "--explain"),
    "bench": ("--show x", "--layout matrix", "--resume", "--digits 3", "--mode fwd"),
    "check": ("--show x", "--layout matrix", "--digits 3", "--format csv"),
    "analyze": ("--vector 1", "--show x", "--resume", "--format csv"),
    "sparsity": ("--mode fwd", "--show x", "--chunk 2", "--format csv"),
}


@pytest.mark.parametrize("command", UNTAKEN)
def test_what_a_command_does_not_honour_it_does_not_take(
    jaccli: Callable[..., Any], command: str
) -> None:
    for option in UNTAKEN[command]:
        refused = jaccli(command, "-e", "x**2", "--at", "x=3", *option.split(), check=False)
        assert (refused.exit_code, refused.stdout) == (2, ""), option
        assert option.split()[0] in refused.stderr


NONFINITE = {
    # the point, what is said of the entry, and why it is so
    "log(x)": (
        "x=0",
        "d f / d x is inf (1 of 1 entries is not finite).",
        [
            "--expression: log(x) is not finite at x = 0.",
            "  log(x)",
            "  ^^^^^^",
            "Keep x above 0, as in maximum(x, 1e-12).",
        ],
    ),
    "sqrt(x)": (
        "x=[1, -1, 0]",
        "d f[1] / d x[1] is NaN (2 of 9 entries are not finite).",
        [
            "--expression: sqrt(x) is not finite at x[1] = -1.",
            "  sqrt(x)",
            "  ^^^^^^^",
            "x must not be negative.",
        ],
    ),
}


@pytest.mark.parametrize("text", NONFINITE)
def test_what_is_not_finite_is_named(jaccli: Callable[..., Any], tmp_path: Path, text: str) -> None:
    point, message, cause = NONFINITE[text]
    outcome = jaccli("jacobian", "-e", text, "--at", point)
    assert outcome.stderr.splitlines()[1:] == [f"warning: {message}", *cause]
    assert jaccli("jacobian", "-e", text, "--at", point, "-q").stderr == ""
    options = ("--fail-on-nonfinite", "-o", "J.npz", "--format", "plain", "-q")
    outcome = jaccli("jacobian", "-e", text, "--at", point, *options, check=False)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr.splitlines() == [f"jaccli: {message}", *cause]
    assert written(tmp_path) == []


def test_finite_results_pass(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    options = ("--fail-on-nonfinite", "-o", "J.npy", "-q")
    jaccli("gradient", "-e", "log(x)", "--at", "x=2", *options)
    assert np.load(tmp_path / "J.npy") == 0.5


# `expect:`

VERDICTS = {
    # the entries of `expect:`, exit code, standard error
    "file: same.npy": (0, "expect same.npy: f.x: equal within rtol 1e-06\n"),
    "file: near.npy": (1, "expect near.npy: f.x: 1 of 2 entries differ\n  f.x[1]: 4.0 and 4.1\n"),
    "file: near.npy, rtol: 0.1": (0, "expect near.npy: f.x: equal within rtol 0.1\n"),
    "file: shape.npy": (1, "expect shape.npy: f.x: the shapes are (2,) and (1,)\n"),
    "file: nan.npy": (1, "expect nan.npy: f.x: 1 of 2 entries differ\n  f.x[0]: 2.0 and nan\n"),
}


@pytest.fixture
def golden(tmp_path: Path) -> None:
    np.save(tmp_path / "same.npy", np.array([2.0, 4.0]))
    np.save(tmp_path / "near.npy", np.array([2.0, 4.1]))
    np.save(tmp_path / "shape.npy", np.array([2.0]))
    np.save(tmp_path / "nan.npy", np.array([np.nan, 4.0]))


@pytest.mark.parametrize("entries", VERDICTS)
@pytest.mark.usefixtures("golden")
def test_run_compares_with_what_is_expected(jaccli: Callable[..., Any], entries: str) -> None:
    code, verdict = VERDICTS[entries]
    text = f"{SQUARES}expect: {{{entries}}}\n"
    outcome = jaccli("run", "-", stdin=text, check=False)
    _, _, said = outcome.stderr.partition("\n")
    assert (outcome.exit_code, outcome.stdout) == (code, "x[0] 2.0\nx[1] 4.0\n")
    assert said == verdict
    quiet = jaccli("run", "-", "-q", stdin=text, check=False)
    assert (quiet.exit_code, quiet.stderr) == (code, verdict if code else "")


@pytest.mark.usefixtures("golden")
def test_only_run_compares(jaccli: Callable[..., Any]) -> None:
    text = f"{SQUARES}expect: {{file: near.npy}}\n"
    assert jaccli("gradient", "-", "-q", stdin=text).stderr == ""


UNREAD = {
    "absent.npy": "absent.npy: no such file.",
    "golden.txt": "golden.txt: this is not the name of a result file.\n"
    "Expected one of .npy, .npz, .csv, .json, .mtx, .tsv, .parquet, .mat, .h5.",
}


@pytest.mark.parametrize("name", UNREAD)
def test_an_expectation_that_cannot_be_read_ends_the_run_before_it_computes(
    jaccli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("jaccli.execute.run_plan", None)
    outcome = jaccli("run", "-", stdin=f"{SQUARES}expect: {{file: {name}}}\n", check=False)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr == f"jaccli: {UNREAD[name]}\n"


# Vectors

POINT = ("--at", "x=3", "--at", "y=4")
XY = ("-e", "r = x*y", "-e", "t = x + 2*y")
VECTORS: list[tuple[tuple[str, ...], int, str, str]] = [
    # command, exit code, standard output, standard error
    (("jvp", *XY, "--vector", "x=1", "--vector", "y=10"), 0, "r 34.0\nt 21.0\n", ""),
    (("jvp", *XY, "--wrt", "y", "--vector", "10"), 0, "r 30.0\nt 20.0\n", ""),
    (("vjp", *XY, "--vector", "r=1", "--vector", "t=10"), 0, "x 14.0\ny 23.0\n", ""),
    (("vjp", *XY, "--select", "t", "--vector", "2"), 0, "x 2.0\ny 4.0\n", ""),
    (("hvp", "-e", "x**2*y", "--vector", "x=1", "--vector", "y=2"), 0, "x 20.0\ny  6.0\n", ""),
    (("jvp", *XY), 2, "", "jaccli: vector: jvp needs a vector.\n"
     "Give one with --vector or `vector:`, for 'x', 'y'.\n"),
    (("jvp", *XY, "--vector", "1"), 2, "", "--vector: one vector without a name for 2.\n  1\n  ^\n"
     "Name each: --vector x=VALUE. Expected 'x', 'y'.\n"),
    (("jvp", *XY, "--vector", "x=1"), 2, "", "--vector: the tangent of input 'y' is missing.\n"
     "  x=1\n    ^\nExpected 'x', 'y'.\n"),
    (("vjp", *XY, "--vector", "t=1"), 2, "", "--vector: the cotangent of output 'r' is missing.\n"
     "  t=1\n    ^\nExpected 'r', 't'.\n"),
    (("jvp", *XY, "--vector", "r=1"), 2, "", "--vector: no wrt input named 'r'.\n"
     "  r=1\n  ^^^\nExpected one of 'x', 'y'.\n"),
    (("vjp", *XY, "--vector", "x=1"), 2, "", "--vector: no output named 'x'.\n"
     "  x=1\n  ^^^\nExpected one of 'r', 't'.\n"),
    (("jvp", *XY, "--vector", "x=[1, 2]", "--vector", "y=1"), 2, "",
     "--vector: the tangent of input 'x' has the shape (2,), expected ().\n  x=[1, 2]\n    ^\n"),
    (("jvp", *XY, "--vector", "1", "--vector", "x=2"), 2, "",
     "--vector: 'vector.x': there is no entry 'x' in 1.\n  x=2\n    ^\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"), VECTORS, ids=[" ".join(v[0]) for v in VECTORS]
)
def test_vectors(
    jaccli: Callable[..., Any], arguments: tuple[str, ...], code: int, stdout: str, stderr: str
) -> None:
    outcome = jaccli(*arguments, *POINT, "-q", check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (code, stdout, stderr)


def test_a_batch_along_any_axis(jaccli: Callable[..., Any]) -> None:
    options = ("-e", "sum(x**2)*s", "--at", "x=[[1, 2, 3], [4, 5, 6]]", "--wrt", "x", "-q")
    jaccli("gradient", *options, "--at", "s=1", "--batch", "x", "-o", "r.npy")
    jaccli("gradient", *options, "--at", "s=1", "--batch", "x=-1", "-o", "c.npy")
    np.testing.assert_array_equal(np.load("r.npy"), [[2, 4, 6], [8, 10, 12]])
    np.testing.assert_array_equal(np.load("c.npy"), [[2, 8], [4, 10], [6, 12]])
    jaccli("gradient", *options, "--at", "s=[1, 10]", "--batch", "x", "--batch", "s", "-o", "z.npy")
    np.testing.assert_array_equal(np.load("z.npy"), [[2, 4, 6], [80, 100, 120]])
