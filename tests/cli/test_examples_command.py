"""`jaccli examples` lists, prints and copies the specs of `configs/`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def test_the_list_has_every_config_with_its_description(jaccli: Callable[..., Any]) -> None:
    lines = jaccli("examples").stdout.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == NAMES
    polar = f"{'polar':{max(map(len, NAMES))}}  From Cartesian to polar coordinates."
    assert polar in lines
    listed = json.loads(jaccli("examples", "--format", "json").stdout)["examples"]
    assert listed["puma560"]["command"] == "jaccli run puma560.yaml --allow-python"
    assert listed["lorenz96_tangent"]["files"] == ["lorenz96_tangent.yaml", "lorenz96.yaml"]
    assert listed["bundle_adjustment"]["files"][1:] == ["bundle_adjustment.py"]


def test_an_example_is_printed_as_it_is(jaccli: Callable[..., Any]) -> None:
    printed = jaccli("examples", "polar").stdout
    assert printed == (CONFIGS / "polar.yaml").read_text()
    assert jaccli("examples", "polar.yaml").stdout == printed


def test_copies_have_all_that_they_read(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    said = jaccli("examples", "misra1a", "planar_arm_sweep", "--copy", "my own").stderr
    assert said == (
        "Wrote my own/misra1a.yaml, my own/data/Misra1a.csv, my own/planar_arm_sweep.yaml,"
        " my own/planar_arm.yaml. Next: jaccli run 'my own/misra1a.yaml'\n"
    )
    assert jaccli("run", "my own/misra1a.yaml", "-q").stdout.split()[:3] == ["b1", "b2", "y[0]"]
    jaccli("run", "my own/planar_arm_sweep.yaml", "--dry-run")


def test_every_example_can_be_copied(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    jaccli("examples", "--copy", "all")
    for name in NAMES:
        jaccli("validate", f"all/{name}.yaml")
    assert len(list((tmp_path / "all" / "data").iterdir())) == 3


def test_nothing_is_overwritten(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "Misra1a.csv").write_text("precious")
    outcome = jaccli("examples", "misra1a", "--copy", ".", check=False)
    assert outcome.stderr == (
        "jaccli: data/Misra1a.csv: exists already.\nOverwrite with --force.\n"
    )
    assert outcome.exit_code == 2
    assert not (tmp_path / "misra1a.yaml").exists()
    jaccli("examples", "misra1a", "--copy", ".", "--force")
    assert (tmp_path / "data" / "Misra1a.csv").read_text().startswith("y,x")


REFUSED = {
    ("polra",): "examples: no example named 'polra'.\nDid you mean 'polar'?",
    ("../polar",): "examples: no example named '../polar'.\nDid you mean 'polar'?",
    ("polar", "--force"): "--force: nothing is written without --copy.",
    ("polar", "--format", "json"): "--format: it is the list's; NAME and --copy give none.",
    ("--format", "jsno"): "--format: unknown value 'jsno'.\n"
    "Expected one of 'table', 'plain', 'json', 'none'.",
    ("polar", "--copy", ""): "--copy: no folder is named.",
    ("polar", "--copy", "file"): "file: not a folder.",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_mistakes(jaccli: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")
    outcome = jaccli("examples", *arguments, check=False)
    assert outcome.stderr == f"jaccli: {REFUSED[arguments]}\n"
    assert (outcome.exit_code, outcome.stdout) == (2, "")
