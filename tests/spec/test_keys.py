"""Every key of a spec: what it accepts, what it becomes, and what is said of anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from carets import marked

from jaccli.spec.schema_types import parse_size

SQUARE = "model: {expression: x**2}\ninputs: {x: 3}\n"
POLAR = "model: {expressions: {r: x*y, t: x/y}}\ninputs: {x: [1, 2], y: [3, 4], k: {zeros: 5}}\n"


def resolved(jaccli: Callable[..., Any], text: str) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(jaccli("validate", "-", stdin=text).stdout)
    return spec


def test_absent_keys_get_their_defaults(jaccli: Callable[..., Any]) -> None:
    assert resolved(jaccli, SQUARE) == {
        "model": {"expression": "x**2"},
        "inputs": {"x": 3},
        "derivative": ["jacobian"],
        "mode": "auto",
        "dtype": "float64",
        "precision": "highest",
        "layout": "blocks",
    }


def test_the_forecast_is_differentiated_with_respect_to_x(jaccli: Callable[..., Any]) -> None:
    text = "model: forecast\ninputs: {weight: [[1.0]], bias: [0.0], x: [2.0]}\n"
    assert resolved(jaccli, text)["wrt"] == ["x"]


RIGHT: dict[str, tuple[str, Any]] = {
    # key: value as it is written, as it is resolved
    "model": ("{expressions: {r: x*y, s: r + 1}, outputs: s}",
              {"expressions": {"r": "x*y", "s": "r + 1"}, "outputs": ["s"]}),
    "wrt": ("y", ["y"]),
    "wrt ": ("[y, x]", ["y", "x"]),
    "batch": ("[x, y]", {"x": 0, "y": 0}),
    "batch ": ("x", {"x": 0}),
    "batch  ": ("{x: -1}", {"x": -1}),
    "derivative": ("hessian", ["hessian"]),
    "derivative ": ("[evaluate, gradient, jvp, vjp]", ["evaluate", "gradient", "jvp", "vjp"]),
    "select": ("t", ["t"]),
    "mode": ("rev", "rev"),
    "storage": ("dense", "dense"),
    "device": ("gpu:1", "gpu:1"),
    "dtype": ("float32", "float32"),
    "precision": ("default", "default"),
    "memory": ("512MiB", 2**29),
    "chunk": ("7", 7),
    "layout": ("matrix", "matrix"),
    "vector": ("[1, 2]", [1, 2]),
    "vector ": ("{file: v.npy}", {"file": "v.npy"}),
    "vector  ": ("{x: {ones: 2}, y: 1}", {"x": {"ones": [2]}, "y": 1}),
    "uncertainty": ("{x: 0.1, y: {relative: 1e-3}}", {"x": 0.1, "y": {"relative": 1e-3}}),
    "uncertainty ": ("{x: {half_width: 1}, y: {std: 2, dof: .inf}}",
                     {"x": {"half_width": 1, "distribution": "uniform"},
                      "y": {"std": 2, "dof": float("inf")}}),
    "uncertainty  ": ("{x: {expanded: 1/2, k: 2}, y: {samples: [1, 2]}}",
                      {"x": {"expanded": 0.5, "k": 2}, "y": {"samples": [1, 2]}}),
    "covariance": ("{inputs: [x, y], matrix: {eye: 2}}",
                   {"inputs": ["x", "y"], "matrix": {"eye": 2}}),
    "coverage": ("9/10", 0.9),
    "output": ("{path: J.npz, format: json}", {"path": "J.npz", "format": "json", "force": False}),
    "output ": ("{path: '-', force: true}", {"path": "-", "force": True}),
    "expect": ("{file: golden.npy}", {"file": "golden.npy", "atol": 0}),
    "expect ": ("{file: g.csv, rtol: 1e-3, atol: 1}", {"file": "g.csv", "rtol": 1e-3, "atol": 1}),
    "description": ("a text", "a text"),
    "source": (">-\n  two\n  lines", "two lines"),
}  # fmt: skip


@pytest.mark.parametrize("key", RIGHT)
def test_right_values(jaccli: Callable[..., Any], key: str) -> None:
    written, expected = RIGHT[key]
    name = key.strip()
    lines = [line for line in POLAR.splitlines() if not line.startswith(f"{name}:")]
    found = resolved(jaccli, "\n".join([*lines, f"{name}: {written}", ""]))
    assert found.get(name) == expected


def test_select_chooses_outputs_of_the_model(jaccli: Callable[..., Any]) -> None:
    assert resolved(jaccli, f"{POLAR}select: t\n")["model"]["outputs"] == ["t"]
    assert resolved(jaccli, f"{POLAR}select: [t, r]\n")["model"]["outputs"] == ["t", "r"]


WORDS = {
    "derivative": "Expected one of 'evaluate', 'gradient', 'jacobian', 'hessian', 'jvp', 'vjp', "
    "'hvp', 'propagate', 'covariance', 'gauss-newton'.",
    "mode": "Expected one of 'auto', 'fwd', 'rev', 'loop', "
    "'structured', 'structured-fwd', 'structured-rev', 'sparse', 'tuned', "
    "'fwd-fwd', 'fwd-rev', 'rev-fwd', 'rev-rev', 'structured-fwd-fwd', 'structured-fwd-rev', "
    "'structured-rev-fwd', 'structured-rev-rev'.",
    "storage": "Expected one of 'dense', 'sparse'.",
    "dtype": "Expected one of 'float32', 'float64'.",
    "precision": "Expected one of 'default', 'high', 'highest'.",
    "layout": "Expected one of 'blocks', 'matrix', 'long'.",
    "format": "Expected one of 'table', 'plain', 'json', 'csv', 'tsv', 'npy', 'none'.",
}
JACOBIAN = (
    "Expected one of 'auto', 'fwd', 'rev', 'loop', "
    "'structured', 'structured-fwd', 'structured-rev', 'sparse', 'tuned'."
)
HESSIAN = (
    "Expected one of 'auto', 'fwd-fwd', 'fwd-rev', 'rev-fwd', 'rev-rev', 'structured', "
    "'structured-fwd-fwd', 'structured-fwd-rev', 'structured-rev-fwd', 'structured-rev-rev', "
    "'sparse', 'tuned'."
)
HVP = "Expected one of 'auto', 'fwd-rev', 'rev-rev', 'fwd-fwd', 'tuned'."
SIZE = "Write it as 512MiB, 2GiB or a number of bytes."
NAMED = "Letters, digits and underscores, not beginning with a digit."

WRONG = [
    # a line after `SQUARE`, with marks; the messages at the marks
    ("wrt: «[»]", "wrt: 0 entries in place of at least 1."),
    ("wrt: «3»", "wrt: 3 is not a name."),
    ("wrt: «{»x: 1}", "wrt: a mapping is not a name."),
    ("wrt:«»", "wrt: nothing is not a name."),
    ("wrt: «x.y»", "wrt: no input named 'x.y'.\nExpected 'x'."),
    ("wrt: «x.»", "wrt: 'x.' is not a name."),
    ("wrt: «x..y»", "wrt: 'x..y' is not a name."),
    ("wrt: [x, «x»]", "wrt: 'x' stands here a second time."),
    ("wrt: [x, «true», y]", "wrt: true is not a name."),
    ("wrt: «y»", "wrt: no input named 'y'.\nExpected 'x'."),
    (
        "wrt: [«y», x, «z»]",
        "wrt: no input named 'y'.\nExpected 'x'.",
        "wrt: no input named 'z'.\nExpected 'x'.",
    ),
    ("batch: «[»]", "batch: 0 entries in place of at least 1."),
    ("batch: «3»", "batch: 3 is not a name."),
    ("batch: [«y»]", "batch: no input named 'y'.\nExpected 'x'."),
    ("batch: {x: «a»}", "batch.x: 'a' is not a whole number."),
    ("batch: {x: «0.5»}", "batch.x: 0.5 is not a whole number."),
    ("batch: {x: «true»}", "batch.x: true is not a whole number."),
    ("batch: {x: «0»}", "batch: the input 'x' is a scalar and has no axis to batch."),
    ("derivative: «jacobean»", "derivative: unknown value 'jacobean'.\nDid you mean 'jacobian'?"),
    ("derivative: «{»a: 1}", f"derivative: a mapping is not a word.\n{WORDS['derivative']}"),
    ("derivative: «[»]", "derivative: 0 entries in place of at least 1."),
    ("derivative: [hvp, «hvp»]", "derivative: 'hvp' stands here a second time."),
    ("select: «g»", "select: no output named 'g'.\nExpected 'f'."),
    ("select: [f, «f»]", "select: 'f' stands here a second time."),
    ("mode: «3»", f"mode: 3 is not a word.\n{WORDS['mode']}"),
    ("mode: «fwd-fwd»", f"mode: jacobian has no mode 'fwd-fwd'.\n{JACOBIAN}"),
    ("{derivative: hvp, mode: «fwd»}", f"mode: hvp has no mode 'fwd'.\n{HVP}"),
    (
        "{derivative: [jacobian, hessian], mode: «rev»}",
        f"mode: hessian has no mode 'rev'.\n{HESSIAN}",
    ),
    ("{derivative: evaluate, mode: «fwd»}", "mode: evaluate has no mode 'fwd'.\nExpected 'auto'."),
    ("storage: «full»", f"storage: unknown value 'full'.\n{WORDS['storage']}"),
    ("device: «cuda»", "device: 'cuda' is not a device: cpu, gpu, gpu:1, tpu."),
    ("device: «'gpu:'»", "device: 'gpu:' is not a device: cpu, gpu, gpu:1, tpu."),
    ("dtype: «float16»", "dtype: unknown value 'float16'.\nDid you mean 'float32'?"),
    ("dtype: «null»", f"dtype: nothing is not a word.\n{WORDS['dtype']}"),
    ("precision: «low»", f"precision: unknown value 'low'.\n{WORDS['precision']}"),
    ("memory: «12 apples»", f"memory: '12 apples' is not a size.\n{SIZE}"),
    ("memory: «-1»", f"memory: -1 is not a size.\n{SIZE}"),
    ("memory: «0»", f"memory: 0 is not a size.\n{SIZE}"),
    ("memory: «true»", f"memory: true is not a size.\n{SIZE}"),
    ("memory: «[»1]", f"memory: a list is not a size.\n{SIZE}"),
    ("memory: «.inf»", f"memory: .inf is not a size.\n{SIZE}"),
    ("chunk: «0»", "chunk: 0 is not a whole number of at least 1."),
    ("chunk: «2.5»", "chunk: 2.5 is not a whole number of at least 1."),
    ("chunk: «true»", "chunk: true is not a whole number of at least 1."),
    ("layout: «rows»", f"layout: unknown value 'rows'.\n{WORDS['layout']}"),
    ("vector: «a»", "vector: 'a' is not a number."),
    ("vector: {x: «a»}", "vector.x: 'a' is not a number."),
    ("vector: {«1a»: 1}", f"vector: '1a' is not a name.\n{NAMED}"),
    ("{derivative: jvp, vector: {«y»: 1}}", "vector: no wrt input named 'y'.\nExpected 'x'."),
    ("{derivative: vjp, vector: {«y»: 1}}", "vector: no output named 'y'.\nExpected 'f'."),
    (
        "output: «J.npz»",
        "output: 'J.npz' is not a mapping.\nWrite {path: J.npz}.",
    ),
    ("output: {«pth»: a.npy}", "output: unknown key 'pth'.\nDid you mean 'path'?"),
    ("output: {path: «3»}", "output.path: 3 is not a file name."),
    ('output: {path: «"a\\0.npy"»}', "output.path: 'a\\x00.npy' is not a file name."),
    ("output: {format: «xml»}", f"output.format: unknown value 'xml'.\n{WORDS['format']}"),
    ("output: {force: «maybe»}", "output.force: 'maybe' is not true or false."),
    ("expect: «{»rtol: 1}", "expect: the key 'file' is missing."),
    ("expect: {file: g.npy, rtol: «-1»}", "expect.rtol: -1 is not a finite number of at least 0."),
    (
        "expect: {file: g.npy, atol: «.inf»}",
        "expect.atol: .inf is not a finite number of at least 0.",
    ),
    ("description: «3»", "description: 3 is not a text."),
    ("description: «''»", "description: '' is not a text."),
    ("source: «[»a]", "source: a list is not a text."),
    ("base: «3»", "base: 3 is not a file name."),
    ("sweep: {inputs.x: «3»}", "sweep.inputs.x: 3 is not a list."),
    ("sweep: {inputs.x: {range: «[»1, 2]}}", "sweep.inputs.x.range: 2 entries in place of 3."),
    ("sweep: {«a b»: [1]}", f"sweep: 'a b' is not the path of an entry.\n{NAMED}"),
    (
        "derivative: jvp\nstorage: «sparse»",
        "storage: jvp is not kept sparse.\nIt goes with gradient, jacobian, hessian.",
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=[case[0] for case in WRONG])
def test_wrong_values(jaccli: Callable[..., Any], case: tuple[str, ...]) -> None:
    line, *messages = case
    if line.startswith("{"):  # several keys
        line = line[1:-1].replace(", mode", "\nmode").replace(", vector", "\nvector")
    text, expected = marked(SQUARE + line + "\n", *messages)
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


MODELS = (
    "Expected 'forecast', {expression: x**2}, {expressions: {r: ..., t: ...}}, "
    "{equations: ..., unknowns: ...} or {python: 'file.py:function'}."
)
LISTS = "Expected {NAME: VALUE, ...}, or lines NAME: VALUE without dashes."
KINDS = "Expected one of 'expression', 'expressions', 'equations', 'python'."
TARGET = "is not 'module:function' or 'file.py:function'."

WRONG_MODELS = [
    ("«forcast»", f"model: unknown value 'forcast'.\n{MODELS}"),
    ("«x**2»", f"model: unknown value 'x**2'.\n{MODELS}"),
    ("«[»]", f"model: a list is not a model.\n{KINDS}"),
    ("«{»}", f"model: the mapping names no model.\n{KINDS}"),
    ("{«expresion»: x}", "model: the mapping names no model.\nDid you mean 'expression'?"),
    ("{expression: «»}", "model.expression: nothing is not an expression."),
    ("{expression: «true»}", "model.expression: true is not an expression."),
    (
        "{expression: «[»x]}",
        "model.expression: a list is not an expression.\nSeveral have names: "
        "expressions: {y: ..., z: ...}.",
    ),
    ("{expression: x, «output»: f}", "model: unknown key 'output'.\nExpected 'expression'."),
    ("{expression: 'x «+»'}", "model.expression: the expression breaks off here."),
    (
        "{expression: x + «y»}",
        "model.expression: no input or expression named 'y'.\n"
        "Expected 'x'; or give it a value under inputs, or with --at y=VALUE.",
    ),
    ("{expressions: «{»}}", "model.expressions: no expressions."),
    (
        "{expressions: «[»a]}",
        f"model.expressions: a list is not a mapping of names to values.\n{LISTS}",
    ),
    (
        "{expressions: {f: x, g: 2*f}, outputs: «h»}",
        "model.outputs: no output named 'h'.\nExpected one of 'f', 'g'.",
    ),
    (
        "{expressions: {f: x}, outputs: [«g», f, «h»]}",
        "model.outputs: no output named 'g'.\nExpected 'f'.",
        "model.outputs: no output named 'h'.\nExpected 'f'.",
    ),
    ("{expressions: {f: x}, outputs: «[»]}", "model.outputs: 0 entries in place of at least 1."),
    (
        "{expressions: {g: «f», f: x}}",
        "model.expressions.g: no input or expression named 'f'.\n"
        "Expected 'x'; or give it a value under inputs, or with --at f=VALUE.",
    ),
    (
        "{expressions: {«x»: 2*x}}",
        "model.expressions.x: 'x' is an input already.\nRename one of them.",
    ),
    (
        "{expressions: {«sin»: x}}",
        "model.expressions.sin: 'sin' is a function of the expression "
        "language.\nChoose another name: sin(x) could not be called.",
    ),
    (
        "{expressions: {«if»: x}}",
        "model.expressions.if: 'if' is a word of the expression language.\nChoose another name.",
    ),
    (
        "{expressions: {«2a»: x, «a b»: x}}",
        f"model.expressions: '2a' is not a name.\n{NAMED}",
        f"model.expressions: 'a b' is not a name.\n{NAMED}",
    ),
    ("{python: «foo»}", f"model.python: 'foo' {TARGET}"),
    ("{python: «foo.py»}", f"model.python: 'foo.py' {TARGET}"),
    ("{python: «':f'»}", f"model.python: ':f' {TARGET}"),
    ("{python: «'..foo:f'»}", f"model.python: '..foo:f' {TARGET}"),
    ("{python: «'foo.py:f g'»}", f"model.python: 'foo.py:f g' {TARGET}"),
    ("{python: «3»}", f"model.python: 3 {TARGET}"),
]


@pytest.mark.parametrize("case", WRONG_MODELS, ids=[case[0] for case in WRONG_MODELS])
def test_wrong_models(jaccli: Callable[..., Any], case: tuple[str, ...]) -> None:
    model, *messages = case
    text, expected = marked(f"model: {model}\ninputs: {{x: 3}}\n", *messages)
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_carets_follow_an_expression_over_several_lines(jaccli: Callable[..., Any]) -> None:
    text = "model:\n  expression: |\n    x +\n      yy\ninputs: {x: 3}\n"
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == (
        "<stdin>:4:7: model.expression: no input or expression named 'yy'.\n    yy\n    ^^\n"
        "Expected 'x'; or give it a value under inputs, or with --at yy=VALUE.\n"
    )


INPUTS = [
    ("«3»", "inputs: 3 is not a mapping of names to values.\nExpected {NAME: 3}."),
    ("«[»1]", f"inputs: a list is not a mapping of names to values.\n{LISTS}"),
    ("«{»}", "inputs: there are no inputs.\nGive one: under inputs, or --at NAME=VALUE."),
    (
        "{x: 1, «sin»: 3}",
        "inputs.sin: 'sin' is a function of the expression language.\n"
        "Choose another name: sin(x) could not be called.",
    ),
    (
        "{x: 1, «if»: 3}",
        "inputs.if: 'if' is a word of the expression language.\nChoose another name.",
    ),
    (
        "{x: 1, «a b»: 3, «é»: 4, «2»: 5}",
        f"inputs: 'a b' is not a name.\n{NAMED}",
        f"inputs: 'é' is not a name.\n{NAMED}",
        f"inputs: '2' is not a name.\n{NAMED}",
    ),
    (
        "{x: 1, «__y»: 3}",
        "inputs.__y: '__y' is not a name.\n"
        "A name has letters, digits and underscores, and begins with a letter.",
    ),
]


@pytest.mark.parametrize("case", INPUTS, ids=[case[0] for case in INPUTS])
def test_wrong_inputs(jaccli: Callable[..., Any], case: tuple[str, ...]) -> None:
    inputs, *messages = case
    text, expected = marked(f"model: {{expression: '3'}}\ninputs: {inputs}\n", *messages)
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_inputs_may_be_called_as_constants_and_as_the_output(jaccli: Callable[..., Any]) -> None:
    text = "model: {expression: f*pi + e}\ninputs: {f: 2, pi: 3, e: 1}\n"
    assert jaccli("evaluate", "-", "-q", stdin=text).stdout == "f 7.0\n"


def test_the_forecast_says_what_it_needs(jaccli: Callable[..., Any]) -> None:
    text, expected = marked(
        "model: forecast\ninputs: «{»bias: [1.0]}\n",
        "inputs: the forecast needs 'weight', 'x'.\ny = tanh(weight @ x + bias)",
    )
    assert jaccli("validate", "-", stdin=text, check=False).stderr == expected


SIZES = {
    "1": 1,
    "1000.0": 1000,
    "1e9": None,
    "1k": 1000,
    "1KiB": 1024,
    "1.5 GB": 1_500_000_000,
    ".5GiB": 2**29,
    "512 mib": 2**29,
    "2T": 2 * 10**12,
    "3PiB": 3 * 2**50,
    "5iB": None,
    "5 B": 5,
    "-1": None,
    "": None,
    "GB": None,
    "1XB": None,
    "1 2": None,
    "9" * 400: None,
    "9" * 300 + "PB": None,
}


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text: str) -> None:
    assert parse_size(text) == SIZES[text]
