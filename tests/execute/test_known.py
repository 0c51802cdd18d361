"""`devices --check`: a device that computes wrong is found out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jaccli import backend
from jaccli.execute import self_test

Call = Callable[..., Any]
PRODUCTS = "matrix-vector products of 16,385 rows"


def test_this_device_computes_right() -> None:
    backend.configure(x64=True)
    assert self_test.check(backend.find(None)) is None


@pytest.mark.parametrize(
    ("error", "shown"), [(0.5, "5.0e-01"), (float("nan"), "nan"), (float("inf"), "inf")]
)
@pytest.mark.parametrize("name", list(self_test._ANSWERS))
def test_a_wrong_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, error: float, shown: str
) -> None:
    answers = dict.fromkeys(self_test._ANSWERS, lambda: 0.0) | {name: lambda: error}
    monkeypatch.setattr(self_test, "_ANSWERS", answers)
    verdict = self_test.check(backend.find("cpu"))
    assert verdict == f"WRONG: {name}: off by {shown} of the largest entry"


@pytest.mark.parametrize(
    ("function", "wrong"),
    [("tanh", lambda x: x), ("exp", None)],
    ids=["another function", "the right one"],
)
def test_the_answers_depend_on_what_jax_computes(
    monkeypatch: pytest.MonkeyPatch, function: str, wrong: Any
) -> None:
    import jax.numpy as jnp

    if wrong is not None:
        monkeypatch.setattr(jnp, function, wrong)
    verdict = self_test.check(backend.find("cpu"))
    assert (verdict is None) == (wrong is None)


def test_the_command_fails_with_the_verdict(jaccli: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "_ANSWERS", {PRODUCTS: lambda: 0.25})
    failed = jaccli("devices", "--check", "--format", "json", check=False)
    assert failed.exit_code == 1
    verdict = f"WRONG: {PRODUCTS}: off by 2.5e-01 of the largest entry"
    assert {row["check"] for row in json.loads(failed.stdout)["devices"]} == {verdict}
