"""Specs and tables with very many names: messages stay short, and work is linear."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jaccli.errors import JaccliError, did_you_mean, expected, listed, suggest

MANY = 20_000
NAMES = [f"name{number}" for number in range(MANY)]
SPECS = {
    "keys": "model: {expression: x}\ninputs: {x: 1}\n" + "".join(f"{n}: 1\n" for n in NAMES),
    "keys on one line": f"{{model: {{expression: x}}, {', '.join(f'{n}: 1' for n in NAMES)}}}",
    "inputs": "model: {expression: x}\nwrt: ["
    + ", ".join(f"w{n}" for n in NAMES)
    + "]\ninputs:\n  x: 1\n"
    + "".join(f"  {n}: 1\n" for n in NAMES),
    "expressions": "model:\n  expressions:\n"
    + "".join(f"    {n}: z{n}\n" for n in NAMES[: MANY // 4])
    + "inputs:\n  x: 1\n"
    + "".join(f"  y{n}: 1\n" for n in NAMES[:2000]),
    "doubles": "model: {expression: x}\ninputs: {x: 1}\n" + "mode: auto\n" * MANY,
    "outputs": "model: {expressions: {y: x}, outputs: ["
    + ", ".join(NAMES)
    + "]}\ninputs: {x: 1}\n",
    "a long name": "model: {expression: x}\ninputs: {x: 1}\n? " + "m" * 1_000_000 + "\n: 1\n",
}


@pytest.mark.parametrize("case", SPECS)
def test_very_many_problems_are_counted(
    jaccli: Callable[..., Any], tmp_path: Path, case: str
) -> None:
    (tmp_path / "s.yaml").write_text(SPECS[case])
    start = time.monotonic()
    outcome = jaccli("validate", "s.yaml", check=False)
    assert time.monotonic() - start < 10
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert len(outcome.stderr) < 20_000
    if case != "a long name":
        assert outcome.stderr.endswith(" more problems.\n")


def test_a_table_of_very_many_columns(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(30_000)]
    (tmp_path / "t.csv").write_text(f"{','.join(names)}\n{','.join('1' * len(names))}\n")
    model = ("evaluate", "-e", "sum(x)", "-q", "--at")
    start = time.monotonic()
    assert jaccli(*model, "x={file: t.csv}").stdout == "f 30000.0\n"
    outcome = jaccli(*model, "x={file: t.csv, column: c29999x}", check=False)
    assert "has no column 'c29999x'" in outcome.stderr
    assert outcome.stderr.endswith("Did you mean 'c29999'?\n")
    outcome = jaccli(*model, "x={file: t.csv, column: zzz}", check=False)
    assert outcome.stderr.endswith(" and 29,970 more.\n")
    assert time.monotonic() - start < 10


def test_a_sweep_of_very_many_entries_in_step(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    inputs = "".join(f"  {name}: 1\n" for name in NAMES)
    paths = "".join(f"    inputs.{name}: [1, 2]\n" for name in NAMES)
    (tmp_path / "s.yaml").write_text(
        f"model: {{expression: name0}}\ninputs:\n{inputs}sweep:\n  zip:\n{paths}"
    )
    start = time.monotonic()
    assert jaccli("validate", "s.yaml").exit_code == 0
    assert time.monotonic() - start < 10  # a minute if each entry copied the others


def test_lists_end_after_some() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert listed(["n" * 200]) == "n" * 99 + "…"
    assert expected(NAMES).endswith("'name29' and 19,970 more.")
    assert did_you_mean("zzz", NAMES) == expected(NAMES)
    assert suggest("n" * 1000, NAMES) == ""


def test_a_message_of_very_many_letters_is_cut() -> None:
    assert len(str(JaccliError("m" * 100_000, hint="h" * 100_000))) < 7_000
    assert str(JaccliError(*map(str, range(40)))).endswith("29.\nand 10 more problems.")
