"""Options over the spec: what each changes, which of them wins, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from carets import marked_option

SPEC = """\
model: {expressions: {r: x*y, t: x/y}, outputs: [r, t]}
inputs: {x: 3.0, y: 4.0, i: [[1, 2, 3], [4, 5, 6]]}
wrt: [x, y]
vector: {x: 1, y: 2}
batch: {i: 0}
dtype: float32
output: {path: J.npz, format: json}
"""


@pytest.fixture
def resolved(jaccli: Callable[..., Any], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    (tmp_path / "spec.yaml").write_text(SPEC)

    def resolved(*options: str) -> dict[str, Any]:
        spec: dict[str, Any] = yaml.safe_load(jaccli("validate", "spec.yaml", *options).stdout)
        return spec

    return resolved


E = {"expressions": {"r": "x*y", "t": "x/y"}}
I = [[1, 2, 3], [4, 5, 6]]  # noqa: E741
OUTPUT = {"path": "J.npz", "format": "json", "force": False}
OVERRIDES: dict[str, tuple[tuple[str, ...], str, Any]] = {
    # options, the entry they concern, and what it becomes
    "nothing": ((), "dtype", "float32"),
    "set over spec": (("--set", "dtype=float64"), "dtype", "float64"),
    "option over set": (("--dtype", "float32", "--set", "dtype=float64"), "dtype", "float32"),
    "the last set wins": (("--set", "mode=fwd", "--set", "mode=rev"), "mode", "rev"),
    "set in an input": (("--set", "inputs.x=[1, 2]"), "inputs", {"x": [1, 2], "y": 4.0, "i": I}),
    "set in a list": (("--set", "wrt.1=i"), "wrt", ["x", "i"]),
    "set in a nested list": (("--set", "inputs.i.1.2=9"), "inputs",
                             {"x": 3.0, "y": 4.0, "i": [[1, 2, 3], [4, 5, 9]]}),
    "set a new key": (("--set", "chunk=5"), "chunk", 5),
    "set a new mapping": (("--set", "expect.file=a.npy"), "expect", {"file": "a.npy", "atol": 0}),
    "set an expression": (("--set", "model.expressions.t=x + 1"), "model",
                          {"expressions": {"r": "x*y", "t": "x + 1"}, "outputs": ["r", "t"]}),
    "set yaml": (("--set", "memory=1 GiB"), "memory", 2**30),
    "wrt replaces the list": (("--wrt", "i"), "wrt", ["i"]),
    "wrt in order": (("--wrt", "y", "--wrt", "x"), "wrt", ["y", "x"]),
    "wrt over set": (("--set", "wrt=[i]", "--wrt", "y"), "wrt", ["y"]),
    "select replaces the list": (("--select", "t"), "model", {**E, "outputs": ["t"]}),
    "select in order": (("--select", "t", "--select", "r"), "model", {**E, "outputs": ["t", "r"]}),
    "batch replaces the list": (("--batch", "i=1"), "batch", {"i": 1}),
    "batch of a negative axis": (("--batch", "i=-1"), "batch", {"i": -1}),
    "batch without an axis": (("--set", "batch={i: 1}", "--batch", "i"), "batch", {"i": 0}),
    "at replaces one": (("--at", "x=7"), "inputs", {"x": 7, "y": 4.0, "i": I}),
    "at adds": (("-e", "x*k", "--at", "k={zeros: 2}"), "inputs",
                {"x": 3.0, "y": 4.0, "i": I, "k": {"zeros": [2]}}),
    "the last at wins": (("--at", "x=1", "--at", "x=2"), "inputs", {"x": 2, "y": 4.0, "i": I}),
    "at over set": (("--at", "x=1", "--set", "inputs.x=2"), "inputs", {"x": 1, "y": 4.0, "i": I}),
    "at with spaces": (("--at", " x = -1e-3 "), "inputs", {"x": -0.001, "y": 4.0, "i": I}),
    "vector replaces one": (("--vector", "x=5"), "vector", {"x": 5, "y": 2}),
    "vector without a name": (("--vector", "[5, 6]"), "vector", [5, 6]),
    "vector of a source": (("--vector", "y={ones: 2}"), "vector", {"x": 1, "y": {"ones": [2]}}),
    "vector of a file": (("--vector", "@v.npz:k"), "vector", {"file": "v.npz", "key": "k"}),
    "output": (("--set", "output.path=K.csv"), "output", {**OUTPUT, "path": "K.csv"}),
    "format": (("--set", "output.format=csv"), "output", {**OUTPUT, "format": "csv"}),
    "mode": (("--mode", "loop"), "mode", "loop"),
    "device": (("--device", "gpu:1"), "device", "gpu:1"),
    "precision": (("--precision", "high"), "precision", "high"),
    "storage": (("--storage", "dense"), "storage", "dense"),
    "memory": (("--memory", "1.5GiB"), "memory", 3 * 2**29),
    "chunk": (("--chunk", "12"), "chunk", 12),
    "layout": (("--layout", "matrix"), "layout", "matrix"),
    "model": (("-e", "x + y"), "model", {"expression": "x + y"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OVERRIDES)
def test_options_over_the_spec(resolved: Callable[..., dict[str, Any]], name: str) -> None:
    options, entry, expected = OVERRIDES[name]
    assert resolved(*options).get(entry) == expected


MODELS: dict[str, tuple[tuple[str, ...], Any]] = {
    "unnamed": (("-e", "x**2"), {"expression": "x**2"}),
    "unnamed with a comparison": (("-e", "x == 2"), {"expression": "x == 2"}),
    "unnamed with a keyword": (("-e", "sum(x, axis=0)"), {"expression": "sum(x, axis=0)"}),
    "named f": (("-e", "f = x"), {"expressions": {"f": "x"}, "outputs": ["f"]}),
    "named": (("-e", "a=x", "--expression", "b = a + 1"),
              {"expressions": {"a": "x", "b": "a + 1"}, "outputs": ["a", "b"]}),
    "mixed": (("-e", "a = x", "-e", "a*2"),
              {"expressions": {"a": "x", "f": "a*2"}, "outputs": ["a", "f"]}),
    "selected": (("-e", "a = x", "-e", "b = a*2", "--select", "b"),
                 {"expressions": {"a": "x", "b": "a*2"}, "outputs": ["b"]}),
    "a number": (("-e", "1e-3"), {"expression": "1e-3"}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_inline_models(jaccli: Callable[..., Any], name: str) -> None:
    options, expected = MODELS[name]
    outcome = jaccli("validate", *options, "--at", "x=1")
    assert yaml.safe_load(outcome.stdout)["model"] == expected


POINTS: dict[str, Any] = {
    "3": 3,
    "1e-3": 1e-3,
    ".inf": float("inf"),
    "[1, 2.5]": [1, 2.5],
    "{linspace: [0, 1, 11]}": {"linspace": [0, 1, 11]},
    "{value: 2, dtype: int64}": {"value": 2, "dtype": "int64"},
    "@x.npy": {"file": "x.npy"},
    "@a b/x.npy": {"file": "a b/x.npy"},
    "@x.npz:k": {"file": "x.npz", "key": "k"},
    "@x.npz": {"file": "x.npz"},
    "@x.csv:c": {"file": "x.csv", "column": "c"},
    "@x.csv:a b:c": {"file": "x.csv", "column": "a b:c"},
    "@C:/x.npy": {"file": "C:/x.npy"},
}


@pytest.mark.parametrize("text", POINTS)
def test_the_forms_of_at(jaccli: Callable[..., Any], text: str) -> None:
    outcome = jaccli("validate", "-e", "1.0", "--at", f"x={text}")
    assert yaml.safe_load(outcome.stdout)["inputs"]["x"] == POINTS[text]


SOURCES = "Expected a name that ends in .npy, .npz, .csv, .tsv, .txt or .dat."
NAME = "Letters, digits and underscores, not beginning with a digit."
AT = "Expected NAME=VALUE, as in --at x=3 or --at x=@x.npy."
PATH = "Expected PATH=VALUE, as in --set inputs.x.shape=[32]."
WRONG = [
    # option, its argument with marks, message
    ("--at", "«x»", f"'x' is not NAME=VALUE.\n{AT}"),
    (
        "--at",
        "«θ=3»",
        "'θ' is not a name.\nLetters, digits and underscores, not beginning with a digit.",
    ),
    ("--at", "«=3»", f"'=3' is not NAME=VALUE.\n{AT}"),
    (
        "--at",
        "x=«»",
        "nothing is not a number.\nExpected a number, a list, or a source, as {file: x.npy}.",
    ),
    ("--at", "x=«abc»", "'abc' is not a number."),
    ("--at", "x=[1, «a»]", "'a' is not a number."),
    ("--at", "x = «1e999»", "1e999 does not fit float64."),
    (
        "--at",
        "x={«linspase»: [0, 1, 11]}",
        "the mapping names no source.\nDid you mean 'linspace'?",
    ),
    (
        "--at",
        "x=[1, 2«»",
        "not YAML: did not find expected ',' or ']'.\n"
        "While parsing a flow sequence that begins on line 1.",
    ),
    ("--at", "x=«`»", "not YAML: '`' cannot begin a value.\nQuote texts that begin so."),
    ("--at", "x=«*»a", "no anchor '&a' before this alias."),
    (
        "--at",
        "x=«!»!python/name:os.system ''",
        "the tag '!!python/name:os.system' is not allowed.\nA spec has no tags.",
    ),
    ("--at", "x=«@»", "'' is not a file name."),
    ("--at", "x=«@a.xls»", f"no reader for 'a.xls'.\n{SOURCES}"),
    ("--at", "x=«@a.npz:»", "'' is not a text."),
    ("--set", "«foo»", f"'foo' is not PATH=VALUE.\n{PATH}"),
    ("--set", "«=1»", f"'=1' is not PATH=VALUE.\n{PATH}"),
    ("--set", "«a..b=1»", f"'a..b=1' is not PATH=VALUE.\n{PATH}"),
    ("--set", "«dtyp=float32»", "unknown key 'dtyp'.\nDid you mean 'dtype'?"),
    ("--set", "dtype=«»", "nothing is not a word.\nExpected one of 'float32', 'float64'."),
    ("--set", "inputs.x.shape=«[»32]", "'inputs.x.shape': there is no entry 'shape' in 1."),
    (
        "--set",
        "wrt=[x«»",
        "not YAML: did not find expected ',' or ']'.\n"
        "While parsing a flow sequence that begins on line 1.",
    ),
    ("--wrt", "«z»", "no input named 'z'.\nExpected one of 'x', 'y'."),
    ("--wrt", "«a b»", "'a b' is not a name."),
    ("--select", "«z»", "no output named 'z'.\nExpected 'f'."),
    ("--batch", "«x»", "the input 'x' is a scalar and has no axis to batch."),
    ("--batch", "y=«2»", "the input 'y' of shape (2, 3) has no axis 2."),
    ("--batch", "y=«-3»", "the input 'y' of shape (2, 3) has no axis -3."),
    ("--batch", "y=«a»", "'a' is not a whole number."),
    ("--batch", "y=«»", "nothing is not a whole number."),
    ("--batch", "«=»1", f"'' is not a name.\n{NAME}"),
    ("--batch", "«z»", "no input named 'z'.\nExpected one of 'x', 'y'."),
    ("--vector", "«a»", "'a' is not a number."),
    ("--vector", "x=«a»", "'a' is not a number."),
    (
        "--mode",
        "«hvp»",
        "unknown value 'hvp'.\nExpected one of 'auto', 'fwd', 'rev', 'loop', "
        "'structured', 'structured-fwd', 'structured-rev', 'sparse', 'tuned', "
        "'fwd-fwd', 'fwd-rev', 'rev-fwd', 'rev-rev', 'structured-fwd-fwd', 'structured-fwd-rev', "
        "'structured-rev-fwd', 'structured-rev-rev'.",
    ),
    (
        "--mode",
        "«fwd-rev»",
        "jacobian has no mode 'fwd-rev'.\n"
        "Expected one of 'auto', 'fwd', 'rev', 'loop', "
        "'structured', 'structured-fwd', 'structured-rev', 'sparse', 'tuned'.",
    ),
    ("--device", "«gpu0»", "'gpu0' is not a device: cpu, gpu, gpu:1, tpu."),
    ("--dtype", "«f4»", "unknown value 'f4'.\nExpected one of 'float32', 'float64'."),
    ("--precision", "«max»", "unknown value 'max'.\nExpected one of 'default', 'high', 'highest'."),
    ("--storage", "«csr»", "unknown value 'csr'.\nExpected one of 'dense', 'sparse'."),
    ("--memory", "«lots»", "'lots' is not a size.\nWrite it as 512MiB, 2GiB or a number of bytes."),
    ("--memory", "«0»", "'0' is not a size.\nWrite it as 512MiB, 2GiB or a number of bytes."),
    ("--chunk", "«0»", "0 is not a whole number of at least 1."),
    ("--chunk", "«-2»", "-2 is not a whole number of at least 1."),
    ("--layout", "«rows»", "unknown value 'rows'.\nExpected one of 'blocks', 'matrix', 'long'."),
]


@pytest.mark.parametrize("case", WRONG, ids=[f"{case[0]} {case[1]}" for case in WRONG])
def test_wrong_arguments(
    jaccli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, case: tuple[str, str, str]
) -> None:
    option, text, message = case
    argument, expected = marked_option(option, text, message)
    spec = "model: {expression: x}\ninputs: {x: 1, y: [[1, 2, 3], [4, 5, 6]]}\n"
    outcome = jaccli("validate", "-", f"{option}={argument}", stdin=spec, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


EXPRESSIONS = [
    # several arguments of -e; the marks stand in one of them
    (
        ("«yy» + 1",),
        "no input or expression named 'yy'.\n"
        "Expected 'x'; or give it a value under inputs, or with --at yy=VALUE.",
    ),
    (
        ("r = x + «yy»",),
        "no input or expression named 'yy'.\n"
        "Expected 'x'; or give it a value under inputs, or with --at yy=VALUE.",
    ),
    (
        ("r = x", "s = «t»"),
        "no input or expression named 't'.\n"
        "Expected one of 'r', 'x'; or give it a value under inputs, or with --at t=VALUE.",
    ),
    (
        ("x", "«2*x»"),
        "a second expression without a name.\nName the outputs: -e 'r = sqrt(x**2 + y**2)'.",
    ),
    (("x", "f=«2*x»"), "'f' is given twice."),
    (("r = x", "r = «2*x»"), "'r' is given twice."),
    (("«x» = 2*x",), "'x' is an input already.\nRename one of them."),
    (
        ("«sin» = 2*x",),
        "'sin' is a function of the expression language.\n"
        "Choose another name: sin(x) could not be called.",
    ),
    (("r = «»",), "'' is not an expression."),
]


@pytest.mark.parametrize("case", EXPRESSIONS, ids=str)
def test_wrong_expressions(jaccli: Callable[..., Any], case: tuple[tuple[str, ...], str]) -> None:
    texts, message = case
    arguments, expected = [], ""
    for text in texts:
        if "«" in text:
            text, expected = marked_option("--expression", text, message)
        arguments += ["-e", text]
    outcome = jaccli("validate", *arguments, "--at", "x=1", check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_what_is_wrong_with_the_spec_and_with_options_is_said_at_once(
    jaccli: Callable[..., Any],
) -> None:
    spec = "model: {expression: x}\ninputs: {x: a}\n"
    outcome = jaccli("jacobian", "-", "--dtype", "f4", "--wrt", "q", stdin=spec, check=False)
    assert outcome.stderr == (
        "--dtype: unknown value 'f4'.\n  f4\n  ^^\nExpected one of 'float32', 'float64'.\n"
        "--wrt: no input named 'q'.\n  q\n  ^\nExpected 'x'.\n"
        "<stdin>:2:13: inputs.x: 'a' is not a number.\n  inputs: {x: a}\n              ^\n"
    )
    assert outcome.exit_code == 2


NO_SPEC = "Expected a YAML file, - for standard input, or -e 'EXPRESSION'."


@pytest.mark.parametrize("command", ["jacobian", "run", "plan", "validate", "hvp"])
def test_without_a_spec(jaccli: Callable[..., Any], command: str) -> None:
    for options in ((), ("--at", "x=3")):
        outcome = jaccli(command, *options, check=False)
        assert outcome.stderr == f"jaccli: no SPEC is given.\n{NO_SPEC}\n"
        assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_set_alone_makes_a_spec(jaccli: Callable[..., Any]) -> None:
    options = ("--set", "model={expression: x**2}", "--set", "inputs={x: 3}")
    assert jaccli("gradient", *options, "-q").stdout == "x 6.0\n"


def test_an_empty_argument_is_wrong_not_absent(jaccli: Callable[..., Any]) -> None:
    for option in ("--dtype", "--mode", "--memory", "-o", "--format", "--layout", "--device"):
        outcome = jaccli("jacobian", "-e", "x", "--at", "x=1", option, "", check=False)
        assert outcome.exit_code == 2, option
        assert "''" in outcome.stderr
