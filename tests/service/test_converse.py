"""What the thin client sends, and what it does of that which a service wants of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.service.client.client import converse
from jaccli.service.messages import Call, Reply
from tests.service.sessions import through_session


def conversed(*replies: Reply, arguments: tuple[str, ...] = ("jacobian",)) -> int:
    """Let a service reply in turn."""
    rest = iter(replies)
    return converse(list(arguments), lambda call: next(rest))


@pytest.mark.parametrize(
    "question", [("content", "x.npy"), ("system", "rm"), ("read", "-")], ids=repr
)
def test_a_service_that_goes_on_asking_is_left(
    question: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", None)
    asking = Reply(0, [], [question])
    with pytest.raises(Exception, match="the service asks what cannot be answered"):
        conversed(asking, asking, arguments=("jacobian", "x.npy"))


def test_a_service_writes_nothing_that_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    events = [("out", b"done"), ("file", ".profile", True, b"rm -r ~")]
    with pytest.raises(Exception, match=r"asks for '\.profile'"):
        conversed(Reply(0, events, []))
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().out == ""


def test_a_name_that_yaml_writes_otherwise_is_read_here(
    jaccli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client has no parser of YAML, and sends no file that it does not find named."""
    monkeypatch.setattr("tests.conftest._perform", through_session)
    np.save("in put.npy", [1.0, 2.0])
    spec = 'model: {expression: x**3}\ninputs: {x: {file: "in\\x20put.npy"}}\n'
    assert jaccli("evaluate", "-", stdin=spec).stdout == "f[0] 1.0\nf[1] 8.0\n"


def test_a_target_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was printed before is printed, as a local run would have done."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "J.npy").write_bytes(b"mine")
    events = [("err", b"first\n"), ("file", "J.npy", False, b"new"), ("out", b"second\n")]
    with pytest.raises(Exception, match=r"J\.npy: exists already"):
        conversed(Reply(0, events, []), arguments=("jacobian", "-o", "J.npy"))
    assert (tmp_path / "J.npy").read_bytes() == b"mine"
    assert capfd.readouterr() == ("", "first\n")


def test_the_call_says_what_the_terminal_is_like(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def send(call: Call) -> Reply:
        seen.append(call)
        return Reply(0, [], [])

    monkeypatch.setenv("COLUMNS", "123")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("JACCLI_TOKEN", "secret")
    converse(["jacobian"], send)
    (call,) = seen
    assert (call.environment["COLUMNS"], call.environment["NO_COLOR"]) == ("123", "1")
    assert "secret" not in repr(call.environment)
    assert call.folder == os.getcwd()
    assert call.stdout[0] is sys.stdout.isatty()
