"""`--scale` and `--with-value`: elasticities of powers are their exponents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Jaccli = Callable[..., Any]
POWERS = ("-e", "x**2 * y**-3 * 7", "--at", "x=3", "--at", "y=2", "-q")
ROWS = ("-e", "x**3", "--at", "x=[[1, 2], [3, 4]]", "--batch", "x", "-q")


def blocks(jaccli: Jaccli, *arguments: str) -> dict[str, np.ndarray[Any, Any]]:
    found = json.loads(jaccli(*arguments, "--format", "json").stdout)
    return {key: np.array(block["values"], float) for key, block in found["blocks"].items()}


def test_elasticities_of_a_product_of_powers_are_its_exponents(jaccli: Jaccli) -> None:
    for command in ("gradient", "jacobian"):
        found = blocks(jaccli, command, *POWERS, "--scale", "log")
        assert found["f.x"] == pytest.approx(2, rel=1e-15)
        assert found["f.y"] == pytest.approx(-3, rel=1e-15)


def test_relative_is_in_the_unit_of_the_output(jaccli: Jaccli) -> None:
    value = 9 * 7 / 8
    found = blocks(jaccli, "gradient", *POWERS, "--scale", "relative")
    assert found["f.x"] == pytest.approx(2 * value, rel=1e-15)
    assert found["f.y"] == pytest.approx(-3 * value, rel=1e-15)
    assert blocks(jaccli, "gradient", *POWERS, "--scale", "none") == blocks(
        jaccli, "gradient", *POWERS
    )


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize("layout", ["blocks", "matrix"])
def test_every_row_of_a_batch_has_its_own_point(
    jaccli: Jaccli, tmp_path: Path, storage: str, layout: str
) -> None:
    for scale, expected in (("log", [3, 3]), ("relative", None)):
        options = ("--scale", scale, "--storage", storage, "--layout", layout)
        text = jaccli("jacobian", *ROWS, *options, "--format", "json").stdout
        found = json.loads(text)
        assert found["scale"] == scale
        block = found["matrix"] if layout == "matrix" else found["blocks"]["f.x"]
        array = np.zeros((2, 2, 2))
        if storage == "sparse":
            array[tuple(np.array(block["indices"]).T)] = block["values"]
        else:
            array = np.array(block["values"], float)
        x = np.array([[1.0, 2], [3, 4]])
        diagonal = np.broadcast_to(expected, (2, 2)) if expected else 3 * x**3
        np.testing.assert_allclose(array, np.stack([np.diag(row) for row in diagonal]), rtol=1e-15)


def test_a_batch_axis_that_is_not_the_first(jaccli: Jaccli) -> None:
    arguments = ("-e", "sum(x**2 * w)", "--at", "x=[[1, 3], [2, 4]]", "--at", "w=[1, 2]")
    found = blocks(jaccli, "gradient", *arguments, "--batch", "x=1", "--wrt", "x", "-q",
                   "--scale", "relative")  # fmt: skip
    x = np.array([[1.0, 2], [3, 4]])
    np.testing.assert_allclose(found["f.x"], 2 * x**2 * [1, 2], rtol=1e-15)


def test_an_output_of_0_is_named(jaccli: Jaccli) -> None:
    arguments = ("jacobian", "-e", "x**2 - 1", "--at", "x=[1, 2, -1]", "--scale", "log")
    found = jaccli(*arguments)
    assert "warning: f[0], f[2] are 0, and have no elasticity." in found.stderr
    rows = [line.split()[1:] for line in found.stdout.splitlines()[-3:]]
    assert [row[k] for k, row in enumerate(rows)] == ["inf", "2.6666666666666665", "inf"]
    refused = jaccli(*arguments, "--fail-on-nonfinite", check=False)
    assert refused.exit_code == 3
    assert "f[0], f[2] are 0" in refused.stderr


def test_values_stand_beside_the_derivative(jaccli: Jaccli) -> None:
    arguments = ("-e", "r = x*y", "-e", "t = x + y", "--at", "x=3", "--at", "y=4", "-q")
    plain = jaccli("jacobian", *arguments, "--with-value").stdout
    assert plain.startswith("r 12.0\nt  7.0\n\n")
    assert plain.endswith(jaccli("jacobian", *arguments).stdout)
    jaccli("hessian", *arguments, "--select", "r", "--with-value", "-o", "H.npz")
    with np.load("H.npz") as file:
        assert float(file["value.r"]) == 12.0
        assert float(file["r.x.y"]) == 1.0
    jaccli("hessian", *arguments, "--select", "r", "-o", "without.npz", "--format", "json")
    with np.load("without.npz") as file:
        assert "value.r" not in file
    same = jaccli("compare", "H.npz", "H.npz")
    assert same.exit_code == 0


def test_an_output_that_is_called_value(jaccli: Jaccli) -> None:
    """Its block `value.x` keeps its key, and the values stand under another."""
    arguments = ("-e", "value = a*2", "-e", "x = a*3", "--at", "a=1", "--with-value", "-q")
    jaccli("jacobian", *arguments, "-o", "J.npz")
    with np.load("J.npz") as file:
        assert {key: float(file[key]) for key in file if key != "manifest"} == {
            "value.a": 2.0, "x.a": 3.0, "value.value": 2.0, "value.x": 3.0,
        }  # fmt: skip


REFUSED = {
    "hessian --scale log": "--scale is an option of jacobian, gradient, run.",
    "run --set derivative=hessian --scale log": "--scale: hessian has no relative form.",
    "jacobian --scale wrong": "--scale: unknown value 'wrong'.",
    "jacobian --with-value -o J.npy": "--with-value: npy holds the derivative alone.",
    "jacobian --with-value --format csv": "--with-value: csv holds the derivative alone.",
    "evaluate --with-value": "--with-value is an option of ",
    "jacobian --with-value --cluster local:1 -o J.npz": "--with-value: not with --cluster",
    "run --set sweep={'inputs.x':[1.0,2.0]} --scale log": "--scale goes with one result",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_cannot_be_is_refused(jaccli: Jaccli, line: str) -> None:
    command, *options = line.split()
    refused = jaccli(command, "-e", "x**2", "--at", "x=3", *options, check=False)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert REFUSED[line] in refused.stderr
