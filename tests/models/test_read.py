"""Inputs are read once, checked against what the spec does with them, before JAX is imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from carets import marked

from jaccli.models import needs_x64, read
from jaccli.spec import Spec, load
from jaccli.spec.overrides import from_set


def spec(**entries: str) -> Spec:
    changes = [from_set(f"{name}={value}") for name, value in entries.items()]
    return load(None, [from_set("model.expression='1.0'"), *changes])


def test_every_float_is_differentiated_unless_wrt_says_otherwise(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.array([1, 2]))
    inputs = (
        f"{{a: 1, i: {{file: {tmp_path}/i.npy}}, j: {{value: 1, dtype: int64}}, "
        "b: {value: 2, dtype: float32}}"
    )
    assert read(spec(inputs=inputs)).wrt == ("a", "b")
    assert read(spec(inputs=inputs, wrt="[b]")).wrt == ("b",)


X64 = [
    # inputs, dtype, whether JAX must have 64 bits
    ("{x: 1}", "float32", False),
    ("{x: 1}", "float64", True),
    ("{x: {value: 1, dtype: float64}}", "float32", True),
    ("{x: 1, i: {value: 1, dtype: int64}}", "float32", True),
]


@pytest.mark.parametrize(("inputs", "dtype", "expected"), X64)
def test_64_bits_where_an_input_needs_them(inputs: str, dtype: str, expected: bool) -> None:
    found = spec(inputs=inputs, dtype=dtype)
    assert needs_x64(found, read(found)) is expected


def test_integers_beyond_32_bits_are_computed_with(jaccli: Callable[..., Any]) -> None:
    arguments = ["-e", "x*(i - 3000000000)", "--at", "i={value: 3000000005, dtype: int64}"]
    outcome = jaccli("gradient", *arguments, "--at", "x=2", "--dtype", "float32", "-q")
    assert outcome.stdout == "x 5.0\n"


NO_FLOAT = "inputs: no input is a float, so there is nothing to differentiate with respect to."
REMEDY = "\nGive the input `dtype: float64`, or leave 'i' out of wrt."
WRONG = [
    # command, spec with marks, message; found after the files are read
    ("inputs: «{»i: {file: i.npy}}", NO_FLOAT),
    ("inputs: {x: 1, i: {file: i.npy}}\nwrt: «[»x, i]",
     "wrt: the input 'i' is of int32; derivatives are taken with respect to floats." + REMEDY),
    ("inputs: {x: 1, i: {value: 2, dtype: int64}}\nwrt: [x, «i»]",
     "wrt: the input 'i' is of int64; derivatives are taken with respect to floats." + REMEDY),
    ("inputs: {x: {file: m.npy}}\nbatch: {x: «2»}",
     "batch: the input 'x' of shape (2, 3) has no axis 2."),
    ("inputs: {x: {file: m.npy}}\nbatch: {x: «-3»}",
     "batch: the input 'x' of shape (2, 3) has no axis -3."),
    ("inputs: {x: {file: s.npy}}\nbatch: [«x»]",
     "batch: the input 'x' is a scalar and has no axis to batch."),
    ("inputs: {x: {file: m.npy}, y: [1, 2]}\nbatch: {x: 1, y: «0»}",
     "batch: 'y' has 2 batch rows, 'x' has 3."),
    ("inputs: {x: {file: e.npy}}\nbatch: «x»", "batch: the batch axis of 'x' has the size 0."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_files_hold_must_fit(
    jaccli: Callable[..., Any], tmp_path: Path, text: str, message: str
) -> None:
    np.save(tmp_path / "i.npy", np.array([1, 2], np.int32))
    np.save(tmp_path / "m.npy", np.ones((2, 3)))
    np.save(tmp_path / "s.npy", np.array(1.0))
    np.save(tmp_path / "e.npy", np.ones((0, 3)))
    plain, expected = marked(f"model: {{expression: '1.0'}}\n{text}\n", message)
    outcome = jaccli("jacobian", "-", stdin=plain, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (2, "", expected)


def test_evaluating_needs_no_float(jaccli: Callable[..., Any]) -> None:
    arguments = ["-e", "i*i", "--at", "i={value: [2, -3], dtype: int64}", "-q"]
    assert jaccli("evaluate", *arguments).stdout == "f[0] 4\nf[1] 9\n"


def test_inputs_are_read_one_after_another_within_the_budget(
    jaccli: Callable[..., Any], tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", np.ones(80))
    text, expected = marked(
        "model: {expression: sum(x)}\nmemory: 1000\n"
        "inputs:\n  x: {file: a.npy}\n  y: {file: «a.npy»}\n",
        "inputs.y: a.npy: the array needs 640 B, more than the limit 360 B.\n"
        "Raise --memory: what a call reads must fit into it.",
    )
    outcome = jaccli("gradient", "-", stdin=text, check=False)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, "", expected)
