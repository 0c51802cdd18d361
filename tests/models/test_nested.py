"""Inputs that hold inputs: nested for the user's function, called by whole names everywhere else.

The model is f = b sum(a²) of `params.a` and `params.in.b`; its derivatives are derived by hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from carets import marked, marked_option
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from jaccli.result.block_keys import BlockNames, split_keys
from jaccli.spec.nested_inputs import groups, heads, nested
from jaccli.spec.schema import json_schema

MODEL = 'model: {python: "nested_model.py:f"}\n'
SPEC = MODEL + "inputs: {params: {a: [1.0, 2.0], in: {b: 3.0}}}\n"
NAMES = "Expected one of 'params.a', 'params.in.b', 'params', 'params.in'."
SOURCES = "Expected one of 'random', 'file', 'zeros', 'ones', 'full', 'eye', 'linspace', 'arange', "
SCHEMA = Draft202012Validator(json_schema())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    text = "def f(params):\n    return (params['a'] ** 2).sum() * params['in']['b']\n"
    (tmp_path / "nested_model.py").write_text(text)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def printed(jaccli: Callable[..., Any], command: str, *arguments: str) -> Any:
    """Return the blocks that a command prints as JSON."""
    options = ("spec.yaml", "-q", "--allow-python", "--format", "json")
    blocks = json.loads(jaccli(command, *options, *arguments).stdout)["blocks"]
    return {key: block["values"] for key, block in blocks.items()}


RIGHT: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "all": ("gradient", (), {"f.params.a": [6, 12], "f.params.in.b": 5}),
    "of a group": ("gradient", ("--wrt", "params.in"), {"f.params.in.b": 5}),
    "at": ("gradient", ("--at", "params.in.b=4", "--wrt", "params.a"), {"f.params.a": [8, 16]}),
    "at a group": ("gradient", ("--at", "params={a: [5], in: {b: 2}}"),
                   {"f.params.a": [20], "f.params.in.b": 25}),
    "set": ("gradient", ("--set", "inputs.params.in.b=1", "--wrt", "params.a"),
            {"f.params.a": [2, 4]}),
    "hessian": ("hessian", (), {
        "f.params.a.params.a": [[6, 0], [0, 6]], "f.params.a.params.in.b": [2, 4],
        "f.params.in.b.params.a": [2, 4], "f.params.in.b.params.in.b": 0}),
    "sparse": ("hessian", ("--mode", "sparse", "--storage", "dense", "--wrt", "params.a"),
               {"f.params.a.params.a": [[6, 0], [0, 6]]}),
    "jvp": ("jvp", ("--vector", "params.a=[1, 0]", "--vector", "params.in.b=2"), {"f": 16}),
    "jvp by a group": ("jvp", ("--vector", "params={a: [1, 0], in: {b: 2}}"), {"f": 16}),
    "vjp": ("vjp", ("--vector", "2"), {"params.a": [12, 24], "params.in.b": 10}),
    "hvp": ("hvp", ("--vector", "params.a=[1, 0]", "--wrt", "params.a"), {"f.params.a": [6, 0]}),
    "batch": ("gradient", ("--at", "params.in.b=[1, 2]", "--batch", "params.in.b"),
              {"f.params.a": [[2, 4], [4, 8]], "f.params.in.b": [5, 5]}),
    "batch of a group": (
        "gradient",
        ("--at", "params={a: [[1], [2]], in: {b: [3, 4]}}", "--batch", "params"),
        {"f.params.a": [[6], [16]], "f.params.in.b": [1, 4]}),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_derivatives_by_inputs_of_a_group(jaccli: Callable[..., Any], name: str) -> None:
    command, arguments, expected = RIGHT[name]
    found = printed(jaccli, command, *arguments)
    assert list(found) == list(expected)
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-15)


def test_labels_and_parts(jaccli: Callable[..., Any]) -> None:
    options = ("hessian", "spec.yaml", "-q", "--allow-python", "--layout", "matrix")
    assert jaccli(*options).stdout == (
        "            params.a[0] params.a[1] params.in.b\n"
        "params.a[0]         6.0         0.0         2.0\n"
        "params.a[1]         0.0         6.0         4.0\n"
        "params.in.b         2.0         4.0         0.0\n"
    )
    shown = jaccli(*options, "--show", "params.in.b, params.a[1]").stdout
    assert shown == "            params.a[1]\nparams.in.b         4.0\n"


def test_files_of_all_formats_hold_the_same(jaccli: Callable[..., Any], folder: Path) -> None:
    for derivative in ("hessian", "jacobian"):
        options = (derivative, "spec.yaml", "-q", "--allow-python", "--force")
        suffixes = ("npz", "json", "csv", "mtx")
        for suffix in suffixes:
            jaccli(*options, "-o", f"a.{suffix}")
        jaccli(*options, "--mode", "sparse", "--layout", "matrix", "-o", "sparse.npz")
        for other in (*(f"a.{suffix}" for suffix in suffixes[1:]), "sparse.npz"):
            assert jaccli("compare", "a.npz", other).exit_code == 0
            assert jaccli("compare", "a.json", other).exit_code == 0
    spectrum = jaccli("analyze", "sparse.npz", "--format", "json").stdout
    assert "params.in.b" in spectrum


@pytest.mark.slow
def test_other_commands_and_streams(jaccli: Callable[..., Any], folder: Path) -> None:
    shared = ("spec.yaml", "-q", "--allow-python")
    assert "params.in.b scalar [wrt]" in jaccli("plan", *shared).stdout
    assert "verdict  ok" in jaccli("check", *shared, "--of", "hessian").stdout
    assert "params.a[0]" in jaccli("analyze", *shared).stdout
    assert "f.params.a, f.params.in.b" in jaccli("sparsity", *shared).stdout
    assert "structured" in jaccli("bench", *shared, "--repeat", "1").stdout
    jaccli("hessian", *shared, "--chunk", "1", "--wrt", "params.a", "-o", "h.npy")
    np.testing.assert_allclose(np.load(folder / "h.npy"), 6 * np.eye(2), rtol=1e-15)


def test_a_sweep_varies_an_input_of_a_group(jaccli: Callable[..., Any], folder: Path) -> None:
    sweep = "wrt: params.a\nderivative: gradient\nsweep: {inputs.params.in.b: [1, 2]}\n"
    (folder / "sweep.yaml").write_text(SPEC + sweep)
    jaccli("run", "sweep.yaml", "--allow-python", "--out-dir", "out")
    for b in (1, 2):
        with np.load(folder / "out" / f"params.in.b={b}.npz") as stored:
            np.testing.assert_allclose(stored["f.params.a"], [2 * b, 4 * b], rtol=1e-15)


def test_validate_prints_the_spec_it_read(jaccli: Callable[..., Any]) -> None:
    text = SPEC + "wrt: params\nbatch: {params.a: 0}\nvector: {params.a: 1.0, params.in: {b: 1}}\n"
    once = jaccli("validate", "-", stdin=text).stdout
    assert jaccli("validate", "-", stdin=once).stdout == once
    read = yaml.safe_load(once)
    assert read["inputs"] == {"params": {"a": [1.0, 2.0], "in": {"b": 3.0}}}
    assert read["wrt"] == ["params.a", "params.in.b"]
    assert read["vector"] == {"params": {"a": 1.0, "in": {"b": 1}}}
    for plain in (yaml.safe_load(text), read):
        assert list(SCHEMA.iter_errors(plain)) == []


def test_a_base_brings_inputs_of_a_group(jaccli: Callable[..., Any]) -> None:
    text = "base: spec.yaml\ninputs: {params: {in: {b: 10}}}\nwrt: params.a\n"
    found = jaccli("gradient", "-", "-q", "--allow-python", stdin=text).stdout
    assert found == "params.a[0] 20.0\nparams.a[1] 40.0\n"


WRONG: dict[str, tuple[str, ...]] = {
    "both": (MODEL + "inputs: {params: {a: 1, in: {value: 3, «w»: 4}}}\n",
             "inputs.params.in: unknown key 'w'.\nExpected one of 'value', 'dtype'. "
             "The key 'value' makes this mapping a source, which holds no inputs."),
    "empty": (MODEL + "inputs: {params: {a: 1, in: «{»}}}\n",
              f"inputs.params.in: the mapping names no source.\n{SOURCES}'value'."),
    "a dot": (MODEL + "inputs: {params: {«a.b»: 3}}\n",
              "inputs.params: 'a.b' is not a name.\n"
              "Letters, digits and underscores, not beginning with a digit."),
    "a value": (MODEL + "inputs: {params: {a: [1, «no»]}}\n",
                "inputs.params.a: 'no' is not a number."),
    "no such input": (SPEC + "wrt: «params.c»\n", f"wrt: no input named 'params.c'.\n{NAMES}"),
    "no such batch": (SPEC + "batch: {«a»: 0}\n", f"batch: no input named 'a'.\n{NAMES}"),
    "twice": (SPEC + "wrt: [params, «params.a»]\n",
              "wrt: 'params.a' is a part of 'params', which is named too."),
    "two axes": (SPEC + "batch: {params.a: 0, «params»: 1}\n",
                 "batch: 'params.a' is a part of 'params', which is named too."),
    "two vectors": (SPEC + "vector: {params: {a: 1}, «params.a»: 2}\n",
                    "vector: 'params.a' is given twice."),
    "no vector": (SPEC + "derivative: jvp\nvector: {params: {«c»: 1}}\n",
                  "vector: no wrt input named 'params.c'.\n"
                  "Expected one of 'params.a', 'params.in.b'."),
    "an integer": (SPEC.replace("3.0", "{value: 3, dtype: int64}") + "wrt: «params»\n",
                   "wrt: the input 'params.in.b' is of int64; derivatives are taken with respect "
                   "to floats.\n"
                   "Give the input `dtype: float64`, or leave 'params.in.b' out of wrt."),
    "a scalar": (SPEC + "batch: «params»\n",
                 "batch: the input 'params.in.b' is a scalar and has no axis to batch."),
    "an expression": ("model: {expression: x}\ninputs: {x: {«a»: 1}}\n",
                      f"inputs.x: the mapping names no source.\n{SOURCES}'value'. "
                      "Inputs that hold inputs go with a Python model."),
    "the forecast": ("model: forecast\ninputs: {x: {«a»: 1}, weight: 1, bias: 1}\n",
                     f"inputs.x: the mapping names no source.\n{SOURCES}'value'. "
                     "Inputs that hold inputs go with a Python model."),
    "a source's name": ("model: {expression: x}\ninputs: {x: {«vlaue»: 1}}\n",
                        "inputs.x: the mapping names no source.\nDid you mean 'value'?"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_inputs_are_told_with_their_place(jaccli: Callable[..., Any], name: str) -> None:
    text, expected = marked(*WRONG[name])
    outcome = jaccli("validate", "-", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, expected)


@pytest.mark.parametrize("name", ["both", "empty", "a dot", "a value", "an expression"])
def test_the_schema_rejects_what_validate_rejects(name: str) -> None:
    text = WRONG[name][0].replace("«", "").replace("»", "")
    assert not SCHEMA.is_valid(yaml.safe_load(text))


def test_wrong_options(jaccli: Callable[..., Any]) -> None:
    cases = [
        ("--at", "params=3", "--at", "params.a=«4»",
         "'inputs.params.a': there is no entry 'a' in 3."),
        ("--at", "«params.=3»",
         "'params.' is not a name.\nLetters, digits and underscores, not beginning with a digit."),
        ("--wrt", "«params.b»", f"no input named 'params.b'.\n{NAMES}"),
    ]  # fmt: skip
    for *before, argument, message in cases:
        option, expected = marked_option(before[-1], argument, message)
        outcome = jaccli("gradient", "spec.yaml", *before, option, check=False)
        assert (outcome.exit_code, outcome.stderr) == (2, expected)


def test_a_value_that_is_not_finite_is_found(jaccli: Callable[..., Any]) -> None:
    arguments = ("--allow-python", "--at", "params.in.b=nan", "--fail-on-nonfinite")
    outcome = jaccli("gradient", "spec.yaml", *arguments, check=False)
    assert outcome.exit_code == 3
    assert "--at: the input params.in.b is NaN." in outcome.stderr


def test_inputs_may_have_the_names_of_sources(jaccli: Callable[..., Any]) -> None:
    """What holds all inputs is no source, whatever they are called."""
    spec = ("-e", "value * dtype", "--at", "value=2", "--at", "dtype=5")
    assert jaccli("gradient", *spec, "-q").stdout == "value 5.0\ndtype 2.0\n"


names = st.from_regex(r"[a-c]{1,2}", fullmatch=True)
trees = st.recursive(
    st.integers(), lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=6
).filter(lambda tree: isinstance(tree, dict))


def flat(tree: Any, before: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {before: tree}
    parts = [flat(value, f"{before}.{name}".lstrip(".")) for name, value in tree.items()]
    return {name: value for part in parts for name, value in part.items()}


@given(trees)
def test_flat_names_nest_to_the_tree_that_they_come_from(tree: dict[str, Any]) -> None:
    assert nested(flat(tree)) == tree
    assert list(heads(flat(tree))) == list(tree)
    for group, members in groups(flat(tree)).items():
        assert members == [name for name in flat(tree) if name.startswith(f"{group}.")]


@given(trees)
def test_keys_of_blocks_split_to_their_names(tree: dict[str, Any]) -> None:
    wrt = list(flat(tree))
    pairs = {f"f.{a}.{b}": BlockNames("f", (a, b)) for a in wrt for b in wrt}
    assert len(pairs) == math.prod((len(wrt), len(wrt)))
    assert split_keys(pairs, "hessian") == pairs
    singles = {f"f.{name}": BlockNames("f", (name,)) for name in wrt}
    assert split_keys(singles, "jacobian") == singles
    assert split_keys(wrt, "vjp") == {name: BlockNames(None, (name,)) for name in wrt}
    assert split_keys(["f"], "jvp") == {"f": BlockNames("f", ())}
    assert split_keys(["f"], "jacobian") is None
