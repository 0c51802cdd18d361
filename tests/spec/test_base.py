"""A spec extends another one: `base:`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from carets import marked

BASE = """\
model: {expressions: {r: x*y, t: x/y}, outputs: r}
inputs: {x: {random: normal, shape: 3, seed: 1}, y: [1, 2, 3]}
wrt: [x, y]
batch: {x: 0}
output: {format: json, force: true}
dtype: float32
"""

CHILDREN: dict[str, tuple[str, str, Any]] = {
    # what the child says, the entry to look at, and what it is
    "scalars replace": ("dtype: float64", "dtype", "float64"),
    "what is not said stays": ("mode: rev", "dtype", "float32"),
    "lists replace": ("wrt: [y]", "wrt", ["y"]),
    "mappings are joined": (
        "inputs: {z: 4}",
        "inputs",
        {"x": {"random": "normal", "shape": [3], "seed": 1}, "y": [1, 2, 3], "z": 4},
    ),
    "sources replace": (
        "inputs: {x: {zeros: 3}}",
        "inputs",
        {"x": {"zeros": [3]}, "y": [1, 2, 3]},
    ),
    "a source's entries may change alone": (
        "inputs: {x: {seed: 2}}",
        "inputs",
        {"x": {"random": "normal", "shape": [3], "seed": 2}, "y": [1, 2, 3]},
    ),
    "a model replaces": ("model: {expression: x + y}", "model", {"expression": "x + y"}),
    "batches are joined": ("batch: {y: 0}", "batch", {"x": 0, "y": 0}),
    "outputs are joined": ("output: {path: J.npz}", "output",
                           {"path": "J.npz", "format": "json", "force": True}),
}  # fmt: skip


@pytest.mark.parametrize("case", CHILDREN.values(), ids=CHILDREN)
def test_a_child_over_its_base(
    jaccli: Callable[..., Any], tmp_path: Path, case: tuple[str, str, Any]
) -> None:
    text, entry, expected = case
    (tmp_path / "base.yaml").write_text(BASE)
    outcome = jaccli("validate", "-", stdin=f"base: base.yaml\n{text}\n")
    assert yaml.safe_load(outcome.stdout)[entry] == expected


def test_set_chooses_another_base(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "other.yaml").write_text(BASE.replace("float32", "float64"))
    text, options = "base: base.yaml\nmode: rev\n", ("--set", "base=other.yaml", "--set", "chunk=3")
    for arguments in (("-", *options), (*options, "--mode", "rev")):
        found = yaml.safe_load(jaccli("validate", *arguments, stdin=text).stdout)
        assert (found["dtype"], found["mode"], found["chunk"]) == ("float64", "rev", 3)


def test_bases_go_on_and_their_paths_are_their_own(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    for folder, value in ((tmp_path, 1.0), (tmp_path / "a", 2.0), (tmp_path / "a" / "b", 3.0)):
        folder.mkdir(exist_ok=True)
        np.save(folder / "x.npy", np.array(value))
        np.save(folder / "y.npy", np.array(10 * value))
    (tmp_path / "a" / "b" / "lowest.yaml").write_text(
        "model: {expression: x + y}\ninputs: {x: {file: x.npy}, y: {file: y.npy}}\n"
    )
    (tmp_path / "a" / "middle.yaml").write_text("base: b/lowest.yaml\ninputs: {y: {file: y.npy}}\n")
    (tmp_path / "top.yaml").write_text("base: a/middle.yaml\n")
    assert jaccli("evaluate", "top.yaml", "-q").stdout == "f 23.0\n"


def test_problems_of_both_are_told_where_they_stand(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    base, in_base = marked(
        "model: {expression: x}\ninputs: {x: «a»}\n",
        "inputs.x: 'a' is not a number.",
        name="base.yaml",
    )
    child, in_child = marked(
        "base: base.yaml\n«mod»: fwd\n",
        "unknown key 'mod'.\nDid you mean 'mode'?",
        name="child.yaml",
    )
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "child.yaml").write_text(child)
    outcome = jaccli("validate", "child.yaml", check=False)
    assert (outcome.exit_code, outcome.stderr) == (2, in_base + in_child)


WRONG = {
    "absent": ("«absent.yaml»", "base: absent.yaml: no such file or directory."),
    "folder": ("«.»", "base: .: is a directory."),
    "itself": ("«spec.yaml»", "base: 'spec.yaml' extends itself."),
    "around": ("«around.yaml»", None),
    "empty": ("«empty.yaml»", "base: 'empty.yaml' is nothing, not a spec: a mapping of keys."),
    "list": ("«list.yaml»", "base: 'list.yaml' is a list, not a spec: a mapping of keys."),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_bases(jaccli: Callable[..., Any], tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    (tmp_path / "list.yaml").write_text("[1, 2]\n")
    (tmp_path / "around.yaml").write_text("base: ./spec.yaml\n")
    base, message = WRONG[name]
    text, expected = marked(f"base: {base}\n", message or "", name="spec.yaml")
    if message is None:
        expected = (
            "around.yaml:1:7: base: './spec.yaml' extends itself.\n  base: ./spec.yaml\n"
            "        ^^^^^^^^^^^\n"
        )
    (tmp_path / "spec.yaml").write_text(text)
    outcome = jaccli("validate", "spec.yaml", check=False)
    assert outcome.stderr == expected
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_a_resolved_spec_names_its_files_from_its_own_folder(jaccli: Callable[..., Any]) -> None:
    Path("below").mkdir()
    np.save("below/x.npy", np.array([3.0, 4.0]))
    Path("below/base.yaml").write_text("model: {expression: x**2}\ninputs: {x: {file: x.npy}}\n")
    Path("top.yaml").write_text("base: below/base.yaml\nderivative: evaluate\n")
    resolved = jaccli("validate", "top.yaml").stdout
    assert "x: {file: below/x.npy}" in resolved
    assert jaccli("run", "-", stdin=resolved).stdout == "f[0]  9.0\nf[1] 16.0\n"
