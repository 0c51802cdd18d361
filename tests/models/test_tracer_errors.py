"""Code that JAX cannot trace is told with its line, and with what to write instead."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaccli.tracer_errors import explanation

TRUTH = "asks whether a traced array is true, and its numbers are not known yet; write "
NUMBERS = "needs the numbers of a traced array, and they are not known yet; "
INTEGER = "needs the value of a traced number as an integer, and it is not known yet; write "
NUMPY = "hands a traced array to numpy, which needs its numbers; write "
LEAKED = (
    "uses a traced array that an earlier call kept (in a global, an attribute, a list or a cache), "
    "which ended with that call; return it from the function instead"
)

LINES: dict[str, tuple[str, str]] = {
    # the line of the body, what is said of it
    "if": ("if x[0] > 0: x = -x", TRUTH + "`jnp.where` or `jax.lax.cond`"),
    "choice": ("x = x if x[0] else -x", TRUTH + "`jnp.where` or `jax.lax.cond`"),
    "words": ("if x[0] > 0 and x[1] > 0: x = -x", TRUTH + "`jnp.where` or `jax.lax.cond`, with "
              "`jnp.logical_and` and the like for `and`, `or`, `not`"),
    "or": ("x = x[0] or x[1]", TRUTH + "`jnp.logical_and`, `jnp.logical_or`, `jnp.logical_not`"),
    "while": ("while x[0] > 1: x = x / 2",
              TRUTH + "`jax.lax.while_loop`, or a loop of a fixed number of steps"),
    "assert": ("assert x[0] > 0", TRUTH + "the check outside of the function, or with "
               "`jax.experimental.checkify`"),
    "max": ("x = max(x[0], 0)", TRUTH + "`jnp.maximum`"),
    "sorted": ("x = sorted(x)", TRUTH + "`jnp.sort`"),
    "numpy": ("x = np.linalg.norm(x)", NUMPY + "`jnp.linalg.norm`"),
    "index of numpy": ("x = a[x.astype(int)]", NUMPY + "the function of `jax.numpy`, and "
                       "`jnp.asarray(a)[i]` for a numpy array `a`"),
    "range": ("for _ in range(x[0].astype(int)): x = 2 * x",
              INTEGER + "`jax.lax.fori_loop`, or a number that does not depend on the inputs"),
    "list": ("x = [1.0, 2.0][x[0].astype(int)] * x", INTEGER + "`jnp.asarray(list)[i]` for an "
             "index, or a number that does not depend on inputs"),
    "float": ("x = float(x[0])",
              NUMBERS + "leave out `float`: an array does instead of the number"),
    "int": ("x = int(x[0]) * x",
            NUMBERS + "write `x.astype(int)`: an array does instead of the number"),
    "math": ("x = math.sin(x[0])", NUMBERS + "write `jnp.sin`"),
    "math by another name": ("x = math.atan2(x[0], 1)", NUMBERS + "write `jnp.arctan2`"),
    "item": ("x = x[0].item()", NUMBERS + "leave out `.item()`: an array does instead"),
    "size": ("x = jnp.arange(x[0])", NUMBERS + "sizes, axes and bounds must not depend on the "
             "inputs: write a number or a shape"),
    "how many": ("x = jnp.unique(x)",
                 NUMBERS + "how many entries there will be has to be said: give `size=`"),
    "mask": ("x = x[x > 0]", "picks entries by a traced condition, so that their number is not "
             "known; write `jnp.where(condition, x, 0)`, which keeps them all"),
    "assignment": ("x[0] = 1.0", "assigns to entries of an array, and JAX's cannot change; "
                   "write `x = x.at[i].set(value)`"),
    "entry of numpy": ("a[0] = x[0]", "puts a traced value into a numpy array, which needs its "
                       "number; write `y = y.at[i].set(value)` with an array `y` of `jax.numpy`"),
    "shape": ("x = jnp.zeros(x[0].astype(int))", "makes a shape of a traced number, and it is not "
              "known yet; a shape must not depend on the inputs"),
    "key": ("x = {x[0]: 1.0}", "uses a traced array as a key, and it has no value yet; "
            "use its name or its position"),
    "format": ("f'{x[0]:.2f}'", "prints the number of a traced array, and it is not known yet; "
               "write `jax.debug.print`"),
    "within a scan": ("x = jax.lax.scan(body, x, None, 2)[0]", ""),
}  # fmt: skip
HEAD = """import math
import jax
import jax.numpy as jnp
import numpy as np

a = np.ones(2)
kept = []

def body(carry, _):
    return -carry if carry[0] > 0 else carry, None

@jax.jit
def inner(x):
    kept.append(2 * x)
    return x

def leaking(x):
    inner(x)
    return kept[-1]

def f(x):
    """


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delitem(sys.modules, "traced_model", raising=False)
    return tmp_path


def evaluated(jaccli: Callable[..., Any], folder: Path, line: str, name: str = "f") -> Any:
    (folder / "traced_model.py").write_text(f"{HEAD}{line}\n    return x\n")
    spec = f"model: {{python: 'traced_model.py:{name}'}}\ninputs: {{x: [1.0, 2.0]}}\n"
    return jaccli("evaluate", "-", "-q", "--allow-python", stdin=spec, check=False)


@pytest.mark.parametrize("name", LINES)
def test_lines_that_cannot_be_traced(jaccli: Callable[..., Any], folder: Path, name: str) -> None:
    line, reason = LINES[name]
    said = f"traced_model.py:22: `{line}` {reason}"
    if not reason:  # the line of the body, not that of the loop
        said = "traced_model.py:10: `return -carry if carry[0] > 0 else carry, None` "
        said += TRUTH + "`jnp.where` or `jax.lax.cond`"
    outcome = evaluated(jaccli, folder, line)
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr == f"jaccli: traced_model.py:f: {said}.\n"


def test_a_tracer_that_outlived_its_trace(jaccli: Callable[..., Any], folder: Path) -> None:
    outcome = evaluated(jaccli, folder, "pass", "leaking")
    assert outcome.exit_code == 3
    assert outcome.stderr == f"jaccli: traced_model.py:leaking: the function {LEAKED}.\n"


def test_long_lines_are_cut(jaccli: Callable[..., Any], folder: Path) -> None:
    line = f"x = float(x[0]) + {' + '.join('1' for _ in range(200))}"
    said = evaluated(jaccli, folder, line).stderr
    assert f"`{line[:79]}…` needs" in said
    assert len(said) < 300


def test_other_errors_are_not_explained(folder: Path) -> None:
    import jax

    (folder / "own_error.py").write_text("def f(x):\n    raise TypeError('if x is a tracer')\n")
    sys.path.insert(0, str(folder))
    module = importlib.import_module("own_error")
    for function, argument in ((module.f, 1.0), (lambda x: x[0, 0], 1.0), (float, "a")):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            jax.make_jaxpr(function)(argument)
        assert explanation(caught.value) is None


def test_lines_without_source_have_a_place_alone() -> None:
    import jax

    names: dict[str, Any] = {}
    exec(compile("def f(x):\n    return float(x)\n", "nowhere.py", "exec"), names)
    with pytest.raises(Exception) as caught:  # noqa: PT011
        jax.make_jaxpr(names["f"])(1.0)
    reason = "sizes, axes and bounds must not depend on the inputs: write a number or a shape"
    assert explanation(caught.value) == f"nowhere.py:2: the line {NUMBERS}{reason}"
