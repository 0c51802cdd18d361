"""A model in Python: run when the user says so, and its failures told with their place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from carets import marked, marked_option

FILES = {
    "good.py": "def f(x):\n    return x**2\n",
    "two_outputs.py": "def f(x):\n    return {'a': x**2, 'b': x.sum()}\n",
    "helped.py": "import the_helper\ndef f(x):\n    return the_helper.double(x)\n",
    "the_helper.py": "def double(x):\n    return 2 * x\n",
    "with_dataclass.py": (
        "from __future__ import annotations\nimport dataclasses\n\n"
        "@dataclasses.dataclass\nclass Scale:\n    by: float\n\n"
        "def f(x):\n    return Scale(3.0).by * x\n"
    ),
    "json.py": "def f(x):\n    return 7 * x\n",
    "lists.py": "def f(x):\n    return [x, 2 * x]\n",
    "broken.py": "def f(x):\n    return x +\n",
    "raising.py": "def f(x):\n    y = x + 1\n    raise ValueError('first line\\nsecond line')\n",
    "silent.py": "def f(x):\n    raise ArithmeticError\n",
    "deep.py": "def f(x):\n    return g(x)\n\n\ndef g(x):\n    return x[5, 5]\n",
    "failing_import.py": "import no_such_module_here\n\n\ndef f(x):\n    return x\n",
    "failing_top.py": "\nopen('no such file')\n",
    "leaving.py": "import sys\nsys.exit(3)\n",
    "other_names.py": "def f(y):\n    return y\n\n\ndef g(z):\n    return z\n\n\nh = 3\n",
    "types.py": (
        "import numpy as np\n\n\n"
        "def text(x):\n    return 'abc'\n\n\ndef none(x):\n    return None\n\n\n"
        "def empty(x):\n    return {}\n\n\ndef ragged(x):\n    return (x, x[:1])\n\n\n"
        "def nested(x):\n    return {'a': {'b': x}}\n\n\ndef numbered(x):\n    return {1: x}\n\n\n"
        "def dotted(x):\n    return {'a.b': x}\n\n\ndef huge(x):\n    return 10**400\n\n\n"
        "def imaginary(x):\n    return x * 1j\n\n\ndef outside(x):\n    return np.sin(x)\n"
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Forget the modules of a test's folder."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inner.py").write_text("def f(x):\n    return 5 * x\n")
    return tmp_path


def spec(target: str) -> str:
    return f'model: {{python: "{target}"}}\ninputs: {{x: [1.0, 2.0]}}\n'


GOOD = {
    "good.py:f": "f[0] 1.0\nf[1] 4.0\n",
    "./good.py:f": "f[0] 1.0\nf[1] 4.0\n",
    "good:f": "f[0] 1.0\nf[1] 4.0\n",
    "package.inner:f": "f[0]  5.0\nf[1] 10.0\n",
    "package/inner.py:f": "f[0]  5.0\nf[1] 10.0\n",
    "helped.py:f": "f[0] 2.0\nf[1] 4.0\n",
    "with_dataclass.py:f": "f[0] 3.0\nf[1] 6.0\n",
    "json.py:f": "f[0]  7.0\nf[1] 14.0\n",
    "two_outputs.py:f": "a[0] 1.0\na[1] 4.0\nb 3.0\n",
    "lists.py:f": "       f[:,0] f[:,1]\nf[0,:]    1.0    2.0\nf[1,:]    2.0    4.0\n",
}


@pytest.mark.parametrize("target", GOOD)
def test_functions_of_files_and_modules(
    jaccli: Callable[..., Any], sources: Path, target: str
) -> None:
    outcome = jaccli("evaluate", "-", "-q", "--allow-python", stdin=spec(target))
    assert outcome.stdout == GOOD[target]


def test_a_python_model_is_differentiated(jaccli: Callable[..., Any], sources: Path) -> None:
    outcome = jaccli("jacobian", "-", "-q", "--allow-python", stdin=spec("good.py:f"))
    assert outcome.stdout == "     x[0] x[1]\nf[0]  2.0  0.0\nf[1]  0.0  4.0\n"


def test_files_are_relative_to_the_specs_folder(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    for folder, factor in ((tmp_path, 2), (tmp_path / "sub", 3)):
        folder.mkdir(exist_ok=True)
        (folder / "place.py").write_text(f"def f(x):\n    return {factor} * x\n")
        (folder / "spec.yaml").write_text("model: {python: 'place.py:f'}\ninputs: {x: 1.0}\n")
    for name, expected in (("spec.yaml", "f 2.0\n"), ("sub/spec.yaml", "f 3.0\n")):
        assert jaccli("evaluate", name, "-q", "--allow-python").stdout == expected


WRONG = [
    # a target with marks, the message at the mark; exit code 2
    ("«»good.py:g", "model.python: good.py has no function 'g'.\nExpected 'f'."),
    ("«»good.py:ff", "model.python: good.py has no function 'ff'.\nDid you mean 'f'?"),
    ("«»other_names.py:h", "model.python: other_names.py has no function 'h'.\n"
     "Expected one of 'f', 'g'."),
    ("«»absent.py:f", "model.python: no such file: 'absent.py'."),
    ("«»package.py:f", "model.python: no such file: 'package.py'."),
    ("«»no_such_module_here:f", "model.python: no module named 'no_such_module_here'."),
    ("«»package.absent:f", "model.python: no module named 'package.absent'."),
]  # fmt: skip


@pytest.mark.parametrize(("target", "message"), WRONG)
def test_targets_that_are_not_there(
    jaccli: Callable[..., Any], sources: Path, target: str, message: str
) -> None:
    name = target.replace("«»", "")
    text, expected = marked(f'model: {{python: «"{name}"»}}\ninputs: {{x: 1.0}}\n', message)
    outcome = jaccli("evaluate", "-", "--allow-python", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)


FAILING = {
    "broken.py:f": "broken.py: broken.py:2: SyntaxError: invalid syntax.",
    "broken:f": "broken: broken.py:2: SyntaxError: invalid syntax.",
    "raising.py:f": "raising.py:f: raising.py:3: ValueError: first line.",
    "silent.py:f": "silent.py:f: silent.py:2: ArithmeticError.",
    "deep.py:f": "deep.py:f: deep.py:6: IndexError: Too many indices: array is 1-dimensional, "
    "but 2 were indexed.",
    "failing_import.py:f": "failing_import.py: failing_import.py:1: ModuleNotFoundError: "
    "No module named 'no_such_module_here'.",
    "failing_import:f": "failing_import: failing_import.py:1: ModuleNotFoundError: "
    "No module named 'no_such_module_here'.",
    "failing_top.py:f": "failing_top.py: failing_top.py:2: FileNotFoundError: [Errno 2] "
    "No such file or directory: 'no such file'.",
    "leaving.py:f": "leaving.py: leaving.py:2: SystemExit: 3.",
    "types.py:text": "types.py:text: returned a value of type str, not an array.",
    "types.py:none": "types.py:none: returned a value of type NoneType, not an array.",
    "types.py:empty": "types.py:empty: returned a dict without outputs.",
    "types.py:ragged": "types.py:ragged: returned a value of type tuple, not an array.",
    "types.py:nested": "types.py:nested: the output 'a' is of type dict, not an array.",
    "types.py:numbered": "types.py:numbered: returned an output 1, which is not a name.",
    "types.py:dotted": "types.py:dotted: returned an output 'a.b', which is not a name.",
    "types.py:huge": "types.py:huge: returned a value of type int, not an array.",
    "types.py:outside": "types.py:outside: types.py:41: `return np.sin(x)` hands a traced array to "
    "numpy, which needs its numbers; write `jnp.sin`.",
}


@pytest.mark.parametrize("target", FAILING)
def test_failures_are_told_with_file_and_line(
    jaccli: Callable[..., Any], sources: Path, target: str
) -> None:
    outcome = jaccli("evaluate", "-", "--allow-python", stdin=spec(target), check=False)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr == f"jaccli: {FAILING[target]}\n"


def test_a_module_that_failed_fails_again(jaccli: Callable[..., Any], sources: Path) -> None:
    for target in ("failing_top.py:f", "failing_top:f"):
        outcome = jaccli("evaluate", "-", "--allow-python", stdin=spec(target), check=False)
        assert "FileNotFoundError" in outcome.stderr


def test_complex_outputs_are_refused(jaccli: Callable[..., Any], sources: Path) -> None:
    text, expected = marked(
        "model: «{»python: 'types.py:imaginary'}\ninputs: {x: [1.0, 2.0]}\n",
        "model: the output 'f' is of complex128; real numbers are differentiated.",
    )
    outcome = jaccli("jacobian", "-", "--allow-python", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, expected)


def test_code_runs_only_when_it_is_permitted(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "trap.py").write_text("open('trace', 'w')\n")
    text, expected = marked(
        "model: {python: «'trap.py:f'»}\ninputs: {x: 1.0}\n",
        "model.python: 'trap.py:f' is Python code, which runs only with --allow-python.\n"
        "Allow it if you trust the file.",
    )
    for command in ("jacobian", "run", "plan"):
        outcome = jaccli(command, "-", stdin=text, check=False)
        assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)
    jaccli("validate", "-", stdin=text)
    assert not (tmp_path / "trace").exists()


def test_selected_outputs(jaccli: Callable[..., Any], sources: Path) -> None:
    arguments = ("evaluate", "-", "-q", "--allow-python", "--select")
    text = spec("two_outputs.py:f")
    assert jaccli(*arguments, "b", stdin=text).stdout == "b 3.0\n"
    name, expected = marked_option(
        "--select", "«c»", "no output named 'c'.\nExpected one of 'a', 'b'."
    )
    assert jaccli(*arguments, name, stdin=text, check=False).stderr == expected
